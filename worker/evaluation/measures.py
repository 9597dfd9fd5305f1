"""What is measured of an engine that draws illustrated people, on people and phrasings of the test split.

Each function has conversations, or people, looked at by a meter and an attribute reader, and returns observations; figures
and their intervals are made of them elsewhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.engines.contract import Character, Engine
from worker.evaluation.talk import Round, Talk
from worker.history.segments import SegmentStore
from worker.identity.compositions import FRAMINGS
from worker.identity.drawn import AttributeReader, DrawnEmbedding, Seen
from worker.identity.guard import Guard
from worker.training.dialogues import PLACE_WORDS, Said, Teller
from worker.training.people import Look, Person, as_named, one_apart, shows_hair, worn
from worker.training.scenes import PLACES, Shot, draw_shot
from worker.training.stories import Story, scripted
from worker.training.views import FAMILY, member, some_look, view

TEST = "test"
POOL = "evaluation"
SCRIPT = (
    *("open", "change", "change", "join", "switch", "change"),
    *("switch", "first", "both", "change", "switch", "change"),
)
GALLERY = 100  # people of whom one is the right one, half of the others one attribute apart from them

Embedding = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Judges:
    """Who looks at the pictures. Neither is used while serving."""

    meter: DrawnEmbedding
    reader: AttributeReader


# -- the meter itself -------------------------------------------------------------------------------------------------


@dataclass
class Pairs:
    """Similarities of two real pictures of one person, and of two people, half of whom differ in one attribute."""

    same: list[float] = field(default_factory=list)
    different: list[float] = field(default_factory=list)
    read: dict[str, list[bool]] = field(default_factory=dict)  # by attribute, whether the reader was right


def pairs(judges: Judges, families: int) -> Pairs:
    """Judge the judges, on real pictures of people whom they never saw."""
    found = Pairs()
    people = families * FAMILY
    rng = random.Random("pairs")
    embedded: dict[int, list[Embedding]] = {number: [] for number in range(people)}
    for number in range(2 * people):
        seen = view(POOL, people, number, TEST)
        picture = draw_shot(seen.shot)
        for who, embedding in zip(
            seen.cast, judges.meter.embed(picture, seen.shot.framing, len(seen.cast)), strict=True
        ):
            embedded[who].append(embedding)
        for name, right in judged(judges.reader.read(picture), seen.shot).items():
            found.read.setdefault(name, []).extend(right)
    for number, (one, another, *_) in embedded.items():
        found.same.append(float(one @ another))
        first = number - number % FAMILY
        relative = rng.choice(
            [other for other in range(first, first + FAMILY) if first in (other, number) and other != number]
        )
        stranger = rng.choice([other for other in range(people) if other // FAMILY != number // FAMILY])
        found.different += [float(one @ rng.choice(embedded[other])) for other in (relative, stranger)]
    return found


def judged(seen: Seen, shot: Shot) -> dict[str, list[bool]]:
    """Whether each attribute that was read is what the shot shows; of people only where as many were seen as there are."""
    right = {
        "place": [seen.place == shot.place],
        "night": [seen.night == shot.night],
        "framing": [seen.framing == shot.framing],
        "count": [len(seen.people) == len(shot.people)],
    }
    if right["count"][0]:
        for read, (person, look) in zip(seen.people, shot.people, strict=True):
            for name, value in _truth(person, look).items():
                right.setdefault(name, []).append(getattr(read, name) == value)
    return right


def _truth(person: Person, look: Look) -> dict[str, str]:
    """What can be seen of somebody, in the reader's words."""
    return {
        "expression": look.expression,
        "clothes": look.clothes,
        "head": person.head,
        **({"hair": person.hair} if shows_hair(person) else {}),
        "skin": person.skin,
        "glasses": worn(person, look) or "none",
        "beard": person.beard or "none",
    }


# -- one round --------------------------------------------------------------------------------------------------------


def single_rounds(engine: Engine, judges: Judges, count: int) -> Iterator[float]:
    """Similarities to the reference, of one picture each of people who are known by a reference only."""
    for number in range(count):
        rng = random.Random(f"single round {number}")
        person = member(POOL, number * FAMILY, TEST)
        shot = Shot(((person, some_look(rng)),), rng.choice(list(PLACES)), False, "portrait", rng.randrange(2**30))
        reference = draw_shot(shot)
        talk = Talk(engine, seed=10_000 + number)
        talk.characters.append(Character(uuid4(), "Kim", 1, references=(reference,)))
        place = rng.choice([place for place in PLACES if place != shot.place])
        picture = talk.say(f"a portrait of Kim {PLACE_WORDS[place][0]}").picture
        if picture is None:
            yield 0.0
            continue
        (known,) = judges.meter.embed(reference, "portrait", 1)
        yield float(known @ judges.meter.embed(picture, "portrait", 1)[0])


# -- dialogues --------------------------------------------------------------------------------------------------------


