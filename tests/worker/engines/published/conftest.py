"""A Qwen3-VL of a few thousand random weights, saved as a checkpoint is; answers by heart; a painter that paints colours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from worker.engines.contract import (
    Arrays,
    Character,
    ChatMessage,
    Drawing,
    OnReply,
    OnStep,
    Reading,
    no_progress,
    no_reply,
)
from worker.engines.published.engine import PublishedEngine
from worker.engines.published.grammar import Held
from worker.engines.published.painter import Brief, OnPaint, Painted
from worker.engines.published.reader import INSTRUCTIONS, Reader
from worker.history import History
from worker.history.segments import SegmentStore
from worker.training.stages import byte_pairs

SALT = UUID(int=9)
SPECIALS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]


def answer(reply: str = "Here it is.", *, draw: bool = True, **fields: object) -> str:
    """An answer as the model writes it."""
    said: dict[str, object] = {"reply": reply, "draw": draw}
    if draw:
        usual = {
            "characters": [],
            "introduces": [],
            "pictures": [],
            "prompt": "A place.",
            "alt_text": "",
            "aspect": "1:1",
        }
        said |= {**usual, **fields}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def save_reader(
    folder: Path, text: Tokenizer, *, vocabulary: int, width: int, heads: int, layers: int, sees: int
) -> Qwen3VLForConditionalGeneration:
    """A reader's checkpoint of random weights: layers of so many numbers and heads, of which two share their keys, and so many
    layers that see, of which all but the last are told of to the first layers that read."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=text, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(patch_size=16, temporal_patch_size=2, merge_size=2).save_pretrained(folder)
    torch.manual_seed(0)
    head = width // heads
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads // 2,
            "head_dim": head,
            "max_position_embeddings": 65_536,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [head // 4, head // 8, head // 8],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": sees,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": width,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": list(range(sees - 1)),
        },
        **{
            name: tokenizer.convert_tokens_to_ids(token)
            for name, token in (
                ("image_token_id", "<|image_pad|>"),
                ("video_token_id", "<|video_pad|>"),
                ("vision_start_token_id", "<|vision_start|>"),
                ("vision_end_token_id", "<|vision_end|>"),
            )
        },
    )
    model = Qwen3VLForConditionalGeneration(config)
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="session")
def tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a reader's checkpoint."""
    folder = tmp_path_factory.mktemp("reader")
    text = byte_pairs([INSTRUCTIONS, answer("Here is Olivia on the beach.")] * 2, 560, SPECIALS)
    # The vocabulary is wider than the tokenizer, as the real one is.
    model = save_reader(folder, text, vocabulary=576, width=32, heads=2, layers=3, sees=3)
    with torch.no_grad():  # as they are born, tiny weights hardly tell one position from another
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.mul_(5)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def reader(tiny_reader: Path) -> Reader:
    return Reader.from_pretrained(tiny_reader, dtype=torch.float32)


@dataclass
class Colours:
    """A painter that paints one colour for each seed, and remembers what it was asked."""

    fingerprint: str = "colours-1"
    sizes: tuple[tuple[int, int], ...] = ((64, 64), (96, 64), (64, 96))
    max_references: int = 2
    cannot: tuple[str, ...] = ("I paint colours only.",)
    encoded: list[str] = field(default_factory=list)
    briefs: list[Brief] = field(default_factory=list)
    modest: bool = False

    def encode(self, picture: Image.Image) -> Arrays:
        self.encoded.append(colour_of(picture))
        return {"latents": np.full((2, 2), sum(picture.getpixel((0, 0))), np.float32)}  # type: ignore[arg-type]  # RGB

    def paint(self, brief: Brief, *, seeds: Sequence[int], on_step: OnPaint, modest: bool = False) -> list[Painted]:
        self.briefs.append(brief)
        self.modest = modest
        pictures = [Image.new("RGB", brief.size, _colour(seed)) for seed in seeds]
        for step in range(2):
            on_step(step + 1, 2, pictures)
        return [Painted(one, {"latents": np.full((2, 2), -1.0, np.float32)}) for one in pictures]

    @property
    def saw(self) -> list[str]:
        """The colours of the references that it was last shown."""
        return [colour_of(one.picture) for one in self.briefs[-1].references]


