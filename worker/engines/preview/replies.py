"""What the preview engine says: the sentences that it was trained to write, and how they are read back.

The MLLM states in its reply whom the next picture shows; the names are taken from there. It knows no model.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

UNKNOWN = "I do not know {name} yet. Tell me what {name} looks like, and I will draw them."
FOREIGN = "I only understand English so far. Please say it in English."
UNCLEAR = "I did not understand that. Tell me whom to draw and where."
CANNOT = "I cannot draw {thing}. I draw people, one or two in a picture. Tell me whom to draw and where."
LEFT_OUT = "I cannot draw {thing}, so I leave it out. "
TOO_MANY = "Only two people fit into one of my pictures. Tell me which two, or whom to draw alone."
NO_WHOLE_BODY = "I cannot draw whole bodies, so this is as far away as I go. "
NOT_MY_ART = (
    "I draw illustrated people, and cannot take a likeness from a photo or from a picture in another style. "
    "Yours is kept for engines that can. "
)
ABOUT = "I draw illustrated people and keep them the same through our conversation. Tell me whom to draw and where."
WELCOME = "You are welcome. Tell me what to draw next."
CUT = "I read only the beginning of your message, it was too long for me. "

_INTRODUCTION = re.compile(r"(?P<name>[^.,]{1,60}?) has (?P<looks>[^.]{1,200})\.\s*")
_SCENE = re.compile(r"\bA (?:[\w-]+ ){1,3}of .*$", re.DOTALL)
_SHOWN = re.compile(
    r"\b(?:of|and) (?P<name>[^\s,.][^,.]{0,59}), (?P<expression>[^,]+?), in (?P<clothes>\w+)"
    r"(?P<glasses>, with(?:out)? [\w -]+?(?= and |[,.]))?"
)
_CANNOT = re.compile(re.escape(CANNOT).replace(r"\{thing\}", "(?:an? )?(?P<thing>.{1,60}?)"))
_WITHOUT_PICTURE = (FOREIGN, UNCLEAR, TOO_MANY, ABOUT, WELCOME)
_UNKNOWN = re.compile(r"I do not know ?(?P<name>.{1,60}?) yet\.")
_PRONOUNS = ("he", "she", "they", "it", "him", "her", "them", "his", "their", "both")
_NO_NAMES = frozenset(
    (*_PRONOUNS, "can", "could", "would", "should", "let", "make", "put", "show", "now", "please", "again")
)
_PICTURE = r"(?:picture|pic|image|photo|drawing|scene|shot|one)"
_THE_FIRST = re.compile(
    rf"\b(?:first|1st|earliest|original(?:ly)?|initial(?:ly)?|beginning|(?:the|very) start|start over|(?:we|it) (?:started|began)"
    rf"|opening {_PICTURE}|(?:number|picture|image|square) one)\b",
    re.IGNORECASE,
)
_BEFORE_THE_LAST = re.compile(
    r"\b(?:undo|previous|(?:one|picture|image) before|as it was before|last but one|second to last|take that back"
    r"|(?:one|a) (?:step|picture|image) back|go one back|back (?:one|a) (?:step|picture|image)"
    r"|(?:revert|drop|forget|cancel|scratch) (?:that|the last))\b",
    re.IGNORECASE,
)
_ORDINALS = (
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
)
_NUMBERED = re.compile(
    r"\b(?:picture|image|drawing|number|square)(?: number)? #?(?P<number>\d{1,3})\b"
    rf"|\b(?:(?P<ordinal>{'|'.join(_ORDINALS)})|(?P<digits>\d{{1,3}})(?:nd|rd|th)) {_PICTURE}\b",
    re.IGNORECASE,
)
_PLACES = {"theatre": "stage", "theater": "stage", "town": "city", "woods": "forest", "mountain": "mountains"}
_EYEWEAR = re.compile(r"glasses\b|\b(?:spectacles|specs|shades|frames|eye ?patch|patch)\b", re.IGNORECASE)
_BEFORE_PLACES = frozenset(("a", "an", "the", "in", "on", "at"))
_OF_THE_OTHER = frozenset(("he", "she", "him", "they", "them", "other", "everybody", "everyone", "too", "also"))
WAYS = 72  # in which a reply may be meant, at most
_WORD = re.compile(r"[^\W\d_][\w'’-]*")


class Look(NamedTuple):
    """What somebody does and wears in one picture, in the reply's words; of glasses only where they are not the usual ones."""

    expression: str
    clothes: str
    glasses: str

    def __str__(self) -> str:
        return f"{self.expression}, in {self.clothes}{self.glasses}"


