"""What processes tell each other at once: a delivery is due (Postgres NOTIFY), a drawing goes on (Redis pub/sub).

Both may get lost, and nothing depends on them but speed: deliveries are also polled, and progress is only shown.
"""

from __future__ import annotations

import base64
import json
import logging
import queue
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
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
PROGRESS_WAITING = 32  # messages that a sender keeps for a broker that is slow


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
    text: str = ""  # the reply, once it is written
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
        self._waiting: queue.Queue[tuple[UUID, Progress]] = queue.Queue(PROGRESS_WAITING)
        threading.Thread(target=self._send, name="progress", daemon=True).start()

    def send(self, turn_id: UUID, progress: Progress) -> None:
        """Send soon, and return at once; the oldest of too many that wait is dropped."""
        while True:
            try:
                self._waiting.put_nowait((turn_id, progress))
            except queue.Full:
                with suppress(queue.Empty):
                    self._waiting.get_nowait()
            else:
                return

    def _send(self) -> None:
        while True:
            turn_id, progress = self._waiting.get()
            try:
                self._redis.publish(_channel(turn_id), progress.to_json())
            except redis.RedisError as error:
                log.warning("progress of turn %s was not sent: %s", turn_id, error)


async def watch_progress(client: redis.asyncio.Redis, turn_id: UUID) -> AsyncIterator[Progress]:
    """Progress of a turn from now on, without an end of its own. Raises `redis.RedisError` when the broker goes away."""
    async with client.pubsub() as channel:
        await channel.subscribe(_channel(turn_id))
        async for message in channel.listen():
            if message["type"] == "message":
                yield Progress.from_json(message["data"])
