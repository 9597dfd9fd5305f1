"""Whether the bot can answer in a channel, and whether somebody can look into one.

It joins public ones by itself; what hinders it elsewhere is said in one sentence.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.places import Payload, is_direct
from bot.slack.sentences import ARCHIVED, NOT_HERE
from storage.sentences import Sentence

log = logging.getLogger(__name__)

BELIEVED_SECONDS = 600.0
SEEN_SECONDS = 60.0  # for which somebody is believed to be in a channel, or not to be
PAGE = 1000  # members
MOST = 10_000  # channels that one process remembers
NOT_A_MEMBER = frozenset({"not_in_channel", "channel_not_found"})

_ANSWER = TypeVar("_ANSWER")


class Channels:
    """Of all teams."""

    def __init__(self, client_of: Callable[[str], Awaitable[AsyncWebClient]]) -> None:
        self._client_of = client_of
        self._open: dict[tuple[str, str], float] = {}
        self._seen: dict[tuple[str, str, str], tuple[float, bool]] = {}

    async def problem(self, team: str, channel: str) -> Sentence | None:
        """Why the bot cannot answer there, as a sentence; None when it can, as far as Slack tells."""
        if is_direct(channel) or time.monotonic() - self._open.get((team, channel), float("-inf")) < BELIEVED_SECONDS:
            return None
        client = await self._client_of(team)
        try:
            told: Payload = (await client.conversations_info(channel=channel))["channel"]
        except SlackApiError as error:
            if error.response["error"] in NOT_A_MEMBER:
                return NOT_HERE
            log.warning("channel %s of %s cannot be looked at: %s", channel, team, error)
            return None
        if told.get("is_archived"):
            return ARCHIVED
        if not (told.get("is_member") or told.get("is_im") or told.get("is_mpim") or await self.join(team, channel)):
            return NOT_HERE
        if len(self._open) >= MOST:
            self._open.clear()
        self._open[team, channel] = time.monotonic()
        return None

    async def join(self, team: str, channel: str) -> bool:
        """Forget what was believed of a channel, and join it. False: that cannot be done; it is not public."""
        self._open.pop((team, channel), None)
        try:
            await (await self._client_of(team)).conversations_join(channel=channel)
        except SlackApiError as error:
            log.info("channel %s of %s cannot be joined: %s", channel, team, error)
            return False
        return True

    async def as_member(self, team: str, channel: str, call: Callable[[], Awaitable[_ANSWER]]) -> _ANSWER:
        """Do something in a channel; once more where the bot was removed from it and joins it again. Raises Slack's error."""
        try:
            return await call()
        except SlackApiError as error:
            if error.response["error"] != "not_in_channel" or not await self.join(team, channel):
                raise
        return await call()

    async def open_to(self, team: str, channel: str, user: str) -> bool:
        """Whether somebody can look into a channel now: it is public, or they are in it. What Slack does not tell is no."""
        asked_at, sees = self._seen.get((team, channel, user), (float("-inf"), False))
        if time.monotonic() - asked_at < SEEN_SECONDS:
            return sees
        client = await self._client_of(team)
        try:
            told: Payload = (await client.conversations_info(channel=channel))["channel"]
            sees = told.get("user") == user if told.get("is_im") else not told.get("is_private", True)
            sees = sees or user in await _members(client, channel)
        except SlackApiError as error:
            log.info("who sees channel %s of %s cannot be asked: %s", channel, team, error)
            return False
        if len(self._seen) >= MOST:
            self._seen.clear()
        self._seen[team, channel, user] = (time.monotonic(), sees)
        return sees


async def _members(client: AsyncWebClient, channel: str) -> set[str]:
    found: set[str] = set()
    cursor = ""
    while True:
        told = await client.conversations_members(channel=channel, limit=PAGE, cursor=cursor or None)
        found.update(told["members"])
        cursor = (told.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return found
