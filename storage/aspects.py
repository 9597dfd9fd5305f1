"""Aspects: the shapes that pictures can have, by names such as 3:4, which people choose and the MLLM answers with.

A name means the same to every engine, though the sizes in pixels differ. It knows nothing of engines or menus.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

USUAL = ((1, 1), (4, 3), (3, 4), (3, 2), (2, 3), (16, 9), (9, 16), (2, 1), (1, 2), (21, 9), (9, 21))
ALIKE = 1.05  # how much longer a side may be than the name says: sides come in multiples of what a model needs


def named(sizes: Sequence[tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Sizes in pixels by the name of their aspect, in their order; one of an aspect that was there before is named by
    its pixels, such as 1360x768."""
    found: dict[str, tuple[int, int]] = {}
    for width, height in sizes:
        name = _name(width, height)
        found[name if name not in found else f"{width}x{height}"] = (width, height)
    return found


def _name(width: int, height: int) -> str:
    def apart(aspect: tuple[int, int]) -> float:
        return abs(math.log(aspect[0] / aspect[1] * height / width))

    nearest = min(USUAL, key=apart)
    if apart(nearest) > math.log(ALIKE):
        whole = math.gcd(width, height)
        nearest = (width // whole, height // whole)
    return f"{nearest[0]}:{nearest[1]}"