def _colour(seed: int) -> tuple[int, int, int]:
    red, green, blue = hashlib.sha256(str(seed).encode()).digest()[:3]
    return red, green, blue


def colour_of(picture: Image.Image) -> str:
    """The colour of a picture that has one, as #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*picture.convert("RGB").getpixel((0, 0)))  # type: ignore[misc]  # RGB


def seeded(seed: int) -> str:
    """The colour of the picture of a seed."""
    return "#{:02x}{:02x}{:02x}".format(*_colour(seed))


Script = Callable[..., None]


def scripted(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Has a reader write these answers, one after the other, in place of what its random weights would choose."""

    def write(*answers: str) -> None:
        coming = list(answers)
        writing: list[Held] = []

        def choose(logits: torch.Tensor, held: Held, generator: torch.Generator) -> int:
            if not writing or writing[-1] is not held:
                writing.append(held)
                coming.append(coming.pop(0))  # round and round
            rest = coming[-1].encode()[len(held._tokens.decode_bytes(held.ids)) :]
            (token, *_) = held._tokens.tokenize_bytes(rest)
            assert held.allowed()[token], f"the grammar does not allow {rest!r}"
            return token

        monkeypatch.setattr(reader, "choose", choose)

    return write


@pytest.fixture
def script(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Has the reader write what a test gives it."""
    return scripted(reader, monkeypatch)


@dataclass
class Talk:
    """A conversation with an engine, as a worker holds it."""

    engine: PublishedEngine
    segments: SegmentStore | None
    script: Script
    records: tuple = ()  # type: ignore[type-arg]
    characters: tuple[Character, ...] = ()
    pictures: dict[UUID, Image.Image] = field(default_factory=dict)
    came: dict[UUID, tuple[Image.Image, ...]] = field(default_factory=dict)
    several: frozenset[UUID] = frozenset()

    def history(self) -> History:
        return History(
            self.records,
            SALT,
            self.segments,
            picture=self.pictures.get,
            attached=lambda turn_id: self.came.get(turn_id, ()),
            several=self.several,
        )

    def read(
        self,
        text: str,
        said: str,
        *came: Image.Image,
        on_reply: OnReply = no_reply,
        modest: bool = False,
    ) -> Reading:
        self.script(said)
        message = ChatMessage(text, came, self.characters, modest=modest)
        return self.engine.read(self.history(), message, on_reply=on_reply)

    def say(
        self, text: str, said: str, *came: Image.Image, seeds: Sequence[int] = (1,), on_step: OnStep = no_progress
    ) -> tuple[Reading, list[Drawing]]:
        reading = self.read(text, said, *came)
        turn_id = uuid4()
        drawings = self.engine.draw_several(reading, turn_id=turn_id, seeds=seeds, on_step=on_step)
        self.records = (*self.records, drawings[0].record)
        self.came[turn_id] = came
        if drawings[0].picture is not None:
            self.pictures[turn_id] = drawings[0].picture
        if len(seeds) > 1:
            self.several |= {turn_id}
        self.characters += tuple(
            Character(uuid4(), new.name, 1, new.description, turn_id=turn_id) for new in reading.introduces
        )
        return reading, drawings

    def branch(self, turns: int) -> Talk:
        return replace(self, records=self.records[:turns])


@pytest.fixture
def painter() -> Colours:
    return Colours()


@pytest.fixture
def talk(reader: Reader, painter: Colours, script: Script) -> Talk:
    return Talk(PublishedEngine(reader, painter), SegmentStore(memory_bytes=2**24), script)
