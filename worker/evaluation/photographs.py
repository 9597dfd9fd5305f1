"""What is measured of an engine that draws photographs: the dialogues of `measures`, looked at by a meter of faces.

Nobody has photographs of the people of the dialogues, so the picture that introduces somebody says what they look like; from
then on it is seen whether they stay like that. What a meter of faces cannot see (places, clothes, expressions) is not
measured. It knows any engine by its contract, and nothing of drawn art.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from uuid import uuid4

import numpy as np
from PIL import Image

from worker.engines.contract import Character, Engine
from worker.evaluation.measures import GALLERY, SCRIPT, TEST, Observed
from worker.evaluation.sheets import SIDE
from worker.evaluation.talk import Talk
from worker.history.segments import SegmentStore
from worker.identity.guard import Guard, matched
from worker.identity.meter import Face, Meter
from worker.training.dialogues import PLACE_WORDS, Said, Teller
from worker.training.stories import Story, scripted

STYLE = "All pictures of this conversation are photographs. "


@dataclass
class Looked:
    """What a meter saw of dialogues: what people look like, and who was seen where they were to be seen."""

    observed: Observed = field(default_factory=Observed)
    people: dict[tuple[int, int], Face] = field(default_factory=dict)  # by seed and number: in their first picture
    first_pictures: list[tuple[Image.Image, Face]] = field(default_factory=list)  # of people who were introduced alone
    faces_found: list[bool] = field(default_factory=list)  # of each picture, whether as many as people


def seeds(number: int) -> list[int]:
    """The first seeds whose dialogues attach no picture: those that there are show drawn art."""
    plain = (seed for seed in count() if all(said.attached_from is None for said in _told(seed)[1]))
    return list(islice(plain, number))


def _told(seed: int) -> tuple[Story, list[Said]]:
    story = scripted(seed, TEST, SCRIPT)
    return story, Teller(story, seed, TEST, thorough=True).tell()


def dialogues(
    engine: Engine, meter: Meter, chosen: Sequence[int], *, remember: bool = True, guard: Guard | None = None
) -> Looked:
    """Tell the dialogues of the seeds, and look at every picture. Without `remember`, every round is a first one."""
    looked = Looked()
    later: list[tuple[int, int, tuple[int, ...], dict[int, Face] | None]] = []
    for seed in chosen:
        story, told = _told(seed)
        talk = Talk(engine, seed=seed, segments=SegmentStore(memory_bytes=2**30), guard=guard)
        row: list[tuple[Image.Image | None, str]] = []
        for number, said in enumerate(told):
            if not remember:
                talk = Talk(engine, seed=seed)
            drawn = talk.say(said.message if number and remember else STYLE + said.message)
            row.append((_small(drawn.picture), f"> {said.message}\n{drawn.reply}"))
            if drawn.picture is not None:
                looked.observed.seconds.append(drawn.seconds)
                looked.observed.drawings.append(drawn.drawings)
            if said.turn is not None:
                cast = story.turns[said.turn].scene.cast
                later.append((seed, said.turn, cast, _who(looked, meter, seed, story, said.turn, drawn.picture)))
        looked.observed.pictures.append(row)
    _judge(looked, later)
    return looked


def _who(
    looked: Looked, meter: Meter, seed: int, story: Story, turn: int, picture: Image.Image | None
) -> dict[int, Face] | None:
    """Everybody who is to be seen, by number; None where there are more or fewer faces. Takes down what newcomers look like."""
    cast, new = story.turns[turn].scene.cast, story.turns[turn].new
    found = meter.faces(picture) if picture is not None else ()
    looked.faces_found.append(len(found) == len(cast))
    if picture is None or len(found) != len(cast):
        return None
    places = matched(found, [looked.people.get((seed, who)) for who in cast])
    for who in new:
        looked.people.setdefault((seed, who), places[cast.index(who)])
        if len(cast) == 1:
            looked.first_pictures.append((picture, places[0]))
    return {who: places[number] for number, who in enumerate(cast)}


def _judge(looked: Looked, later: Sequence[tuple[int, int, tuple[int, ...], dict[int, Face] | None]]) -> None:
    """Whether each face is nearest to the person whom it is to show, of all people of all dialogues."""
    observed = looked.observed
    ends: dict[tuple[int, int], list[float]] = {}
    for seed, turn, cast, places in later:
        known = [who for who in cast if (seed, who) in looked.people]
        if len(cast) == 2 and len(known) == 2:
            observed.together.append(places is None or any(not _is(looked, seed, who, places[who], 2) for who in known))
        for who in known:
            if places is not None and places[who] is looked.people[seed, who]:
                continue  # this very picture says what they look like
            observed.right_person.setdefault(turn, []).append(
                places is not None and _is(looked, seed, who, places[who], GALLERY)
            )
            if places is not None:
                similarity = places[who].similarity(looked.people[seed, who])
                observed.similarity.setdefault(turn, []).append(similarity)
                ends.setdefault((seed, who), []).append(similarity)
    observed.drift += [(one[0], one[-1]) for one in ends.values()]


def _is(looked: Looked, seed: int, who: int, face: Face, among: int) -> bool:
    """Whether a face is that of somebody: of so many people, they and the other one of their dialogue among them."""
    others = sorted((key for key in looked.people if key != (seed, who)), key=lambda key: key[0] != seed)
    own = face.similarity(looked.people[seed, who])
    return all(own > face.similarity(looked.people[key]) for key in others[: among - 1])


def single_rounds(engine: Engine, meter: Meter, looked: Looked, number: int) -> Iterator[float]:
    """Similarities to the reference, of one picture each of people who are known by a picture only: their first one."""
    for order, (reference, face) in enumerate(looked.first_pictures[:number]):
        talk = Talk(engine, seed=10_000 + order)
        talk.characters.append(Character(uuid4(), "Kim", 1, references=(reference,)))
        place = random.Random(f"single round {order}").choice(list(PLACE_WORDS))
        picture = talk.say(f"{STYLE}A portrait of Kim {PLACE_WORDS[place][0]}").picture
        found = meter.faces(picture) if picture is not None else ()
        yield max((one.similarity(face) for one in found), default=0.0)


def recalled(meter: Meter, looked: Looked, talk: Talk) -> bool:
    """Whether the only person in the last picture is that of the first, and nobody else."""
    first, last = (meter.faces(one.picture) if one.picture else () for one in (talk.rounds[0], talk.rounds[-1]))
    if len(first) != 1 or len(last) != 1:
        return False
    own = last[0].similarity(first[0])
    second = next((found[0] for one in talk.rounds[1:-1] if one.picture and (found := meter.faces(one.picture))), None)
    others = [*looked.people.values(), *([second] if second is not None else [])]
    return all(
        own > last[0].similarity(other) for other in others if not np.array_equal(other.embedding, first[0].embedding)
    )


def _small(picture: Image.Image | None) -> Image.Image | None:
    if picture is None:
        return None
    shown = picture.copy()
    shown.thumbnail((SIDE, SIDE))
    return shown
