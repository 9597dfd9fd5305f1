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
    return len(_off(pixels, named))


def shade_in(pixels: NDArray[np.uint8], named: Sequence[int]) -> tuple[float, float, float]:
    """Red, green and blue of the colour that most of the pixels (n, 3) near a named one have, less the named one, in UNIT.

    Zeros where hardly any is near.
    """
    off = _off(pixels, named)
    if len(off) < _LEAST:
        return 0.0, 0.0, 0.0
    counts = np.zeros((2 * _FAR + 1,) * 3, np.int64)
    np.add.at(counts, tuple((off + _FAR).T), 1)
    for axis in range(3):  # how many are alike, of each colour
        summed = np.pad(counts.swapaxes(0, axis), ((_ALIKE + 1, _ALIKE), (0, 0), (0, 0))).cumsum(axis=0)
        counts = (summed[2 * _ALIKE + 1 :] - summed[: -2 * _ALIKE - 1]).swapaxes(0, axis)
    most = np.array(np.unravel_index(counts.argmax(), counts.shape)) - _FAR
    red, green, blue = off[(abs(off - most) <= _ALIKE).all(axis=1)].mean(axis=0) / UNIT
    return float(red), float(green), float(blue)


def _off(pixels: NDArray[np.uint8], named: Sequence[int]) -> NDArray[np.int64]:
    """How far the pixels that are near a named colour are from it."""
    off: NDArray[np.int64] = pixels.astype(np.int64) - np.array(named)
    return off[(abs(off) <= _FAR).all(axis=1)]
