"""Looks: what people look like, in the words of replies and in the numbers of a reader of faces.

Who somebody is was settled in words when they were introduced, and a reply states what everybody does and wears. So what
is drawn has to agree with it, whatever may be read off visual tokens; what no words tell is left to these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product

from worker.engines.preview.faces import BEARD, CLOTHES, EXPRESSION, GLASSES, HAIR, HEAD, SKIN, Values
from worker.engines.preview.replies import Look, words_of

COLOUR = "{hair}"  # in the words of a head, where the colour of its hair stands
_BEFORE = (
    r"(?:^|[,;:(&/]\s*|\s[-–]\s+|\b(?:with|has|have|having|and|of|in|wearing|got|his|her|their|is)\s+)"  # a phrase
)
_OF_ALL = frozenset(("a", "an", "and", "head"))  # words that may stand in any description, or mean something else
_GROWN = frozenset(("black", "dark brown", "brown", "light brown", "ginger", "blond", "grey", "white"))  # and not dyed
_OTHERWISE = {"gray": "grey", "blonde": "blond", "mustache": "moustache"}


class Vocabulary:
    """What the values of each attribute are called; "" for a value that is not mentioned, as no glasses."""

    def __init__(self, words: Sequence[Sequence[str]]) -> None:
        self._words = words
        heads = {
            head.format(hair=colour): {HEAD: number, HAIR: hair}
            for (number, head), (hair, colour) in product(enumerate(words[HEAD]), enumerate(words[HAIR]))
            if COLOUR in head
        }
        beards = {
            coloured(beard, colour): {BEARD: number, HAIR: hair}
            for (number, beard), (hair, colour) in product(enumerate(words[BEARD]), enumerate(words[HAIR]))
            if beard
        }
        plain = {
            word: {attribute: number}
            for attribute in (HEAD, SKIN, GLASSES, BEARD)
            for number, word in enumerate(words[attribute])
            if word and COLOUR not in word
        }
        self._colours = "|".join(sorted(words[HAIR], key=len, reverse=True))
        self._phrases = heads | beards | plain
        longest_first = sorted(self._phrases, key=len, reverse=True)
        self._literally = re.compile(
            rf"{_BEFORE}({'|'.join(map(re.escape, longest_first))})\b(?! (?:with|that)\b)", re.IGNORECASE
        )

    def worn(self) -> tuple[Sequence[str], Sequence[str]]:
        """All expressions, and all colours of clothes."""
        return self._words[EXPRESSION], self._words[CLOTHES]

    def described(self, values: Sequence[int]) -> str:
        """What somebody looks like, in one list: head, hair, skin, glasses and beard of all their values."""
        head, hair, skin, glasses, beard = (
            words[value] for words, value in zip(self._words[HEAD:], values[HEAD:], strict=True)
        )
        if beard and COLOUR not in head:
            beard = coloured(beard, hair)
        said = [head.format(hair=hair), *(one for one in (skin, glasses, beard) if one)]
        return f"{', '.join(said[:-1])} and {said[-1]}"

    def describes(self, message: str, description: str) -> bool:
        """Whether a message says something of what somebody is said to look like; a colour alone may be that of clothes."""
        looks = re.sub(rf"\b(?:{self._colours})\b", "", description)
        return bool(words_of(message) & words_of(looks) - _OF_ALL)

    def as_heard(self, description: str, heard: str) -> str:
        """A description, in which all that words heard tell in the very words of descriptions is as they tell it.

        A small model now and then repeats another head than it heard, above all after phrasings that it did not learn.
        """
        said = _merged(self._found(match[1].lower()) for match in self._literally.finditer(heard))
        values = [said.get(number, known) for number, known in enumerate(self.told(None, description))]
        head, hair, skin, glasses, beard = values[HEAD:]
        shown = head is not None and COLOUR in self._words[HEAD][head]
        if said and head is not None and skin is not None and (hair is not None or not (shown or beard)):
            looks = (head, hair or 0, skin, glasses or 0, beard or 0)
            return self.described([0, 0, *looks])
        return self._with_colour_of_beard(description, heard)

    def _with_colour_of_beard(self, description: str, heard: str) -> str:
        """A description in which the beard of a head that shows no hair has the colour that words heard give it.

        The MLLM learned from descriptions that left it out.
        """
        beard = self._beard_without_colour(description)
        if beard is None:
            return description
        noun = beard.rpartition(" ")[2]
        for spelling, ours in _OTHERWISE.items():
            heard = re.sub(rf"\b{spelling}\b", ours, heard, flags=re.IGNORECASE)
        between = r"(?:(?!(?:with|and|a|an|his|her|their)\b)[\w-]+ )?"
        said = re.search(rf"\b({self._colours}) {between}{noun}\b", heard, re.IGNORECASE)
        return description.replace(beard, coloured(beard, said[1].lower()), 1) if said is not None else description

    def in_colours(self, description: str, heard: str) -> list[str]:
        """A description in every colour that a beard grows in, if it has none though no other hair shows; else itself alone.

        A colour that nobody settled is another one in each picture. Those that were heard are of something else.
        """
        beard, others = self._beard_without_colour(description), words_of(heard)
        if beard is None:
            return [description]
        colours = [colour for colour in self._words[HAIR] if colour in _GROWN and not words_of(colour) <= others]
        return [description.replace(beard, coloured(beard, colour), 1) for colour in colours] or [description]

    def _beard_without_colour(self, description: str) -> str | None:
        """The beard of a head that shows no hair, as it is described, if that says nothing of its colour."""
        phrases = _phrases(description)
        beard = next((one for one in phrases if one and one in self._words[BEARD]), None)
        shows_hair = any(HEAD in found and HAIR in found for found in map(self._found, phrases))
        return None if shows_hair else beard

    def told(self, look: Look | None, description: str) -> Values:
        """What words tell of somebody: their look in a picture, and how they were described.

        A description in other words than ours tells what of it is understood. In our own all that can be seen is mentioned, and
        what is not is not there.
        """
        phrases = [self._found(one) for one in _phrases(description)]
        found = _merged(phrases)
        if all(phrases) and {HEAD, SKIN} <= found.keys():
            for attribute in (GLASSES, BEARD):
                found.setdefault(attribute, self._words[attribute].index(""))
        if look is not None:
            worn = {EXPRESSION: look.expression, CLOTHES: look.clothes}
            if look.glasses:
                found.pop(GLASSES, None)
                worn[GLASSES] = "" if look.glasses.startswith(", without ") else look.glasses.removeprefix(", with ")
            found |= {
                attribute: self._words[attribute].index(word)
                for attribute, word in worn.items()
                if word in self._words[attribute]
            }
        return tuple(found.get(attribute) for attribute in range(len(self._words)))

    def _found(self, phrase: str) -> dict[int, int]:
        """The values that a phrase of a description tells; nothing for one that is not of ours."""
        return self._phrases.get(phrase, {})


def _merged(phrases: Iterable[dict[int, int]]) -> dict[int, int]:
    """What phrases tell, the first of each attribute; the colour of hair is a beard's only where no head shows it."""
    found: dict[int, int] = {}
    for one in sorted(phrases, key=lambda one: BEARD in one):
        found = one | found
    return found


def _phrases(description: str) -> list[str]:
    return re.split(r", | and ", description.strip(" .").lower())


def coloured(what: str, colour: str) -> str:
    """Words for hair of a colour: "a bun", "red" → "a red bun"."""
    article, _, rest = what.partition(" ")
    return f"{article_of(colour)} {colour} {rest}" if article in ("a", "an") else f"{colour} {what}"


def article_of(word: str) -> str:
    """The indefinite article before a word."""
    return "an" if word[0] in "aeiou" else "a"
