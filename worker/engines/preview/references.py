"""References: how an earlier picture shows somebody who is to be drawn again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALONE, LEFT, RIGHT = 0, 1, 2  # where somebody stands in a picture


@dataclass(frozen=True, slots=True)
class Reference:
    """A character of the next picture as another picture showed them. `stands` and `stood`: ALONE, LEFT or RIGHT."""

    visual: NDArray[np.float32]  # (K, WIDTH)
    stands: int
    stood: int
