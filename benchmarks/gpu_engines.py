"""Measures of the engines of published models, as ratios: on tiny random models here, on real ones in `benchmarks.gpu`.

What is measured is the code around the models: what is restored, kept, batched and held to a grammar. It knows readers and
painters of `worker.engines`, and neither queue nor database.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from uuid import UUID, uuid4

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from benchmarks.measures import Figures
from benchmarks.system import System
from tests.worker.engines.painters.conftest import load, picture, save_klein
from tests.worker.engines.published.conftest import SPECIALS, save_reader
from worker.engines.contract import Arrays, ChatMessage, Record, Refused, Seen, no_progress
from worker.engines.painters.loading import Loading
from worker.engines.painters.loop import LoopPainter
from worker.engines.published.answer import written
from worker.engines.published.engine import PublishedEngine
from worker.engines.published.grammar import Held
from worker.engines.published.painter import Brief, OnPaint, Painted, Reference
from worker.engines.published.reader import Reader
from worker.history import History
from worker.history.segments import SegmentStore

TARGETS: dict[str, tuple[str, float]] = {
    "history_ratio": ("≤", 1.1),
    "references_encoded": ("≤", 1.0),
    "engine_rss_growth": ("≤", 1.05),
    "batch_speedup": ("≥", 1.5),
    "grammar_share": ("≤", 0.1),
}

SALT = UUID(int=1)
TURNS = 50  # of the history that is restored or read anew
READING = 32  # tokens at once that are read and not written
VOCABULARY = 151_936  # tokens of Qwen3-VL


# -- what is measured, of any engine ---------------------------------------------------------------------------------------


def history(reader: Reader, *, repeats: int) -> Figures:
    """A history of `TURNS` turns with pictures: on the way that the reader chooses, against reading all of it anew."""
    records = []
    for number in range(TURNS):
        seen = [reader.look(str(number + 1), picture(number, (256, 256)))]
        answer = written("Here she is, on the beach.", draws=True, aspect="1:1")
        ids = reader.ids_of(f"Message {number}: Olivia on the beach, please.", seen, answer, drawn=True)
        records.append(_record(reader, ids, seen))
    kept = History(tuple(records), SALT, SegmentStore(memory_bytes=2**34))
    anew = History(tuple(records), SALT)
    reader.remember(kept, records)
    taken: dict[str, list[float]] = {"chosen": [], "anew": []}
    for _ in range(repeats):  # one of each in turn, so that a slow minute is in both
        for name, one in (("chosen", kept), ("anew", anew)):
            start = time.perf_counter()
            reader.remember(one, records)
            _settle()
            taken[name].append(time.perf_counter() - start)
    chosen, read = (statistics.median(taken[name]) for name in ("chosen", "anew"))
    return {"history_seconds": chosen, "history_anew_seconds": read, "history_ratio": chosen / read}


def latents(engine: PublishedEngine, painter: LoopPainter[object], *, turns: int) -> Figures:
    """How often pictures are encoded in a conversation whose every turn looks at the one that came with its first."""
    encoded = 0
    encode = painter.encode

    def counted(one: Image.Image) -> object:
        nonlocal encoded
        encoded += 1
        return encode(one)

    painter.encode = counted  # type: ignore[method-assign, assignment]  # to count
    try:
        for _ in _conversation(engine, turns, picture(1, engine.painter.sizes[0])):
            engine._arrays.clear()  # as another process would begin: what it knows is in the records
    finally:
        del painter.encode
    return {"references_encoded": encoded, "turns_of_the_reference": turns}


def memory(engine: PublishedEngine, *, turns: int) -> Figures:
    """Memory of the process after all of the turns, in conversations of twenty, against that after a half of them."""
    sizes = []
    for number in range(turns // 20):
        for _ in _conversation(engine, 20, picture(number, engine.painter.sizes[0])):
            pass
        sizes.append(_resident())
    half = sizes[len(sizes) // 2 - 1]
    return {"engine_rss_mb": sizes[-1], "engine_rss_growth": sizes[-1] / half}


def batch(painter: LoopPainter[object], *, repeats: int) -> Figures:
    """Pictures a second of four variations in a batch, against four pictures of their own."""
    one = picture(1, painter.sizes[0])
    brief = Brief("Olivia on the beach.", painter.sizes[0], (Reference(one, painter.encode(one)),))
    taken: dict[str, list[float]] = {"batch": [], "single": []}

    def paint(seeds: Sequence[int]) -> None:
        painter.paint(brief, seeds=seeds, on_step=lambda *_: None)

    paint([1]), paint([1, 2, 3, 4])
    for _ in range(repeats):
        for name, groups in (("batch", [[1, 2, 3, 4]]), ("single", [[1], [2], [3], [4]])):
            start = time.perf_counter()
            for seeds in groups:
                paint(seeds)
            taken[name].append(time.perf_counter() - start)
    together, alone = (statistics.median(taken[name]) for name in ("batch", "single"))
    return {"picture_seconds": alone / 4, "batch_picture_seconds": together / 4, "batch_speedup": alone / together}


def grammar(reader: Reader, *, repeats: int) -> Figures:
    """What holding an answer to its schema adds to decoding: seconds within the grammar against those of the model.

    Of the model only what writes counts, token by token, and not what reads the message before.
    """
    seconds = {"grammar": 0.0, "model": 0.0}
    steps = 0

    def timed(name: str, method: Callable[..., object]) -> Callable[..., object]:
        def one(*given: object) -> object:
            start = time.perf_counter()
            try:
                return method(*given)
            finally:
                seconds[name] += time.perf_counter() - start

        return one

    feed = reader._feed

    def fed(cache: object, ids: Sequence[int], *rest: object) -> object:
        nonlocal steps
        if len(ids) >= READING:
            return feed(cache, ids, *rest)  # type: ignore[arg-type]  # passed on as it came
        steps += 1
        return timed("model", lambda: (feed(cache, ids, *rest), _settle())[0])()  # type: ignore[arg-type]  # likewise

    engine = PublishedEngine(reader, _NoPainter())
    names = ("allowed", "take")  # `forced` calls `take`, and the rest of it is a look into a table
    own = {name: getattr(Held, name) for name in names}
    reader._feed = fed  # type: ignore[method-assign, assignment]  # to time it
    for name in names:
        setattr(Held, name, timed("grammar", own[name]))
    try:
        for seed in range(repeats + 1):
            if seed == 1:  # the first one warms up
                seconds, steps = dict.fromkeys(seconds, 0.0), 0
            with suppress(Refused):  # random weights may write without an end
                engine.read(History((), SALT), ChatMessage("Olivia on the beach, at night", seed=seed))
    finally:
        del reader._feed
        for name in names:
            setattr(Held, name, own[name])
    return {
        "token_ms": seconds["model"] / steps * 1e3,
        "grammar_ms": seconds["grammar"] / steps * 1e3,
        "grammar_share": seconds["grammar"] / seconds["model"],
    }


class _NoPainter:
    """Paints nothing: its engine is only read with."""

    fingerprint = "none"
    sizes = ((1024, 1024),)
    max_references = 0
    cannot = ()

    def encode(self, picture: Image.Image) -> Arrays:
        raise NotImplementedError

    def paint(self, brief: Brief, *, seeds: Sequence[int], on_step: OnPaint, modest: bool = False) -> list[Painted]:
        raise NotImplementedError


def _conversation(engine: PublishedEngine, turns: int, came: Image.Image) -> Iterator[None]:
    """A conversation of one line. A picture comes with its first message, and every answer asks for it again."""
    records: tuple[Record, ...] = ()
    pictures: dict[UUID, Image.Image] = {}
    attached: dict[UUID, tuple[Image.Image, ...]] = {}
    segments = SegmentStore(memory_bytes=2**26)
    for number in range(turns):
        with_it = () if number else (came,)
        said = {
            "reply": "Here she is.",
            "draw": True,
            "characters": [],
            "introduces": [],
            "pictures": ["1a"],
            "prompt": "A woman on the beach.",
            "alt_text": "",
            "aspect": next(iter(engine._aspects)),
        }
        with _scripted(engine.reader, json.dumps(said, separators=(",", ":"))):
            reading = engine.read(
                History(records, SALT, segments, picture=pictures.get, attached=lambda one: attached.get(one, ())),
                ChatMessage(f"turn {number}", with_it, seed=number),
            )
        turn_id = uuid4()
        drawing = engine.draw(reading, turn_id=turn_id, seed=number, on_step=no_progress)
        records, attached[turn_id] = (*records, drawing.record), with_it
        assert drawing.picture is not None
        pictures[turn_id] = drawing.picture
        yield


@contextmanager
def _scripted(reader: Reader, answer: str) -> Iterator[None]:
    """The reader writes this, whatever it would choose itself: what it costs to write it is the same."""

    def choose(logits: Tensor, held: Held, generator: torch.Generator) -> int:
        Reader.choose(reader, logits, held, generator)
        rest = answer.encode()[len(held._tokens.decode_bytes(held.ids)) :]
        return int(held._tokens.tokenize_bytes(rest)[0])

    reader.choose = choose  # type: ignore[method-assign]  # as it says
    try:
        yield
    finally:
        del reader.choose


def _record(reader: Reader, ids: Sequence[int], seen: Sequence[Seen]) -> Record:
    return Record(
        uuid4(),
        reader.fingerprint,
        "",
        "",
        np.array(ids, np.int32),
        np.zeros((0, 1), np.float32),
        seen=tuple(seen),
    )


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _resident() -> float:
    """Resident memory of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell the memory of a process")


