"""What every bot process holds open: the database, the blobs, the bell, the broker's pub/sub; and its loop. Platform-neutral."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import redis.asyncio
import uvloop

from storage.blobs import Blobs, blobs_of
from storage.database import Database
from storage.settings import Settings
from storage.tickets import Bell, bell

BROKER_CONNECTIONS = 10  # of one process; whoever comes while all are busy waits for one


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Services:
    """Connections of one process. Nothing is opened before it is used."""

    settings: Settings
    database: Database
    blobs: Blobs
    bell: Bell
    broker: redis.asyncio.Redis

    @classmethod
    def open(cls, settings: Settings) -> Services:
        """As the settings say."""
        return cls(
            settings=settings,
            database=Database(settings.database_url, pool_size=settings.database_pool),
            blobs=blobs_of(settings),
            bell=bell(settings.broker_url),
            broker=redis.asyncio.Redis.from_pool(
                redis.asyncio.BlockingConnectionPool.from_url(
                    settings.broker_url, max_connections=BROKER_CONNECTIONS, socket_connect_timeout=2
                )
            ),
        )

    def warm(self) -> None:
        """Do now, before anybody writes, what the first messages would wait for. What is away is left to them. Blocks."""
        self.database.warm()
        self.bell.warm()
        gc.freeze()  # what a process begins with stays: to look through it takes a tenth of a second each time

    async def close(self) -> None:
        """Close what was opened."""
        await self.database.aclose()
        await self.broker.aclose()


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """`asyncio.run` with uvloop's loop, which has less to do for each request."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: a client that is just connecting may swallow a cancellation."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        with contextlib.suppress(
            asyncio.CancelledError
        ):  # whoever waits for this cancels again; it goes on all the same
            await asyncio.wait(running, timeout=0.2)
        running = {task for task in running if not task.done()}
