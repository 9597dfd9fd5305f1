"""What processes tell each other at once: a delivery is due (Postgres NOTIFY), a drawing goes on (Redis pub/sub).

Both may get lost, and nothing depends on them but speed: deliveries are also polled, and progress is only shown.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import asdict, dataclass
from uuid import UUID

import psycopg
import redis
import redis.asyncio
from sqlalchemy import func, select
from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

DELIVERIES = "likeness_deliveries"
ENDED = "ended"
PROGRESS_PAUSE = 0.02  # seconds between messages of one turn, at least: what a newer one overtakes is not sent
SUBSCRIBE_SECONDS = 0.1  # after which whoever listens looks for turns that are followed since


def notify_delivery(session: Session, platform: str, turn_id: UUID) -> None:
    """Tell the bots of a platform, when this transaction commits, that a reply is due."""
    session.execute(select(func.pg_notify(DELIVERIES, f"{platform} {turn_id}")))


async def listen_deliveries(database_url: str, platform: str) -> AsyncIterator[UUID]:
    """Turns of `platform` whose replies fall due, from now on. Raises `psycopg.OperationalError` when Postgres goes away."""
    address = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    async with await psycopg.AsyncConnection.connect(address, autocommit=True, connect_timeout=5) as connection:
        await connection.execute(f"LISTEN {DELIVERIES}")
        async for notice in connection.notifies():
            its_platform, _, turn = notice.payload.partition(" ")
            if its_platform == platform:
                yield UUID(turn)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running turn is. `preview` is a small JPEG, or empty."""

    stage: str  # "reading", "drawing", or ENDED: look at the turn
    step: int = 0
    steps: int = 0
    text: str = ""  # the reply: as far as it is written while the stage is "reading", whole from "drawing" on
    preview: bytes = b""

    def to_json(self) -> str:
        """As it travels."""
        return json.dumps({**asdict(self), "preview": base64.b64encode(self.preview).decode()})

    @classmethod
    def from_json(cls, data: str | bytes) -> Progress:
        """Back from `to_json`."""
        fields = json.loads(data)
        return cls(**{**fields, "preview": base64.b64decode(fields["preview"])})


def _channel(turn_id: UUID) -> str:
    return f"likeness:progress:{turn_id}"


class ProgressSender:
    """The worker's side: sends progress from a thread of its own, so that no broker, slow or away, delays a drawing."""

    def __init__(self, broker_url: str) -> None:
        self._redis = redis.Redis.from_url(broker_url, socket_timeout=1, socket_connect_timeout=1)
        self._latest: dict[UUID, Progress] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="progress", daemon=True).start()

    def send(self, turn_id: UUID, progress: Progress) -> None:
        """Send soon, and return at once; what a newer message of the same turn overtakes is not sent."""
        with self._changed:
            self._latest[turn_id] = progress
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._latest)
            time.sleep(PROGRESS_PAUSE)
            with self._changed:
                latest, self._latest = self._latest, {}
            try:
                for turn_id, progress in latest.items():
                    self._redis.publish(_channel(turn_id), progress.to_json())
            except redis.RedisError as error:
                log.warning("progress of %d turns was not sent: %s", len(latest), error)


async def watch_progress(
    client: redis.asyncio.Redis, followed: Callable[[], Collection[UUID]]
) -> AsyncIterator[tuple[UUID, Progress]]:
    """Progress of turns from now on, over one connection, until none is followed.

    `followed` says which ones, and is asked again all the time. Raises `redis.RedisError` when the broker goes away.
    """
    subscribed: set[UUID] = set()
    async with client.pubsub(ignore_subscribe_messages=True) as channel:
        while wanted := set(followed()):
            if added := wanted - subscribed:
                await channel.subscribe(*map(_channel, added))
            if dropped := subscribed - wanted:
                await channel.unsubscribe(*map(_channel, dropped))
            subscribed = wanted
            message = await channel.get_message(timeout=SUBSCRIBE_SECONDS)
            if message is not None and message["type"] == "message":
                turn_id = UUID(message["channel"].decode().rpartition(":")[2])
                yield turn_id, Progress.from_json(message["data"])
