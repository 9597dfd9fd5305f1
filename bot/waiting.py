"""Waiting for a picture: the placeholder, and its previews as the drawing goes on.

Previews are edits of the message that will be the reply. One that was under way while the turn ended may arrive after the
reply, even one that another process made; so whoever made it has the reply shown once more. Where a platform's limits come
near, previews are left out. What they look like is the adapter's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from contextlib import aclosing, contextmanager
from typing import Protocol
from uuid import UUID
from weakref import WeakValueDictionary

from bot.progress import Update, Watcher
from bot.replies import MessageGone, MessageTooOld, Platform, Replies, ThreadGone
from bot.services import Services, end
from storage import deliveries
from storage.tables import Status

log = logging.getLogger(__name__)

AT_ONCE_SECONDS = 0.1  # a turn that ends within these needs no placeholder: its reply is one request, and sooner there
POSTED_AT_ONCE = 8  # placeholders: they share connections to the database with messages that have to be taken in
POSTED_IN_ONE = 4  # of these in one workspace: a platform may hold them up for long, and others have no part in that
QUIET_SECONDS = 5.0  # for which they let messages go first, at most: those may never cease to come
EDIT_SECONDS = 1.5  # between two edits of one message, at least

Where = tuple[str, str, str]
"""A thread: workspace, channel and thread, by the platform's own ids."""


class NotShown(Exception):
    """A preview was refused by the platform; the next one may well be shown."""


class LivePlatform(Platform, Protocol):
    """A platform that shows how a turn waits."""

    def leaves_room(self, workspace: str, channel: str, thread: str) -> bool:
        """Whether a preview still leaves room for replies."""

    def worth_showing(self, update: Update, shown: Update | None) -> bool:
        """Whether an edit tells something new after the one that was shown last."""

    async def show_progress(
        self, turn_id: UUID, workspace: str, channel: str, thread: str, message_id: str, update: Update
    ) -> None:
        """Where the turn stands, in the placeholder. Raises `NotShown`, `MessageGone`, `MessageTooOld` or `ThreadGone`."""


class Waiting:
    """Follows turns in the background."""

    def __init__(self, services: Services, replies: Replies, platform: LivePlatform) -> None:
        self._services = services
        self._replies = replies
        self._platform = platform
        self._watcher = Watcher(services)
        self._tasks: set[asyncio.Task[None]] = set()
        self._posting = asyncio.Semaphore(POSTED_AT_ONCE)
        self._posting_in: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # by workspace
        self._lines: dict[
            Where, deque[tuple[UUID, float]]
        ] = {}  # by thread: who waits for a placeholder, and since when

    def follow(self, turn_id: UUID, workspace: str, channel: str, thread: str) -> None:
        """Show that the turn waits, and how it is drawn, until it has ended."""
        where, now = (workspace, channel, thread), time.monotonic()
        if where in self._lines:
            self._lines[where].append((turn_id, now))
        else:
            self._lines[where] = deque([(turn_id, now)])
            self._begin(self._post(where))

    async def close(self) -> None:
        """Stop showing; the replies come all the same."""
        await end(self._tasks)
        await self._watcher.close()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _post(self, where: Where) -> None:
        """The placeholders of a thread, one at a time: the platform may hold them up. Messages that come in go first.

        Where thousands of turns wait for theirs, each is no more than an entry in a line.
        """
        line = self._lines[where]
        here = self._posting_in.setdefault(where[0], asyncio.Semaphore(POSTED_IN_ONE))
        try:
            while line:
                turn_id, since = line.popleft()
                await asyncio.sleep(since + AT_ONCE_SECONDS - time.monotonic())
                with _only_shown(turn_id):
                    async with here, self._posting:
                        await self._services.database.quiet(QUIET_SECONDS)
                        message_id = await self._replies.post_placeholder(turn_id, *where)
                    if message_id is not None:
                        self._begin(self._previews(turn_id, where, message_id))
        finally:
            del self._lines[where]

    async def _previews(self, turn_id: UUID, where: Where, message_id: str) -> None:
        with _only_shown(turn_id):
            await self._edit(turn_id, where, message_id)

    async def _edit(self, turn_id: UUID, where: Where, message_id: str) -> None:
        edited = False
        last = time.monotonic()
        shown: Update | None = None
        try:
            async with aclosing(self._watcher.watch(turn_id)) as updates:
                async for update in updates:
                    if update.place.status.final:
                        break
                    if time.monotonic() - last < EDIT_SECONDS or not self._platform.worth_showing(update, shown):
                        continue
                    if not self._platform.leaves_room(*where):
                        continue
                    shown, edited = update, True
                    try:
                        await self._platform.show_progress(turn_id, *where, message_id, update)
                    except NotShown as error:
                        log.info("a preview of turn %s was not shown: %s", turn_id, error)
                    last = time.monotonic()
        finally:
            if edited:
                await self._services.database.arun(deliveries.show_again, turn_id)


@contextmanager
def _only_shown(turn_id: UUID) -> Iterator[None]:
    """What goes wrong is logged: waiting is only shown, and the reply comes by itself."""
    try:
        yield
    except (MessageGone, MessageTooOld, ThreadGone) as error:
        log.info("nobody sees how turn %s waits: %s", turn_id, error)
    except Exception:  # whatever a platform raises, nothing is lost
        log.exception("how turn %s waits cannot be shown", turn_id)


def worth_showing(update: Update, shown: Update | None) -> bool:
    """A preview, or a place in the queue that changed."""
    if update.progress is not None:
        return bool(update.progress.preview)
    if update.place.status is Status.RUNNING:
        return False
    return shown is None or shown.place.ahead != update.place.ahead
