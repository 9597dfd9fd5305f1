"""Sentences in several languages: what stands for values, numbers as each language writes them, and where English does."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from storage.sentences import Sentence, language_of, several, told

SIZE = Sentence(
    "{count} bytes of {of}",
    "{count} Bytes von {of}",
    "{count} bytes de {of}",
    "{count} octets de {of}",
    "{of}の{count}",
)
WHO = Sentence("a fox", "ein Fuchs", "un zorro", "un renard", "狐")


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("en-GB", "1,234.5 bytes of a fox"),
        ("de-AT", "1.234,5 Bytes von ein Fuchs"),
        ("es-ES", "1.234,5 bytes de un zorro"),
        ("fr", "1\u202f234,5 octets de un renard"),
        ("ja", "狐の1,234.5"),
        ("nl", "1,234.5 bytes of a fox"),
        ("", "1,234.5 bytes of a fox"),
    ],
)
def test_values_are_as_each_language_has_them(tag: str, words: str) -> None:
    assert told(SIZE.given(count=1234.5, of=WHO), tag) == words


def test_a_sentence_is_its_english_words_until_somebody_is_told() -> None:
    said = WHO.then(SIZE.given(count=20.0, of="{x}"))
    assert said == "a fox 20 bytes of {x}"
    assert told(said, "ja") == "狐{x}の20"
    assert told(str(ValueError(said)), "de") == "ein Fuchs 20 Bytes von {x}"
    assert type(told(said, "en")) is str
    assert told("as it is", "de") == "as it is"
    assert language_of("DE-at") == "de"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_a_sentence_says_the_same_in_every_language(copied: Callable[[Sentence], Sentence]) -> None:
    assert copied(WHO.then("{x}")).words == WHO.then("{x}").words


def test_one_and_several_are_told_apart() -> None:
    many = Sentence("{count} foxes", "{count} Füchse", "{count} zorros", "{count} renards", "狐{count}匹")
    assert [told(several(count, WHO, many), "fr") for count in (1, 2, 1000)] == [
        "un renard",
        "2 renards",
        "1\u202f000 renards",
    ]


def test_a_sentence_without_a_language_cannot_be_made() -> None:
    with pytest.raises(TypeError):
        Sentence("a fox", "ein Fuchs", "un zorro", "un renard")  # type: ignore[call-arg]
