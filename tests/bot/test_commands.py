"""A message that is wholly a command is a command; all else goes to the engine."""

import pytest

from bot.commands import Command, parse


@pytest.mark.parametrize("words", ["undo", "Undo", " UNDO. ", "undo that", "undo!"])
def test_undo_is_a_command_however_it_is_written(words: str) -> None:
    assert parse(words) is Command.UNDO


@pytest.mark.parametrize(
    "words", ["undo the hat", "Olivia says: undo", "again but at night", "help Olivia up", "", "…"]
)
def test_a_wish_about_a_picture_is_not_a_command(words: str) -> None:
    assert parse(words) is None


@pytest.mark.parametrize(
    ("words", "command"), [("again", Command.AGAIN), ("stop", Command.CANCEL), ("?", Command.HELP)]
)
def test_other_commands(words: str, command: Command) -> None:
    assert parse(words) is command
