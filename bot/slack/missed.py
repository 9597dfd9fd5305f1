"""What was said while no process listened.

Slack sends an event again three times within some six minutes, over HTTP as over a socket; what came earlier is told by
nobody. So after a start the channels and threads of the last conversations are looked at, within Slack's limits. What became
a turn before is known by its id, and what was only answered by the answer, which names it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.slack import mentions, render
from bot.slack.places import PLATFORM, Payload, is_direct
from bot.slack.teams import Installed, NotInstalled
from storage import conversations
from storage.database import DatabaseUnavailable

if TYPE_CHECKING:
    from bot.slack.app import SlackBot

log = logging.getLogger(__name__)

AWAY = (DatabaseUnavailable, SlackApiError, NotInstalled, aiohttp.ClientError, TimeoutError)
BACK_SECONDS = 3600.0
PAUSES = (0, 2, 5, 15, 60, 300)
BETWEEN_SECONDS = 1.2  # two questions about the history of a team: Slack takes fifty a minute
NOTHING_THERE = frozenset({"channel_not_found", "not_in_channel", "thread_not_found", "missing_scope", "is_archived"})
THREADS = 40  # of a team that are looked at, the latest first


async def missed(bot: SlackBot) -> None:
    """Take it, as if it was heard now. Tries again for some minutes while the database or Slack is away."""
    for pause in PAUSES:
        await asyncio.sleep(pause)
        try:
            for team in await bot.teams.all():
                async for event in _unanswered(bot, team):
                    await _hear(bot, event, team)
        except AWAY as error:
            log.warning("what was missed cannot be looked for yet: %s", error)
        else:
            return


async def _hear(bot: SlackBot, event: Payload, team: Installed) -> None:
    try:
        await mentions.hear(bot, event, team.team, team.user)
    except AWAY:
        raise
    except Exception:  # one message that cannot be taken must not keep the others waiting
        log.exception("message %s of channel %s could not be taken", event["ts"], event["channel"])


async def _unanswered(bot: SlackBot, team: Installed) -> AsyncIterator[Payload]:
    since = f"{time.time() - BACK_SECONDS:.6f}"
    known = await bot.services.database.arun(conversations.latest_threads, PLATFORM, team.team, THREADS)
    client = bot.web_client(team.token)
    for channel in dict.fromkeys(channel for channel, _ in known):
        told = await _asked(client.conversations_history, channel=channel, oldest=since)
        for event in _meant_for_us(told, team, direct=is_direct(channel)):
            yield {**event, "channel": channel}
    for channel, thread in known:
        told = await _asked(client.conversations_replies, channel=channel, ts=thread, oldest=since)
        replies = [one for one in told if one["ts"] != thread]
        for event in _meant_for_us(replies, team, direct=is_direct(channel)):
            yield {**event, "channel": channel}


async def _asked(question: Callable[..., Awaitable[AsyncSlackResponse]], **about: object) -> list[Payload]:
    """The latest messages of a channel or a thread, oldest first; none where the bot may not look any more."""
    await asyncio.sleep(BETWEEN_SECONDS)
    try:
        told = await question(**about, include_all_metadata=True, limit=200)
    except SlackApiError as error:
        if error.response["error"] not in NOTHING_THERE:
            raise
        log.info("%s cannot be looked at: %s", about, error)
        return []
    return sorted(told["messages"], key=lambda one: float(one["ts"]))


def _meant_for_us(told: list[Payload], team: Installed, *, direct: bool) -> list[Payload]:
    """What nobody answered. What mentions nobody counts only after the bot's last word: it may be older than that wish."""
    ours = [one for one in told if one.get("user") == team.user or (team.bot and one.get("bot_id") == team.bot)]
    answered = {render.answered(one) for one in ours}
    last = max((float(one["ts"]) for one in ours), default=0.0)
    return [
        {**one, "type": "message"}
        for one in told
        if one not in ours
        and one["ts"] not in answered
        and (direct or float(one["ts"]) > last or f"<@{team.user}" in (one.get("text") or ""))
    ]
