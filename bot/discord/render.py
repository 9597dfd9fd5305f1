"""What messages look like on Discord: pure functions from replies and updates to words, files and buttons.

Every message of a turn carries the turn's id in its buttons; that is the mark by which it is found again.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterable
from uuid import UUID

import discord
from PIL import Image

from bot import progress
from bot.progress import Update
from storage.deliveries import Due, DuePicture
from storage.tables import Kind, Status

CONTENT = 2000  # characters of a message, at most
ALT_TEXT = 1024
NO_ALT_TEXT = "A picture that Likeness drew."
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
QUALITIES = (92, 80, 65, 50)  # of a JPEG, until it fits the upload limit

MARK = re.compile(r"likeness:(?P<what>[a-z]+[1-4]?):(?P<turn>[0-9a-f]{32})")


def custom_id(what: str, turn_id: UUID) -> str:
    """The id of a button of a turn."""
    return f"likeness:{what}:{turn_id.hex}"


def mark_of(custom_ids: Iterable[str | None]) -> UUID | None:
    """The turn that a message belongs to, by the ids of its buttons."""
    for one in custom_ids:
        if one and (match := MARK.fullmatch(one)):
            return UUID(match["turn"])
    return None


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
    line = progress.in_words(update, lambda seconds: f"ready <t:{round(time.time() + max(1.0, seconds))}:R>")
    return f"-# {line}"


def reply(due: Due) -> str:
    """The words of a reply."""
    return words(due.text) if due.text else "Done."


def waiting_buttons(turn_id: UUID) -> discord.ui.View:
    """What can be done with a turn that waits."""
    return _view(turn_id, [[("cancel", "Cancel", "✖️")]])


def buttons(due: Due) -> discord.ui.View:
    """What can be done with what came of a turn. Picks and preferences stand above the rest."""
    rows: list[list[tuple[str, str, str]]] = []
    delete = ("delete", "Delete", "🗑️")
    if due.status is not Status.DONE:
        rows = [[("undo", "Undo", "↩️")] if due.status is Status.REFUSED else [("again", "Try again", "🔁")]]
    elif due.kind is Kind.ENLARGE:
        rows = [[delete]]
    elif not due.pictures:
        rows = [[("again", "Again", "🔁"), ("undo", "Undo", "↩️"), delete]]
    elif due.picks:
        rows = [[(f"pick{number}", f"Take {number}", "") for number in range(1, due.picks + 1)]]
        rows.append([("variations", "Others", "🔀"), ("undo", "Undo", "↩️"), delete])
    else:
        rows = [[("again", "Again", "🔁"), ("variations", "Variations", "🔀")]]
        if due.compares:
            rows.insert(0, [("better1", "The first is better", "1️⃣"), ("better2", "The second is better", "2️⃣")])
            rows[-1] += [("undo", "Undo", "↩️"), delete]
        else:
            rows[-1] += [("larger", "Larger", "🔍"), ("undo", "Undo", "↩️")]
            rows.append([("up", "", "👍"), ("down", "", "👎"), delete])
    return _view(due.turn_id, rows)


def _view(turn_id: UUID, rows: list[list[tuple[str, str, str]]]) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for row, chosen in enumerate(rows):
        for what, label, emoji in chosen:
            button: discord.ui.Button[discord.ui.View] = discord.ui.Button(
                style=discord.ButtonStyle.secondary,
                label=label or None,
                emoji=emoji or None,
                custom_id=custom_id(what, turn_id),
                row=row,
            )
            view.add_item(button)
    view.stop()  # the client would keep it for ever to listen to; that is done by `buttons.TurnButton`
    return view


def is_reply(custom_ids: Iterable[str | None]) -> bool:
    """Whether a message of a turn is its reply: while it waits it can be cancelled."""
    return not any(one and (match := MARK.fullmatch(one)) and match["what"] == "cancel" for one in custom_ids)


def picture_file(picture: DuePicture, data: bytes, number: int, limit: int, of: int = 1) -> discord.File:
    """A picture with its alt text, as a JPEG where the picture itself is over the upload limit.

    Of several that are shown at once the alt text says which it is.
    """
    suffix = picture.blob_key.rpartition(".")[2]
    if len(data) > limit:
        data, suffix = _smaller(data, limit), "jpg"
    name = f"likeness-{number}.{suffix}"
    alt_text = picture.alt_text or NO_ALT_TEXT
    if of > 1:
        alt_text = f"Picture {number} of {of}. {alt_text}"
    return discord.File(io.BytesIO(data), filename=name, description=alt_text[:ALT_TEXT])


def preview_file(preview: bytes) -> discord.File:
    """What a drawing looks like so far."""
    return discord.File(io.BytesIO(preview), filename="preview.jpg", description="The picture as it is being drawn.")


def _smaller(data: bytes, limit: int) -> bytes:
    with Image.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGB")
    while True:
        for quality in QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= limit or min(picture.size) <= 64:
                return buffer.getvalue()
        picture = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.LANCZOS)
