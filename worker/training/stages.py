"""The training stages of the preview engine, from the autoencoder to personalization."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn

from worker.engines.preview.autoencoder import CHANNELS, Autoencoder, to_tensor
from worker.engines.preview.dit import LATENT_SIDE, TAUGHT, DiT, beginning
from worker.engines.preview.faces import FaceReader, Faces
from worker.engines.preview.mllm import MLLM, SPECIALS, MLLMConfig, load_text_tokenizer
from worker.engines.preview.references import ALONE
from worker.engines.preview.replies import FOREIGN, UNCLEAR, words_of
from worker.engines.preview.sketch import Sketch
from worker.engines.preview.spelling import LEARNED
from worker.engines.preview.tokenizer import TOKENS, WIDTH, VisualTokenizer
from worker.identity.drawn import OF_PEOPLE
from worker.training.cache import VERSION, PictureCache
from worker.training.dialogues import Seen, Teller, place_in
from worker.training.legible import (
    SIZES,
    LegibleLatents,
    LegibleTokens,
    Likeness,
    compositions_of,
    legible_latents,
    legible_tokens,
    missed,
    shades_of,
    shifts_of,
    shown_in,
    weights_of_cells,
)
from worker.training.packing import Batch, collate, pack
from worker.training.stories import TURNS, restless, story
from worker.training.trainer import Trainer, channels_last
from worker.training.views import NOBODY

if TYPE_CHECKING:
    from numpy.typing import NDArray

CROP = 128
HEADS_COUNT = 3.0  # times as much as the rest of a picture, in the painter's error
NOISY = 0.5  # shift of the logit of times towards noise, where a picture is made of its tokens and not of itself
CLEAR = 0.75  # the part of noise below which the estimate of a picture shows a face
FACES = 0.3  # weight of what faces show
RETOLD = 2400  # stories of which the MLLM regresses each picture once, to teach those that look at what it regressed
OWN = 0.3  # of pictures, the part that is read off the tokenizer's own tokens, as uploaded ones are
UNLIKE = 0.7  # weight of how unlike themselves people are in what is decoded
SKETCHED = 0.7  # of pictures, the part that the decoder sees on the way to a sketch of them
PAIRS = 0.6  # of pictures that are sketched or decoded, the part of two people: their faces are small
SHADED = 0.5  # of people, the part whose shades of hair and skin the sketch is told
STRANGE = 0.5  # of pictures, the part whose tokens are another's on the same ground: faces are not theirs to say
UNSKETCHED = 0.15  # of the painter's lessons, the part without a sketch, so that the plain one can be compared with
WORDS = 0.8  # of the steps in which the MLLM learns whole dialogues, the part of words only: four times as quick
WORDED = 12  # dialogues in a step of words only
SLIPS = 0.3  # of messages in words only, the part with a slip: three times as many as people make here
SAID = 3  # messages in which a word has to stand to be learned
UNDRAWN = 10**6  # stories from this number on are never drawn
ERRS = 0.6  # noise on visual tokens, about as much as the MLLM will err: what matters has to be told apart all the same
TOKENS_LEGIBLE = 0.15  # weight of what the tokenizer's tokens show


def autoencoder(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 1. Crops of pictures, encoded and decoded; lines count more than areas, since the art lives by its lines."""
    modules = nn.ModuleDict({"autoencoder": channels_last(Autoencoder())})
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        crops = to_tensor(_crops(cache, rng, 24)).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            drawn = modules["autoencoder"](crops)
        return _apart(drawn.float(), crops)

    return Trainer(folder, "autoencoder", modules, loss, minutes, rate=1.5e-3).run()


def _crops(cache: PictureCache, rng: np.random.Generator, count: int) -> Tensor:
    ready = cache.ready()
    pictures = cache.pictures(rng.choice(ready, count), rng.integers(0, TURNS, count))
    size = pictures.shape[1]
    crops = []
    for picture in pictures:
        y, x = rng.integers(0, size - CROP + 1, 2)
        crops.append(picture[y : y + CROP, x : x + CROP])
    return torch.from_numpy(np.stack(crops))


