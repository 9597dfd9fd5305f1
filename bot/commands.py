"""Commands that can be written as a message: a message that is wholly one of them is a command on every platform.

All else goes to the engine; "undo the hat" is a wish about a picture, not a command.
"""

from __future__ import annotations

from enum import StrEnum


class Command(StrEnum):
    """What a message can command."""

    UNDO = "undo"
    AGAIN = "again"
    CANCEL = "cancel"
    CHARACTERS = "characters"
    HELP = "help"


_WORDS = {
    Command.UNDO: ("undo", "undo that", "undo it", "undo the last one"),
    Command.AGAIN: ("again", "draw it again", "once more", "try again"),
    Command.CANCEL: ("cancel", "stop"),
    Command.CHARACTERS: ("characters", "list characters"),
    Command.HELP: ("help", "?"),
}
_COMMANDS = {words: command for command, phrases in _WORDS.items() for words in phrases}


def parse(text: str) -> Command | None:
    """The command that a message wholly is, or None."""
    return _COMMANDS.get(" ".join(text.split()).rstrip(".! ").lower() or text.strip())
