"""Exactly one visible reply for each turn: leases due deliveries and has the platform show them.

A reply is an edit of the placeholder where there is one, else a post that carries the turn's mark. Whoever follows an
attempt that may have got through looks for that mark in the thread first. It knows when and how often; what a reply looks
like is the adapter's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID, uuid4

import psycopg

from bot.services import Services, end
from storage import deliveries
from storage.database import DatabaseUnavailable
from storage.deliveries import Due
from storage.events import listen_deliveries

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
AT_ONCE = 16  # replies that one process shows side by side
KNOWN = 1000  # turns of which one process remembers that their replies were due


class MessageGone(Exception):
    """The message that was to be edited was deleted."""


class MessageTooOld(Exception):
    """The message that was to be edited stands as it is, and can only be followed by another."""


@dataclass(frozen=True, slots=True)
class Found:
    """A message that carries a turn's mark: the reply, or a placeholder that says it is waiting."""

    message_id: str
    is_reply: bool


class ThreadGone(Exception):
    """The thread, or the bot's access to it, is gone: nobody will ever see the reply."""


class Platform(Protocol):
    """How a platform shows replies. Every call may raise; what is raised is logged and tried again later."""

    name: str

    async def post(self, due: Due) -> str:
        """Post the reply with the turn's mark and return the message's id. Raises `ThreadGone`."""

    async def edit(self, due: Due, message_id: str) -> None:
        """Make the message the reply; doing so twice is no harm. Raises `MessageGone`, `MessageTooOld` or `ThreadGone`."""

    async def find(self, due: Due) -> Found | None:
        """The latest message in the thread that carries the turn's mark, or None."""

    async def remove(self, due: Due, message_id: str) -> None:
        """Take a message away. Raises `MessageGone` or `ThreadGone`."""

    async def discard(self, due: Due) -> None:
        """Delete what was uploaded for the reply of a deleted turn beside its messages. Raises `ThreadGone`."""

    async def post_placeholder(self, turn_id: UUID, workspace: str, channel: str, thread: str) -> str:
        """Post a message with the turn's mark that says it is waiting, and return its id."""


class Pulled:
    """A platform where people look at the turn themselves, in a page or a terminal: a reply is shown when it is there."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def post(self, due: Due) -> str:
        """Whoever looks reads the turn; its id is the message's."""
        return f"{self.name}:{due.turn_id}"

    async def edit(self, due: Due, message_id: str) -> None:
        """Nothing to change: it is read anew."""

    async def find(self, due: Due) -> Found | None:
        """A turn that can be read is shown."""
        return Found(await self.post(due), is_reply=True)

    async def remove(self, due: Due, message_id: str) -> None:
        """Whoever looks reads that it was deleted."""

    async def discard(self, due: Due) -> None:
        """Nothing was uploaded."""

    async def post_placeholder(self, turn_id: UUID, workspace: str, channel: str, thread: str) -> str:
        """A waiting turn can be read as well."""
        return f"{self.name}:{turn_id}"


