"""How a waiting turn stands: its place in the queue, then the drawing as it comes, then the end.

The place and the end are read from Postgres; the steps in between come through the broker, and without a broker they are
missing and nothing else is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from uuid import UUID

import redis

from bot.services import Services, end
from storage import turns
from storage.events import ENDED, Progress, watch_progress
from storage.tables import Status
from storage.turns import Place

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0

When = Callable[[float], str]
"""Says when something will have happened, of the seconds until then."""


@dataclass(frozen=True, slots=True)
class Update:
    """Where a turn stands now. `progress` is the latest step of its drawing, while it runs."""

    place: Place
    progress: Progress | None = None


def _about(seconds: float) -> str:
    return f"about {max(1, round(seconds))} s"


def in_words(update: Update, when: When = _about) -> str:
    """Where a waiting turn stands, for the person who waits."""
    place, progress = update.place, update.progress
    if progress is not None and progress.stage == "drawing":
        return f"Drawing, step {progress.step} of {progress.steps}"
    if progress is not None:
        return "Reading the conversation"
    if place.status is Status.RUNNING:
        return "Being drawn"
    if not place.workers:
        return "Waiting for a worker to come up"
    ahead = "Next in line" if not place.ahead else f"{place.ahead} ahead in the queue"
    return ahead if place.seconds is None else f"{ahead}, {when(place.seconds)}"


async def watch(services: Services, turn_id: UUID) -> AsyncIterator[Update]:
    """Updates of a turn until it is final; the last one says so."""
    latest: asyncio.Queue[Progress] = asyncio.Queue()

    async def follow() -> None:
        while True:
            try:
                async for progress in watch_progress(services.broker, turn_id):
                    latest.put_nowait(progress)
            except (redis.RedisError, OSError) as error:
                log.warning("progress cannot be followed: %s", error)
            await asyncio.sleep(2)

    following = asyncio.create_task(follow())
    try:
        while True:
            place = await services.database.arun(
                turns.place, turn_id, heartbeat_seconds=services.settings.heartbeat_seconds
            )
            yield Update(place)
            if place.status.final:
                return
            look = asyncio.get_running_loop().time() + LOOK_SECONDS
            with contextlib.suppress(TimeoutError):
                while True:
                    async with asyncio.timeout_at(look):  # never around a yield: it would cancel whoever reads this
                        step = await latest.get()
                    if step.stage == ENDED:
                        break
                    yield Update(place, step)
    finally:
        await end([following])
