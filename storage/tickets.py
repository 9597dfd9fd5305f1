"""Tickets: the Celery messages that say "there may be work for this engine", and nothing more.

Sent by task name, so that the bot needs no worker code. Losing one costs nothing that the next sweep does not mend, so
sending never raises and never waits long.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import KombuError, OperationalError

log = logging.getLogger(__name__)

TASK = "likeness.draw"


def queue(engine: str) -> str:
    """The Celery queue of an engine."""
    return f"likeness.{engine}"


def celery_app(broker_url: str) -> Celery:
    """A Celery app with the settings that senders and workers share. Results are rows of Postgres, so there is no backend."""
    app = Celery("likeness", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"socket_timeout": 3, "socket_connect_timeout": 3, "socket_keepalive": True},
        task_publish_retry=False,
        worker_hijack_root_logger=False,
        enable_utc=True,
    )
    return app


class Bell:
    """Rings workers of an engine through one broker."""

    def __init__(self, broker_url: str) -> None:
        self._app = celery_app(broker_url)
        self._redis = redis.Redis.from_url(broker_url, socket_timeout=2, socket_connect_timeout=2)

    def ring(self, engine: str, count: int = 1) -> bool:
        """Send tickets. False, and a line in the log, when the broker is away."""
        try:
            for _ in range(count):
                self._app.send_task(TASK, queue=queue(engine), retry=False)
        except (OperationalError, KombuError, redis.RedisError, OSError) as error:
            log.warning("could not ring %s: %s", engine, error)
            return False
        return True

    def warm(self) -> None:
        """Load what the first ticket needs, and connect, so that it does not wait for that. May fail."""
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                producer.connection.ensure_connection(max_retries=1, interval_start=0)
                _ = self._app.amqp.router, self._app.backend, producer.channel
        except (OperationalError, KombuError, redis.RedisError, OSError) as error:
            log.warning("will connect to the broker later: %s", error)

    def waiting(self, engine: str) -> int | None:
        """How many tickets no worker has taken yet; None when the broker is away."""
        try:
            length: Any = self._redis.llen(queue(engine))
        except redis.RedisError as error:
            log.warning("could not count the tickets of %s: %s", engine, error)
            return None
        return int(length)

    def ring_until(self, engine: str, tickets: int) -> int:
        """Ring until `tickets` wait in the queue, never beyond. Returns how many were sent."""
        waiting = self.waiting(engine)
        missing = 0 if waiting is None else max(0, tickets - waiting)
        return missing if missing and self.ring(engine, missing) else 0


@lru_cache(maxsize=4)
def bell(broker_url: str) -> Bell:
    """The one bell of this process for a broker."""
    return Bell(broker_url)
