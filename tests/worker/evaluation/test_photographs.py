"""The measures of photographs, on engines whose faults are known, with a meter that tells people by the colour of a stripe."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
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
from worker.engines.echo import EchoEngine
from worker.evaluation import photographs
from worker.evaluation.figures import share
from worker.evaluation.measures import SCRIPT, TEST, Observed
from worker.evaluation.photographs import Looked, dialogues, recalled, seeds
from worker.evaluation.suite import SUITES, evaluate_photographs, to_json
from worker.evaluation.talk import Round, Talk
from worker.history import History
from worker.identity.meter import Face
from worker.training.dialogues import Teller
from worker.training.stories import scripted

Colour = tuple[int, int, int]
Cast = tuple[Colour, ...]
Fault = Callable[[int, Cast], Cast]
STRIPE = 8
NOTHING = Record(UUID(int=0), "", "", "", np.zeros(0, np.int32), np.zeros((0, 1), np.float32))


class Stripes:
    """Finds a face in each stripe that is not black."""

    def faces(self, picture: Image.Image) -> tuple[Face, ...]:
        colours = [picture.getpixel((left, 0)) for left in range(0, picture.width, STRIPE)]
        return tuple(self._face(number, colour) for number, colour in enumerate(colours) if any(colour))  # type: ignore[arg-type]  # RGB

    @staticmethod
    def _face(number: int, colour: Colour) -> Face:
        direction = np.random.default_rng(colour).normal(size=64).astype(np.float32)
        return Face((number * STRIPE, 0, (number + 1) * STRIPE, STRIPE), direction / np.linalg.norm(direction))


def photograph(cast: Cast) -> Image.Image:
    picture = Image.new("RGB", (STRIPE * max(1, len(cast)), STRIPE))
    for number, colour in enumerate(cast):
        picture.paste(colour, (number * STRIPE, 0, (number + 1) * STRIPE, STRIPE))
    return picture


def colour_of(*person: int) -> Colour:
    red, green, blue = np.random.default_rng(person).integers(1, 256, 3)
    return int(red), int(green), int(blue)


class Drawn:
    """Draws what it is given, whatever is said; somebody known by a reference it draws as that shows them."""

    fingerprint = "drawn"
    abilities = Abilities((), 2, 0, ("en",), ())

    def __init__(self, pictures: Iterator[Image.Image | None]) -> None:
        self._pictures = pictures

    def read(self, history: History, message: ChatMessage, *, on_reply: OnReply = no_reply) -> Reading:
        references = [one.references[0] for one in message.characters if one.references]
        return Reading("", draws=True, plan=references[0] if references else None)

    def draw(self, reading: Reading, *, turn_id: UUID, seed: int, on_step: OnStep) -> Drawing:
        picture = reading.plan if isinstance(reading.plan, Image.Image) else next(self._pictures)
        return Drawing(picture, "", NOTHING)

    def draw_several(self, reading: Reading, *, turn_id: UUID, seeds: Sequence[int], on_step: OnStep) -> list[Drawing]:
        return one_by_one(self, reading, turn_id=turn_id, seeds=seeds, on_step=on_step)


def told(chosen: Sequence[int], fault: Fault) -> Iterator[Image.Image | None]:
    for seed in chosen:
        story = scripted(seed, TEST, SCRIPT)
        for said in Teller(story, seed, TEST, thorough=True).tell():
            if said.turn is None:
                yield None
            else:
                cast = tuple(colour_of(seed, who) for who in story.turns[said.turn].scene.cast)
                yield photograph(fault(said.turn, cast))


def looked_at(fault: Fault) -> Looked:
    chosen = seeds(3)
    return dialogues(Drawn(told(chosen, fault)), Stripes(), chosen)


def right(seen: Observed) -> float:
    return share([one for rights in seen.right_person.values() for one in rights]).value


def test_no_dialogue_attaches_drawn_art() -> None:
    for seed in seeds(10):
        assert all(
            one.attached_from is None for one in Teller(scripted(seed, TEST, SCRIPT), seed, TEST, thorough=True).tell()
        )


def test_an_engine_without_fault_is_found_to_have_none() -> None:
    looked = looked_at(lambda _, cast: cast)
    assert len(looked.people) == 6
    assert all(looked.faces_found)
    assert right(looked.observed) == 1.0
    assert not any(looked.observed.together)
    assert 0 not in looked.observed.right_person, "the first picture says what somebody looks like"
    assert all(last == pytest.approx(first) for first, last in looked.observed.drift)


def test_people_who_swapped_places_are_themselves_all_the_same() -> None:
    assert right(looked_at(lambda _, cast: cast[::-1]).observed) == 1.0, "a photograph has no left and right to keep"


def test_strangers_are_noticed() -> None:
    seen = looked_at(lambda turn, cast: tuple(colour_of(1000 + turn, who) for who in range(len(cast)))).observed
    assert right(seen) <= 0.4, "by chance one of six is the nearest"
    assert share(seen.together).value >= 0.5


def test_two_who_look_the_same_are_noticed() -> None:
    def merged(turn: int, cast: Cast) -> Cast:
        return (cast[0], cast[0]) if len(cast) == 2 and turn > SCRIPT.index("join") else cast

    assert share(looked_at(merged).observed.together).value >= 0.5


def test_one_who_is_missing_is_noticed() -> None:
    looked = looked_at(lambda turn, cast: cast[:1] if turn > SCRIPT.index("join") else cast)
    assert not all(looked.faces_found)
    assert right(looked.observed) < 1.0


def test_somebody_known_by_one_picture_is_compared_with_it() -> None:
    looked = looked_at(lambda _, cast: cast)
    assert list(photographs.single_rounds(Drawn(iter(())), Stripes(), looked, 2)) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(("last", "is_recalled"), [((1, 0), True), ((1, 1), False), (None, False)])
def test_who_is_called_back_is_the_first_and_nobody_else(last: tuple[int, int] | None, is_recalled: bool) -> None:
    talk = Talk(EchoEngine())
    for shown in ((1, 0), (1, 1), last):
        cast = () if shown is None else (colour_of(*shown),)
        talk.rounds.append(Round(NOTHING, len(talk.rounds) - 1, picture=photograph(cast)))
    assert recalled(Stripes(), Looked(), talk) is is_recalled


def test_the_figures_have_the_names_that_they_have_of_drawn_people() -> None:
    size = SUITES["quick"]
    chosen = seeds(size.dialogues)
    again = iter(lambda: photograph((colour_of(7, 7),)), None)
    pictures = (one for source in (told(chosen, lambda _, cast: cast), again) for one in source)
    lines = json.loads(to_json(evaluate_photographs(Drawn(pictures), Stripes(), size)))
    assert lines["right_person_min"] == 1.0
    assert lines["faces_found"] == 1.0
    assert lines["single_round"] == pytest.approx(1.0)
    assert lines["seconds_p50"] > 0
    for name in ("single_round_share", "rollback", "attributes", "recall_50"):
        assert lines[name] is None, "which a meter of faces cannot see, or was not measured"
