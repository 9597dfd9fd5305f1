"""Whatever goes wrong in a listener: one plain sentence with a reference for the person, the rest in the log.

What may pass by itself (a database that is away) is left to Slack's next attempt, and said only after the last one. It knows
no listener; who is to be told of an event that came to nothing, `bot.slack.mentions` knows.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import aiohttp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError

from bot import failures
from bot.slack import mentions
from bot.slack.once import UnderWay
from bot.slack.places import Payload
from storage.database import DatabaseUnavailable
from storage.sentences import Sentence

if TYPE_CHECKING:
    from bot.slack.app import SlackBot

log = logging.getLogger(__name__)

LAST_ATTEMPT = 3  # Slack sends an event again so often


class TooSlow(Exception):
    """Something was not done within the time that Slack waits; it goes on all the same, as a task."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        super().__init__("it takes longer than Slack waits")
        self.task = task


PASSING = (DatabaseUnavailable, TooSlow, UnderWay, TimeoutError, aiohttp.ClientError)
"""What the next attempt may well not meet."""


def register(bot: SlackBot) -> None:
    """Handle what listeners raise."""

    async def handle(error: Exception, body: Payload, request: AsyncBoltRequest) -> BoltResponse:
        sentence = failed(error, f"event {body.get('event_id')}")
        attempt = int((request.headers.get("x-slack-retry-num") or ["0"])[0])
        if not _passes(error) or attempt >= LAST_ATTEMPT:
            bot.later(_apologise(bot, error, body, request.context.team_id or "", sentence))
        return BoltResponse(status=503 if _passes(error) else 200)

    bot.app.error(handle)


def failed(error: BaseException, what: str) -> Sentence:
    """`bot.failures.failed`, with what may pass on Slack."""
    return failures.failed(error, what, PASSING)


def log_late(task: asyncio.Task[None]) -> None:
    """Log what something ended with for which Slack waits no more."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("something failed after Slack had stopped waiting", exc_info=error)


def _passes(error: Exception) -> bool:
    """Whether Slack is asked to send it again."""
    if isinstance(error, SlackApiError):
        busy = error.response["error"] in ("ratelimited", "internal_error", "fatal_error")
        return busy or error.response.status_code >= 429
    return isinstance(error, PASSING)


async def _apologise(bot: SlackBot, error: Exception, body: Payload, team: str, sentence: str) -> None:
    """Tell whoever wrote it, unless it is done after all."""
    if isinstance(error, TooSlow):
        await asyncio.wait({error.task})
        if error.task.exception() is None:
            return
    try:
        await mentions.apologise(bot, team, body.get("event") or {}, sentence)
    except Exception:  # there is nobody else to tell
        log.exception("nobody heard of it")
