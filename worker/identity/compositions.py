"""Where people stand in an illustrated picture: a framing and a count give each person's square."""

from __future__ import annotations

from PIL import Image

ART = 256  # pixels of a picture's side, which the boxes are of

Box = tuple[int, int, int]
"""Left edge, top edge and side of a person's square, in pixels of a picture of ART × ART; it may reach beyond the picture."""

FRAMINGS: dict[str, tuple[tuple[Box, ...], ...]] = {  # of one person, and of two from left to right
    "close-up": (((-44, -52, 340),), ((-34, 50, 206), (86, 50, 206))),
    "portrait": (((8, 26, 236),), ((-8, 96, 160), (102, 96, 160))),
    "wide": (((52, 106, 150),), ((14, 138, 118), (126, 138, 118))),
}
COMPOSITIONS = tuple((framing, people) for framing in FRAMINGS for people in (1, 2))


def boxes(framing: str, people: int) -> tuple[Box, ...]:
    """The squares of one or two people, from left to right."""
    return FRAMINGS[framing][people - 1]


def square_of(width: int, height: int) -> Box:
    """The square that is looked at of a picture of any size: as wide as it can be, nearer to the top than to the bottom."""
    side = min(width, height)
    return (width - side) // 2, (height - side) // 4, side


def person_of(picture: Image.Image, box: Box, side: int) -> Image.Image:
    """What the square shows, (side, side) RGB; black beyond the picture."""
    left, top, width = box
    part = picture.crop((left, top, left + width, top + width))
    return part.resize((side, side), Image.Resampling.BOX if width > side else Image.Resampling.BILINEAR)
