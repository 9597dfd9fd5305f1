"""Messages that arrived while no gateway session was there to tell of them: looked for over REST after a fresh start.

What became a turn before is known by its id, and what was only answered by the answer, which is a reply to it: looking back
too far costs nothing but time. What mentions nobody is taken only where the bot has said nothing since: it may be older than
the wish to have such messages count.
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

log = logging.getLogger(__name__)

BACK = timedelta(hours=1)


async def missed(client: discord.Client, services: Services) -> AsyncIterator[discord.Message]:
    """The messages of the last hour that nobody answered, in channels and threads of servers, and in direct messages.

    Raises `DatabaseUnavailable` or `discord.HTTPException`; then it is worth another try.
    """
    for guild in client.guilds:
        async for message in missed_in(client, guild):
            yield message
    since = datetime.now(UTC) - BACK
    for channel_id in await services.database.arun(conversations.direct_channels, PLATFORM):
        direct = await _direct(client, channel_id)
        if direct is not None:
            for message in await _unanswered(client, direct, since):
                yield message


async def missed_in(client: discord.Client, guild: discord.Guild) -> AsyncIterator[discord.Message]:
    """Those of one server. Raises `discord.HTTPException`."""
    since = datetime.now(UTC) - BACK
    channels: list[discord.TextChannel | discord.Thread] = [*guild.text_channels, *guild.threads]
    for channel in channels:
        allowed = channel.permissions_for(guild.me)
        if (channel.last_message_id or 0) > time_snowflake(since) and allowed.read_message_history:
            for message in await _unanswered(client, channel, since):
                yield message


async def _direct(client: discord.Client, channel_id: str) -> discord.DMChannel | None:
    try:
        found = await client.fetch_channel(int(channel_id))
    except (discord.Forbidden, discord.NotFound, ValueError) as error:
        log.info("direct messages %s cannot be looked at: %s", channel_id, error)
        return None
    return found if isinstance(found, discord.DMChannel) else None


async def _unanswered(
    client: discord.Client, channel: discord.TextChannel | discord.Thread | discord.DMChannel, since: datetime
) -> list[discord.Message]:
    try:
        told = [message async for message in channel.history(after=since, limit=None, oldest_first=True)]
    except (discord.Forbidden, discord.NotFound) as error:
        log.info("channel %s cannot be looked at: %s", channel.id, error)
        return []
    assert client.user is not None
    me = client.user.id
    ours = [one for one in told if one.author.id == me]
    answered = {one.reference.message_id for one in ours if one.reference is not None}
    last = max((one.id for one in ours), default=0)
    direct = isinstance(channel, discord.DMChannel)
    return [
        one
        for one in told
        if one.id not in answered and (direct or one.id > last or any(who.id == me for who in one.mentions))
    ]
