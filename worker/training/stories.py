"""Stories: what happens in a conversation, as shots, before anybody puts it into words.

A story has one or two people and several turns; each turn introduces somebody, changes a few things, brings somebody back,
or goes back to an earlier picture. Deterministic by seed; the split of a story is the split of its people.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from worker.identity.compositions import FRAMINGS
from worker.training.people import CLOTHES, EXPRESSIONS, GLASSES, OWN, Look, Person, shade, some_person, split_of, worn
from worker.training.scenes import PLACES, Shot

TURNS = 12
NAMES = (
    *(
        "Olivia",
        "Max",
        "Ada",
        "Ben",
        "Clara",
        "David",
        "Emma",
        "Felix",
        "Grace",
        "Hugo",
        "Ines",
        "Jonas",
        "Kira",
        "Leo",
    ),
    *(
        "Mia",
        "Noah",
        "Oscar",
        "Paula",
        "Quinn",
        "Rosa",
        "Sam",
        "Tara",
        "Uma",
        "Victor",
        "Wanda",
        "Xenia",
        "Yusuf",
        "Zoe",
    ),
    *(
        "Aisha",
        "Boris",
        "Chen",
        "Dora",
        "Elif",
        "Finn",
        "Gina",
        "Hana",
        "Ivan",
        "Julia",
        "Karim",
        "Lena",
        "Mateo",
        "Nina",
    ),
    *(
        "Omar",
        "Priya",
        "Raul",
        "Sofia",
        "Tom",
        "Vera",
        "Will",
        "Yara",
        "Anna",
        "Carlos",
        "Diego",
        "Eva",
        "Fatima",
        "Hans",
    ),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A shot with its people by number, as a turn's words see it."""

    cast: tuple[int, ...]
    looks: tuple[Look, ...]  # of the cast, in the same order
    place: str
    night: bool
    framing: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. `base` is the turn whose scene it changes (-1 for none); `new` are people shown for the first time."""

    scene: Scene
    kind: str  # "open", "change", "join", "switch", "back"
    base: int
    changed: tuple[str, ...]
    new: tuple[int, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Story:
    """A conversation to be: `people` and `names` go together."""

    seed: int
    people: tuple[Person, ...]
    names: tuple[str, ...]
    turns: tuple[Turn, ...]

    def shot(self, turn: int) -> Shot:
        """The picture of a turn."""
        scene = self.turns[turn].scene
        cast = tuple((self.people[who], look) for who, look in zip(scene.cast, scene.looks, strict=True))
        return Shot(cast, scene.place, scene.night, scene.framing, self.turns[turn].seed)


_OPENING = Turn(Scene((), (), "", False, ""), "open", -1, ("place", "night", "framing", "expression", "clothes"), (), 0)


@lru_cache(maxsize=8192)
def story(seed: int, split: str = "train") -> Story:
    """The story of a seed, about people of one split only."""
    rng = random.Random(f"story {split} {seed}")
    people = tuple(_person_of(rng, split) for _ in range(2))
    names = tuple(rng.sample(NAMES, 2))
    turns: list[Turn] = []
    for number in range(TURNS):
        turns.append(_open(rng) if number == 0 else _next(rng, turns, people))
    return Story(seed, people, names, tuple(turns))


def scripted(seed: int, split: str, kinds: Sequence[str]) -> Story:
    """A story whose turns are of the given kinds.

    "open" shows the first person alone; "change" changes one thing; "join" puts the second person beside them, "switch"
    shows the one who is not there, alone, at another place; "both" brings the two together again; "first" goes back to
    the first picture but for one thing, "before" to the one before the last.
    """
    rng = random.Random(f"scripted {split} {seed}")
    people = tuple(_person_of(rng, split) for _ in range(2))
    turns: list[Turn] = []
    for kind in kinds:
        turns.append(_scripted(rng, turns, kind))
    return Story(seed, people, tuple(rng.sample(NAMES, 2)), tuple(turns))


def restless(seed: int, split: str = "train") -> Story:
    """A story in which people come, go and are called back, and pictures are gone back to, more than in `story`."""
    rng = random.Random(f"restless {split} {seed}")
    people = tuple(_person_of(rng, split) for _ in range(2))
    turns: list[Turn] = []
    while len(turns) < TURNS:
        turns.append(_scripted(rng, turns, rng.choice(_possible(turns))))
    return Story(seed, people, tuple(rng.sample(NAMES, 2)), tuple(turns))


def _possible(turns: Sequence[Turn]) -> tuple[str, ...]:
    """The kinds of `scripted` that a turn after these may be of."""
    if not turns:
        return ("open",)
    back = ("first", "before") if len(turns) > 1 else ()
    if all(turn.scene.cast == (0,) for turn in turns):
        return ("change", "join", "switch", *back)
    return ("change", "switch", *(("both",) if len(turns[-1].scene.cast) == 1 else ("change",)), *back)


def excerpt(whole: Story, first: int, rounds: int) -> Story:
    """The conversation that begins with turn `first` of a story: its pictures, as though nothing had been before.

    It has at most so many rounds, and ends before a turn that goes back beyond its beginning.
    """
    scene = whole.turns[first].scene
    opening = replace(_OPENING, scene=scene, new=scene.cast, seed=whole.turns[first].seed)
    turns, known = [opening], set(scene.cast)
    for turn in whole.turns[first + 1 : first + rounds]:
        if turn.base < first:
            break
        new = tuple(who for who in turn.scene.cast if who not in known)
        if new and turn.kind in ("change", "back"):
            break
        turns.append(replace(turn, base=turn.base - first, new=new))
        known |= set(new)
    return replace(whole, turns=tuple(turns))


def _scripted(rng: random.Random, turns: list[Turn], kind: str) -> Turn:
    if kind == "open":
        return _open(rng, together=False)
    known = {who for turn in turns for who in turn.scene.cast}
    last = turns[-1].scene
    if kind == "change":
        return _changed(rng, last, "change", len(turns) - 1, 1)
    if kind == "join":
        return _bring(rng, turns, 1, new=1 not in known, beside=True)
    if kind == "switch":
        other = 1 - last.cast[0]
        turn = _bring(rng, turns, other, new=other not in known, beside=False)
        changed = _changed(rng, turn.scene, "switch", len(turns) - 1, 0, always=("place",))
        return replace(changed, new=turn.new)
    if kind == "both":
        return _bring(rng, turns, 1 - last.cast[0], new=False, beside=True)
    base = 0 if kind == "first" else len(turns) - 2
    return _changed(rng, turns[base].scene, "back", base, 1)


def _person_of(rng: random.Random, split: str) -> Person:
    while True:
        person = some_person(rng)
        if split_of(person) == split:
            return person


def _look(rng: random.Random) -> Look:
    clothes = rng.choice(list(CLOTHES))
    return Look(rng.choice(list(EXPRESSIONS)), clothes, shade(rng, CLOTHES[clothes], 6))


def _open(rng: random.Random, *, together: bool = True) -> Turn:
    cast = (0, 1) if together and rng.random() < 0.15 else (0,)
    scene = Scene(
        cast,
        tuple(_look(rng) for _ in cast),
        rng.choice(list(PLACES)),
        rng.random() < 0.35,
        rng.choice(list(FRAMINGS)),
    )
    return replace(_OPENING, scene=scene, new=cast, seed=rng.randrange(2**30))


def _next(rng: random.Random, turns: list[Turn], people: Sequence[Person]) -> Turn:
    known = {who for turn in turns for who in turn.scene.cast}
    last = turns[-1].scene
    choice = rng.random()
    if 1 not in known and choice < 0.3:
        return _bring(rng, turns, 1, new=True)
    if len(known) == 2 and choice < 0.3:
        missing = [who for who in known if who not in last.cast]
        if missing:
            return _bring(rng, turns, missing[0], new=False)
        kept = rng.choice(last.cast)
        scene = replace(last, cast=(kept,), looks=(last.looks[last.cast.index(kept)],))
        return _changed(rng, scene, "switch", len(turns) - 1, rng.randint(0, 1))
    if len(turns) > 1 and choice < 0.5:
        base = rng.randrange(len(turns) - 1)
        return _changed(rng, turns[base].scene, "back", base, rng.randint(0, 1))
    if rng.random() < 0.15:
        return _with_other_glasses(rng, last, people, len(turns) - 1)
    return _changed(rng, last, "change", len(turns) - 1, rng.choice((1, 1, 2, 2, 3)))


def _with_other_glasses(rng: random.Random, scene: Scene, people: Sequence[Person], base: int) -> Turn:
    """Somebody takes their glasses off, puts them on again, or puts others on."""
    looks = list(scene.looks)
    wearing = [one for one, who in enumerate(scene.cast) if worn(people[who], looks[one])]
    one = rng.choice(wearing) if wearing else rng.randrange(len(looks))
    own, seen = people[scene.cast[one]].glasses, worn(people[scene.cast[one]], looks[one])
    chosen = rng.choice([None if seen else rng.choice(list(GLASSES)), *([OWN] if own and seen != own else [])])
    looks[one] = replace(looks[one], glasses=chosen)
    return Turn(replace(scene, looks=tuple(looks)), "change", base, ("glasses",), (), rng.randrange(2**30))


def _bring(rng: random.Random, turns: list[Turn], who: int, *, new: bool, beside: bool | None = None) -> Turn:
    """Put somebody next to those who are there, or in their place, in what they wore last."""
    last = turns[-1].scene
    look = _look(rng)
    for turn in turns:
        if who in turn.scene.cast:
            look = turn.scene.looks[turn.scene.cast.index(who)]
    decided = beside is not None
    if beside is None:
        beside = len(last.cast) == 1 and rng.random() < 0.55
    cast = (*last.cast, who) if beside else (who,)
    looks = (*last.looks, look) if beside else (look,)
    turn = _changed(rng, replace(last, cast=cast, looks=looks), "join" if beside else "switch", len(turns) - 1, 0)
    if not beside and not decided and rng.random() < 0.6:
        turn = _changed(rng, turn.scene, "switch", len(turns) - 1, rng.randint(1, 2))
    return replace(turn, new=(who,) if new else ())


def _changed(rng: random.Random, scene: Scene, kind: str, base: int, count: int, always: tuple[str, ...] = ()) -> Turn:
    changed = (*always, *rng.sample(("place", "night", "framing", "expression", "clothes"), count))
    if "place" in changed:
        scene = replace(scene, place=rng.choice([place for place in PLACES if place != scene.place]))
    if "night" in changed:
        scene = replace(scene, night=not scene.night)
    if "framing" in changed:
        scene = replace(scene, framing=rng.choice([framing for framing in FRAMINGS if framing != scene.framing]))
    looks = list(scene.looks)
    who = rng.randrange(len(looks))
    if "expression" in changed:
        everybody = len(looks) == 2 and rng.random() < 0.4
        for one in range(len(looks)) if everybody else (who,):
            others = [expression for expression in EXPRESSIONS if expression != looks[one].expression]
            looks[one] = replace(looks[one], expression=rng.choice(others))
    if "clothes" in changed:
        fresh = _look(rng)
        looks[who] = replace(looks[who], clothes=fresh.clothes, clothes_colour=fresh.clothes_colour)
    return Turn(replace(scene, looks=tuple(looks)), kind, base, changed, (), rng.randrange(2**30))