@dataclass(frozen=True, slots=True)
class Said:
    """What a reply says: people described for the first time, by name, and those shown, from left to right."""

    introduced: tuple[tuple[str, str], ...]
    shown: tuple[str, ...]
    looks: tuple[Look, ...]  # of those shown
    scene: str

    @property
    def setting(self) -> tuple[str, str, str]:
        """The framing, the place and the time of a scene, in its words."""
        framing, _, rest = self.scene.partition(" of ")
        place, _, time = rest.rpartition(", ")[2].rpartition(" by ")
        return framing, place, time

    def look_of(self, name: str) -> Look | None:
        """The look of somebody who is shown once."""
        return self.looks[self.shown.index(name)] if self.shown.count(name) == 1 else None


def understood(reply: str) -> Said:
    """Read a reply back. A reply without a picture introduces and shows nobody."""
    scene = _SCENE.search(reply)
    if scene is None:
        return Said((), (), (), "")
    before = reply[: scene.start()]
    introduced = tuple((match["name"].strip(), match["looks"].strip()) for match in _INTRODUCTION.finditer(before))
    people = list(_SHOWN.finditer(scene.group()))
    shown = tuple(match["name"].strip() for match in people)
    looks = tuple(Look(match["expression"], match["clothes"], match["glasses"] or "") for match in people)
    return Said(introduced, shown, looks, scene.group())


def words_of(text: str) -> set[str]:
    """The words of a text, in small letters."""
    return {word.lower() for word in _WORD.findall(text)}


def with_people(reply: str, people: Sequence[tuple[str, Look]]) -> str:
    """A reply that shows somebody, with these people in the place of those whom it shows."""
    scene = _SCENE.search(reply)
    assert scene is not None
    shown = list(_SHOWN.finditer(reply, scene.start()))
    cast = " and ".join(f"{name}, {look}" for name, look in people)
    return f"{reply[: shown[0].start('name')]}{cast}{reply[shown[-1].end() :]}"


def without_repetition(reply: str) -> str:
    """A reply that describes and shows everybody once."""
    said = understood(reply)
    for name, looks in set(said.introduced):
        sentence = f"{name} has {looks}. "
        reply = reply.replace(sentence, "", max(0, reply.count(sentence) - 1))
    if len(set(said.shown)) < len(said.shown):
        reply = with_people(reply, list(dict(_people(said)).items()))
    return reply


def with_setting(reply: str, setting: Sequence[str]) -> str:
    """A reply that shows somebody, with another framing, place and time."""
    said = understood(reply)
    framing, place, time = said.setting
    start, end = reply.index(said.scene), reply.rindex(f", {place} by {time}")
    return f"{reply[:start]}{setting[0]}{reply[start + len(framing) : end]}, {setting[1]} by {setting[2]}"


def gone_back_to(message: str, pictures: Sequence[Said]) -> int | None:
    """The number of the earlier picture that a message may go back to: by its own number, as the one before, or by its place."""
    last = len(pictures) - 1
    if last < 1:
        return None
    if numbered := _NUMBERED.search(message):
        given = numbered["number"] or numbered["digits"]
        number = int(given) - 1 if given else _ORDINALS.index(numbered["ordinal"].lower()) + 1
        return number if 0 <= number < last else None
    if _THE_FIRST.search(message):
        return 0
    if _BEFORE_THE_LAST.search(message):
        return last - 1
    for number in reversed(range(last)):
        place = pictures[number].setting[1]
        if place != pictures[-1].setting[1] and _picture_of(place).search(_plain(message)):
            return number
    return None


def _picture_of(place: str) -> re.Pattern[str]:
    """What names a picture by its place, "in the park": "the park picture", "the one in the park"."""
    words = words_of(_plain(place)) - _BEFORE_PLACES
    called = "|".join(sorted({*words, *(word for word, ours in _PLACES.items() if ours in words)}))
    return re.compile(
        rf"\b(?:{called}) {_PICTURE}\b|\bthe {_PICTURE} (?:with|in|on|at|from) (?:(?:an?|the) )?(?:{called})\b",
        re.IGNORECASE,
    )


def ways_back(reply: str, there: Said) -> list[str]:
    """A reply in every way in which its message may have gone back to a picture: each part as it says, or as it was there.

    Itself first, and alone where it says so much else that it goes nowhere.
    """
    said = understood(reply)
    if not all((*said.setting, *there.setting)) or said.introduced:  # or they are in other words than ours
        return [reply]
    settings = list(product(*map(_either, said.setting, there.setting)))
    casts = _mixed(said.shown, said, there) if said.shown == there.shown else [_people(said), _people(there)]
    if len(said.shown) == len(there.shown) and said.shown != there.shown:
        others = [_people(said), *_mixed(there.shown, said, there)]
        casts = others if len(others) * len(settings) <= WAYS else casts
    ways = [with_setting(with_people(reply, people), setting) for people, setting in product(casts, settings)]
    return ways if len(ways) <= WAYS else [reply]


