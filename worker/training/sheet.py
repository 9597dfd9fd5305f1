"""Contact sheets: what the stages can do, as one picture each, for people to look at.

python -m worker.training.sheet talk OUT.png [WEIGHTS]            dialogues with the engine, a row each
python -m worker.training.sheet stages FOLDER OUT.png             real pictures, encoded and decoded, and repainted
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from worker.engines.preview.autoencoder import Autoencoder, to_bytes, to_tensor
from worker.engines.preview.dit import DiT, sample
from worker.engines.preview.engine import PreviewEngine
from worker.engines.preview.tokenizer import VisualTokenizer
from worker.evaluation.sheets import sheet_of
from worker.evaluation.talk import Talk
from worker.history.segments import SegmentStore
from worker.training.scenes import draw_shot
from worker.training.stages import averaged
from worker.training.stories import story

TALKS = (
    (
        "Olivia, red curly hair and round glasses, on a beach",
        "a close-up of Olivia at night",
        "put Max, short black hair and a full beard, next to her",
        "go back to the first one but make her laugh",
        "Olivia in a yellow sweater in the library",
    ),
    (
        "Draw Ben with a blue mohawk and dark skin on stage, in black",
        "make him angry",
        "Now in the snow",
        "a wide shot",
        "back to the first picture, but sad",
    ),
    (
        "Clara has pale skin, long straight blond hair and sunglasses. She is in the park",
        "the same at night",
        "Add Hugo, bald with a walrus moustache, in green",
        "only Hugo, close-up, furious",
        "now Clara in space, amazed",
    ),
    (
        "a portrait of Yusuf in a purple turban, brown skin, long beard, in the mountains",
        "close-up please",
        "he is sleepy in the bedroom",
        "and now winking, in red",
        "who is Peter?",
    ),
    (
        "Aisha wearing a green hijab, smiling in the kitchen, in white",
        "Aisha scared in the forest at night",
        "with Tom, an undercut, ginger hair, tan skin",
        "both laughing",
        "the kitchen picture, but in the snow",
    ),
)


def talks(engine: PreviewEngine, told: Sequence[Sequence[str]] = TALKS) -> Image.Image:
    """A row for each dialogue: its pictures, and below them the message and the reply."""
    rows = []
    for number, messages in enumerate(told):
        talk = Talk(engine, seed=number, segments=SegmentStore(memory_bytes=2**26))
        rounds = [talk.say(message) for message in messages]
        rows.append([(one.picture, f"> {words}\n{one.reply}") for words, one in zip(messages, rounds, strict=True)])
    return sheet_of(rows)


@torch.inference_mode()
def stages(folder: Path, split: str = "validation", count: int = 8) -> Image.Image:
    """Rows: real pictures of people never trained on; encoded and decoded; repainted from their own visual tokens."""
    shots = [story(number, split).shot(number % 6) for number in range(count)]
    real = torch.from_numpy(np.stack([np.asarray(draw_shot(shot)) for shot in shots]))
    coder, tokenizer, dit = Autoencoder(), VisualTokenizer(), DiT()
    averaged(folder, "autoencoder", nn.ModuleDict({"autoencoder": coder}))
    if (folder / "decoder.pt").exists():
        averaged(folder, "decoder", nn.ModuleDict({"decoder": coder.decoder}))
    latents = coder.encode(to_tensor(real))
    rows = [real, to_bytes(coder.decode(latents))]
    if (folder / "reconstruction.pt").exists():
        averaged(folder, "reconstruction", nn.ModuleDict({"tokenizer": tokenizer, "dit": dit}))
        tokens = tokenizer(latents)
        painted = sample(dit, tokens, steps=16, generator=torch.Generator().manual_seed(0))
        rows.append(to_bytes(coder.decode(painted)))
    return Image.fromarray(np.concatenate([np.concatenate(list(row.numpy()), axis=1) for row in rows], axis=0))


def main() -> None:
    """The command in the module's docstring."""
    what, *rest = sys.argv[1:]
    if what == "talk":
        talks(PreviewEngine.from_pretrained(Path(rest[1]) if len(rest) > 1 else None)).save(rest[0])
    else:
        stages(Path(rest[0])).save(rest[1])


if __name__ == "__main__":
    main()
