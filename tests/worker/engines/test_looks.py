"""Looks: words of replies, and the numbers of a reader of faces."""

from __future__ import annotations

import random

import pytest

from worker.engines.preview.looks import Vocabulary
from worker.engines.preview.replies import Look, understood
from worker.identity.drawn import OF_PEOPLE
from worker.training.dialogues import Teller, words_of_looks
from worker.training.people import some_person
from worker.training.stories import story
from worker.training.views import LABELS, NOBODY, labels_of

BALD = {"expression": "calm", "clothes": "blue", "head": "noHair1", "skin": "tan", "beard": "none"}
VOCABULARY = Vocabulary(words_of_looks())


def named(**values: str) -> tuple[int | None, ...]:
    return tuple(LABELS[name].index(values[name]) if name in values else None for name in OF_PEOPLE)


def test_what_is_read_of_somebody_is_described_as_replies_do() -> None:
    rng, teller = random.Random(4), Teller(story(1), 1)
    for _ in range(300):
        person = some_person(rng)
        labels = {name: getattr(person, name) or "none" for name in OF_PEOPLE[2:]}
        values = [0, 0, *(LABELS[name].index(label) for name, label in labels.items())]
        assert VOCABULARY.described(values) == teller.description(person, everything=True)


def test_replies_tell_all_that_is_to_be_seen_of_people() -> None:
    for number in range(60):
        dialogue = story(number)
        teller, described = Teller(dialogue, number), dict[str, str]()
        for said in teller.tell():
            if said.turn is None:
                continue
            read = understood(said.reply)
            described |= dict(read.introduced)
            shown = labels_of(dialogue.shot(said.turn))[1]
            for name, look, labels in zip(read.shown, read.looks, shown, strict=True):
                told = VOCABULARY.told(look, described[name])
                visible = [one if label != NOBODY else None for one, label in zip(told, labels, strict=True)]
                assert visible == [label if label != NOBODY else None for label in labels]


@pytest.mark.parametrize(
    ("look", "description", "values"),
    [
        (None, "a red afro and lots of charm", {}),
        (None, "a red round afro and lots of charm", {"head": "afro", "hair": "red"}),
        (Look("dancing", "plaid", ""), "Fair skin.", {"skin": "fair"}),
        (None, "A bald head", {"head": "noHair1"}),
        (None, "a black goatee and a red fade", {"head": "shaved2", "hair": "red", "beard": "goatee1"}),
        (Look("calm", "blue", ", with a monocle"), "a bald head, tan skin and sunglasses", BALD),
        (Look("calm", "blue", ", with an eyepatch"), "", named(expression="calm", clothes="blue", glasses="eyepatch")),
        (Look("calm", "blue", ", without glasses"), "", named(expression="calm", clothes="blue", glasses="none")),
    ],
)
def test_what_is_not_understood_is_left_to_tokens(look: Look | None, description: str, values: object) -> None:
    assert VOCABULARY.told(look, description) == (named(**values) if isinstance(values, dict) else values)


@pytest.mark.parametrize(
    ("description", "heard", "as_heard"),
    [
        ("a turban, tan skin and a moustache", "in a turban, with a light brown moustache", "a light brown moustache"),
        ("a bald head and a full beard", "bald, in black, his Ginger bushy beard shines", "a ginger full beard"),
        ("a bald head and a full beard", "bald, in a black coat with a beard", "a full beard"),
        ("a red fade, tan skin and a goatee", "red fade, black goatee", "a goatee"),
        ("a bald head and a goatee", "dressed in red with goatee", "a goatee"),
        ("a bald head and a moustache", "bald, gray Mustache", "a grey moustache"),
        ("a bald head and tan skin", "bald, with a ginger beard", "tan skin"),
        ("a bald head and a white goatee", "bald, with a ginger goatee", "a white goatee"),
    ],
)
def test_a_beard_without_other_hair_has_the_colour_that_was_heard(description: str, heard: str, as_heard: str) -> None:
    assert VOCABULARY.as_heard(description, heard).endswith(f" and {as_heard}")


SAID = "a red fade, tan skin and a goatee"


def test_a_beard_whose_colour_nobody_told_is_of_one_that_grows() -> None:
    bald = "a bald head, tan skin and a walrus moustache"
    colours = [
        one.removeprefix("a bald head, tan skin and ").split()[1] for one in VOCABULARY.in_colours(bald, "in grey")
    ]
    assert {"ginger", "black"} <= set(colours)
    assert not {"green", "grey", "dyed"} & set(colours), "what was heard is of something else"
    everything = "black, dark brown, brown, light, ginger, blond, grey and white"
    for settled in (
        bald.replace("a walrus", "a red walrus"),
        "red long curly hair, tan skin and a walrus moustache",
        "a bald head",
    ):
        assert VOCABULARY.in_colours(settled, "") == [settled]
    assert VOCABULARY.in_colours(bald, everything) == [bald]


@pytest.mark.parametrize(
    ("heard", "as_heard"),
    [
        (
            "with a blond high bun, very dark skin and sunglasses",
            "a blond high bun, very dark skin, sunglasses and a goatee",
        ),
        ("someone who has Olive Skin and a Walrus Moustache", "a red fade, olive skin and a walrus moustache"),
        ("(a turban, pale skin)", "a turban, pale skin and a red goatee"),
        ("has very fair skin, a thick moustache, without sunglasses", SAID),
        ("in red, like a blond high bunny", SAID),
        ("somebody with a fade", SAID),
    ],
)
def test_what_is_heard_in_our_words_is_not_misheard(heard: str, as_heard: str) -> None:
    assert VOCABULARY.as_heard(SAID, heard) == as_heard


def test_descriptions_in_words_of_their_own_are_left_as_they_are() -> None:
    for number in range(150):
        teller = Teller(story(number), number)
        for said in teller.tell():
            introduced = understood(said.reply).introduced
            if len(introduced) == 1:
                ((_, looks),) = introduced
                assert VOCABULARY.as_heard(looks, said.message) == looks, said.message


@pytest.mark.parametrize(
    ("message", "describes"),
    [
        ("this is Ada, with her fade", True),
        ("this is Ada, in a red dress, head and shoulders", False),
        ("Ada's skin is darker", True),
    ],
)
def test_a_message_describes_somebody_by_more_than_a_colour(message: str, describes: bool) -> None:
    assert VOCABULARY.describes(message, "a red fade, tan skin and a goatee") == describes
    assert not VOCABULARY.describes("head and shoulders", "a bald head and tan skin")
