"""Looks: what people look like, in the words of replies and in the numbers of a reader of faces.

Who somebody is was settled in words when they were introduced, and a reply states what everybody does and wears. So what
is drawn has to agree with it, whatever may be read off visual tokens; what no words tell is left to these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

from worker.engines.preview.faces import Values
from worker.engines.preview.replies import Look

HAIR = "{hair}"  # in the words of a head, where the colour of its hair stands
EXPRESSION, CLOTHES, HEAD, HAIR_COLOUR, SKIN, GLASSES, BEARD = range(7)  # `worker.identity.drawn.OF_PEOPLE`


class Vocabulary:
    """What the values of each attribute are called; "" for a value that is not mentioned, as no glasses."""

    def __init__(self, words: Sequence[Sequence[str]]) -> None:
        self._words = words
        heads = {
            head.format(hair=colour): {HEAD: number, HAIR_COLOUR: hair}
            for (number, head), (hair, colour) in product(enumerate(words[HEAD]), enumerate(words[HAIR_COLOUR]))
            if HAIR in head
        }
        beards = {
            coloured(beard, colour): {BEARD: number, HAIR_COLOUR: hair}
            for (number, beard), (hair, colour) in product(enumerate(words[BEARD]), enumerate(words[HAIR_COLOUR]))
            if beard
        }
        plain = {
            word: {attribute: number}
            for attribute in (HEAD, SKIN, GLASSES, BEARD)
            for number, word in enumerate(words[attribute])
            if word and HAIR not in word
        }
        self._phrases = heads | beards | plain

    def described(self, values: Values) -> str:
        """What somebody looks like, in one list: head, hair, skin, glasses and beard, of which none may be unknown."""
        head, hair, skin, glasses, beard = (
            words[value] for words, value in zip(self._words[HEAD:], values[HEAD:], strict=True) if value is not None
        )
        if beard and HAIR not in head:
            beard = coloured(beard, hair)
        said = [head.format(hair=hair), *(one for one in (skin, glasses, beard) if one)]
        return f"{', '.join(said[:-1])} and {said[-1]}"

    def told(self, look: Look | None, description: str) -> Values:
        """What words tell of somebody: their look in a picture, and how they were described.

        A description in other words than ours tells what of it is understood. In our own all that can be seen is mentioned, and
        what is not is not there.
        """
        found: dict[int, int] = {}
        phrases = [self._phrases.get(one) for one in re.split(r", | and ", description)]
        for phrase in phrases:
            found |= phrase or {}
        if all(phrases) and HEAD in found:
            for attribute in (GLASSES, BEARD):
                found.setdefault(attribute, self._words[attribute].index(""))
        if look is not None:
            glasses = "" if look.glasses.startswith(", without ") else look.glasses.removeprefix(", with ")
            worn = {EXPRESSION: look.expression, CLOTHES: look.clothes}
            if look.glasses:
                worn[GLASSES] = glasses
            found |= {
                attribute: self._words[attribute].index(word)
                for attribute, word in worn.items()
                if word in self._words[attribute]
            }
        return tuple(found.get(attribute) for attribute in range(len(self._words)))


def coloured(what: str, colour: str) -> str:
    """Words for hair of a colour: "a bun", "red" → "a red bun"."""
    article, _, rest = what.partition(" ")
    return f"{article_of(colour)} {colour} {rest}" if article in ("a", "an") else f"{colour} {what}"


def article_of(word: str) -> str:
    """The indefinite article before a word."""
    return "an" if word[0] in "aeiou" else "a"
