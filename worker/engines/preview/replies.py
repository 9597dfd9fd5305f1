"""What the preview engine says: the sentences that it was trained to write, and how they are read back.

The MLLM states in its reply whom the next picture shows; the names are taken from there. It knows no model.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
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
_PRONOUNS = frozenset(("he", "she", "they", "it", "him", "her", "them", "his", "their", "both"))
_NO_NAMES = frozenset(
    (*_PRONOUNS, "can", "could", "would", "should", "let", "make", "put", "show", "now", "please", "again")
)
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

    @property
    def people(self) -> list[tuple[str, Look]]:
        """Those shown, each with their look."""
        return list(zip(self.shown, self.looks, strict=True))

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


def mention(name: str, text: str) -> re.Match[str] | None:
    """Where a text first names somebody."""
    return re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE)


def renamed(reply: str, name: str, other: str) -> str:
    """A reply that calls somebody otherwise."""
    return re.sub(rf"\b{re.escape(name)}\b(?=,| has )", lambda _: other, reply)


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
    said, described = understood(reply), set[str]()

    def once(match: re.Match[str]) -> str:
        first = match["name"] not in described
        described.add(match["name"])
        return match[0] if first else ""

    if said.scene:
        start = reply.index(said.scene)
        reply = f"{_INTRODUCTION.sub(once, reply[:start])}{reply[start:]}"
    if len(set(said.shown)) < len(said.shown):
        reply = with_people(reply, list(dict(said.people).items()))
    return reply


def with_setting(reply: str, setting: Sequence[str]) -> str:
    """A reply that shows somebody, with another framing, place and time."""
    said = understood(reply)
    framing, place, time = said.setting
    start, end = reply.index(said.scene), reply.rindex(f", {place} by {time}")
    return f"{reply[:start]}{setting[0]}{reply[start + len(framing) : end]}, {setting[1]} by {setting[2]}"


def with_true_names(reply: str, message: str, known: Iterable[str], *, attached: bool = False) -> str:
    """The reply with every name spelt as in the message or among the known: a small model may slip in a rare name.

    Whom it shows and does not describe is one of the known, unless a picture is `attached` to the message. Whom it describes and
    does not show is whom it shows and neither describes nor knows; or nobody, if all are known and the message names nobody so.
    """
    said = understood(reply)
    described = [name for name, _ in said.introduced]
    by_lower = {name.lower(): name for name in known}
    words = {word.lower(): word for word in _WORD.findall(message)}
    like_names = [word for word in words if len(word) > 1]
    unheard = [name for name in described if name not in said.shown and not _is_like(name, words, like_names)]
    if len(unheard) == 1 and not attached and by_lower.keys() >= {name.lower() for name in said.shown}:
        reply = re.sub(rf"(?<!\w){re.escape(unheard[0])} has [^.]*\.\s*", "", reply, count=1)
        described.remove(unheard[0])
    for name in dict.fromkeys([*described, *said.shown]):
        bare = name.lower().removesuffix("'s")
        others = [lower for lower, one in by_lower.items() if one not in said.shown]
        new = attached or name in described or (bare in words and bare not in _NO_NAMES)
        if bare in by_lower:
            true: str | None = by_lower[bare]
        elif not new and (near := _nearest(name, others) or _only([one for one in others if one in words])):
            true = by_lower[near]
        elif not new and len(others) == 1 and words.keys() & _PRONOUNS:
            true = by_lower[others[0]]
        elif all(part.lower() in words for part in name.split()):
            true = name[0].upper() + name[1:]
        else:
            near = _nearest(name, [*by_lower, *like_names])
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


def _is_like(name: str, words: Collection[str], like_names: Iterable[str]) -> bool:
    """Whether a name is in words, or near one of those that are like names."""
    return words_of(name) <= set(words) or _nearest(name, like_names) is not None


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
