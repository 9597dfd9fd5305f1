"""What a person is told while a turn waits and is drawn."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from uuid import uuid4

import redis.asyncio

from bot.progress import Update, watch
from bot.services import Services
from storage.events import Progress, ProgressSender
from storage.settings import Settings
from storage.tables import Status
from tests.factory import Factory


async def test_a_waiting_turn_knows_how_many_are_ahead(factory: Factory, services: Services) -> None:
    for number in range(3):
        factory.receive(thread=str(number))
    receipt = factory.receive(thread="last")
    async for update in watch(services, receipt.turn_id):
        assert (update.place.status, update.place.ahead, update.place.workers) == (Status.QUEUED, 3, 0)
        break


async def test_steps_come_as_they_are_sent_and_the_end_ends_the_watching(
    factory: Factory, services: Services, settings: Settings
) -> None:
    receipt = factory.receive()
    claim = factory.claim()
    assert claim is not None
    seen: list[Update] = []

    async def look() -> None:
        async for update in watch(services, receipt.turn_id):
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
    blind = replace(services, broker=redis.asyncio.Redis.from_url("redis://127.0.0.1:1/0"))
    receipt = factory.receive()
    claim = factory.claim()
    assert claim is not None
    factory.finish(claim)
    async with asyncio.timeout(5):
        assert [update.place.status async for update in watch(blind, receipt.turn_id)][-1] is Status.DONE


def test_a_broker_that_does_not_answer_keeps_no_drawing_waiting() -> None:
    """Each message would wait a second for its answer; a thousand are sent, and the test is over before they are."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sender = ProgressSender(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        for step in range(1000):
            sender.send(uuid4(), Progress("drawing", step, 1000))
