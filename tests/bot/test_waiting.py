"""What waits for a placeholder, and what goes before it, on a platform in memory."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from bot import waiting
from bot.progress import Update
from bot.replies import Replies
from bot.services import Services
from bot.waiting import Waiting
from storage.database import Database
from storage.tickets import Bell
from tests.bot.helpers import until
from tests.bot.test_replies import Board
from tests.factory import Factory


class LiveBoard(Board):
    """It also shows how turns wait, when it is let, and notes whose placeholder was where."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()
        self.letting: set[str] = set()  # workspaces that it is let in all the same
        self.posted: dict[str, list[UUID]] = {}
        self.posting: set[str] = set()

    async def post_placeholder(self, turn_id: UUID, workspace: str, channel: str, thread: str) -> str:
        assert thread not in self.posting, "one at a time in a thread"
        self.posting.add(thread)
        if workspace not in self.letting:
            await self.let.wait()
        self.posting.remove(thread)
        self.posted.setdefault(thread, []).append(turn_id)
        return await super().post_placeholder(turn_id, workspace, channel, thread)

    def leaves_room(self, workspace: str, channel: str, thread: str) -> bool:
        return False

    def worth_showing(self, update: Update, shown: Update | None) -> bool:
        return False

    async def show_progress(
        self, turn_id: UUID, workspace: str, channel: str, thread: str, message_id: str, update: Update
    ) -> None:
        raise AssertionError("there is no room")


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> LiveBoard:
    monkeypatch.setattr(waiting, "AT_ONCE_SECONDS", 0.0)
    return LiveBoard()


@pytest.fixture
async def following(services: Services, board: LiveBoard) -> AsyncIterator[Waiting]:
    opened = Waiting(services, Replies(services, board), board)
    yield opened
    await opened.close()


async def test_turns_that_wait_for_a_placeholder_cost_a_task_for_each_thread_and_get_it_in_their_order(
    factory: Factory, board: LiveBoard, following: Waiting
) -> None:
    received = {thread: [factory.receive(thread=thread).turn_id for _ in range(5)] for thread in ("one", "two")}
    board.failures = [RuntimeError("the first is lost")]
    before = len(asyncio.all_tasks())
    for number in range(5):
        for thread, turn_ids in received.items():
            following.follow(turn_ids[number], "workspace", "channel", thread)
    assert len(asyncio.all_tasks()) == before + len(received)
    board.let.set()
    await until(lambda: board.calls == ["placeholder"] * 10)
    assert board.posted == received
    await until(lambda: not following._lines)


async def test_a_workspace_whose_platform_holds_its_placeholders_up_keeps_no_other_waiting(
    factory: Factory, board: LiveBoard, following: Waiting
) -> None:
    board.letting = {"another"}
    for thread in map(str, range(waiting.POSTED_AT_ONCE + 1)):
        following.follow(factory.receive(thread=thread).turn_id, "workspace", "channel", thread)
    await until(lambda: len(board.posting) == waiting.POSTED_IN_ONE)
    receipt = factory.receive(thread="elsewhere")
    following.follow(receipt.turn_id, "another", "channel", "elsewhere")
    await until(lambda: board.posted == {"elsewhere": [receipt.turn_id]})


async def test_messages_are_taken_in_before_placeholders_are_posted(
    factory: Factory, services: Services, board: LiveBoard, following: Waiting
) -> None:
    receipt = factory.receive()
    board.let.set()
    done = threading.Event()

    def receive(_: Session) -> None:
        done.wait(5)

    receiving = [
        asyncio.create_task(services.database.arun(receive)) for _ in range(services.settings.database_pool + 1)
    ]
    await asyncio.sleep(0)
    following.follow(receipt.turn_id, "workspace", "channel", "thread")
    await asyncio.sleep(0.1)
    assert not board.calls
    done.set()
    await asyncio.gather(*receiving)
    await until(lambda: board.calls == ["placeholder"])


async def test_placeholders_are_posted_at_last_though_messages_never_cease_to_come(
    factory: Factory, services: Services, board: LiveBoard, following: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "QUIET_SECONDS", 0.1)
    receipt = factory.receive()
    board.let.set()

    async def receive() -> None:
        while not board.calls:
            await services.database.arun(lambda _: time.sleep(0.005))

    async with asyncio.timeout(10), asyncio.TaskGroup() as receiving:
        for _ in range(2 * services.settings.database_pool):
            receiving.create_task(receive())
        await asyncio.sleep(0)
        following.follow(receipt.turn_id, "workspace", "channel", "thread")
    assert board.calls == ["placeholder"]


def test_a_bot_opens_its_connections_before_anybody_writes(services: Services) -> None:
    services.warm()
    gc.unfreeze()
    assert isinstance(services.database.engine.pool, QueuePool)
    assert services.database.engine.pool.checkedin() == services.settings.database_pool


def test_a_bot_starts_while_database_and_broker_are_away(services: Services) -> None:
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    replace(services, database=away, bell=Bell("redis://127.0.0.1:1/0")).warm()
    gc.unfreeze()
