"""What the preview engine says: the sentences that it was trained to write, and how they are read back.

The MLLM states in its reply whom the next picture shows; the names are taken from there. It knows no model.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

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
_SHOWN = re.compile(r"\b(?:of|and) (?P<name>[^,.]{1,60}), [^,]+?, in \w+")
_UNKNOWN = re.compile(r"I do not know ?(?P<name>.{1,60}?) yet\.")
_NO_NAMES = frozenset(("he", "she", "they", "it", "him", "her", "them", "his", "their", "both"))
_WORD = re.compile(r"[^\W\d_][\w'’-]*")


@dataclass(frozen=True, slots=True)
class Said:
    """What a reply says: people described for the first time, by name, and the names of those shown, from left to right."""

    introduced: tuple[tuple[str, str], ...]
    shown: tuple[str, ...]
    scene: str


def understood(reply: str) -> Said:
    """Read a reply back. A reply without a picture introduces and shows nobody."""
    scene = _SCENE.search(reply)
    if scene is None:
        return Said((), (), "")
    before = reply[: scene.start()]
    introduced = tuple((match["name"].strip(), match["looks"].strip()) for match in _INTRODUCTION.finditer(before))
    shown = tuple(match["name"].strip() for match in _SHOWN.finditer(scene.group()))
    return Said(introduced, shown, scene.group())


def with_true_names(reply: str, message: str, known: Iterable[str]) -> str:
    """The reply with every name spelt as in the message or among the known: a small model may slip in a rare name."""
    said = understood(reply)
    by_lower = {name.lower(): name for name in known}
    words = {word.lower(): word for word in _WORD.findall(message)}
    for name in dict.fromkeys([*(name for name, _ in said.introduced), *said.shown]):
        if name.lower() in by_lower:
            true: str | None = by_lower[name.lower()]
        elif all(part.lower() in words for part in name.split()):
            true = name[0].upper() + name[1:]
        else:
            near = difflib.get_close_matches(name.lower(), [*by_lower, *words], n=1, cutoff=0.5)
            true = by_lower.get(near[0], near[0].capitalize()) if near else None
        if true is not None and true != name:
            reply = re.sub(rf"\b{re.escape(name)}\b", lambda _, true=true: true, reply)  # type: ignore[misc]
    return reply


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
