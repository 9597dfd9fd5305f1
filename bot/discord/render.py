"""What messages look like on Discord: pure functions from replies and updates to words, files and buttons.

Every message of a turn carries the turn's id in its buttons; that is the mark by which it is found again.
"""

from __future__ import annotations

import io
import time
from uuid import UUID

import discord

from bot import progress, sentences
from bot.buttons import CANCEL, Button, custom_id, offered
from bot.discord.sentences import READY
from bot.progress import Update
from bot.uploads import described, fitting
from storage.deliveries import Due, DuePicture
from storage.sentences import told

CONTENT = 2000  # characters of a message, at most
ALT_TEXT = 1024
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def nonce(kind: str, turn_id: UUID) -> str:
    """What makes Discord drop a second post of the same message: 25 characters at most."""
    number, written = turn_id.int, ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        written = DIGITS[digit] + written
    return kind[0] + written[-24:]


def words(text: str) -> str:
    """Text as a message: cut where Discord would refuse it, and mentioning nobody."""
    return text if len(text) <= CONTENT else text[: CONTENT - 1].rstrip() + "…"


def waiting(update: Update) -> str:
    """Where a turn stands. The time is a countdown that runs in the reader's client and costs no edits."""
    line = progress.in_words(update, lambda seconds: READY.given(at=f"<t:{round(time.time() + max(1.0, seconds))}:R>"))
    return f"-# {told(line, update.place.language)}"


def reply(due: Due) -> str:
    """The words of a reply."""
    return words(due.text) if due.text else told(sentences.DONE, due.language)


def waiting_buttons(turn_id: UUID, language: str) -> discord.ui.View:
    """What can be done with a turn that waits."""
    return _view(turn_id, [[CANCEL]], language)


def buttons(due: Due) -> discord.ui.View:
    """What can be done with what came of a turn."""
    return _view(due.turn_id, offered(due), due.language)


def _view(turn_id: UUID, rows: list[list[Button]], language: str) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for row, chosen in enumerate(rows):
        for what, label, emoji in chosen:
            button: discord.ui.Button[discord.ui.View] = discord.ui.Button(
                style=discord.ButtonStyle.secondary,
                label=None if label is None else told(label, language),
                emoji=emoji or None,
                custom_id=custom_id(what, turn_id),
                row=row,
            )
            view.add_item(button)
    view.stop()  # the client would keep it for ever to listen to; that is done by `buttons.TurnButton`
    return view


def picture_file(
    picture: DuePicture, data: bytes, number: int, limit: int, of: int = 1, language: str = ""
) -> discord.File:
    """A picture with its alt text, as a JPEG where the picture itself is over the upload limit."""
    data, suffix = fitting(picture, data, limit)
    description = described(picture, number, of, ALT_TEXT, language)
    return discord.File(io.BytesIO(data), filename=f"likeness-{number}.{suffix}", description=description)


def preview_file(preview: bytes, language: str) -> discord.File:
    """What a drawing looks like so far."""
    return discord.File(
        io.BytesIO(preview), filename="preview.jpg", description=told(sentences.PREVIEW_ALT_TEXT, language)
    )
