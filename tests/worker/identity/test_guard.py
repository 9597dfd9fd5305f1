"""The guard: who is who in a drawing, which drawing is kept, and when it stops asking for others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from worker.identity.guard import Guard, Kept
from worker.identity.meter import Box, Face


def direction(degrees: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    angle = np.deg2rad(degrees)
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def face(degrees: float, left: int = 0) -> Face:
    return Face((left, 0, left + 10, 10), direction(degrees))


@dataclass
class Sketch:
    """A drawing in which the meter sees given faces."""

    faces: tuple[Face, ...]
    picture: Image.Image | None


class Plain:
    """Sees what the sketches say."""

    def __init__(self, *sketches: Sketch) -> None:
        self._faces = {id(one.picture): one.faces for one in sketches}

    def faces(self, picture: Image.Image) -> tuple[Face, ...]:
        return self._faces[id(picture)]


def sketch(*faces: Face) -> Sketch:
    return Sketch(faces, Image.new("RGB", (8, 8)))


def kept(cast: list[Face | None], *sketches: Sketch, ordered: bool = True, threshold: float = 0.9) -> Kept[Sketch]:
    return Guard(Plain(*sketches), threshold).best_of(iter(sketches), cast, ordered=ordered)


OLIVIA, MAX = face(0), face(90)


def test_a_good_drawing_is_kept_and_no_other_is_made() -> None:
    def drawings() -> Iterator[Sketch]:
        yield good
        raise AssertionError("a good drawing was there")

    good = sketch(face(10))
    one = Guard(Plain(good), 0.9).best_of(drawings(), [OLIVIA], ordered=True)
    assert one.drawing is good
    assert one.drawings == 1
    assert one.seen[0].similarity == pytest.approx(np.cos(np.deg2rad(10)), abs=1e-6)


def test_the_best_of_all_that_were_made_is_kept_when_none_is_good() -> None:
    bad, better, worst = sketch(face(60)), sketch(face(45)), sketch(face(80))
    one = kept([OLIVIA], bad, better, worst)
    assert one.drawing is better
    assert one.drawings == 3


def test_a_drawing_is_as_good_as_its_least_like_person() -> None:
    half, both = sketch(face(0), face(30, 20)), sketch(face(20), face(70, 20))
    assert kept([OLIVIA, MAX], half, both, threshold=0.99).drawing is both


def test_people_who_were_swapped_are_not_like_themselves() -> None:
    swapped = sketch(face(90), face(0, 20))
    assert [one.similarity for one in kept([OLIVIA, MAX], swapped).seen] == pytest.approx([0, 0], abs=1e-6)


def test_where_the_order_is_not_known_everybody_is_looked_for() -> None:
    seen = kept([OLIVIA, None, MAX], sketch(face(88), face(45, 20), face(1, 40)), ordered=False).seen
    assert [one.box and one.box[0] for one in seen] == [40, 20, 0]
    assert seen[1].similarity is None, "nothing shows yet what they look like"


def test_somebody_who_is_missing_makes_a_drawing_bad() -> None:
    alone, both = sketch(face(0)), sketch(face(50), face(40, 20))
    one = kept([OLIVIA, MAX], alone, both)
    assert one.drawing is both
    seen = kept([OLIVIA, MAX], alone).seen
    assert seen[0].box is not None
    assert (seen[1].box, seen[1].similarity) == (None, None)


def test_a_drawing_of_newcomers_only_is_taken_as_it_is_and_they_are_found() -> None:
    one = kept([None, None], sketch(face(0), face(90, 20)), sketch())
    assert one.drawings == 1
    assert [seen.box and seen.box[0] for seen in one.seen] == [0, 20]


def test_a_picture_in_which_nobody_is_found_is_not_drawn_again() -> None:
    hidden, found = sketch(), sketch(face(0))
    one = kept([OLIVIA], hidden, found)
    assert one.drawing is hidden
    assert (one.drawings, one.seen[0].box) == (1, None)
    bad = sketch(face(60))
    assert kept([OLIVIA], bad, hidden, found).drawing is bad


def test_a_reply_without_a_picture_is_taken_as_it_is() -> None:
    silent = Sketch((), None)
    assert Guard(Plain(), 0.9).best_of([silent], [OLIVIA], ordered=True) == Kept(silent, (), 1)
    with pytest.raises(ValueError, match="nothing was drawn"):
        Guard(Plain(), 0.9).best_of([], [OLIVIA], ordered=True)


@pytest.mark.parametrize(("box", "found"), [((18, 0, 30, 12), 1), ((0, 0, 9, 9), 0), (None, 2)])
def test_a_reference_is_the_face_at_a_box_or_the_largest(box: Box | None, found: int) -> None:
    group = (face(0), face(30, 20), Face((40, 0, 80, 40), direction(60)))
    drawn = sketch(*group)
    assert Guard(Plain(drawn), 0.9).face(drawn.picture or Image.new("RGB", (1, 1)), box) is group[found]


def test_a_picture_without_faces_shows_nobody() -> None:
    empty = sketch()
    assert Guard(Plain(empty), 0.9).face(empty.picture or Image.new("RGB", (1, 1))) is None
