"""Spelling: a word that is one slip from one that the MLLM learned, and no other word or name, is read as that.

A small language model has seen few of all the slips that people make, and mistakes what it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from spellchecker import SpellChecker

LEARNED = "words.json"  # of the weights: the words that the MLLM learned from messages

_WORD = re.compile(r"(?<![\w'’-])[^\W\d_]{4,}(?![\w'’-])")  # of shorter ones too many are one slip apart
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

    def mended(self, text: str, names: Collection[str]) -> str:
        """A text with its slips mended. English words, names, and what may be two words, stay as they are."""

        def mend(match: re.Match[str]) -> str:
            word, before = match[0], text[: match.start()].rstrip()
            may_be_name = word[0].isupper() and before != "" and not before.endswith(_ENDS)
            if may_be_name or word.lower() in known or self.learned(word) or self._english.known([word]):
                return word
            meant = self._meant.candidates(word.lower())
            if meant is None or len(meant) != 1:
                return word
            (one,) = meant
            return one.capitalize() if word[0].isupper() else one

        known = {word.lower() for name in names for word in name.split()}
        return _WORD.sub(mend, text)
