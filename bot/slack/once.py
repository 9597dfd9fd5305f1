"""What happens once among all processes of the bot, for a while: kept in Valkey, and by nobody when that is away.

It is a second line: whoever comes here twice finds in Postgres that a turn was received or a command obeyed already. So
without the broker everything is taken for new: that people get their pictures is worth more than that a sentence is not said
twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging

import redis
import redis.asyncio

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.5  # Slack waits for three seconds in all


class Once:
    """Things with names, by any process."""

    def __init__(self, broker: redis.asyncio.Redis) -> None:
        self._broker = broker

    async def first(self, what: str, seconds: int) -> bool:
        """Whether nobody came with it before, or not for so long."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return bool(await self._broker.set(_key(what), 1, nx=True, ex=seconds))
        except (redis.RedisError, OSError, TimeoutError) as error:
            log.warning("whether something is new cannot be told: %r", error)
            return True

    async def again(self, what: str) -> None:
        """It came to nothing: whoever comes next with it is the first."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._broker.delete(_key(what))
        except (redis.RedisError, OSError, TimeoutError) as error:
            log.warning("something stays taken for done: %r", error)


def _key(what: str) -> str:
    return f"likeness:slack:once:{hashlib.sha256(what.encode()).hexdigest()}"
