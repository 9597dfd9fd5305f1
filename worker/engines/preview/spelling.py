"""Spelling: a word that is one slip from one that the MLLM learned, and no other word or name, is read as that.

A small language model has seen few of all the slips that people make, and mistakes what it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from spellchecker import SpellChecker

LEARNED = "words.json"  # of the weights: the words that the MLLM learned from messages

_WORD = re.compile(r"(?<![\w'’-])[^\W\d_]{4,}(?![\w'’-])")  # of shorter ones too many are one slip apart
_TOKEN = re.compile(r"[^\W\d_][\w'’-]*")
_APOSTROPHE = re.compile("['’]")
LONG = 7  # letters of a word that is hardly a name
_ENDS = (".", "!", "?", ":")  # of sentences


class Spelling:
    """Mends words of messages; `learned` are those that the MLLM knows."""

    def __init__(self, learned: Iterable[str]) -> None:
        self._learned = frozenset(learned)
        self._english = SpellChecker(language="en", distance=1)
        self._meant = SpellChecker(language=None, distance=1)
        self._meant.word_frequency.load_words(
            [one for one in self._learned if len(one) > 4 or (len(one) == 4 and self._english.known([one]))]
        )

    def learned(self, word: str) -> bool:
        """Whether the MLLM knows a word, as a word and no name."""
        return word.lower() in self._learned

    def names(self, text: str) -> list[str]:
        """The words of a text that may be somebody's name: the MLLM knows them not, and small ones are not English."""
        found = (one.removesuffix("'s").removesuffix("’s") for one in _TOKEN.findall(text))
        return list(dict.fromkeys(one for one in found if not self.learned(one) and self._may_be_name(one)))

    def _may_be_name(self, word: str) -> bool:
        return not _APOSTROPHE.search(word) and (word[0].isupper() or not self._english.known([word]))

    def mended(self, text: str, names: Collection[str]) -> str:
        """A text with its slips mended. English words, names, and what may be two words, stay as they are."""

        def mend(match: re.Match[str]) -> str:
            word, before = match[0], text[: match.start()].rstrip()
            may_be_name = word[0].isupper() and before != "" and not before.endswith(_ENDS)
            if may_be_name or word.lower() in known or self.learned(word) or self._english.known([word]):
                return word
            meant = [one for one in self._meant.candidates(word.lower()) or () if _is_slip(word.lower(), one)]
            if len(meant) != 1:
                return word
            return meant[0].capitalize() if word[0].isupper() else meant[0]

        known = {word.lower() for name in names for word in name.split()}
        return _WORD.sub(mend, text)


def _is_slip(written: str, meant: str) -> bool:
    """Whether somebody who meant one word would write another: in a short one, which may be a name, a letter left out, doubled,
    or changed for its neighbour; in a long one any letter may be another, or one too many."""
    if len(written) >= LONG or len(written) < len(meant) or sorted(written) == sorted(meant):
        return True
    return re.sub(r"(.)\1", r"\1", written) == re.sub(r"(.)\1", r"\1", meant)
