"""Contact sheets: rows of pictures with words below them, for people to look at."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

SIDE = 256  # pixels of a picture
CAPTION = 96  # pixels below a picture
LINE = 44  # characters


def sheet_of(rows: Sequence[Sequence[tuple[Image.Image | None, str]]]) -> Image.Image:
    """Pictures with their captions, each line of which is wrapped; nothing where there is no picture."""
    sheet = Image.new("RGB", (max(map(len, rows)) * SIDE, len(rows) * (SIDE + CAPTION)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for row, pictures in enumerate(rows):
        for column, (picture, words) in enumerate(pictures):
            left, top = column * SIDE, row * (SIDE + CAPTION)
            if picture is not None:
                sheet.paste(picture, (left, top))
            lines = [line for part in words.splitlines() for line in textwrap.wrap(part, LINE)]
            text = "\n".join(lines[: CAPTION // 13])
            draw.multiline_text((left + 4, top + SIDE + 2), text, fill="black", font=font, spacing=2)
    return sheet
