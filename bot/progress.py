"""How a waiting turn stands: its place in the queue, then the drawing as it comes, then the end.

The place and the end are read from Postgres; the steps in between come through the broker, and without a broker they are
missing and nothing else is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Collection
from dataclasses import dataclass
from uuid import UUID

import redis

from bot import sentences
from bot.services import Services, end
from storage import turns
from storage.database import DatabaseUnavailable
from storage.events import ENDED, Progress, watch_progress
from storage.sentences import Sentence
from storage.tables import Status
from storage.turns import Place

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
GATHER_SECONDS = 0.03  # for which a look waits for others that are in a hurry too
RESTS = (
    9.0  # times what a look took, before the next: however many wait, messages that come in have the rest of the time
)
RETRY_SECONDS = 2.0

When = Callable[[float], Sentence]
"""Says when something will have happened, of the seconds until then."""


@dataclass(frozen=True, slots=True)
class Update:
    """Where a turn stands now. `progress` is the latest step of its drawing, while it runs, with the reply as it grows."""

    place: Place
    progress: Progress | None = None


def _about(seconds: float) -> Sentence:
    return sentences.ABOUT.given(count=max(1, round(seconds)))


def in_words(update: Update, when: When = _about) -> Sentence:
    """Where a waiting turn stands, for the person who waits."""
    place, progress = update.place, update.progress
    if progress is not None and progress.stage == "drawing":
        return sentences.DRAWING.given(step=progress.step, steps=progress.steps)
    if progress is not None:
        return sentences.WRITING if progress.text else sentences.READING
    if place.status is Status.RUNNING:
        return sentences.BEING_DRAWN
    if not place.workers:
        return sentences.NO_WORKER
    ahead = sentences.AHEAD.given(count=place.ahead) if place.ahead else sentences.NEXT
    return ahead if place.seconds is None else sentences.AND_WHEN.given(place=ahead, when=when(place.seconds))


class Watcher:
    """Follows any number of turns, with one query a second and one connection to the broker for all of them.

    One for each process. A turn that somebody begins to follow, and one whose end was told of, are looked at sooner.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._followers: dict[UUID, set[_Follower]] = {}
        self._hurried: set[UUID] = set()
        self._woken = asyncio.Event()
        self._followed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def watch(self, turn_id: UUID) -> AsyncGenerator[Update, None]:
        """Updates of a turn until it is final; the last one says so. It ends without when the turn was deleted.

        Whoever is slow to take them misses those that were overtaken, never the last.
        """
        follower = _Follower()
        self._followers.setdefault(turn_id, set()).add(follower)
        self._followed.set()
        self._hurry(turn_id)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._listen())]
        try:
            while (update := await follower.take()) is not None:
                yield update
                if update.place.status.final:
                    return
        finally:
            self._followers[turn_id].discard(follower)
            if not self._followers[turn_id]:
                del self._followers[turn_id]
            if not self._followers:
                self._followed.clear()

    async def close(self) -> None:
        """Look no more."""
        await end(self._tasks)

    def _hurry(self, turn_id: UUID) -> None:
        self._hurried.add(turn_id)
        self._woken.set()

    async def _look(self) -> None:
        """Every second at all turns, and in between at those that are in a hurry."""
        clock = asyncio.get_running_loop().time
        again, rest = clock(), GATHER_SECONDS
        while True:
            await self._followed.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(again):
                    await self._woken.wait()
            await asyncio.sleep(rest)
            self._woken.clear()
            hurried, self._hurried = self._hurried & self._followers.keys(), set()
            if clock() >= again:
                hurried, again = set(self._followers), clock() + LOOK_SECONDS
            began = clock()
            try:
                if hurried:
                    await self._tell(hurried)
            except DatabaseUnavailable as error:
                log.warning("how turns stand cannot be read: %s", error)
            except Exception:  # whoever waits would see nothing any more; the next look may well succeed
                log.exception("how turns stand cannot be read")
            rest = min(LOOK_SECONDS, max(GATHER_SECONDS, RESTS * (clock() - began)))

    async def _tell(self, turn_ids: Collection[UUID]) -> None:
        places = await self._services.database.arun(
            turns.places, list(turn_ids), heartbeat_seconds=self._services.settings.heartbeat_seconds
        )
        for turn_id in turn_ids:
            for follower in self._followers.get(turn_id, ()):
                follower.put_place(places.get(turn_id))

    async def _listen(self) -> None:
        """Steps as the broker tells them; without a broker there are none."""
        while True:
            await self._followed.wait()
            try:
                async for turn_id, step in watch_progress(self._services.broker, lambda: self._followers):
                    if step.stage == ENDED:
                        self._hurry(turn_id)
                    else:
                        for follower in self._followers.get(turn_id, ()):
                            follower.put_step(step)
            except (redis.RedisError, OSError) as error:
                log.warning("progress cannot be followed: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:  # as in _look
                log.exception("progress cannot be followed")
                await asyncio.sleep(RETRY_SECONDS)


class _Follower:
    """What one reader of a turn has not taken yet: the latest place and the latest step."""

    def __init__(self) -> None:
        self._place: Place | None = None
        self._step: Progress | None = None
        self._gone = False
        self._news = asyncio.Event()

    def put_place(self, place: Place | None) -> None:
        """Where the turn stands now; None when it is not there any more. What is known already wakes nobody."""
        if place is None or place != self._place:
            self._place, self._gone = place or self._place, place is None
            self._news.set()

    def put_step(self, step: Progress) -> None:
        """A step of the drawing."""
        self._step = step
        if self._place is not None:
            self._news.set()

    async def take(self) -> Update | None:
        """What is new, when there is something; None when the turn is gone."""
        await self._news.wait()
        self._news.clear()
        if self._gone or self._place is None:
            return None
        step, self._step = self._step, None
        return Update(self._place, None if self._place.status.final else step)
