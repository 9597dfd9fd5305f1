"""Shades: how far the hair and the skin of somebody in a picture lie from the colours that words name.

Everybody has a shade of their own, for which there are no words, and visual tokens hardly keep it. A picture shows it: most of
what is skin has one colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Colour = tuple[int, int, int]
Shades = tuple[float, ...]
"""Red, green and blue of hair, then of skin, less those that words name, in UNIT."""

AS_NAMED: Shades = (0.0,) * 6
UNIT = 10.0  # of red, green and blue: what counts as 1
_FAR = 14  # a shade is no further from its name than this, in any of red, green and blue
_ALIKE = 3  # of one colour, as far as the noise of a picture goes
_LEAST = 12  # pixels that are enough to be sure


def near(pixels: NDArray[np.uint8], named: Sequence[int]) -> int:
    """How many of the pixels (n, 3) are of a shade of a named colour."""
    return int((abs(pixels.astype(np.int32) - np.array(named)) <= _FAR).all(axis=1).sum())


def shade_in(pixels: NDArray[np.uint8], named: Sequence[int]) -> tuple[float, float, float]:
    """Red, green and blue of the colour that most of the pixels (n, 3) near a named one have, less the named one, in UNIT.

    Zeros where hardly any is near.
    """
    off = pixels.astype(np.int32) - np.array(named)
    off = off[(abs(off) <= _FAR).all(axis=1)]
    if len(off) < _LEAST:
        return 0.0, 0.0, 0.0
    colours, counts = np.unique(off, axis=0, return_counts=True)
    near = (abs(colours[:, None] - colours[None]) <= _ALIKE).all(axis=2)
    around = near[(near @ counts).argmax()]
    red, green, blue = np.average(colours[around], axis=0, weights=counts[around]) / UNIT
    return float(red), float(green), float(blue)