def _apart(drawn: Tensor, pictures: Tensor) -> tuple[Tensor, dict[str, float]]:
    """How far pictures are from what they ought to be, in pixels and in lines."""
    pixels = (drawn - pictures).abs()
    lines = (_slopes(drawn) - _slopes(pictures)).abs()
    return pixels.mean() + (pixels**2).mean() + 0.5 * lines.mean(), {"l1": float(pixels.mean().detach())}


def _slopes(pictures: Tensor) -> Tensor:
    """Differences of neighbouring pixels, across and down, (b, 6, h - 1, w - 1)."""
    here = pictures[..., :-1, :-1]
    return torch.cat([pictures[..., :-1, 1:] - here, pictures[..., 1:, :-1] - here], dim=1)


class Tokens:
    """Latents, visual tokens and regressed tokens of the cached pictures, made once by the stages before."""

    def __init__(self, folder: Path, cache: PictureCache) -> None:
        self._folder = folder
        self.cache = cache

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}-{VERSION}-{self.cache.split}-{self.cache.stories}.f16"

    def array(self, name: str, *shape: int) -> np.memmap[tuple[int, ...], np.dtype[np.float16]]:
        """A file of half-precision numbers, (stories, TURNS, …)."""
        file = self._file(name)
        whole = (self.cache.stories, TURNS, *shape)
        return np.memmap(file, np.float16, "r+" if file.exists() else "w+", shape=whole)

    def older_than(self, name: str, other: Path) -> bool:
        """Whether what is in a file was made before another file."""
        file = self._file(name)
        return file.exists() and file.stat().st_mtime < other.stat().st_mtime

    @property
    def latents(self) -> np.memmap[tuple[int, ...], np.dtype[np.float16]]:
        """(stories, TURNS, 16, 16, 16)."""
        return self.array("latents", CHANNELS, LATENT_SIDE, LATENT_SIDE)

    @property
    def visual(self) -> np.memmap[tuple[int, ...], np.dtype[np.float16]]:
        """(stories, TURNS, K, WIDTH), by the visual tokenizer."""
        return self.array("visual", TOKENS, WIDTH)

    @property
    def regressed(self) -> np.memmap[tuple[int, ...], np.dtype[np.float16]]:
        """(stories, TURNS, K, WIDTH), by the MLLM."""
        return self.array("regressed", TOKENS, WIDTH)


def untrained() -> dict[str, nn.ModuleDict]:
    """What each stage trains, in order; of parts that several train, those of the last are kept."""
    return {
        "autoencoder": nn.ModuleDict({"autoencoder": Autoencoder()}),
        "reconstruction": nn.ModuleDict({"tokenizer": VisualTokenizer(), "dit": DiT(), "legible": LegibleTokens()}),
        "single_round": nn.ModuleDict({"mllm": MLLM()}),
        "multi_round": nn.ModuleDict({"mllm": MLLM()}),
        "faces": nn.ModuleDict({"faces": FaceReader()}),
        "sketch": nn.ModuleDict({"sketch": Sketch()}),
        "decoder": nn.ModuleDict({"decoder": Autoencoder().decoder, "sketch": Sketch()}),
        "personalization": nn.ModuleDict({"dit": DiT()}),
    }


def averaged(folder: Path, stage: str, modules: nn.ModuleDict) -> nn.ModuleDict:
    """The averaged weights of some parts of a stage that ran. Raises `FileNotFoundError` when it did not."""
    saved = torch.load(folder / f"{stage}.pt", weights_only=True)["average"]
    modules.load_state_dict({name: value for name, value in saved.items() if name.split(".")[0] in modules})
    return modules.requires_grad_(False).eval()


