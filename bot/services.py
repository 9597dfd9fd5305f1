"""What every bot process holds open: the database, the blobs, the bell, the broker's pub/sub. Platform-neutral."""

from __future__ import annotations

from dataclasses import dataclass

import redis.asyncio

from storage.blobs import Blobs, blobs_of
from storage.database import Database
from storage.settings import Settings
from storage.tickets import Bell, bell


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
            broker=redis.asyncio.Redis.from_url(settings.broker_url, socket_connect_timeout=2),
        )

    async def close(self) -> None:
        """Close what was opened."""
        await self.database.aclose()
        await self.broker.aclose()
