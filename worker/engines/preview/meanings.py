"""What a reply may have been meant to say, where the MLLM slipped.

In a reply the people, their looks and the setting can be told apart. What the message asks for is in it, and some of another
picture may be, too. It knows replies and messages, and no model: which of several replies is the likeliest is asked elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence, Set
from itertools import product
from typing import NamedTuple

from worker.engines.preview.replies import Look, Said, mention, understood, with_people, with_setting, words_of

_PICTURE = r"(?:pictures?|pic|image|photo|drawing|scene|shot|one)"
_NO_MORE = r"(?=\W*$|\s*[,.;:!?-]|\s+(?:but|and|again|except|only|just|though|with|this time|for|please|pls|lol|was|more|back)\b)"
_THE_FIRST = re.compile(
    rf"\b(?:(?:first|1st|earliest|original|initial|opening) {_PICTURE}|(?:number|picture|image|square) one"
    rf"|the (?:very )?(?:first|original|beginning|start){_NO_MORE}|(?:had|drew|was at) first{_NO_MORE}"
    r"|like the first time|start over|(?:we|it) (?:started|began))\b",
    re.IGNORECASE,
)
_BEFORE_THE_LAST = re.compile(
    rf"\b(?:previous {_PICTURE}|the previous{_NO_MORE}|undo(?: that| it| the last|{_NO_MORE})|(?:one|picture|image) before"
    r"|as it was before|last but one|second to last|take that back|one step back|go one back"
    r"|back (?:one|a) (?:step|picture|image)"
    r"|(?:revert|drop|forget|cancel|scratch) (?:that(?! idea)|the last))\b",
    re.IGNORECASE,
)
_ORDINALS = "second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_CARDINALS = "two three four five six seven eight nine ten eleven twelve"
_COUNTED = {word: number for words in (_ORDINALS, _CARDINALS) for number, word in enumerate(words.split(), 2)}
_NUMBERED = re.compile(
    rf"\b(?:picture|pic|image|drawing|square)(?: number)? #?(?P<number>\d{{1,3}}|{_CARDINALS.replace(' ', '|')})\b"
    r"(?! (?:people|persons|women|men)\b)"
    rf"|\b(?:(?P<ordinal>{_ORDINALS.replace(' ', '|')})|(?P<digits>\d{{1,3}})(?:nd|rd|th)) {_PICTURE}\b"
    r"(?! (?:should|is|has|must|needs|looks|to)\b)",
    re.IGNORECASE,
)
_PLACES = {"theatre": "stage", "theater": "stage", "town": "city", "woods": "forest", "mountain": "mountains"}
_EYEWEAR = re.compile(
    r"glasses\b|\b(?:spectacles|specs|shades|frames|eye ?patch|patch|goggles|monocle|lenses|off|normal|usual"
    r"|without (?:it|them))\b",
    re.IGNORECASE,
)
_BEFORE_PLACES = frozenset(("a", "an", "the", "in", "on", "at", "of", "by", "front"))
_OF_THE_OTHER = re.compile(  # besides one who is named
    r"\b(?:he|she|him|they|them|others?|everybody|everyone|too|also|all|two|not|next|beside|left|right|man|woman|guy|lady|boy|girl"
    r"|friend|boyfriend|girlfriend|sister|brother|mother|father|wife|husband|(?:her|his|their)(?! eyes?\b))\b",
    re.IGNORECASE,
)
_BOTH = re.compile(r"\b(?:both|everybody|everyone|the two of them)\b", re.IGNORECASE)
WAYS = 72  # in which a reply may be meant, at most


def gone_back_to(message: str, pictures: Sequence[Said]) -> int | None:
    """The number of the earlier picture that a message may go back to: by its own number, as the one before, or by its place."""
    last = len(pictures) - 1
    if last < 1:
        return None
    if numbered := _NUMBERED.search(message):
        given = next(one for one in numbered.groups() if one is not None).lower()
        number = _COUNTED[given] if given in _COUNTED else int(given)
        return number - 1 if 0 < number <= last else None
    if _THE_FIRST.search(message):
        return 0
    if _BEFORE_THE_LAST.search(message):
        return last - 1
    for number in reversed(range(last)):
        place = pictures[number].setting[1]
        words = words_of(_plain(place)) - _BEFORE_PLACES
        if words and place != pictures[-1].setting[1] and _picture_of(words).search(_plain(message)):
            return number
    return None


def _picture_of(place: Set[str]) -> re.Pattern[str]:
    """What names a picture by words of its place, as park: "the park picture", "the one in the park"."""
    called = "|".join(map(re.escape, sorted({*place, *(word for word, ours in _PLACES.items() if ours in place)})))
    return re.compile(
        rf"\b(?:{called}) {_PICTURE}\b|(?:\bthe {_PICTURE} (?:with|in|on|at|from)|\bback to) (?:(?:an?|the) )?(?:{called})\b",
        re.IGNORECASE,
    )


def _can_be_mixed(said: Said, other: Said) -> bool:
    """Whether two replies are in our words, and of so few people that their parts can be mixed."""
    return all(
        all(one.setting) and one.setting[2] in ("day.", "night.") and 0 < len(one.shown) <= 2 for one in (said, other)
    )


def ways_back(reply: str, there: Said) -> list[str]:
    """A reply in every way in which its message may have gone back to a picture: each part as it says, or as it was there.

    Itself first, and alone where it says so much else that it goes nowhere.
    """
    said = understood(reply)
    if said.introduced or not _can_be_mixed(said, there):
        return [reply]
    settings = list(product(*map(_either, said.setting, there.setting)))
    casts = _mixed(said.shown, said, there) if said.shown == there.shown else [said.people, there.people]
    if len(said.shown) == len(there.shown) and said.shown != there.shown:
        others = [said.people, *_mixed(there.shown, said, there)]
        casts = others if len(others) * len(settings) <= WAYS else casts
    ways = [with_setting(with_people(reply, people), setting) for people, setting in product(casts, settings)]
    return ways if len(ways) <= WAYS else [reply]


def ways_on(reply: str, pictures: Sequence[Said], message: str) -> list[str]:
    """A reply to a message that goes on from the last of some pictures, in every way in which it may say too much, itself first.

    Of several parts that are not as in the last picture only some may be meant. A message that names nobody may be about the same
    people, and one that names somebody about them, as they last were, and not about whom it does not name.
    """
    said, last = understood(reply), pictures[-1]
    if said.introduced or not _can_be_mixed(said, last):
        return [reply]
    if said.shown != last.shown:
        looks = {name: look for one in (said, *pictures) for name, look in one.people}
        named = [name for name in looks if mention(name, message)]
        if not named:
            return [reply, with_people(reply, last.people)]
        if len(named) == len(said.shown) == 1 and named[0] != said.shown[0]:
            return [reply, with_people(reply, [(named[0], looks[named[0]])])]
        return [reply]
    casts = [said.people, last.people] if about_both(message, said) else _mixed(said.shown, said, last)
    settings = product(*map(_either, said.setting, last.setting))
    ways = [with_setting(with_people(reply, people), setting) for people, setting in product(casts, settings)]
    ways = ways[:-1]  # something has to change
    return ways if 0 < len(ways) <= WAYS else [reply]


def with_change_of(reply: str, last: Said, message: str) -> str:
    """A reply in which of two people only the one changes whom alone the message names, as it says of them or of the other.

    A message about both that names nobody changes both.
    """
    said = understood(reply)
    named = [name for name in said.shown if mention(name, message)]
    if len(said.shown) != 2 or said.shown != last.shown or said.introduced:
        return reply
    if about_both(message, said):
        return with_people(reply, list(zip(said.shown, _changed_alike(said.looks, last.looks), strict=True)))
    if len(named) != 1:
        return reply
    one = said.shown.index(named[0])
    own, before, others, others_before = said.looks[one], last.looks[one], said.looks[1 - one], last.looks[1 - one]
    if _OF_THE_OTHER.search(message) or others == others_before:
        return reply
    if own == before:
        own = Look(*(now if now != was else mine for now, was, mine in zip(others, others_before, own, strict=True)))
    elif "both" in words_of(message) or any(
        now not in (was, mine) for now, was, mine in zip(others, others_before, own, strict=True)
    ):
        return reply
    people = [(named[0], own), (said.shown[1 - one], others_before)]
    return with_people(reply, people[:: -1 if one else 1])


def about_both(message: str, said: Said) -> bool:
    """Whether a message is about the two who are shown, and names neither."""
    named = any(mention(name, message) for name in said.shown)
    return len(said.shown) == 2 and not named and _BOTH.search(message) is not None


def _changed_alike(looks: Sequence[Look], before: Sequence[Look]) -> list[Look]:
    """The looks of two people of whom each part changes as the other's, where only that one's does."""
    parts = []
    for now, was in zip(zip(*looks, strict=True), zip(*before, strict=True), strict=True):
        changed = [one for one, other in zip(now, was, strict=True) if one != other]
        parts.append(changed * 2 if len(changed) == 1 else now)
    return [Look(*one) for one in zip(*parts, strict=True)]


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
        for name, look in said.people
    ]
    return reply if people == said.people or _EYEWEAR.search(message) else with_people(reply, people)


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
        others = [other for one in (pictures[-1], said) for whose, other in one.people if whose != name]
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
        [(name, Look(*parts)) for parts in product(*_options(look, doubts.get(name)))] for name, look in said.people
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
