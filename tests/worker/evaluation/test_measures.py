"""The measures, on engines whose faults are known: one that draws just what was asked, and ones that err in one way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from worker.engines.contract import (
    Abilities,
    ChatMessage,
    Drawing,
    OnReply,
    OnStep,
    Reading,
    Record,
    no_reply,
    one_by_one,
)
from worker.evaluation import by_hand
from worker.evaluation.figures import auc, share
from worker.evaluation.measures import SCRIPT, TEST, Judges, Observed, dialogues, pairs
from worker.evaluation.suite import judges
from worker.history import History
from worker.training.dialogues import Teller
from worker.training.people import as_named
from worker.training.scenes import Shot, draw_shot
from worker.training.stories import scripted
from worker.training.views import FAMILY, LABELS, member

SEEDS = (3, 4)
Fault = Callable[[int, Shot], Shot]


@pytest.fixture(scope="module")
def looks() -> Judges:
    return judges()


class Scripted:
    """Draws the pictures of the script of some seeds, in order, each with a fault."""

    fingerprint = "scripted"
    abilities = Abilities((), 2, 0, ("en",), ())

    def __init__(self, fault: Fault, seeds: Sequence[int] = SEEDS) -> None:
        self._shots = self._told(fault, seeds)

    @staticmethod
    def _told(fault: Fault, seeds: Sequence[int]) -> Iterator[Image.Image | None]:
        for seed in seeds:
            story = scripted(seed, TEST, SCRIPT)
            for said in Teller(story, seed, TEST, thorough=True).tell():
                yield None if said.turn is None else draw_shot(fault(said.turn, story.shot(said.turn)))

    def read(self, history: History, message: ChatMessage, *, on_reply: OnReply = no_reply) -> Reading:
        return Reading("", draws=True)

    def draw(self, reading: Reading, *, turn_id: UUID, seed: int, on_step: OnStep) -> Drawing:
        nothing = np.zeros(0, np.int32)
        record = Record(turn_id, self.fingerprint, "", "", nothing, np.zeros((0, 64), np.float32))
        return Drawing(next(self._shots), "", record)

    def draw_several(self, reading: Reading, *, turn_id: UUID, seeds: Sequence[int], on_step: OnStep) -> list[Drawing]:
        return one_by_one(self, reading, turn_id=turn_id, seeds=seeds, on_step=on_step)


def observed(looks: Judges, fault: Fault, seeds: Sequence[int] = SEEDS) -> Observed:
    return dialogues(Scripted(fault, seeds), looks, seeds)


def right(seen: Observed) -> float:
    return among(seen.right_person)


def among(rounds: dict[int, list[bool]]) -> float:
    return share([one for rights in rounds.values() for one in rights]).value


def test_an_engine_without_fault_is_found_to_have_none(looks: Judges) -> None:
    seen = observed(looks, lambda _, shot: shot)
    assert right(seen) >= 0.9
    assert all(share(shown).value >= 0.85 for shown in seen.asked.values())
    assert share(seen.rollback).value == 1.0
    assert not any(seen.together)
    assert share(seen.said).value >= 0.8, "and words leave little open"
    assert len(seen.said) == sum(map(len, seen.right_person.values()))
    assert seen.said_together == seen.together, "so are the real pictures that it is compared with"
    assert seen.said_rollback == seen.rollback
    assert sorted(seen.right_person) == list(range(len(SCRIPT)))


def test_people_are_as_they_were_told(looks: Judges) -> None:
    seeds = (4, 9)
    (pictured,) = (story := scripted(9, TEST, SCRIPT)).turns[3].new
    assert any(said.attached for said in Teller(story, 9, TEST, thorough=True).tell())

    def as_told(turn: int, shot: Shot) -> Shot:
        named = ((one if one == story.people[pictured] else as_named(one), look) for one, look in shot.people)
        return replace(shot, people=tuple(named))

    seen = observed(looks, as_told, seeds)
    assert among(seen.right_told) >= 0.95
    assert among(seen.said_told) >= 0.95
    assert [len(one) for one in seen.right_told.values()] == [len(one) for one in seen.said_told.values()]
    assert right(seen) < among(seen.right_told), "their own shades nobody said"


def test_strangers_are_noticed(looks: Judges) -> None:
    def strangers(turn: int, shot: Shot) -> Shot:
        others = (member("others", (turn + place) * FAMILY, TEST) for place in range(2))
        return replace(shot, people=tuple((other, look) for other, (_, look) in zip(others, shot.people, strict=False)))

    seen = observed(looks, strangers)
    assert right(seen) <= 0.1
    assert among(seen.right_told) <= 0.1
    assert share(seen.asked["place"]).value >= 0.95, "what else was asked for is there"


def test_people_who_swapped_places_are_noticed(looks: Judges) -> None:
    seen = observed(looks, lambda _, shot: replace(shot, people=shot.people[::-1]))
    assert share(seen.together).value >= 0.9
    assert not any(seen.said_together), "which is no fault of real pictures"


def test_one_who_is_missing_is_noticed(looks: Judges) -> None:
    seen = observed(looks, lambda _, shot: replace(shot, people=shot.people[:1]))
    assert share(seen.together).value >= 0.9


def test_a_place_that_was_not_gone_back_to_is_noticed(looks: Judges) -> None:
    def elsewhere(turn: int, shot: Shot) -> Shot:
        return replace(shot, place="space" if shot.place != "space" else "beach") if SCRIPT[turn] == "first" else shot

    assert share(observed(looks, elsewhere).rollback).value == 0.0


def test_the_judges_are_right_on_real_pictures_of_people_whom_they_never_saw(looks: Judges) -> None:
    found = pairs(looks, 12)
    assert auc(found.same, found.different).value >= 0.97
    assert share([one for rights in found.read.values() for one in rights]).value >= 0.95


def test_there_are_enough_messages_by_hand_and_they_ask_for_what_can_be_read() -> None:
    written = by_hand.written()
    assert len(written) >= 200
    assert len({tuple(one["say"]) for one in written}) == len(written)
    for one in written:
        for person in one["people"]:
            for name, value in person.items():
                assert set([value] if isinstance(value, str) else value) <= set(LABELS[name]), one["say"]


def test_what_was_asked_by_hand_is_compared_with_what_is_seen(looks: Judges) -> None:
    shot = scripted(3, TEST, SCRIPT).shot(0)
    seen = looks.reader.read(draw_shot(shot))
    assert by_hand.compared({"place": shot.place, "people": [{}]}, seen) == {"place": [True], "count": [True]}
    assert by_hand.compared({"place": "nowhere", "people": [{}, {}]}, seen) == {"place": [False], "count": [False]}
    assert by_hand.compared({"people": [{"hair": "red"}]}, None) == {"count": [False], "hair": [False]}
