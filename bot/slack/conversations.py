"""The conversations that a person took part in: where they are, and their pictures to look at or to take away.

Nobody sees those of others here: a channel may be private.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.slack import menu
from bot.slack.blocks import (
    Here,
    Json,
    actions,
    context,
    escape,
    modal,
    mrkdwn,
    one_line,
    option,
    overflow,
    picture,
    plain,
    said,
    section,
)
from storage.conversations import TakenPart

LISTED = 20
TITLE = 80  # characters of a title
NONE_YET = "You have drawn nothing yet. Mention me in a channel, or write to me in our messages."
SHEET = "Framed pictures lead to where the conversation is now."
SENT = "I sent it to you in our messages."
FOUND = ("history", "Pictures"), ("export", "Export"), ("characters", "Characters"), ("settings", "Settings")
DOES = "room:conversations:do"


def view(known: Sequence[TakenPart], links: Sequence[str], here: Here, sentence: str = "") -> Json:
    """A list of them, the latest first. `links` lead to them; an empty one is left out."""
    blocks = [entry(one, link) for one, link in zip(known, links, strict=True)] or [section(plain(NONE_YET))]
    return modal("Your conversations", [*said(sentence), *blocks, actions(menu.back())], carries=here.written())


def sheet(file_id: str, here: Here) -> Json:
    """All pictures of a conversation on one sheet."""
    blocks = [picture(file_id, "The pictures of this conversation, oldest first."), context(plain(SHEET))]
    return modal("Pictures", [*blocks, actions(menu.back())], carries=here.written())


def entry(one: TakenPart, link: str) -> Json:
    """A conversation, and what can be done with it."""
    title = escape(one_line(one.title, TITLE)) or "A conversation"
    many = "1 turn" if one.turns == 1 else f"{one.turns:,} turns"
    words = f"{f'<{link}|{title}>' if link else title}\n{_when(one.last_turn_at)}, {many}"
    return section(
        mrkdwn(words), overflow(DOES, [option(label, f"{what}:{one.channel}:{one.thread}") for what, label in FOUND])
    )


def _when(at: datetime) -> str:
    """A time in the reader's own zone."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{at:%Y-%m-%d %H:%M} UTC>"
