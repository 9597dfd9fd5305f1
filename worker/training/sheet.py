"""Contact sheets: what the stages can do, as one picture each, for people to look at.

python -m worker.training.sheet talk OUT.png [WEIGHTS]            dialogues with the engine, a row each
python -m worker.training.sheet stages FOLDER OUT.png             real pictures, encoded and decoded, and repainted
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from worker.engines.contract import Character, ChatMessage, no_progress
from worker.engines.preview.autoencoder import Autoencoder, to_bytes, to_tensor
from worker.engines.preview.dit import DiT, sample
from worker.engines.preview.engine import PreviewEngine
from worker.engines.preview.tokenizer import VisualTokenizer
from worker.history import History
from worker.history.segments import SegmentStore
from worker.training.scenes import SIZE, draw_shot
from worker.training.stages import averaged
from worker.training.stories import story

CAPTION = 96  # pixels below a picture

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
    columns = max(len(messages) for messages in told)
    sheet = Image.new("RGB", (columns * SIZE, len(told) * (SIZE + CAPTION)), "white")
    for row, messages in enumerate(told):
        store = SegmentStore(memory_bytes=2**26)
        history = History((), UUID(int=row), store)
        cast: tuple[Character, ...] = ()
        for column, message in enumerate(messages):
            reading = engine.read(history, ChatMessage(message, characters=cast, seed=row))
            drawing = engine.draw(reading, turn_id=uuid4(), seed=row, on_step=no_progress)
            history = History((*history.records, drawing.record), history.workspace_salt, store)
            cast += tuple(
                Character(uuid4(), new.name, 1, new.description, turn_id=drawing.record.turn_id)
                for new in reading.introduces
            )
            corner = (column * SIZE, row * (SIZE + CAPTION))
            if drawing.picture is not None:
                sheet.paste(drawing.picture, corner)
            _caption(sheet, (corner[0] + 4, corner[1] + SIZE + 2), message, reading.reply)
    return sheet


def _caption(sheet: Image.Image, corner: tuple[int, int], message: str, reply: str) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    lines = [*textwrap.wrap(f"> {message}", 44), *textwrap.wrap(reply, 44)]
    draw.multiline_text(corner, "\n".join(lines[: CAPTION // 13]), fill="black", font=font, spacing=2)


@torch.inference_mode()
def stages(folder: Path, split: str = "validation", count: int = 8) -> Image.Image:
    """Rows: real pictures of people never trained on; encoded and decoded; repainted from their own visual tokens."""
    shots = [story(number, split).shot(number % 6) for number in range(count)]
    real = torch.from_numpy(np.stack([np.asarray(draw_shot(shot)) for shot in shots]))
    coder, tokenizer, dit = Autoencoder(), VisualTokenizer(), DiT()
    averaged(folder, "autoencoder", nn.ModuleDict({"autoencoder": coder}))
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
