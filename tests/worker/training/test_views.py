"""The views that meters learn from: families one attribute apart, labels that are true, rendering that can be killed."""

from __future__ import annotations

import random
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from worker.identity.compositions import FRAMINGS, boxes, person_of
from worker.identity.drawn import OF_PEOPLE, OF_SCENES
from worker.training.people import Look, Person, draw_person, one_apart, some_person
from worker.training.scenes import Shot, draw_shot
from worker.training.views import FAMILY, LABELS, NOBODY, VIEWS, Views, labels_of, member


def _attributes(person: Person) -> dict[str, object]:
    return {field.name: getattr(person, field.name) for field in fields(person) if not field.name.endswith("_colour")}


@pytest.mark.parametrize("seed", range(40))
def test_people_one_apart_differ_in_one_attribute_and_it_shows(seed: int) -> None:
    rng = random.Random(seed)
    person = some_person(rng)
    other = one_apart(rng, person)
    assert (
        sum(
            one != another
            for one, another in zip(_attributes(person).values(), _attributes(other).values(), strict=True)
        )
        == 1
    )
    look = Look("calm", "grey", (140, 144, 150))
    first, second = (np.asarray(draw_person(one, look)).astype(int) for one in (person, other))
    assert (abs(first - second).max(axis=2) > 24).mean() > 0.001


def test_a_family_shares_its_first_member_and_pools_share_nobody() -> None:
    family = [member("meter", number) for number in range(FAMILY)]
    for other in family[1:]:
        assert sum(_attributes(other)[name] != value for name, value in _attributes(family[0]).items()) == 1
    assert not {member("meter", number) for number in range(200)} & {member("guard", number) for number in range(200)}


def test_labels_say_what_a_shot_shows() -> None:
    people = ((some_person(random.Random(1)), Look("rage", "red", (214, 58, 54))),) * 2
    scene, who = labels_of(Shot(people, "snow", True, "wide", 3))
    said = {name: LABELS[name][label] for name, label in zip(OF_SCENES, scene, strict=True)}
    assert said == {"place": "snow", "night": "night", "composition": "wide 2"}
    first = {name: LABELS[name][label] for name, label in zip(OF_PEOPLE, who[0], strict=True) if label != NOBODY}
    assert (first["expression"], first["clothes"], first["head"]) == ("rage", "red", people[0][0].head)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_people_stand_in_their_squares(framing: str) -> None:
    """Pictures with another person on the right differ in the right square more than in the left, which overlaps it."""
    rng = random.Random(5)
    left, right, other = some_person(rng), some_person(rng), some_person(rng)
    look = Look("calm", "grey", (140, 144, 150))
    one, another = (draw_shot(Shot(((left, look), (who, look)), "stage", False, framing, 1)) for who in (right, other))
    change = [
        np.abs(
            np.asarray(person_of(one, box, 96)).astype(int) - np.asarray(person_of(another, box, 96)).astype(int)
        ).mean()
        for box in boxes(framing, 2)
    ]
    assert change[1] > 1.5 * change[0]


def test_rendering_that_was_killed_goes_on(tmp_path: Path) -> None:
    views = Views(tmp_path, "meter", FAMILY)
    for _ in zip(range(5), views.render(), strict=False):
        pass
    done = len(views.ready())
    again = Views(tmp_path, "meter", FAMILY)
    assert 0 < done < FAMILY * VIEWS
    assert sum(1 for _ in again.render()) == FAMILY * VIEWS - done
    assert len(again.ready()) == FAMILY * VIEWS
    assert {int(who) for who in again.cast[:, 0]} <= set(range(FAMILY))
    view, place = again.squares()[0]
    assert Image.fromarray(again.crops[view, place]).getextrema() != ((0, 0),) * 3
