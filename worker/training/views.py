"""Views: rendered pictures of many people, cut into the squares that meters and the attribute reader learn from.

A pool has people of its own, in families: the first by chance, the others one attribute apart from it, so that telling
them apart is worth learning. Rendered once into a folder, by processes that can be killed and go on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from worker.identity.compositions import COMPOSITIONS, FRAMINGS, boxes, person_of
from worker.identity.drawn import OF_PEOPLE, OF_SCENES, SIDE, Labels
from worker.training.cache import open_file
from worker.training.people import (
    BEARDS,
    CLOTHES,
    EXPRESSIONS,
    GLASSES,
    HAIR_COLOURS,
    HEADS,
    SKINS,
    Look,
    Person,
    one_apart,
    shade,
    shows_hair,
    some_person,
    split_of,
    worn,
)
from worker.training.scenes import PLACES, Shot, draw_shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = "2"  # of the views: those of another version are rendered anew
FAMILY = 4  # people of one family
VIEWS = 3  # pictures of each person, besides those in which they stand next to another
NOBODY = -1  # a label of what cannot be seen

LABELS: Labels = {
    "place": tuple(PLACES),
    "night": ("day", "night"),
    "composition": tuple(f"{framing} {people}" for framing, people in COMPOSITIONS),
    "expression": tuple(EXPRESSIONS),
    "clothes": tuple(CLOTHES),
    "head": tuple(HEADS),
    "hair": tuple(HAIR_COLOURS),
    "skin": tuple(SKINS),
    "glasses": ("none", *GLASSES),
    "beard": ("none", *BEARDS),
}


@lru_cache(maxsize=65536)
def member(pool: str, number: int, split: str = "train") -> Person:
    """Somebody of a pool. Deterministic; of one split only."""
    rng = random.Random(f"member {pool} {split} {number}")
    first = number - number % FAMILY
    while True:
        person = some_person(rng) if number == first else one_apart(rng, member(pool, first, split))
        if split_of(person) == split:
            return person


def some_look(rng: random.Random) -> Look:
    """An expression and clothes by chance."""
    clothes = rng.choice(list(CLOTHES))
    return Look(rng.choice(list(EXPRESSIONS)), clothes, shade(rng, CLOTHES[clothes], 6))


@dataclass(frozen=True, slots=True)
class View:
    """A picture and the numbers of those whom it shows."""

    shot: Shot
    cast: tuple[int, ...]


def view(pool: str, people: int, number: int, split: str = "train") -> View:
    """The view of a number, of a pool of so many people."""
    rng = random.Random(f"view {pool} {split} {number}")
    cast = [number % people]
    if rng.random() < 0.4:
        cast.append(rng.randrange(people))
        rng.shuffle(cast)
    shot = Shot(
        tuple((member(pool, who, split), some_look(rng)) for who in cast),
        rng.choice(list(PLACES)),
        rng.random() < 0.5,
        rng.choice(list(FRAMINGS)),
        rng.randrange(2**30),
    )
    return View(shot, tuple(cast))


def labels_of(shot: Shot) -> tuple[list[int], list[list[int]]]:
    """What `OF_SCENES` and, for each person, `OF_PEOPLE` ought to be read as; `NOBODY` for what cannot be seen."""
    scene = (shot.place, "night" if shot.night else "day", f"{shot.framing} {len(shot.people)}")
    people = []
    for person, look in shot.people:
        words = (
            *(look.expression, look.clothes, person.head, person.hair, person.skin),
            *(worn(person, look) or "none", person.beard or "none"),
        )
        row = [LABELS[name].index(word) for name, word in zip(OF_PEOPLE, words, strict=True)]
        if not shows_hair(person):
            row[OF_PEOPLE.index("hair")] = NOBODY
        people.append(row)
    return [LABELS[name].index(word) for name, word in zip(OF_SCENES, scene, strict=True)], people


class Views:
    """The views of a pool of so many people: crops and their labels. Open it in as many processes as you like."""

    def __init__(self, folder: Path, pool: str, people: int) -> None:
        self.pool, self.people, self.count = pool, people, people * VIEWS
        home = folder / f"views-{VERSION}-{pool}-{people}"
        home.mkdir(parents=True, exist_ok=True)
        self.wholes = open_file(home / "wholes.bin", np.uint8, (self.count, SIDE, SIDE, 3))
        self.crops = open_file(home / "crops.bin", np.uint8, (self.count, 2, SIDE, SIDE, 3))
        self.of_scenes = open_file(home / "scenes.bin", np.int16, (self.count, len(OF_SCENES)))
        self.of_people = open_file(home / "people.bin", np.int16, (self.count, 2, len(OF_PEOPLE)))
        self.cast = open_file(home / "cast.bin", np.int32, (self.count, 2))
        self._done = open_file(home / "done.bin", np.uint8, (self.count,))

    def render(self, part: int = 0, parts: int = 1) -> Iterator[int]:
        """Render what is missing of every `parts`-th view; yields the number of each that is done."""
        for number in range(part, self.count, parts):
            if self._done[number]:
                continue
            seen = view(self.pool, self.people, number)
            picture = draw_shot(seen.shot)
            self.wholes[number] = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))
            self.of_scenes[number], of_people = labels_of(seen.shot)
            self.cast[number] = self.of_people[number] = NOBODY
            for who, box in enumerate(boxes(seen.shot.framing, len(seen.cast))):
                self.crops[number, who] = np.asarray(person_of(picture, box, SIDE))
                self.of_people[number, who] = of_people[who]
                self.cast[number, who] = seen.cast[who]
            self._done[number] = 1
            yield number

    def ready(self) -> NDArray[np.int64]:
        """The numbers of the views that are there."""
        return np.flatnonzero(self._done)

    def squares(self) -> NDArray[np.int64]:
        """(n, 2): view and place of everybody who can be seen in the views that are there."""
        ready = self.ready()
        rows, places = np.nonzero(self.cast[ready] != NOBODY)
        return np.stack([ready[rows], places], axis=1)


def main() -> None:
    """Render a part: FOLDER POOL PEOPLE PART PARTS."""
    import sys

    folder, pool, people, part, parts = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])
    for _ in Views(folder, pool, people).render(part, parts):
        pass


if __name__ == "__main__":
    main()