def ways_on(reply: str, pictures: Sequence[Said], message: str) -> list[str]:
    """A reply to a message that goes on from the last of some pictures, in every way in which it may say too much, itself first.

    Of several parts that are not as in the last picture only some may be meant. A message that names nobody may be about the same
    people, and one that names somebody about them, as they last were, and not about whom it does not name.
    """
    said, last = understood(reply), pictures[-1]
    if not all((*said.setting, *last.setting)) or said.introduced:
        return [reply]
    if said.shown != last.shown:
        named = _named({name for one in (said, *pictures) for name in one.shown}, message)
        if not named:
            return [reply, with_people(reply, _people(last))]
        look = next((look for one in reversed(pictures) if (look := one.look_of(named[0])) is not None), None)
        if len(named) == len(said.shown) == 1 and named[0] != said.shown[0] and look is not None:
            return [reply, with_people(reply, [(named[0], look)])]
        return [reply]
    ways = [
        with_setting(with_people(reply, people), setting)
        for people, setting in product(
            _mixed(said.shown, said, last), product(*map(_either, said.setting, last.setting))
        )
    ][:-1]  # something has to change
    return ways if 0 < len(ways) <= WAYS else [reply]


def with_change_of(reply: str, last: Said, message: str) -> str:
    """A reply in which of two people only the one changes whom alone the message names, as it says of them or of the other."""
    said = understood(reply)
    named = _named(said.shown, message)
    if len(said.shown) != 2 or said.shown != last.shown or said.introduced or len(named) != 1:
        return reply
    one = said.shown.index(named[0])
    own, before, others, others_before = said.looks[one], last.looks[one], said.looks[1 - one], last.looks[1 - one]
    if words_of(message) & _OF_THE_OTHER or others == others_before:
        return reply
    if own == before:
        own = Look(*(now if now != was else mine for now, was, mine in zip(others, others_before, own, strict=True)))
    elif "both" in words_of(message) or any(
        now not in (was, mine) for now, was, mine in zip(others, others_before, own, strict=True)
    ):
        return reply
    people = [(named[0], own), (said.shown[1 - one], others_before)]
    return with_people(reply, people[:: -1 if one else 1])


def with_glasses_of(reply: str, looks: Mapping[str, Look], message: str) -> str:
    """A reply in which glasses that somebody last put on or took off stay so, where neither it nor the message tells of any."""
    said = understood(reply)
    described = {name for name, _ in said.introduced}
    people = [
        (
            name,
            look._replace(glasses=looks[name].glasses)
            if not look.glasses and name in looks.keys() - described
            else look,
        )
        for name, look in _people(said)
    ]
    return reply if people == _people(said) or _EYEWEAR.search(message) else with_people(reply, people)


def _named(names: Iterable[str], message: str) -> list[str]:
    """Whom of some people a message names."""
    words = words_of(message)
    return [name for name in names if words_of(name) <= words]


def _people(said: Said) -> list[tuple[str, Look]]:
    return list(zip(said.shown, said.looks, strict=True))


def _mixed(names: Sequence[str], said: Said, other: Said) -> list[list[tuple[str, Look]]]:
    """People with each part of their looks as one reply says or as another one does; as the one first, as the other last."""
    each = [
        [(name, Look(*parts)) for parts in product(*map(_either, look, before))]
        for name, look, before in zip(names, said.looks, other.looks, strict=True)
    ]
    return [list(people) for people in product(*each)]


def _either(one: str, other: str) -> tuple[str, ...]:
    return (one,) if one == other else (one, other)


def _plain(text: str) -> str:
    """A text without accents, which people leave out."""
    return "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))


class Doubt(NamedTuple):
    """Somebody's own last look, and whether each part of a new one may be another's."""

    last: Look
    parts: tuple[bool, ...]


