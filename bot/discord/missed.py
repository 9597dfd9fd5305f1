"""Messages that arrived while no gateway session was there to tell of them: looked for over REST after a fresh start.

What was taken in before is known by its id, so looking too far back costs nothing but time.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import discord
from discord.utils import time_snowflake

from bot.discord.places import PLATFORM
from bot.services import Services
from storage import conversations
from storage.conversations import DIRECT

log = logging.getLogger(__name__)

BACK = timedelta(hours=1)  # at most
OVERLAP = timedelta(minutes=1)
MOST = 100  # messages of one channel


async def missed(client: discord.Client, services: Services) -> AsyncIterator[discord.Message]:
    """Messages since the latest turn of each workspace, of the channels in which anything was said since."""
    latest = await services.database.arun(conversations.latest_turns, PLATFORM, datetime.now(UTC) - BACK)
    for guild in client.guilds:
        since = _since(latest.get(str(guild.id)))
        channels: list[discord.TextChannel | discord.Thread] = [*guild.text_channels, *guild.threads]
        for channel in channels:
            allowed = channel.permissions_for(guild.me)
            if (channel.last_message_id or 0) > time_snowflake(since) and allowed.read_message_history:
                async for message in _history(channel, since):
                    yield message
    for channel_id in await services.database.arun(conversations.direct_channels, PLATFORM):
        direct = await _direct(client, channel_id)
        if direct is not None:
            since = _since(latest.get(f"{DIRECT}{direct.recipient.id}" if direct.recipient else ""))
            async for message in _history(direct, since):
                yield message


def _since(latest: datetime | None) -> datetime:
    earliest = datetime.now(UTC) - BACK
    return earliest if latest is None else max(earliest, latest - OVERLAP)


async def _direct(client: discord.Client, channel_id: str) -> discord.DMChannel | None:
    try:
        found = await client.fetch_channel(int(channel_id))
    except (discord.HTTPException, ValueError) as error:
        log.info("direct messages %s cannot be looked at: %s", channel_id, error)
        return None
    return found if isinstance(found, discord.DMChannel) else None


async def _history(
    channel: discord.TextChannel | discord.Thread | discord.DMChannel, since: datetime
) -> AsyncIterator[discord.Message]:
    try:
        async for message in channel.history(after=since, limit=MOST, oldest_first=True):
            yield message
    except discord.HTTPException as error:
        log.info("channel %s cannot be looked at: %s", channel.id, error)
