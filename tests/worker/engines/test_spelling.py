"""Slips in messages: what is mended, and what is somebody's name or another word."""

from __future__ import annotations

import json

import pytest

from worker.engines.preview.engine import WEIGHTS
from worker.engines.preview.spelling import LEARNED, Spelling


@pytest.fixture(scope="module")
def spelling() -> Spelling:
    return Spelling(json.loads((WEIGHTS / LEARNED).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("in the frest", "in the forest"),
        ("Unedr the blanket, smmiling", "Under the blanket, smiling"),
        ("a wide shot! Portrat, please", "a wide shot! Portrait, please"),
        ("now zorevik in pnic", "now zorevik in panic"),
        ("wtih a beard", "with a beard"),
        ("a beeard in the librery", "a beard in the library"),
    ],
)
def test_a_word_one_slip_from_a_learned_one_is_read_as_it(spelling: Spelling, written: str, read: str) -> None:
    assert spelling.mended(written, []) == read


@pytest.mark.parametrize(
    "written",
    [
        "Olivia by the fjord, in a kimono",  # English words that the MLLM does not know
        "a portrait of Smilin",  # a name, in capitals
        "smiln is sad",  # a name that is in scope
        "thr big tre",  # so short that it may be anything
        "smiling's smile-ing",
        "Hiro has red hair. Sandi, too. Bronn is bald, and noor is grun",
        "Zeichne Rosa am Strand mit roten Haaren",
        "",
    ],
)
def test_names_and_other_words_stay(spelling: Spelling, written: str) -> None:
    assert spelling.mended(written, ["Smiln Two"]) == written


def test_what_may_be_two_words_stays() -> None:
    assert Spelling(["planet", "planer"]).mended("a plane on a plaane", []) == "a plane on a plaane"
    assert Spelling(["forest", "florets"]).mended("forets", []) == "forets"
    assert Spelling(["forest"]).mended("forets", []) == "forest"


def test_words_that_may_be_names_are_those_that_nobody_learned(spelling: Spelling) -> None:
    assert spelling.names("cool, keben’s sister Rose McKay: don't, freckles and keben") == ["keben", "McKay"]


def test_a_learned_word_is_no_name(spelling: Spelling) -> None:
    assert spelling.learned("Cool")
    assert spelling.learned("brown")
    assert not spelling.learned("keben")