# -- tiny models -----------------------------------------------------------------------------------------------------------


def tiny_reader(folder: Path, *, vocabulary: int, width: int, layers: int) -> Reader:
    """A Qwen3-VL of random weights. All of its vocabulary but bytes and specials are made-up words of four letters."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["".join(one) for one, _ in zip(product(ascii_lowercase, repeat=4), range(vocabulary), strict=False)]
    names = [*SPECIALS, *letters, *(space + word for word in words for space in ("", "Ġ"))][: vocabulary - 2]
    text = Tokenizer(models.BPE(vocab={name: number for number, name in enumerate(names)}, merges=[]))
    text.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text.decoder = decoders.ByteLevel()
    text.add_special_tokens(SPECIALS)
    save_reader(folder, text, vocabulary=vocabulary, width=width, heads=width // 32, layers=layers, sees=2)
    return Reader.from_pretrained(folder, dtype=torch.float32, context=32_768)


def measure(_: System, *, quick: bool) -> Figures:
    """All of them on tiny models; no part of the stack is used."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_klein(folder / "klein")
        sizes = ((96, 64), (64, 64))
        painter = load("klein", folder / "klein", Loading(dtype=torch.float32, steps=4), sizes=sizes)
        reader = tiny_reader(folder / "reader", vocabulary=1024, width=64, layers=2)
        engine = PublishedEngine(reader, painter)
        figures = history(reader, repeats=1 if quick else 3)
        figures |= latents(engine, painter, turns=5 if quick else 20)
        figures |= memory(engine, turns=40 if quick else 200)
        figures |= batch(painter, repeats=3 if quick else 15)
        large = tiny_reader(folder / "large", vocabulary=VOCABULARY, width=256, layers=2)
        figures |= grammar(large, repeats=1 if quick else 3)
    return figures
