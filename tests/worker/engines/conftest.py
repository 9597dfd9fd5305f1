"""A preview engine of a few thousand parameters that has learned one dialogue by heart, in a few seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn

from worker.engines.contract import Character, ChatMessage, Drawing, OnStep, Reading, no_progress
from worker.engines.preview.autoencoder import AutoencoderConfig
from worker.engines.preview.dit import DiT, DiTConfig
from worker.engines.preview.engine import Configuration, PreviewEngine
from worker.engines.preview.faces import FacesConfig
from worker.engines.preview.mllm import SPECIALS, MLLMConfig
from worker.engines.preview.references import ALONE, LEFT, RIGHT
from worker.engines.preview.sketch import SketchConfig
from worker.engines.preview.spelling import LEARNED
from worker.engines.preview.tokenizer import TOKENS, WIDTH, TokenizerConfig
from worker.history import History
from worker.history.segments import SegmentStore
from worker.training.dialogues import Said, Seen
from worker.training.packing import collate, pack
from worker.training.stages import byte_pairs, read_batch

SALT = UUID(int=9)
BEACH = "on the beach by day."
DIALOGUE = (
    Said(
        "Olivia, red curly hair, on the beach",
        f"Olivia has red curls and fair skin. A portrait of Olivia, smiling, in blue, {BEACH}",
        0,
    ),
    Said("who is Bob?", "I do not know Bob yet. Tell me what Bob looks like, and I will draw them.", None),
    Said(
        "put Max with a beard next to her",
        f"Max has a long beard. A portrait of Olivia, smiling, in blue and Max, calm, in green, {BEACH}",
        1,
        seen=(Seen(0, LEFT, ALONE),),
    ),
    Said(
        "a close-up of Max at night",
        "A close-up of Max, calm, in green, on the beach by night.",
        2,
        seen=(Seen(1, ALONE, RIGHT),),
    ),
)
PICTURES = np.random.default_rng(0).normal(size=(1, 3, TOKENS, WIDTH)).astype(np.float16)

TINY = Configuration(
    AutoencoderConfig((8, 8, 16), (8, 16, 16), (1, 1, 1), (1, 1, 1)),
    TokenizerConfig(fine=16, coarse=24, layers=1, heads=2),
    MLLMConfig(vocabulary=512, width=64, layers=2, heads=4, key_value_heads=2, feed_forward=128, positions=2048),
    FacesConfig(values=(3, 2, 4), stays=(2,), reader=16),
    SketchConfig(person=16, maps=4, coarse=8, fine=8, laid=4, ground=4, picture=8),
    DiTConfig(width=32, blocks=1, heads=2, feed_forward=128),
)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights, as the package has them."""
    folder = tmp_path_factory.mktemp("weights")
    text = byte_pairs([words for said in DIALOGUE for words in (said.message, said.reply)], 512, SPECIALS)
    torch.manual_seed(0)
    parts = TINY.build()
    dit = parts["dit"]
    assert isinstance(dit, DiT)
    with torch.no_grad():
        nn.init.normal_(dit.out.weight, std=0.1)  # born silent, it would paint nothing but noise
        nn.init.normal_(dit.sketch.weight, std=0.1)
    _learn(parts["mllm"], text)
    (folder / "config.json").write_text(TINY.to_json())
    text.save(str(folder / "text.json"))
    (folder / LEARNED).write_text("[]")
    for name, part in parts.items():
        save_file(part.state_dict(), folder / f"{name}.safetensors")
    return folder


def _learn(mllm: nn.Module, text: Tokenizer) -> None:
    optimiser = torch.optim.AdamW(mllm.parameters(), 4e-3)
    batch = collate([pack(list(DIALOGUE[:size]), text) for size in (1, 3, 4)])
    stories = np.zeros(3, np.int64)
    for _ in range(220):
        words, wanted, regressed = read_batch(mllm, batch, PICTURES, stories, noise=0.1)  # type: ignore[arg-type]  # no memmap needed
        optimiser.zero_grad()
        (words + 0.5 * ((regressed - wanted) ** 2).mean()).backward()
        optimiser.step()


@pytest.fixture
def engine(tiny_weights: Path) -> PreviewEngine:
    return PreviewEngine.from_pretrained(tiny_weights, steps=3)


@dataclass
class Talk:
    """A conversation with an engine, as a worker holds it: records, segments, and the characters who came up."""

    engine: PreviewEngine
    segments: SegmentStore | None = None
    records: tuple = ()  # type: ignore[type-arg]
    characters: tuple[Character, ...] = ()

    def history(self) -> History:
        return History(self.records, SALT, self.segments)

    def read(self, text: str) -> Reading:
        return self.engine.read(self.history(), ChatMessage(text, characters=self.characters))

    def say(self, text: str, *, seed: int = 1, on_step: OnStep = no_progress) -> tuple[Reading, Drawing]:
        reading = self.read(text)
        drawing = self.engine.draw(reading, turn_id=uuid4(), seed=seed, on_step=on_step)
        self.records = (*self.records, drawing.record)
        self.characters += tuple(
            Character(uuid4(), new.name, 1, new.description, turn_id=drawing.record.turn_id)
            for new in reading.introduces
        )
        return reading, drawing


@pytest.fixture
def talk(engine: PreviewEngine) -> Talk:
    return Talk(engine, SegmentStore(memory_bytes=2**24))
