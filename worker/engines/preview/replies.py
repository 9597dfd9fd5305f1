"""What the preview engine says: the sentences that it was trained to write, and how they are read back.

The MLLM states in its reply whom the next picture shows; the names are taken from there. It knows no model.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
CUT = "I read only the beginning of your message, it was too long for me. "

_INTRODUCTION = re.compile(r"(?P<name>[^.,]{1,60}?) has (?P<looks>[^.]{1,200})\.\s*")
_SCENE = re.compile(r"\bA (?:[\w-]+ ){1,3}of .*$", re.DOTALL)
_SHOWN = re.compile(r"\b(?:of|and) (?P<name>[^,.]{1,60}), (?P<expression>[^,]+?), in (?P<clothes>\w+)")
_UNKNOWN = re.compile(r"I do not know ?(?P<name>.{1,60}?) yet\.")
_NO_NAMES = frozenset(("he", "she", "they", "it", "him", "her", "them", "his", "their", "both"))
_WORD = re.compile(r"[^\W\d_][\w'’-]*")


class Look(NamedTuple):
    """What somebody does and wears in one picture, in the reply's words."""

    expression: str
    clothes: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a reply says: people described for the first time, by name, and those shown, from left to right."""

    introduced: tuple[tuple[str, str], ...]
    shown: tuple[str, ...]
    looks: dict[str, Look]  # of those shown
    scene: str

    @property
    def ground(self) -> str:
        """Where and when it is, as the scene ends."""
        return self.scene[_people(self.scene)[-1].end() :]


def understood(reply: str) -> Said:
    """Read a reply back. A reply without a picture introduces and shows nobody."""
    scene = _SCENE.search(reply)
    if scene is None:
        return Said((), (), {}, "")
    before = reply[: scene.start()]
    introduced = tuple((match["name"].strip(), match["looks"].strip()) for match in _INTRODUCTION.finditer(before))
    people = _people(scene.group())
    shown = tuple(match["name"].strip() for match in people)
    looks = {match["name"].strip(): Look(match["expression"], match["clothes"]) for match in people}
    return Said(introduced, shown, looks, scene.group())


def with_look(reply: str, name: str, look: Look) -> str:
    """The reply with another look of a person."""
    match = next(one for one in _people(reply) if one["name"].strip() == name)
    return f"{reply[: match.start('expression')]}{look.expression}, in {look.clothes}{reply[match.end() :]}"


def with_people(scene: Said, looks: Mapping[str, Look]) -> str:
    """A scene with these people in the place of its own."""
    people = _people(scene.scene)
    cast = " and ".join(f"{name}, {look.expression}, in {look.clothes}" for name, look in looks.items())
    return f"{scene.scene[: people[0].start('name')]}{cast}{scene.scene[people[-1].end() :]}"


class Doubt(NamedTuple):
    """Somebody's own last look, and whether each part of a new one may be another's."""

    last: Look
    parts: tuple[bool, ...]


def doubts(said: Said, pictures: Sequence[Said], seen: int) -> dict[str, Doubt]:
    """Of everybody whom earlier pictures show: what of their look is neither as in their last one nor surely meant.

    The MLLM saw the last `seen` of the pictures. Nothing is in doubt of somebody as they were when it was there, where the
    conversation goes back to.
    """
    found = {}
    for name, look in said.looks.items():
        theirs = [number for number, one in enumerate(pictures) if name in one.looks]
        if not theirs:
            continue
        last = pictures[theirs[-1]].looks[name]
        unseen = theirs[-1] < len(pictures) - seen
        alone = theirs[-1] < len(pictures) - 1
        back = [pictures[number].looks[name] for number in theirs if pictures[number].ground == said.ground]
        others = [one for other, one in (*pictures[-1].looks.items(), *said.looks.items()) if other != name]
        found[name] = Doubt(
            last,
            tuple(
                now != before and (unseen or (now not in then and (alone or now in theirs_now)))
                for now, before, then, theirs_now in zip(look, last, _parts(back), _parts(others), strict=True)
            ),
        )
    return found


def _parts(looks: Sequence[Look]) -> Iterable[tuple[str, ...]]:
    return zip(*looks, strict=True) if looks else ((),) * len(Look._fields)


def _people(reply: str) -> list[re.Match[str]]:
    scene = _SCENE.search(reply)
    return list(_SHOWN.finditer(reply, scene.start())) if scene is not None else []


def with_true_names(reply: str, message: str, known: Iterable[str], *, attached: bool = False) -> str:
    """The reply with every name spelt as in the message or among the known: a small model may slip in a rare name.

    Whom it shows and does not describe is one of the known, unless a picture is `attached` to the message.
    """
    said = understood(reply)
    described = {name for name, _ in said.introduced}
    by_lower = {name.lower(): name for name in known}
    words = {word.lower(): word for word in _WORD.findall(message)}
    for name in dict.fromkeys([*(name for name, _ in said.introduced), *said.shown]):
        if name.lower() in by_lower:
            true: str | None = by_lower[name.lower()]
        elif not attached and name not in described and (near := _nearest(name, by_lower)):
            true = by_lower[near]
        elif all(part.lower() in words for part in name.split()):
            true = name[0].upper() + name[1:]
        else:
            near = _nearest(name, [*by_lower, *words])
            true = by_lower.get(near, near.capitalize()) if near else None
        if true is not None and true != name:
            reply = re.sub(rf"\b{re.escape(name)}\b", lambda _, true=true: true, reply)  # type: ignore[misc]
    return reply


def _nearest(name: str, names: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)), None)


def mistaken(reply: str, message: str, known: Iterable[str]) -> bool:
    """Whether a reply asks about somebody who is known, whom the message does not name, or who is no name."""
    asked = _UNKNOWN.match(reply)
    if asked is None:
        return False
    words = {word.lower() for word in _WORD.findall(message)}
    name = asked["name"].lower()
    return name in {*_NO_NAMES, *(one.lower() for one in known)} or not words.issuperset(name.split())


def without_words(message: str) -> str | None:
    """The reply to a message that has nothing to read: no letters at all, or letters of another script. Else None."""
    letters = [character for character in message if character.isalpha()]
    if not letters:
        return UNCLEAR
    latin = sum("LATIN" in unicodedata.name(character, "") for character in letters)
    return FOREIGN if latin * 2 < len(letters) else None