@torch.inference_mode()
def encode_latents(folder: Path, cache: PictureCache) -> None:
    """Latents of all rendered pictures, by the trained autoencoder. What it has made before is kept."""
    tokens, model = Tokens(folder, cache), Autoencoder()
    if tokens.older_than("latents", folder / "autoencoder.pt"):
        tokens.latents[:] = 0
    averaged(folder, "autoencoder", nn.ModuleDict({"autoencoder": model}))
    channels_last(model)
    latents = tokens.latents
    ready = cache.ready()
    for start in range(0, len(ready), 8):
        stories = ready[start : start + 8]
        if latents[stories].any(axis=(1, 2, 3, 4)).all():
            continue
        pictures = np.concatenate([cache.pictures(stories, np.full(len(stories), turn)) for turn in range(TURNS)])
        with torch.autocast("cpu", torch.bfloat16):
            coded = model.encode(to_tensor(torch.from_numpy(pictures)).contiguous(memory_format=torch.channels_last))
        latents[stories] = coded.view(TURNS, len(stories), *coded.shape[1:]).transpose(0, 1).numpy().astype(np.float16)


def reconstruction(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 2. The visual tokenizer and the DiT together: paint a picture from its own tokens."""
    encode_latents(folder, cache)
    latents, ready = Tokens(folder, cache).latents, cache.ready()
    modules = nn.ModuleDict({"tokenizer": VisualTokenizer(), "dit": DiT(), "legible": LegibleTokens()})
    easel = Easel(modules["dit"], legible_latents(folder, latents, ready), minutes)
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        stories, turns = rng.choice(ready, 32), rng.integers(0, TURNS, 32)
        pictures = list(zip(stories.tolist(), turns.tolist(), strict=True))
        clean = torch.from_numpy(latents[stories, turns].astype(np.float32))
        with torch.autocast("cpu", torch.bfloat16):
            tokens = modules["tokenizer"](clean)
            named = missed(modules["legible"](tokens + ERRS * torch.randn_like(tokens)), shown_in(pictures))
            erring = 0.5 * ERRS * torch.rand(len(tokens), 1, 1)
            flow, faces = easel.paint(pictures, clean, tokens + erring * torch.randn_like(tokens))
        tokens_legible = torch.stack(list(named.values())).mean()
        figures = {
            "flow": float(flow.detach()),
            "faces": float(faces.detach()),
            "tokens": float(tokens_legible.detach()),
        }
        return flow + FACES * faces + TOKENS_LEGIBLE * tokens_legible, figures

    return Trainer(folder, "reconstruction", modules, loss, minutes, rate=1e-3, muon=True).run()


class Easel:
    """Where a DiT is taught: by the velocity, and by whether the people in what it paints can be named."""

    def __init__(self, dit: nn.Module, legible: LegibleLatents, minutes: float) -> None:
        compiles = minutes > 2 and shutil.which("c++")  # which takes half a minute, and makes a CPU a fifth faster
        self._dit: Any = torch.compile(dit) if compiles else dit
        self._legible = legible
        self._weights = weights_of_cells(HEADS_COUNT)

    def paint(
        self,
        pictures: list[tuple[int, int]],
        clean: Tensor,
        tokens: Tensor,
        *references: Tensor | None,
        sketch: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The flow-matching loss, heads counting more, and the mean cross-entropy of what faces show in the estimates.

        It begins in noise, or in a sketch with some noise on it, whose errors are then to be mended as well. Times beyond the
        middle come more often (logit-normal). Where the noise is strong, nobody can be named.
        """
        begin, first = beginning(sketch, torch.randn_like(clean), TAUGHT)
        time = torch.sigmoid(NOISY + torch.randn(len(clean))) * begin
        part = time[:, None, None, None]
        wanted = (first - clean) / begin
        there = clean + part * wanted
        velocity: Tensor = self._dit(there, time, tokens, *references, sketch=sketch)
        compositions, shown = compositions_of(pictures), shown_in(pictures)
        flow = (self._weights[compositions] * (velocity - wanted) ** 2).mean()
        shown[time > CLEAR] = NOBODY
        faces = missed(self._legible(there - part * velocity, compositions), shown)
        return flow, torch.stack(list(faces.values())).mean()


@torch.inference_mode()
def encode_visual(folder: Path, cache: PictureCache) -> None:
    """Visual tokens of all pictures, by the trained tokenizer. What it has made before is kept."""
    encode_latents(folder, cache)
    tokenizer = averaged(folder, "reconstruction", nn.ModuleDict({"tokenizer": VisualTokenizer()}))["tokenizer"]
    tokens = Tokens(folder, cache)
    if tokens.older_than("visual", folder / "reconstruction.pt"):
        tokens.visual[:] = 0
    latents, visual = tokens.latents, tokens.visual
    ready = cache.ready()
    for start in range(0, len(ready), 32):
        stories = ready[start : start + 32]
        if visual[stories].any(axis=(1, 2, 3)).all():
            continue
        coded = tokenizer(torch.from_numpy(latents[stories].astype(np.float32)).flatten(0, 1))
        visual[stories] = coded.view(len(stories), TURNS, *coded.shape[1:]).numpy().astype(np.float16)


def text_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of text, made from dialogues at the first call."""
    file = folder / "text.json"
    if not file.exists():
        words = (
            text
            for seed in range(3000)
            for said in Teller(story(seed), seed).tell()
            for text in (said.message, said.reply)
        )
        byte_pairs(words, MLLMConfig().vocabulary, SPECIALS).save(str(file))
    return load_text_tokenizer(file)


def learned_words(folder: Path) -> Path:
    """The file of the words that the MLLM can learn from messages; names are none of them."""
    file = folder / LEARNED
    if not file.exists():
        found: Counter[str] = Counter()
        for seed in range(3000):
            teller = Teller(story(seed), seed, mistyped=0.0)
            names = {word for name in teller.names for word in words_of(name)}
            for said in teller.tell():
                if said.reply not in (FOREIGN, UNCLEAR):
                    found.update({one.removesuffix("'s") for one in words_of(said.message)} - names)
        words = sorted(word for word, times in found.items() if times >= SAID)
        file.write_text(json.dumps(words, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    return file


def byte_pairs(texts: Iterable[str], vocabulary: int, specials: list[str]) -> Tokenizer:
    """A byte-level BPE of some texts, with `specials` as its first tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


Tell = Callable[[np.random.Generator, int], Teller]
"""Makes a teller of a story's number."""


def single_round(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 3. The MLLM learns words, and what a picture is by them: conversations of one round, or two."""

    def tell(rng: np.random.Generator, number: int) -> Teller:
        first = int(rng.integers(TURNS))
        return Teller(story(number), int(rng.integers(2**31)), first=first, rounds=int(rng.choice(2, p=(0.6, 0.4))) + 1)

    return _reader(folder, cache, minutes, "single_round", MLLM(), tell, dialogues=36)


def multi_round(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 4. The same over whole dialogues, in which pictures, names and places of long ago are come back to."""

    def tell(rng: np.random.Generator, number: int) -> Teller:
        return Teller(story(number), int(rng.integers(2**31)))

    mllm = MLLM()
    averaged(folder, "single_round", nn.ModuleDict({"mllm": mllm})).requires_grad_(True)
    return _reader(folder, cache, minutes, "multi_round", mllm, tell, dialogues=6, words=WORDS)


def _reader(
    folder: Path,
    cache: PictureCache,
    minutes: float,
    stage: str,
    mllm: MLLM,
    tell: Tell,
    *,
    dialogues: int,
    words: float = 0.0,
) -> nn.ModuleDict:
    """The MLLM: replies to write, and visual tokens to regress that a reader of faces reads rightly.

    In so many of the steps as `words` says, it learns from the words of stories that nobody has drawn.
    """
    encode_visual(folder, cache)
    visual, ready = Tokens(folder, cache).visual, cache.ready()
    tokenizer, legible = text_tokenizer(folder), legible_tokens(visual, ready)
    modules = nn.ModuleDict({"mllm": mllm})
    rng = np.random.default_rng()
    noted = (*(("words",) if words else ()), "text", "regression", *OF_PEOPLE)
    figures = dict.fromkeys(noted, math.nan)  # as each was last measured

    def loss() -> tuple[Tensor, dict[str, float]]:
        if rng.random() < words:
            numbers = UNDRAWN + rng.integers(2**31, size=WORDED)
            stories = [(restless if one % 2 else story)(int(one)) for one in numbers]
            text = _of_words(mllm, tokenizer, [Teller(one, 0, mistyped=SLIPS) for one in stories])
            figures["words"] = float(text.detach())
            return 4.0 * text, figures
        drawn = rng.choice(ready, dialogues)
        batch = collate([pack(tell(rng, int(one)).tell(), tokenizer) for one in drawn])
        with torch.autocast("cpu", torch.bfloat16):
            text, wanted, regressed = read_batch(mllm, batch, visual, drawn, noise=0.25, unseen=0.35)
        regression = ((regressed - wanted) ** 2).mean()
        asked = [(one, run.turn) for one, runs in zip(drawn, batch.runs, strict=True) for run in runs if run.asks]
        people = missed(legible(regressed), shown_in(asked))
        figures.update(text=float(text.detach()), regression=float(regression.detach()))
        figures.update({name: float(value.detach()) for name, value in people.items()})
        return 4.0 * text + regression + 0.1 * torch.stack(list(people.values())).sum(), figures

    return Trainer(folder, stage, modules, loss, minutes, rate=1e-3, muon=True).run()


def _of_words(mllm: MLLM, tokenizer: Tokenizer, tellers: list[Teller]) -> Tensor:
    """Cross-entropy of the replies in dialogues without their pictures: whom a name means, what they did and wore last."""
    told = [[one for one in teller.tell() if one.attached_from is None] for teller in tellers]
    batch = collate([pack(said, tokenizer, pictures=False) for said in told])
    taught = batch.targets != -100
    with torch.autocast("cpu", torch.bfloat16):
        hidden = mllm(mllm.llama.embed_tokens(batch.ids), batch.positions)
        return nn.functional.cross_entropy(mllm.text_logits(hidden[taught]).float(), batch.targets[taught])


def read_batch(
    mllm: MLLM,
    batch: Batch,
    visual: np.memmap[tuple[int, ...], np.dtype[np.float16]],
    stories: Any,
    *,
    noise: float,
    unseen: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of the replies, and the visual tokens (r, K, WIDTH): those that were wanted, those regressed.

    What stands in the history gets noise, since in serving it is regressed and not the tokenizer's own. In so many of the
    dialogues as `unseen` says, nothing sees the pictures drawn before, so that references have to be looked at.
    """
    runs = [(one, run) for one, its_runs in zip(stories, batch.runs, strict=True) for run in its_runs]
    every = torch.from_numpy(np.stack([visual[one, run.turn] for one, run in runs]).astype(np.float32))
    wanted = every[[run.asks for _, run in runs]]
    every = every + noise * torch.randn_like(every)
    embedded = mllm.embed(batch.ids, every.flatten(0, 1))
    asked = mllm.queries.repeat(len(wanted), 1).to(embedded.dtype)
    embedded = embedded.masked_scatter(batch.queries[..., None], asked)
    if seen := [run.refers for _, run in runs if run.refers is not None]:
        shown = mllm.refer(
            every[[run.refers is not None for _, run in runs]],
            torch.tensor([one.stands for one in seen]),
            torch.tensor([one.stood for one in seen]),
        )
        embedded = embedded.masked_scatter(batch.references[..., None], shown.to(embedded.dtype))
    blind = (torch.rand(len(batch.ids), 1) < unseen) & batch.drawn
    hidden = mllm(embedded, batch.positions, batch.mask & ~blind[:, None, None])
    taught = batch.targets != -100
    text = nn.functional.cross_entropy(mllm.text_logits(hidden[taught]).float(), batch.targets[taught])
    regressed = mllm.regress(hidden[batch.queries]).float().unflatten(0, (-1, TOKENS))
    return text, wanted, regressed


@torch.inference_mode()
def encode_regressed(folder: Path, cache: PictureCache, ready: NDArray[np.int64]) -> None:
    """What the trained MLLM regresses for every picture of some stories, in one telling of each. What it has made before is
    kept.
    """
    encode_visual(folder, cache)
    tokens, tokenizer = Tokens(folder, cache), text_tokenizer(folder)
    if tokens.older_than("regressed", folder / "multi_round.pt"):
        tokens.regressed[:] = 0
    mllm = MLLM()
    averaged(folder, "multi_round", nn.ModuleDict({"mllm": mllm}))
    visual, regressed = tokens.visual, tokens.regressed
    for start in range(0, len(ready), 16):
        stories = ready[start : start + 16]
        if regressed[stories].any(axis=(1, 2, 3)).all():
            continue
        batch = collate([pack(Teller(story(int(one)), 1).tell(), tokenizer) for one in stories])
        with torch.autocast("cpu", torch.bfloat16):
            _, _, found = read_batch(mllm, batch, visual, stories, noise=0.1)
        turns = [run.turn for runs in batch.runs for run in runs if run.asks]
        rows = [one for one, runs in zip(stories, batch.runs, strict=True) for run in runs if run.asks]
        regressed[np.array(rows), np.array(turns)] = found.numpy().astype(np.float16)


def faces(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 5. A reader of faces, off the visual tokens that the MLLM regresses and off the tokenizer's own."""
    ready = cache.ready()[:RETOLD]
    encode_regressed(folder, cache, ready)
    tokens = Tokens(folder, cache)
    visual, regressed = tokens.visual, tokens.regressed
    modules = nn.ModuleDict({"faces": FaceReader()})
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        stories, turns = rng.choice(ready, 256), rng.integers(0, TURNS, 256)
        own = rng.random((256, 1, 1)) < OWN
        seen = torch.from_numpy(np.where(own, visual[stories, turns], regressed[stories, turns]).astype(np.float32))
        pictures = list(zip(stories.tolist(), turns.tolist(), strict=True))
        people, compositions = modules["faces"](seen + 0.5 * ERRS * torch.rand(256, 1, 1) * torch.randn_like(seen))
        found = missed(people, shown_in(pictures))
        standing = nn.functional.cross_entropy(compositions, compositions_of(pictures))
        return torch.stack(list(found.values())).sum() + standing, {
            name: float(value.detach()) for name, value in {**found, "composition": standing}.items()
        }

    return Trainer(folder, "faces", modules, loss, minutes, rate=1e-3).run()


def sketch(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 6. The sketch of a picture, off visual tokens of both kinds and off what its people show."""
    ready = cache.ready()[:RETOLD]
    encode_regressed(folder, cache, ready)
    tokens = Tokens(folder, cache)
    latents, visual, regressed = tokens.latents, tokens.visual, tokens.regressed
    modules = nn.ModuleDict({"sketch": channels_last(Sketch())})
    legible, weights = legible_latents(folder, latents, ready), weights_of_cells(HEADS_COUNT)
    grounds = Grounds(ready)
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        some = grounds.some(rng, 24)
        stories, turns = (np.array(one) for one in zip(*some, strict=True))
        clean = torch.from_numpy(latents[stories, turns].astype(np.float32))
        own = rng.random((len(some), 1, 1)) < OWN
        stories, turns = grounds.strange(rng, some)
        said = torch.from_numpy(np.where(own, visual[stories, turns], regressed[stories, turns]).astype(np.float32))
        compositions, shown = compositions_of(some), shown_in(some)
        with torch.autocast("cpu", torch.bfloat16):
            drawn = modules["sketch"](said, Faces(_told(shown), compositions, _shaded(some)), shifts_of(some))
            legibly = torch.stack(list(missed(legible(drawn, compositions), shown).values())).mean()
        error = (weights[compositions] * (drawn - clean) ** 2).mean()
        return error + 0.1 * legibly, {"error": float(error.detach()), "faces": float(legibly.detach())}

    return Trainer(folder, "sketch", modules, loss, minutes, rate=1e-2).run()


def decoder(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 7. The autoencoder's decoder and the sketch go on together, by the pictures that they make: near in pixels, and like
    the people in them.

    The decoder has latents as they are painted: somewhere between a picture's own and its sketch, with some noise. The encoder
    stays as it is.
    """
    ready = cache.ready()[:RETOLD]
    encode_regressed(folder, cache, ready)
    tokens = Tokens(folder, cache)
    latents, visual, regressed = tokens.latents, tokens.visual, tokens.regressed
    model = Autoencoder()
    averaged(folder, "autoencoder", nn.ModuleDict({"autoencoder": channels_last(model)}))
    sketching = averaged(folder, "sketch", nn.ModuleDict({"sketch": channels_last(Sketch())}))["sketch"]
    modules = nn.ModuleDict({"decoder": model.decoder, "sketch": sketching}).requires_grad_(True)
    grounds, likeness, weights = Grounds(ready), Likeness(), weights_of_cells(HEADS_COUNT)
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        some = grounds.some(rng, 6)
        stories, turns = (np.array(one) for one in zip(*some, strict=True))
        wanted = to_tensor(torch.from_numpy(cache.pictures(stories, turns)))
        clean = torch.from_numpy(latents[stories, turns].astype(np.float32))
        own = rng.random((len(some), 1, 1)) < OWN
        stories, turns = grounds.strange(rng, some)
        said = torch.from_numpy(np.where(own, visual[stories, turns], regressed[stories, turns]).astype(np.float32))
        compositions = compositions_of(some)
        with torch.autocast("cpu", torch.bfloat16):
            drawn = modules["sketch"](said, Faces(_told(shown_in(some)), compositions, _shaded(some)), shifts_of(some))
        error = (weights[compositions] * (drawn - clean) ** 2).mean()
        near = torch.rand(len(some), 1, 1, 1) * (torch.rand(len(some), 1, 1, 1) < SKETCHED)
        painted = clean + near * (drawn - clean) + model.noise * torch.randn_like(clean)
        with torch.autocast("cpu", torch.bfloat16):
            decoded = model.decode(painted.contiguous(memory_format=torch.channels_last)).float()
        unlike = likeness.lost(decoded, wanted, compositions)
        apart, figures = _apart(decoded, wanted)
        figures |= {"error": float(error.detach()), "unlike": float(unlike.detach())}
        return apart + UNLIKE * unlike + 0.3 * error, figures

    return Trainer(folder, "decoder", modules, loss, minutes, rate=1e-3).run()


class Grounds:
    """Which pictures are of the same place, time and composition: so alike that only their people differ."""

    def __init__(self, ready: NDArray[np.int64]) -> None:
        self._alike: dict[object, list[tuple[int, int]]] = {}
        self._by_count: tuple[list[tuple[int, int]], ...] = ([], [])
        for number in ready.tolist():
            for turn in range(TURNS):
                ground = self._ground(number, turn)
                self._alike.setdefault(ground, []).append((number, turn))
                self._by_count[ground[-1] - 1].append((number, turn))

    def some(self, rng: np.random.Generator, count: int) -> list[tuple[int, int]]:
        """Stories and turns of so many pictures, PAIRS of them of two people."""
        pairs = rng.random(count) < PAIRS
        return [self._by_count[two][rng.integers(len(self._by_count[two]))] for two in pairs.astype(int)]

    def _ground(self, number: int, turn: int) -> tuple[str, bool, str, int]:
        scene = story(number).turns[turn].scene
        return scene.place, scene.night, scene.framing, len(scene.cast)

    def strange(
        self, rng: np.random.Generator, pictures: list[tuple[int, int]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Stories and turns of the same pictures, or for a part of them, STRANGE, of others on the same ground."""
        found = []
        for one in pictures:
            alike = self._alike[self._ground(*one)]
            found.append(alike[rng.integers(len(alike))] if rng.random() < STRANGE else one)
        stories, turns = (np.array(one) for one in zip(*found, strict=True))
        return stories, turns


def _told(shown: Tensor) -> Tensor:
    """Labels of people (n, 2, attributes) as `Faces.people` has them; what cannot be seen is said to be anything."""
    anything = torch.stack([torch.randint(size, shown.shape[:2]) for size in SIZES], dim=-1)
    said = torch.where(shown == NOBODY, anything, shown)
    return torch.cat([nn.functional.one_hot(said[..., one], size) for one, size in enumerate(SIZES)], dim=-1).float()


def _shaded(pictures: list[tuple[int, int]]) -> Tensor:
    """Shades of people as the sketch is told them: as they are of those whom a picture introduced, of others none."""
    known = torch.rand(len(pictures), 2, 1) < SHADED
    return shades_of(pictures) * known


def personalization(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 8. The DiT learns to paint what the MLLM says, with references, and to go on from a sketch."""
    ready = cache.ready()[:RETOLD]
    encode_regressed(folder, cache, ready)
    reader, sketching = FaceReader(), Sketch()
    averaged(folder, "faces", nn.ModuleDict({"faces": reader}))
    averaged(folder, "decoder", nn.ModuleDict({"sketch": sketching}))
    tokens = Tokens(folder, cache)
    latents, visual, regressed = tokens.latents, tokens.visual, tokens.regressed
    modules = averaged(folder, "reconstruction", nn.ModuleDict({"dit": DiT()})).requires_grad_(True)
    easel, grounds = Easel(modules["dit"], legible_latents(folder, latents, ready), minutes), Grounds(ready)
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        people = int(rng.choice(3, p=(0.2, 0.4, 0.4)))
        some = [_example(rng, ready, people) for _ in range(40)]
        stories, turns = (np.array([getattr(one, what) for one in some]) for what in ("story", "turn"))
        clean = torch.from_numpy(latents[stories, turns].astype(np.float32))
        own = rng.random((40, 1, 1)) < 0.2
        said = torch.from_numpy(np.where(own, visual[stories, turns], regressed[stories, turns]).astype(np.float32))
        references: tuple[Tensor | None, ...] = (None, None, None)
        if people:
            seen = [
                [
                    (regressed if own else visual)[one.story, here.turn]
                    for here, own in zip(one.seen, one.regressed, strict=True)
                ]
                for one in some
            ]
            references = (
                torch.from_numpy(np.array(seen).astype(np.float32)),
                torch.tensor([[here.stands for here in one.seen] for one in some]),
                torch.tensor([[here.stood for here in one.seen] for one in some]),
            )
        pictures = list(zip(stories.tolist(), turns.tolist(), strict=True))
        with torch.autocast("cpu", torch.bfloat16):
            drawn = None
            if rng.random() > UNSKETCHED:
                drawn = sketching(
                    said, reader.read(said, *references)._replace(shades=_shaded(pictures)), shifts_of(pictures)
                )
                stories, turns = grounds.strange(rng, pictures)
                said = torch.from_numpy(
                    np.where(own, visual[stories, turns], regressed[stories, turns]).astype(np.float32)
                )
            flow, shown = easel.paint(pictures, clean, said, *references, sketch=drawn)
        return flow + FACES * shown, {"flow": float(flow.detach()), "faces": float(shown.detach())}

    return Trainer(folder, "personalization", modules, loss, minutes, rate=4e-4, muon=True).run()


@dataclass(frozen=True, slots=True)
class Example:
    """A picture to paint, and the references for it."""

    story: int
    turn: int
    seen: tuple[Seen, ...]
    regressed: tuple[bool, ...]  # whether each reference is the MLLM's own tokens


def _example(rng: np.random.Generator, ready: NDArray[np.int64], people: int) -> Example:
    """A picture of which `people` have been shown before, with their first pictures, as in serving."""
    while True:
        number, turn = int(rng.choice(ready)), int(rng.integers(0, TURNS))
        told = story(number)
        cast = told.turns[turn].scene.cast
        seen, own = [], []
        for who in cast:
            first = next(earlier for earlier, other in enumerate(told.turns) if who in other.scene.cast)
            uploaded = [later for later, other in enumerate(told.turns) if other.scene.cast == (who,) and later != turn]
            if first < turn:
                seen.append(Seen(first, place_in(cast, who), place_in(told.turns[first].scene.cast, who)))
                own.append(bool(rng.random() < 0.7))
            elif uploaded and rng.random() < 0.3:
                seen.append(Seen(int(rng.choice(uploaded)), place_in(cast, who), ALONE))
                own.append(False)
        if len(seen) == people:
            return Example(number, turn, tuple(seen), tuple(own))
