"""The conversations that a person took part in: where they are, and their pictures to look at or to take away.

Nobody sees those of others here, nor their own in a channel that is closed to them now: a channel may be private.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sentences import NOTHING_YET, SHEET
from bot.slack import characters, faces, menu, preferences
from bot.slack.blocks import (
    Here,
    Json,
    actions,
    context,
    modal,
    mrkdwn,
    one_line,
    option,
    overflow,
    plain,
    said,
    section,
)
from bot.slack.render import escaped, picture
from bot.slack.rooms import Visit
from storage import conversations
from storage.conversations import TakenPart
from storage.sentences import told

log = logging.getLogger(__name__)

LISTED = 20
LOOKED_AT = 60  # of the latest, since some may be closed to them now
TITLE = 80  # characters of a title
NONE_YET = "You have drawn nothing yet. Mention me in a channel, or write to me in our messages."
SHEET_ALT_TEXT = "The pictures of this conversation, oldest first."
EXPORT = "All pictures, and what was said, as JSON."
SENT = "I sent it to you in our messages."
FOUND = ("history", "Pictures"), ("export", "Export"), ("characters", "Characters"), ("settings", "Settings")
DOES = "room:conversations:do"
NOT_YOURS = "Here you see only conversations that you took part in, in channels that you can still open."


async def show(visit: Visit, what: str, value: str) -> Json:
    """The list, or what somebody wants of one of them."""
    if what == "open":
        return await _listed(visit)
    what, channel, thread = value.split(":")
    there = visit.elsewhere(Here(channel, thread))
    if not await _theirs(there):
        return await _listed(visit, NOT_YOURS)
    return await OF_ONE[what](there)


async def _listed(visit: Visit, sentence: str = "") -> Json:
    known = await recent(visit, LISTED)
    return view(known, await links(visit, known), visit.here, sentence)


async def recent(visit: Visit, limit: int) -> list[TakenPart]:
    """The latest conversations that somebody took part in and can open."""
    workspace_id, found = await visit.workspace(), list[TakenPart]()
    known = await visit.bot.services.database.arun(
        conversations.taken_part, workspace_id, visit.person.id, limit=LOOKED_AT
    )
    for one in known:
        if len(found) == limit:
            break
        if await visit.bot.channels.open_to(visit.team, one.channel, visit.person.id):
            found.append(one)
    return found


async def links(visit: Visit, known: Sequence[TakenPart]) -> list[str]:
    """Where they are; empty where Slack does not say."""
    return list(await asyncio.gather(*(_link(visit.client, one) for one in known)))


async def _link(client: AsyncWebClient, one: TakenPart) -> str:
    try:
        return str((await client.chat_getPermalink(channel=one.channel, message_ts=one.thread))["permalink"])
    except SlackApiError as error:  # a list without a link is better than no list
        log.info("a conversation cannot be linked to: %s", error)
        return ""


async def _history(visit: Visit) -> Json:
    workspace_id, conversation_id = await visit.scope()
    data = conversation_id and await visit.bot.albums.sheet(workspace_id, conversation_id)
    if not data:
        return await _listed(visit, told(NOTHING_YET, visit.person.language))
    shown = await faces.passing(visit, workspace_id, "history.png", data, SHEET_ALT_TEXT)
    return sheet(shown, visit.here, visit.person.language)


async def _export(visit: Visit) -> Json:
    workspace_id, conversation_id = await visit.scope()
    data = conversation_id and await visit.bot.albums.archive(workspace_id, conversation_id)
    if not data:
        return await _listed(visit, told(NOTHING_YET, visit.person.language))
    await faces.send(visit, "conversation.zip", data, EXPORT)
    return await _listed(visit, SENT)


async def _theirs(visit: Visit) -> bool:
    """Whether they took part in a conversation and can open it: what a window says may be old, and names any."""
    workspace_id, here = await visit.workspace(), visit.here
    found = await visit.bot.services.database.arun(
        conversations.takes_part, workspace_id, visit.person.id, here.channel, here.thread
    )
    return found is not None and await visit.bot.channels.open_to(visit.team, here.channel, visit.person.id)


OF_ONE: dict[str, Callable[[Visit], Awaitable[Json]]] = {
    "history": _history,
    "export": _export,
    "characters": lambda visit: characters.show(visit, "open", ""),
    "settings": lambda visit: preferences.show(visit, "open", ""),
}


# -- what it looks like ------------------------------------------------------------------------------------------------


def view(known: Sequence[TakenPart], links: Sequence[str], here: Here, sentence: str = "") -> Json:
    """A list of them, the latest first. `links` lead to them; an empty one is left out."""
    blocks = [entry(one, link) for one, link in zip(known, links, strict=True)] or [section(plain(NONE_YET))]
    return modal("Your conversations", [*said(sentence), *blocks, actions(menu.back())], carries=here.written())


def sheet(file_id: str, here: Here, language: str = "en") -> Json:
    """All pictures of a conversation on one sheet. In the person's language, by BCP 47 tag."""
    blocks = [picture(file_id, SHEET_ALT_TEXT), context(plain(told(SHEET, language)))]
    return modal("Pictures", [*blocks, actions(menu.back())], carries=here.written())


def entry(one: TakenPart, link: str) -> Json:
    """A conversation, and what can be done with it."""
    title = escaped(one_line(one.title, TITLE)) or "A conversation"
    many = "1 turn" if one.turns == 1 else f"{one.turns:,} turns"
    words = f"{f'<{link}|{title}>' if link else title}\n{_when(one.last_turn_at)}, {many}"
    return section(
        mrkdwn(words), overflow(DOES, [option(label, f"{what}:{one.channel}:{one.thread}") for what, label in FOUND])
    )


def _when(at: datetime) -> str:
    """A time in the reader's own zone."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{at:%Y-%m-%d %H:%M} UTC>"
