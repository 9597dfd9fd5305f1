"""What an answer can say: only JSON of the schema, only names and pictures in scope, whatever is sampled."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.worker.engines.published.conftest import answer
from worker.engines.published.answer import (
    ALT_TEXT,
    LOOKS,
    PROMPT,
    REPLY,
    Answer,
    Scope,
    answer_of,
    reply_of,
    schema,
    written,
)
from worker.engines.published.reader import Reader

HOSTILE = (
    'Ol"ivia',
    "back\\slash",
    "line\nbreak",
    "bell\x07 and null\x00",
    "right\u202eleft",
    "Zoë",
    "名前",
    "🦊🏽",
    "<|im_end|>",
    '"],"draw":false}',
    "{}",
    " ",
)


@pytest.mark.parametrize(
    "scope",
    [
        Scope(HOSTILE, ("1", "2", "2a"), ("1:1", "3:4")),
        Scope(tuple(f"Person {number}" for number in range(200)), tuple(map(str, range(60))), ("1:1",)),
        Scope((), (), ("1:1",)),
    ],
    ids=["hostile", "many", "none"],
)
def test_whatever_is_sampled_is_valid_and_names_what_is_in_scope(reader: Reader, scope: Scope) -> None:
    generator = np.random.default_rng(0)
    drawn = 0
    for _ in range(12):
        held = reader.grammar.start(schema(scope))
        told = ""
        held.forced()
        while not held.ended:
            allowed = np.flatnonzero(held.allowed())
            quotes = [one for one in reader._chat.words('"],') if one in allowed]  # or strings would rarely end
            held.take([int(generator.choice(quotes if quotes and generator.random() < 0.4 else allowed))])
            held.forced()
            now = reply_of(held.text)
            assert now.startswith(told), "what was told of a reply stays"
            told = now
        said = json.loads(held.text)
        assert list(said)[:2] == ["reply", "draw"]
        whole = answer_of(held.text)
        assert whole is None or whole.reply == told
        if not said["draw"]:
            assert set(said) == {"reply", "draw"}
            continue
        drawn += 1
        assert set(said["characters"]) <= set(scope.names)
        assert set(said["pictures"]) <= set(scope.pictures)
        assert said["aspect"] in scope.aspects
    assert drawn


def test_a_name_that_is_not_in_scope_cannot_be_written(reader: Reader) -> None:
    held = reader.grammar.start(schema(Scope(("Olivia",), ("1",), ("1:1",))))
    held.take(reader._chat.words('{"reply":"","draw":true,"characters":["'))
    with pytest.raises(ValueError, match="token"):
        held.take(reader._chat.words('Max"'))


@pytest.mark.parametrize(
    ("so_far", "told"),
    [
        ("", ""),
        ('{"rep', ""),
        ('{"reply":"', ""),
        ('{"reply":"Here', "Here"),
        ('{"reply":"She said \\"no\\" \\', 'She said "no"'),
        ('{"reply":"caf\\u00', "caf"),
        ('{"reply":"caf\\u00e9","draw":tr', "café"),
        ('{"reply":"fox \\ud83e', "fox"),
        ('{"reply":"fox \\ud83e\\udd8a', "fox 🦊"),
        ('{"reply":"a\\\\","draw":true', "a\\"),
        ('{"reply":"bell\\u0007","draw":false}', "bell"),
    ],
)
def test_the_reply_is_told_as_far_as_it_is_whole(so_far: str, told: str) -> None:
    assert reply_of(so_far) == told


def test_half_an_answer_is_never_used() -> None:
    assert answer_of(answer(prompt="x" * PROMPT)) is None
    assert answer_of(answer(prompt=" ")) is None
    cut = answer_of(answer("y" * REPLY, draw=False))
    assert cut is not None
    assert cut.reply.endswith("y…")
    seen = answer_of(answer(introduces=[{"name": "Kim", "looks": "z" * LOOKS}], alt_text="z" * ALT_TEXT))
    assert seen is not None
    assert seen.introduces[0][1].endswith("z…")
    assert seen.alt_text.endswith("z…")


def test_what_another_engine_drew_reads_like_an_answer(reader: Reader) -> None:
    text = written('Here is "Olivia".', draws=True, aspect="1:1")
    held = reader.grammar.start(schema(Scope((), (), ("1:1",))))
    said = json.loads(text)
    held.take(reader._chat.words(json.dumps({**said, "prompt": "x"}, separators=(",", ":"))))
    assert held.ended
    assert answer_of(written("Hello.", draws=False)) == Answer("Hello.", draws=False)
