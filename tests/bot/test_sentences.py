"""What is said in conversations: there in every language, alike in what is filled in, and nowhere else than in the catalogue."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path
from types import ModuleType

import pytest

import bot.discord.sentences
import bot.sentences
import bot.slack.sentences
import storage.sentences
from bot import sentences as words
from storage.characters import CONSENT
from storage.sentences import LANGUAGES, Sentence, told

ROOT = Path(__file__).parents[2]
CATALOGUE = (storage.sentences, bot.sentences, bot.discord.sentences, bot.slack.sentences)
SPEAKING = (
    *("bot/turns.py", "bot/buttons.py", "bot/progress.py", "bot/uploads.py", "bot/aspects.py", "bot/characters.py"),
    *(f"bot/discord/{one}.py" for one in ("client", "places", "tree", "platform", "render", "buttons", "commands")),
    *(f"bot/discord/{one}.py" for one in ("imagine", "menus")),
    *(f"bot/slack/{one}.py" for one in ("app", "render", "platform", "channels", "files", "mentions", "commands")),
    *(f"bot/slack/{one}.py" for one in ("menu", "buttons")),
    *(f"storage/{one}.py" for one in ("turns", "admin", "intake", "characters")),
    "worker/drawing.py",
)
"""Where something is found to say in a conversation. Windows, pages, forms and what admins do are not among them."""

SAID = re.compile(r"[A-Z“].* .*[.?!:]")


def sentences_of(module: ModuleType) -> dict[str, Sentence]:
    return {name: one for name, one in vars(module).items() if isinstance(one, Sentence)}


@pytest.mark.parametrize("module", CATALOGUE, ids=lambda module: module.__name__)
def test_every_sentence_is_there_in_every_language_with_the_same_values(module: ModuleType) -> None:
    for name, sentence in sentences_of(module).items():
        values = {
            frozenset(field for _, field, _, _ in string.Formatter().parse(one) if field) for one in sentence.words
        }
        assert len(values) == 1, name
        assert all(one and one == one.strip() for one in sentence.words), name
        if " " in sentence and "{" not in sentence:
            assert len(set(sentence.words)) == len(LANGUAGES), name
            assert not sentence.words[-1].isascii(), name


@pytest.mark.parametrize("path", SPEAKING)
def test_no_sentence_is_said_in_english_alone(path: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    docstrings = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    said = [
        one.value
        for one in ast.walk(tree)
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in docstrings
    ]
    english = [one for one in said if SAID.fullmatch(one.replace("\n", " "))]
    assert [one for one in english if "LIKENESS_" not in one and one != CONSENT] == [], "operators read English"


@pytest.mark.parametrize("language", LANGUAGES)
def test_labels_of_buttons_fit_and_differ(language: str) -> None:
    side_by_side = (
        *(words.CANCEL, words.AGAIN, words.TRY_AGAIN, words.VARIATIONS, words.OTHERS, words.UNDO, words.DELETE),
        *(words.LARGER, words.TAKE.given(number=1), words.FIRST_IS_BETTER, words.SECOND_IS_BETTER),
    )
    labels = [told(one, language) for one in side_by_side]
    assert len(set(labels)) == len(labels)
    assert all(1 <= len(one) <= 30 for one in labels)