@dataclass
class Observed:
    """What was seen in dialogues of `SCRIPT`: lists by number of the round, or by attribute."""

    right_person: dict[int, list[bool]] = field(default_factory=dict)
    right_told: dict[int, list[bool]] = field(default_factory=dict)  # the same, where who was told in words is as told
    similarity: dict[int, list[float]] = field(default_factory=dict)
    said: list[bool] = field(default_factory=list)  # whether real pictures of what was said show the right person
    said_told: dict[int, list[bool]] = field(default_factory=dict)  # `right_told`, of real pictures
    said_together: list[bool] = field(default_factory=list)  # `together`, of real pictures
    said_rollback: list[bool] = field(default_factory=list)  # `rollback`, of real pictures
    drift: list[tuple[float, float]] = field(default_factory=list)  # of each person: their first round, their last
    together: list[bool] = field(default_factory=list)  # of pictures of two: whether swapped, merged or one missing
    asked: dict[str, list[bool]] = field(default_factory=dict)
    rollback: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of rounds with a picture, to read and to draw
    drawings: list[int] = field(default_factory=list)  # of the same rounds
    likeness_of_right: list[float] = field(default_factory=list)  # what the guard makes of pictures of the right people
    pictures: list[list[tuple[Image.Image | None, str]]] = field(default_factory=list)  # with what was said


class Galleries(NamedTuple):
    """The gallery of each person of a story: as they are, and as they were told, in words or by a picture."""

    own: list[NDArray[np.float32]]
    told: list[NDArray[np.float32]]


def dialogues(
    engine: Engine,
    judges: Judges,
    seeds: Sequence[int],
    *,
    remember: bool = True,
    guard: Guard | None = None,
    split: str = TEST,
) -> Observed:
    """Tell the dialogues of the seeds, and look at every picture. Without `remember`, every round is a first one."""
    observed = Observed()
    for seed in seeds:
        story = scripted(seed, split, SCRIPT)
        teller = Teller(story, seed, split, thorough=True)
        galleries = Galleries(
            [gallery(judges, person, seed, split) for person in story.people],
            [gallery(judges, as_named(person), seed, split) for person in story.people],
        )
        talk = Talk(engine, seed=seed, segments=SegmentStore(memory_bytes=2**28), guard=guard)
        last: dict[int, float] = {}
        first: dict[int, float] = {}
        pictured: set[int] = set()
        row: list[tuple[Image.Image | None, str]] = []
        for said in teller.tell():
            if not remember:
                talk = Talk(engine, seed=seed)
            pictures = [] if said.attached_from is None else [draw_shot(story.shot(said.attached_from))]
            drawn = talk.say(said.message, pictures)
            row.append((drawn.picture, f"> {said.message}\n{drawn.reply}"))
            if drawn.picture is not None:
                observed.seconds.append(drawn.seconds)
                observed.drawings.append(drawn.drawings)
            if said.turn is not None:
                for who in story.turns[said.turn].new if said.attached else ():
                    pictured.add(who)
                    galleries.told[who] = galleries.own[who]
                _look_at_real(observed, judges, story, said, as_told(story, said.turn, pictured), galleries)
                for who, similarity in _look(observed, judges, story, said, drawn, galleries).items():
                    first.setdefault(who, similarity)
                    last[who] = similarity
        observed.drift += [(first[who], last[who]) for who in first]
        observed.pictures.append(row)
    return observed


def as_told(story: Story, turn: int, pictured: Set[int]) -> Shot:
    """The shot of a turn as far as it was told: who is not `pictured` has the colours that words name, and no shade of theirs."""
    shot, cast = story.shot(turn), story.turns[turn].scene.cast
    people = tuple(
        (person if who in pictured else as_named(person), look)
        for who, (person, look) in zip(cast, shot.people, strict=True)
    )
    return replace(shot, people=people)


def _look_at_real(
    observed: Observed,
    judges: Judges,
    story: Story,
    said: Said,
    shot: Shot,
    galleries: Galleries,
) -> None:
    """Judge the real picture of a shot: what is wrong there an engine cannot have right."""
    assert said.turn is not None
    turn, real = story.turns[said.turn], draw_shot(shot)
    cast = turn.scene.cast
    found = judges.meter.embed(real, shot.framing, len(cast))
    observed.said += _found(cast, found, galleries.own)
    observed.said_told.setdefault(said.turn, []).extend(_found(cast, found, galleries.told))
    if len(cast) == 2:
        observed.said_together.append(_nearest(cast, found, galleries.own) != cast)
    if turn.kind == "back":
        observed.said_rollback.append(_restored(story, said, judges.reader.read(real)))


def _found(cast: tuple[int, ...], embedded: Iterable[Embedding], galleries: list[NDArray[np.float32]]) -> list[bool]:
    """Whether each person of a picture is most like the right one of their gallery."""
    return [int((galleries[who] @ one).argmax()) == 0 for who, one in zip(cast, embedded, strict=True)]


def _nearest(
    cast: tuple[int, ...], found: Iterable[Embedding], galleries: list[NDArray[np.float32]]
) -> tuple[int, ...]:
    """Who of the cast each person of a picture is most like, from left to right."""
    return tuple(max(cast, key=lambda one: float(galleries[one][0] @ embedding)) for embedding in found)