def doubts(said: Said, pictures: Sequence[Said], seen: int) -> dict[str, Doubt]:
    """Of everybody whom earlier pictures show: what of their look is neither as in their last one nor surely meant.

    The MLLM saw the last `seen` of the pictures; of somebody in none of these, all is in doubt that is not as it last was. Else
    nothing is that they did or wore in a picture whose setting is more like the new one than the last picture's: the
    conversation goes back to it.
    """
    found = {}
    described = {name for name, _ in said.introduced}
    for name in said.shown:
        look = said.look_of(name)
        theirs = [(number, own) for number, one in enumerate(pictures) if (own := one.look_of(name)) is not None]
        if look is None or name in described or not theirs:
            continue
        number, last = theirs[-1]
        unseen, elsewhere = number < len(pictures) - seen, number < len(pictures) - 1
        back = [own for number, own in theirs if 2 <= _alike(said, pictures[number]) > _alike(said, pictures[-1])]
        others = [
            other
            for one in (pictures[-1], said)
            for whose, other in zip(one.shown, one.looks, strict=True)
            if whose != name
        ]
        parts = tuple(
            now != before
            and (unseen or elsewhere or now in [other[part] for other in others])
            and (unseen or now not in [own[part] for own in back])
            for part, (now, before) in enumerate(zip(look, last, strict=True))
        )
        found[name] = Doubt(last, parts)
    return found


def ways(said: Said, doubts: Mapping[str, Doubt]) -> list[list[tuple[str, Look]]]:
    """The people of a reply in every way in which what is in doubt may be meant: as it says, or as it last was."""
    each = [
        [(name, Look(*parts)) for parts in product(*_options(look, doubts.get(name)))]
        for name, look in zip(said.shown, said.looks, strict=True)
    ]
    return [list(people) for people in product(*each)]


def _options(look: Look, doubt: Doubt | None) -> list[tuple[str, ...]]:
    if doubt is None:
        return [(now,) for now in look]
    return [
        (now, before) if doubtful else (now,)
        for now, before, doubtful in zip(look, doubt.last, doubt.parts, strict=True)
    ]


def _alike(said: Said, other: Said) -> int:
    return sum(one == another for one, another in zip(said.setting, other.setting, strict=True))


def with_true_names(reply: str, message: str, known: Iterable[str], *, attached: bool = False) -> str:
    """The reply with every name spelt as in the message or among the known: a small model may slip in a rare name.

    Whom it shows and does not describe is one of the known, unless a picture is `attached` to the message. Whom it describes and
    does not show is whom it shows and neither describes nor knows.
    """
    said = understood(reply)
    described = [name for name, _ in said.introduced]
    by_lower = {name.lower(): name for name in known}
    words = {word.lower(): word for word in _WORD.findall(message)}
    for name in dict.fromkeys([*described, *said.shown]):
        bare = name.lower().removesuffix("'s")
        others = [lower for lower, one in by_lower.items() if one not in said.shown]
        new = attached or name in described or (bare in words and bare not in _NO_NAMES)
        if bare in by_lower:
            true: str | None = by_lower[bare]
        elif not new and (near := _nearest(name, others) or _only([one for one in others if one in words] or others)):
            true = by_lower[near]
        elif all(part.lower() in words for part in name.split()):
            true = name[0].upper() + name[1:]
        else:
            near = _nearest(name, [*by_lower, *words])
            true = by_lower.get(near, near.capitalize()) if near else None
        if true is not None and true != name:
            reply = re.sub(rf"\b{re.escape(name)}\b", lambda _, true=true: true, reply)  # type: ignore[misc]
    said = understood(reply)
    described = [name for name, _ in said.introduced]
    unseen = [name for name in described if name not in said.shown]
    nobody = [name for name in said.shown if name not in described and name.lower() not in by_lower]
    if len(unseen) == len(nobody) == 1:
        reply = reply.replace(f"{unseen[0]} has ", f"{nobody[0]} has ", 1)
    return reply


def _only(names: Sequence[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _nearest(name: str, names: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)), None)


def mistaken(reply: str, message: str, known: Collection[str]) -> bool:
    """Whether a reply asks about somebody who is known, whom the message does not name, or who is no name.

    Or says that somebody known cannot be drawn, or that a message which names them is unclear; or draws nothing and is no whole
    sentence of ours, but two halves.
    """
    words = words_of(message)
    if cannot := _CANNOT.fullmatch(reply.strip()):
        return any(words_of(name) <= words_of(cannot["thing"]) for name in known)
    if reply.strip() == UNCLEAR:
        return any(words_of(name) <= words for name in known)
    asked = _UNKNOWN.match(reply)
    if asked is None:
        return not understood(reply).scene and reply.strip() not in _WITHOUT_PICTURE
    name = asked["name"].lower()
    return name in {*_NO_NAMES, *(one.lower() for one in known)} or not words.issuperset(name.split())


def without_words(message: str) -> str | None:
    """The reply to a message that has nothing to read: no letters at all, or letters of another script. Else None."""
    letters = [character for character in message if character.isalpha()]
    if not letters:
        return UNCLEAR
    latin = sum("LATIN" in unicodedata.name(character, "") for character in letters)
    return FOREIGN if latin * 2 < len(letters) else None
