"""What a person is told while a turn waits and is drawn."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis.asyncio
from sqlalchemy import delete, event
from sqlalchemy import update as change
from sqlalchemy.orm import Session

from bot.progress import Update, Watcher, in_words
from bot.services import Services
from storage import turns
from storage.events import Progress, ProgressSender
from storage.sentences import LANGUAGES, told
from storage.settings import Settings
from storage.tables import Conversation, Delivery, Status, Turn
from storage.turns import Place
from tests.factory import Factory


@pytest.fixture
async def watcher(services: Services) -> AsyncIterator[Watcher]:
    opened = Watcher(services)
    yield opened
    await opened.close()


async def test_a_waiting_turn_knows_how_many_are_ahead(factory: Factory, watcher: Watcher) -> None:
    for number in range(3):
        factory.receive(thread=str(number))
    receipt = factory.receive(thread="last")
    async for update in watcher.watch(receipt.turn_id):
        assert (update.place.status, update.place.ahead, update.place.workers) == (Status.QUEUED, 3, 0)
        break


async def test_steps_come_as_they_are_sent_and_the_end_ends_the_watching(
    factory: Factory, watcher: Watcher, settings: Settings
) -> None:
    receipt = factory.receive()
    claim = factory.claim()
    assert claim is not None
    seen: list[Update] = []

    async def look() -> None:
        async for update in watcher.watch(receipt.turn_id):
            seen.append(update)

    looking = asyncio.create_task(look())
    await asyncio.sleep(0.4)
    ProgressSender(settings.broker_url).send(receipt.turn_id, Progress("drawing", 3, 16, "Here is Olivia", b"\xff\xd8"))
    await asyncio.sleep(0.2)
    factory.finish(claim)
    await asyncio.wait_for(looking, 5)
    assert [update.progress for update in seen if update.progress] == [
        Progress("drawing", 3, 16, "Here is Olivia", b"\xff\xd8")
    ]
    assert seen[-1].place.status is Status.DONE


async def test_without_a_broker_the_end_still_comes(factory: Factory, services: Services) -> None:
    blind = Watcher(replace(services, broker=redis.asyncio.Redis.from_url("redis://127.0.0.1:1/0")))
    receipt = factory.receive()
    claim = factory.claim()
    assert claim is not None
    factory.finish(claim)
    async with asyncio.timeout(5):
        assert [update.place.status async for update in blind.watch(receipt.turn_id)][-1] is Status.DONE
    await blind.close()


async def test_many_turns_cost_one_query_a_second_and_one_connection(
    factory: Factory, services: Services, watcher: Watcher, settings: Settings
) -> None:
    receipts = [factory.receive(thread=str(number)) for number in range(60)]
    steps: dict[UUID, int] = {}
    looks: list[str] = []

    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        looks.extend([statement] if "row_number" in statement else [])

    async def look(turn_id: UUID) -> Status:
        async for update in watcher.watch(turn_id):
            if update.progress is not None:
                steps[turn_id] = update.progress.step
        return update.place.status

    event.listen(services.database.engine, "before_cursor_execute", count)
    began = time.monotonic()
    looking = [asyncio.create_task(look(one.turn_id)) for one in receipts]
    async with asyncio.timeout(8):
        while len(looks) < 4:
            await asyncio.sleep(0.02)
        assert time.monotonic() - began > 2, "one look at once, then one a second"
        connections = await services.broker.client_list(_type="pubsub")
        sender = ProgressSender(settings.broker_url)
        for number, receipt in enumerate(receipts):
            sender.send(receipt.turn_id, Progress("drawing", number, 60))
        while len(steps) < 60:
            await asyncio.sleep(0.02)
        for receipt in receipts:
            factory.database.run(turns.cancel, receipt.workspace_id, receipt.turn_id)
        assert set(await asyncio.gather(*looking)) == {Status.CANCELLED}
    assert len(connections) == 1
    assert [steps[one.turn_id] for one in receipts] == list(range(60))


async def test_two_who_look_at_one_turn_both_see_its_end(factory: Factory, watcher: Watcher) -> None:
    receipt = factory.receive()

    async def last() -> Status:
        return [update.place.status async for update in watcher.watch(receipt.turn_id)][-1]

    looking = [asyncio.create_task(last()) for _ in range(2)]
    await asyncio.sleep(0.2)
    factory.database.run(turns.cancel, receipt.workspace_id, receipt.turn_id)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*looking) == [Status.CANCELLED] * 2


async def test_a_turn_that_is_deleted_ends_the_watching(factory: Factory, watcher: Watcher) -> None:
    receipt = factory.receive()
    async with asyncio.timeout(5):
        async for told in watcher.watch(receipt.turn_id):
            assert told.place.status is Status.QUEUED
            factory.database.run(_delete, receipt.turn_id)


def _delete(session: Session, turn_id: UUID) -> None:
    session.execute(change(Conversation).values(head_id=None))
    session.execute(delete(Delivery).where(Delivery.turn_id == turn_id))
    session.execute(delete(Turn).where(Turn.id == turn_id))


def test_a_broker_that_does_not_answer_keeps_no_drawing_waiting() -> None:
    """Each message would wait a second for its answer; a thousand are sent, and the test is over before they are."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sender = ProgressSender(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        for step in range(1000):
            sender.send(uuid4(), Progress("drawing", step, 1000))


def test_where_a_turn_stands_is_said_in_every_language() -> None:
    line = in_words(Update(Place(Status.QUEUED, 3, 1, 41.7)))
    assert [told(line, one) for one in LANGUAGES] == [
        "3 ahead in the queue, about 42 s",
        "Noch 3 davor in der Schlange, etwa 42 s",
        "3 por delante en la cola, unos 42 s",
        "3 devant dans la file, environ 42 s",
        "前に3件待っています（約42秒）",
    ]


def test_while_it_reads_it_says_whether_the_reply_is_being_written() -> None:
    place = Place(Status.RUNNING, 0, 1, None)
    said = [in_words(Update(place, Progress("reading", text=text))) for text in ("", "Here is")]
    assert said == ["Reading the conversation", "Writing the reply"]