def _look(
    observed: Observed,
    judges: Judges,
    story: Story,
    said: Said,
    drawn: Round,
    galleries: Galleries,
) -> dict[int, float]:
    """Judge a picture; returns the similarity of everybody in it to themselves."""
    assert said.turn is not None
    turn = story.turns[said.turn]
    cast, picture = turn.scene.cast, drawn.picture
    seen = judges.reader.read(picture) if picture is not None else None
    for name, right in _asked(story, said, seen).items():
        observed.asked.setdefault(name, []).extend(right)
    if turn.kind == "back":
        observed.rollback.append(_restored(story, said, seen))
    if seen is None or picture is None or len(seen.people) != len(cast):
        if len(cast) == 2:
            observed.together.append(True)
        for rights in (observed.right_person, observed.right_told):
            rights.setdefault(said.turn, []).extend([False] * len(cast))
        return {}
    found = judges.meter.embed(picture, seen.framing, len(cast))
    similarities = {who: float(galleries.own[who][0] @ one) for who, one in zip(cast, found, strict=True)}
    observed.similarity.setdefault(said.turn, []).extend(similarities.values())
    right = _found(cast, found, galleries.own)
    observed.right_told.setdefault(said.turn, []).extend(_found(cast, found, galleries.told))
    if len(cast) == 2:
        observed.together.append(_nearest(cast, found, galleries.own) != cast)
    observed.right_person.setdefault(said.turn, []).extend(right)
    if all(right):
        observed.likeness_of_right += [min(drawn.likeness.values())] if drawn.likeness else []
    return similarities


def _asked(story: Story, said: Said, seen: Seen | None) -> dict[str, list[bool]]:
    """Whether what the message asked for is to be seen."""
    assert said.turn is not None
    turn = story.turns[said.turn]
    scene = turn.scene
    right: dict[str, list[bool]] = {"count": [seen is not None and len(seen.people) == len(scene.cast)]}
    for name in ("place", "night", "framing"):
        if name in turn.changed:
            right[name] = [seen is not None and getattr(seen, name) == getattr(scene, name)]
    base = story.turns[turn.base].scene if turn.base >= 0 else None
    before = dict(zip(base.cast, base.looks, strict=True)) if base else {}
    for position, (who, look) in enumerate(zip(scene.cast, scene.looks, strict=True)):
        read = seen.people[position] if seen is not None and len(seen.people) == len(scene.cast) else None
        for name in ("expression", "clothes"):
            new = who in turn.new or (
                name in turn.changed and who in before and getattr(before[who], name) != getattr(look, name)
            )
            if new and not (who in turn.new and said.attached):
                right.setdefault(name, []).append(read is not None and getattr(read, name) == getattr(look, name))
        if who in turn.new:
            for name, value in _truth(story.people[who], look).items():
                if name in ("head", "hair", "skin", "glasses", "beard"):
                    right.setdefault(name, []).append(read is not None and getattr(read, name) == value)
    return right


def _restored(story: Story, said: Said, seen: Seen | None) -> bool:
    """Whether a picture that was gone back to shows all that it was not asked to change."""
    assert said.turn is not None
    turn = story.turns[said.turn]
    if seen is None or len(seen.people) != len(turn.scene.cast):
        return False
    scene = all(
        getattr(seen, name) == getattr(turn.scene, name)
        for name in ("place", "night", "framing")
        if name not in turn.changed
    )
    return scene and all(
        getattr(read, name) == getattr(look, name)
        for read, look in zip(seen.people, turn.scene.looks, strict=True)
        for name in ("expression", "clothes")
        if name not in turn.changed
    )


@lru_cache(maxsize=512)  # all of the full suite, whose first dialogues are had again with the guard
def gallery(judges: Judges, person: Person, seed: int, split: str = TEST) -> NDArray[np.float32]:
    """(GALLERY, EMBEDDING): the person first, then those who are one attribute apart, then others."""
    rng = random.Random(f"gallery {seed} {person.key}")
    near = [one_apart(rng, person) for _ in range(GALLERY // 2)]
    return np.concatenate(
        [
            np.stack([_likeness(judges, one) for one in (person, *near)]),
            _strangers(judges, split)[: GALLERY - 1 - len(near)],
        ]
    )


@lru_cache(maxsize=2)
def _strangers(judges: Judges, split: str) -> NDArray[np.float32]:
    return np.stack([_likeness(judges, member("strangers", number * FAMILY, split)) for number in range(GALLERY // 2)])


def _likeness(judges: Judges, person: Person) -> Embedding:
    """What the meter makes of a person, of a real picture in each framing."""
    rng = random.Random(person.key)
    found = []
    for framing in FRAMINGS:
        place, night = rng.choice(list(PLACES)), rng.random() < 0.5
        shot = Shot(((person, some_look(rng)),), place, night, framing, rng.randrange(2**30))
        found.append(judges.meter.embed(draw_shot(shot), framing, 1)[0])
    middle = np.mean(found, axis=0)
    return np.asarray(middle / np.linalg.norm(middle))
