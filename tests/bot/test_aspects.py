"""What is meant by an aspect that somebody chose or wrote, and what is said of one that cannot be."""

from __future__ import annotations

import pytest

from bot.aspects import NoSuchAspect, in_words, meant
from storage.aspects import named

ASPECTS = named(((1024, 1024), (1248, 832), (1152, 864), (1360, 768), (1344, 768)))


@pytest.mark.parametrize(
    ("written", "name"),
    [("3:2", "3:2"), (" 1248 × 832 ", "3:2"), ("1024X1024", "1:1"), ("1344x768", "1344x768"), ("16:9", "16:9")],
)
def test_an_aspect_is_meant_by_its_name_or_its_pixels(written: str, name: str) -> None:
    assert meant(written, ASPECTS) == name


def test_an_aspect_is_told_in_words() -> None:
    assert [in_words(one, ASPECTS) for one in ASPECTS] == [
        "1024 × 1024 (square)",
        "1248 × 832 (3:2)",
        "1152 × 864 (4:3)",
        "1360 × 768 (16:9)",
        "1344 × 768",
    ]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "No machine that draws is there"),
        (1, "Pictures here are 1024 × 1024 (square), and no other size"),
        (3, "Pictures here can be 1:1, 3:2 or 4:3. Please"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(count: int, said: str) -> None:
    with pytest.raises(NoSuchAspect) as raised:
        meant("9:16", {name: ASPECTS[name] for name in [*ASPECTS][:count]})
    assert str(raised.value).startswith(said)
