"""What happens once among all processes of the bot, for a while: kept in Valkey, and by nobody when that is away.

What two events of one process ask for at the same time is done for both, without asking anybody.

It is a second line: whoever comes here twice finds in Postgres that a turn was received or a command obeyed already. So
without the broker everything is taken for new: that people get their pictures is worth more than that a sentence is not said
twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

import redis
import redis.asyncio

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.5  # Slack waits for three seconds in all
WAIT_SECONDS, LOOKS = 2.0, 40
DIED_SECONDS = 30  # after which whoever does it is taken for dead
DOING, DONE = b"doing", b"done"

_ANSWER = TypeVar("_ANSWER")


class UnderWay(Exception):
    """Another is doing it, or has died over it."""


class Once:
    """Things with names, by any process."""

    def __init__(self, broker: redis.asyncio.Redis) -> None:
        self._broker = broker
        self._together: dict[str, asyncio.Task[None]] = {}

    async def together(self, what: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Do something, or wait for the end of it where it is just being done here; what it raises is raised for all."""
        task = self._together.get(what)
        if task is None:
            task = self._together[what] = asyncio.create_task(work())
            task.add_done_callback(lambda _: self._together.pop(what))
        await asyncio.shield(task)

    async def first(self, what: str, seconds: int) -> bool:
        """Whether nobody came with it before, or not for so long."""
        try:
            return bool(await _within_patience(self._broker.set(_key(what), 1, nx=True, ex=seconds)))
        except (redis.RedisError, OSError, TimeoutError) as error:
            log.warning("whether something is new cannot be told: %r", error)
            return True

    @asynccontextmanager
    async def doing(self, what: str, seconds: int) -> AsyncIterator[bool]:
        """Whether it is to be done now: not if it was done before, or not for so long. What fails is not done.

        While another does it, it is waited for, and `UnderWay` raised at last: he may have died.
        """
        for _ in range(LOOKS):
            state = await self._begin(what)
            if state is not DOING:
                break
            await asyncio.sleep(WAIT_SECONDS / LOOKS)
        else:
            raise UnderWay(what)
        if state is DONE:
            yield False
            return
        try:
            yield True
        except BaseException:
            await self.again(what)
            raise
        await self._note(what, DONE, seconds)

    async def _begin(self, what: str) -> bytes | None:
        """What others have made of it; None when it is ours to do."""
        try:
            return await _within_patience(self._taken(what))
        except (redis.RedisError, OSError, TimeoutError) as error:
            log.warning("whether something is done cannot be told: %r", error)
            return None

    async def _taken(self, what: str) -> bytes | None:
        if await self._broker.set(_key(what), DOING, nx=True, ex=DIED_SECONDS):
            return None
        return DONE if await self._broker.get(_key(what)) == DONE else DOING

    async def _note(self, what: str, state: bytes, seconds: int) -> None:
        try:
            await _within_patience(self._broker.set(_key(what), state, ex=seconds))
        except (redis.RedisError, OSError, TimeoutError) as error:
            log.warning("that something is done cannot be noted: %r", error)

    async def again(self, what: str) -> None:
        """It came to nothing: whoever comes next with it is the first."""
        try:
            await _within_patience(self._broker.delete(_key(what)))
        except (redis.RedisError, OSError, TimeoutError) as error:
            log.warning("something stays taken for done: %r", error)


async def _within_patience(asked: Awaitable[_ANSWER]) -> _ANSWER:
    """What Valkey answers. Raises `TimeoutError` when its time is up.

    The client may lose a cancellation while it connects, and then goes on for seconds: so nobody waits for it to end.
    """
    task = asyncio.ensure_future(asked)
    task.add_done_callback(lambda one: one.cancelled() or one.exception())  # nobody else may be there to hear of it
    try:
        done, _ = await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
    finally:
        task.cancel()
    if not done:
        raise TimeoutError
    return task.result()


def _key(what: str) -> str:
    return f"likeness:slack:once:{hashlib.sha256(what.encode()).hexdigest()}"