class Replies:
    """Shows the replies of one platform. Any number of processes may run one."""

    def __init__(self, services: Services, platform: Platform) -> None:
        self._services = services
        self._platform = platform
        self._wake = asyncio.Event()
        self._wake.set()  # what fell due while no bot ran is shown at once
        self._busy: set[asyncio.Task[None]] = set()
        self._due: dict[UUID, None] = {}  # whose replies this process has had in hand, the latest last

    async def run(self) -> None:
        """Deliver until cancelled: at once when Postgres says so, and every two seconds in any case."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._deliver())]
        try:
            await asyncio.gather(*tasks)
        finally:
            await end(tasks)

    async def _listen(self) -> None:
        while True:
            try:
                async for _ in listen_deliveries(self._services.settings.database_url, self._platform.name):
                    self._wake.set()
            except (psycopg.Error, OSError) as error:
                log.warning("not listening for due replies, polling only: %s", error)
            await asyncio.sleep(1)

    async def _deliver(self) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._drain()
            except DatabaseUnavailable as error:
                log.warning("due replies cannot be read: %s", error)
            except Exception:  # a deliverer that dies leaves people without replies; the next look may well succeed
                log.exception("due replies cannot be read")

    async def _drain(self) -> None:
        while True:
            free = AT_ONCE - len(self._busy)
            if free <= 0:
                await asyncio.wait(self._busy, return_when=asyncio.FIRST_COMPLETED)
                continue
            owner = uuid4()  # of this attempt: an earlier one, whose lease was taken, must not end it
            due = await self._services.database.arun(
                deliveries.lease,
                self._platform.name,
                owner,
                seconds=self._services.settings.delivery_seconds,
                limit=free,
            )
            for one in due:
                self._due[one.turn_id] = None
                task = asyncio.create_task(self._show(one, owner))
                self._busy.add(task)
                task.add_done_callback(self._busy.discard)
            while len(self._due) > KNOWN:
                del self._due[next(iter(self._due))]
            if len(due) < free:
                return

    async def _show(self, due: Due, owner: UUID) -> None:
        database = self._services.database
        try:
            async with asyncio.timeout(self._services.settings.delivery_seconds * 0.8):
                message_id = await show(self._platform, due)
        except ThreadGone as error:
            log.warning("the reply of turn %s can never be shown: %s", due.turn_id, error)
            await database.arun(deliveries.abandon, due.turn_id, str(error))
        except TimeoutError:  # what was cut off may yet appear: the lease runs out before anybody looks for it
            log.warning("showing the reply of turn %s took too long", due.turn_id)
            await database.arun(deliveries.delay, due.turn_id, owner)
        except Exception as error:  # whatever an adapter raises, the reply is still owed
            log.exception("the reply of turn %s was not shown and will be tried again", due.turn_id)
            await database.arun(deliveries.postpone, due.turn_id, owner, repr(error))
        else:
            await database.arun(deliveries.delivered, due.turn_id, owner, message_id)

    async def post_placeholder(self, turn_id: UUID, workspace: str, channel: str, thread: str) -> str | None:
        """Show that a turn waits, and return the message's id; None where its reply is due already, or another does it."""
        if turn_id in self._due:  # known here: the database, which would say the same, has others to answer
            return None
        seconds, owner = self._services.settings.delivery_seconds, uuid4()
        leased = await self._services.database.arun(deliveries.lease_placeholder, turn_id, owner, seconds=seconds)
        message_id: str | None = None
        if leased:
            try:
                async with asyncio.timeout(seconds * 0.8):
                    message_id = await self._platform.post_placeholder(turn_id, workspace, channel, thread)
            except TimeoutError:
                raise  # it may yet appear: the lease runs out before anybody looks for it
            except Exception:
                await self._services.database.arun(deliveries.keep_placeholder, turn_id, owner, None)
                raise
            if await self._services.database.arun(deliveries.keep_placeholder, turn_id, owner, message_id):
                self._wake.set()
        return message_id


async def show(platform: Platform, due: Due) -> str | None:
    """Show one reply and return its message's id, without ever leaving two.

    A placeholder becomes the reply by an edit. Where none is known, or it cannot be edited any more, an earlier attempt may
    have posted already: then that is the reply. One that stood there before and is gone was removed by somebody, and stays
    away. Of a deleted turn whatever was shown is taken away, and nothing is returned.
    """
    if due.deleted:
        await _take_away(platform, due)
        return None
    stale: str | None = None
    message_id = due.message_id
    if message_id is None and due.attempts:
        found = await platform.find(due)
        if found is not None and found.is_reply:
            return found.message_id
        message_id = found.message_id if found is not None else None
    if message_id is not None:
        try:
            await platform.edit(due, message_id)
        except (MessageGone, MessageTooOld) as error:
            if due.shown:
                return message_id
            found = await platform.find(due) if due.attempts else None
            if found is not None and found.is_reply:
                return found.message_id
            stale = message_id if isinstance(error, MessageTooOld) else None
        else:
            return message_id
    posted = await platform.post(due)
    if stale is not None:
        with contextlib.suppress(MessageGone):
            await platform.remove(due, stale)
    return posted


async def _take_away(platform: Platform, due: Due) -> None:
    """Remove what is known, and what an attempt has left that was cut off by the deletion, in a message or before it."""
    try:
        found = await platform.find(due)
        for message_id in {due.message_id, found.message_id if found is not None else None} - {None}:
            assert message_id is not None
            with contextlib.suppress(MessageGone):
                await platform.remove(due, message_id)
    finally:  # where messages cannot be removed any more, files can
        await platform.discard(due)
