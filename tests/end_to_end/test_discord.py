"""The whole path on Discord, with every process killed on the way: one visible reply for each message all the same.

A Discord on this machine, real Postgres, Valkey and Celery worker, and the bot as the process that operators run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from ops.local.discord import TOKEN, LocalDiscord, Payload
from ops.processes import Process
from ops.stack import Stack
from storage.database import Database
from storage.settings import Settings
from storage.tables import Status
from tests.bot.discord.conftest import ME, until
from tests.factory import Factory
from tests.processes import environment, running_worker


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Short leases, so that what a death leaves is found soon."""
    return settings.model_copy(update={"delivery_seconds": 1.5, "lease_seconds": 1.5})


@pytest.fixture
async def discord() -> AsyncIterator[LocalDiscord]:
    """The server."""
    server = LocalDiscord()
    await server.start()
    yield server
    await server.stop()


@contextmanager
def running_bot(stack: Stack, settings: Settings, discord: LocalDiscord) -> Iterator[Process]:
    """The bot as `likeness discord` runs it."""
    variables = {**environment(settings), "LIKENESS_DISCORD_URL": discord.url, "LIKENESS_DISCORD_TOKEN": TOKEN}
    process = stack.spawn(
        "discord",
        [sys.executable, "-m", "ops.cli", "discord"],
        environment={**variables, "PYTHONPATH": os.getcwd()},
    )
    try:
        yield process
    finally:
        process.signal(signal.SIGKILL, group=True)
        process.stop(0)


async def answered(discord: LocalDiscord, thread: Payload, count: int) -> list[Payload]:
    """The bot's messages in a thread, when so many of them show a picture."""

    def pictures() -> int:
        return sum(bool(one["attachments"]) for one in discord.told_in(thread))

    await until(lambda: pictures() >= count, 30)
    return discord.told_in(thread)


async def test_a_conversation_survives_the_death_of_bot_and_worker(
    stack: Stack, settings: Settings, database: Database, discord: LocalDiscord
) -> None:
    factory = Factory(database)
    guild = await discord.guild("Storytellers")
    general, ada = await discord.channel(guild, "general"), discord.person("Ada")
    with running_worker(stack, settings, database) as worker:
        with running_bot(stack, settings, discord) as bot:
            await until(lambda: discord.sessions, 20)
            said = await discord.say(ada, general, f"{ME} Olivia on the beach")
            await until(lambda: discord.thread_of(said), 20)
            thread = discord.thread_of(said)
            assert thread is not None
            await answered(discord, thread, 1)
            await discord.say(ada, thread, f"{ME} at night")
            await until(lambda: factory.count(*Status) == 2)
            bot.signal(signal.SIGKILL, group=True)
            worker.signal(signal.SIGKILL, group=True)
        await discord.say(ada, thread, f"{ME} while nobody listened")
    with running_worker(stack, settings, database, "worker2"), running_bot(stack, settings, discord):
        await until(lambda: factory.count(Status.DONE) == 3, 40)
        messages = await answered(discord, thread, 3)
        await asyncio.sleep(2)  # time for a second reply to show itself, if there were one
        assert len(discord.told_in(thread)) == len(messages) == 3
        await discord.say(ada, thread, f"{ME} undo")
        await until(lambda: discord.told_in(thread)[-1]["content"].startswith("Undone"), 20)
