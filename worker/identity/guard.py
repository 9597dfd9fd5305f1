"""The likeness guard: looks at what was drawn, and has it drawn again when somebody is not like themselves.

It has a meter of its own, whose weights no evaluation uses. It knows pictures and faces, and nothing of engines or turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from PIL import Image

from worker.identity.meter import Box, Face, Meter


class Drawn(Protocol):
    """Anything with a picture."""

    @property
    def picture(self) -> Image.Image | None: ...


_D = TypeVar("_D", bound=Drawn)


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody in a picture: where, if found at all, and how like their reference, if they have one."""

    box: Box | None
    similarity: float | None


@dataclass(frozen=True, slots=True)
class Kept(Generic[_D]):
    """The drawing that is kept, who was seen in it, and how many drawings there were."""

    drawing: _D
    seen: tuple[Sighting, ...]  # one for each of the cast
    drawings: int


class Guard:
    """Keeps the best of a few drawings."""

    def __init__(self, meter: Meter, threshold: float) -> None:
        """Below the `threshold`, a similarity of the meter, a drawing is not good enough."""
        self._meter = meter
        self.threshold = threshold

    def face(self, picture: Image.Image, box: Box | None = None) -> Face | None:
        """The face at a box of a picture, or the largest; None where nobody is found."""
        found = self._meter.faces(picture)
        if not found:
            return None
        if box is None:
            return max(found, key=lambda face: _area(face.box))
        return max(found, key=lambda face: _overlap(face.box, box))

    def best_of(self, drawings: Iterable[_D], cast: Sequence[Face | None], *, ordered: bool) -> Kept[_D]:
        """Take drawings until one is good enough, or there are no more; the best is kept.

        `cast` are those who are to be seen, each as a reference shows them, or None for somebody whom nothing shows yet;
        `ordered` says that they stand so from left to right. Where nobody at all is found (from behind, from afar), the meter
        can judge this picture as little as the next, and it is kept. Raises `ValueError` when there is no drawing at all.
        """
        best: Kept[_D] | None = None
        number = 0
        for number, drawing in enumerate(drawings, 1):
            seen = self._look(drawing.picture, cast, ordered=ordered) if drawing.picture is not None else ()
            if best is None or _worst(seen, cast) > _worst(best.seen, cast):
                best = Kept(drawing, seen, number)
            if all(one.box is None for one in seen) or _worst(seen, cast) >= self.threshold:
                break
        if best is None:
            raise ValueError("nothing was drawn")
        return Kept(best.drawing, best.seen, number)

    def _look(self, picture: Image.Image, cast: Sequence[Face | None], *, ordered: bool) -> tuple[Sighting, ...]:
        """Who of the cast is where in a picture."""
        found = self._meter.faces(picture)
        if ordered and len(found) == len(cast):
            places: dict[int, Face] = dict(enumerate(found))
        else:
            places = matched(found, cast)
        return tuple(
            Sighting(None, None)
            if number not in places
            else Sighting(places[number].box, None if known is None else places[number].similarity(known))
            for number, known in enumerate(cast)
        )


def matched(found: Sequence[Face], cast: Sequence[Face | None]) -> dict[int, Face]:
    """Faces for the numbers of those who can be compared, the likest first; who is left over is for the others in order."""
    free = dict(enumerate(found))
    places: dict[int, Face] = {}
    alike = [
        (face.similarity(known), number, one)
        for number, known in enumerate(cast)
        if known is not None
        for one, face in enumerate(found)
    ]
    for _, number, one in sorted(alike, reverse=True):
        if number not in places and one in free:
            places[number] = free.pop(one)
    for number, known in enumerate(cast):
        if known is None and free:
            places[number] = free.pop(min(free))
    return places


def _worst(seen: Sequence[Sighting], cast: Sequence[Face | None]) -> float:
    """The least similarity of those who can be compared: -1 for somebody who is missing, 1 when there is nobody."""
    compared = [
        -1.0 if one.similarity is None else one.similarity
        for one, known in zip(seen, cast, strict=False)
        if known is not None
    ]
    return min(compared, default=1.0)


def _area(box: Box) -> int:
    left, top, right, bottom = box
    return (right - left) * (bottom - top)


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    inner = (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]))
    if inner[0] >= inner[2] or inner[1] >= inner[3]:
        return 0.0
    return _area(inner) / (_area(one) + _area(other) - _area(inner))
