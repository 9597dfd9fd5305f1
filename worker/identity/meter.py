"""What a meter is: it finds the people in a picture, and says how like two of them are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""Left, top, right and bottom edge, in pixels."""


@dataclass(frozen=True, slots=True)
class Face:
    """Somebody in a picture: where, and in which direction (d,) of length 1 the meter places them."""

    box: Box
    embedding: NDArray[np.float32]

    def similarity(self, other: Face) -> float:
        """The cosine between two faces of one meter, from -1 to 1. Thresholds are a meter's own."""
        return float(self.embedding @ other.embedding)


class Meter(Protocol):
    """Finds people and embeds them."""

    def faces(self, picture: Image.Image) -> tuple[Face, ...]:
        """Everybody who is found in an RGB picture, from left to right."""
