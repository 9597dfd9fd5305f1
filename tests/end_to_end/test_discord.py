"""The whole path on Discord, with every process killed on the way: one visible reply for each message all the same.

A Discord on this machine, real Postgres, Valkey and Celery worker, and the bot as the process that operators run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from ops.local.discord import TOKEN, LocalDiscord, Payload
from ops.processes import Process
from ops.stack import Stack
from storage.database import Database
from storage.settings import Settings
from storage.tables import Status, Turn
from tests.bot.discord.conftest import ME
from tests.bot.helpers import until
from tests.conversation import survives_the_death_of_bot_and_worker
from tests.factory import Factory
from tests.processes import environment, running_worker
from tests.stand_ins.s3 import S3Server, s3_client, s3_server


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

    await until(lambda: pictures_in(discord, thread) >= count, 60)
    return discord.told_in(thread)


def pictures_in(discord: LocalDiscord, thread: Payload) -> int:
    """How many pictures stand in a thread, previews aside."""
    files = [file["filename"] for one in discord.told_in(thread) for file in one["attachments"]]
    return sum(name.startswith("likeness-") for name in files)


class DiscordScene:
    """Ada in a channel of a server."""

    def __init__(self, stack: Stack, settings: Settings, discord: LocalDiscord) -> None:
        self._stack, self._settings, self._discord = stack, settings, discord
        self._thread: Payload = {}

    def bot(self) -> AbstractContextManager[Process]:
        """As `likeness discord` runs it."""
        return running_bot(self._stack, self._settings, self._discord)

    async def hears(self) -> None:
        """When the gateway has a session."""
        await until(lambda: self._discord.sessions, 20)

    async def begin(self, words: str) -> None:
        """In a new server."""
        self._general = await self._discord.channel(await self._discord.guild("Storytellers"), "general")
        self._ada = self._discord.person("Ada")
        said = await self._discord.say(self._ada, self._general, f"{ME} {words}")
        await until(lambda: self._discord.thread_of(said), 20)
        self._thread = self._discord.thread_of(said) or {}

    async def say(self, words: str) -> None:
        """In the thread."""
        await self._discord.say(self._ada, self._thread, f"{ME} {words}")

    def told(self) -> list[str]:
        """In the thread."""
        return [one["content"] for one in self._discord.told_in(self._thread)]

    def pictures(self) -> int:
        """In the thread; previews are named otherwise."""
        return pictures_in(self._discord, self._thread)


async def test_a_conversation_survives_the_death_of_bot_and_worker(
    stack: Stack, settings: Settings, database: Database, discord: LocalDiscord
) -> None:
    await survives_the_death_of_bot_and_worker(DiscordScene(stack, settings, discord), stack, settings, database)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[S3Server]:
    """An S3 server with an empty bucket."""
    with s3_server(tmp_path / "s3") as server:
        yield server


@pytest.fixture
def with_pictures(settings: Settings, bucket: S3Server) -> Settings:
    """The preview engine with few steps, and blobs in the bucket. Longer leases, since loading and drawing take time."""
    return settings.model_copy(
        update={
            **{"engine": "preview", "preview_steps": 6, "worker_threads": 1, "lease_seconds": 4.0},
            **{"delivery_seconds": 4.0, "blobs_url": f"s3://{bucket.bucket}", "s3_endpoint_url": bucket.url},
            **{"s3_region": "us-east-1", "s3_access_key": bucket.access_key},
            "s3_secret_key": SecretStr(bucket.secret_key),
        }
    )


def _tree(session: Session) -> list[tuple[str, str | None]]:
    """What each turn asks for, and what the turn before it asked for."""
    rows = session.execute(select(Turn.id, Turn.text, Turn.parent_id).order_by(Turn.id)).all()
    texts = {row.id: row.text for row in rows}
    return [(row.text, texts.get(row.parent_id)) for row in rows]


@pytest.mark.timeout(300)
async def test_a_story_of_olivia_with_an_undo_and_a_branch_survives_both_deaths(
    stack: Stack, with_pictures: Settings, database: Database, discord: LocalDiscord, bucket: S3Server
) -> None:
    factory, settings = Factory(database), with_pictures
    guild = await discord.guild("Storytellers")
    general, ada = await discord.channel(guild, "general"), discord.person("Ada")
    with running_bot(stack, settings, discord) as bot:
        with running_worker(stack, settings, database) as worker:
            await until(lambda: discord.sessions and discord.commands, 30)
            form = await discord.slash(ada, general, "newcharacter", name="Olivia")
            await until(lambda: form.modal is not None)
            made = await discord.send_form(ada, form, description="red curly hair and round glasses")
            await until(lambda: made.message is not None and "can be drawn by name" in made.message["content"])
            said = await discord.say(ada, general, f"{ME} Olivia on the beach")
            await until(lambda: discord.thread_of(said), 20)
            thread = discord.thread_of(said)
            assert thread is not None
            (first,) = await answered(discord, thread, 1)
            await discord.say(ada, thread, f"{ME} Olivia at night")
            await answered(discord, thread, 2)
            await discord.say(ada, thread, f"{ME} Olivia laughing")
            await until(lambda: factory.count(Status.RUNNING), 20)
            worker.signal(signal.SIGKILL, group=True)
        with running_worker(stack, settings, database, "worker2"):
            third = (await answered(discord, thread, 3))[-1]
            undone = await discord.press(ada, third, "undo")
            await until(lambda: undone.message is not None and "Undone" in undone.message["content"])
            await discord.say(ada, thread, f"{ME} Olivia in the snow")
            await until(lambda: factory.count(*Status) == 4)
            bot.signal(signal.SIGKILL, group=True)
            await discord.say(ada, thread, "Olivia in the city", reply_to=first)
            with running_bot(stack, settings, discord):
                await until(lambda: factory.count(Status.DONE) == 5, 90)
                await answered(discord, thread, 5)
                await asyncio.sleep(2)  # time for a second reply to show itself, if there were one
    replies = discord.told_in(thread)
    assert len(replies) == 5
    assert all(len(one["attachments"]) == 1 and one["attachments"][0]["description"] for one in replies)
    assert database.run(_tree) == [
        ("Olivia on the beach", None),
        ("Olivia at night", "Olivia on the beach"),
        ("Olivia laughing", "Olivia at night"),
        ("Olivia in the snow", "Olivia at night"),
        ("Olivia in the city", "Olivia on the beach"),
    ]
    kept = s3_client(bucket).list_objects_v2(Bucket=bucket.bucket)["Contents"]
    assert sum("/pictures/" in f"/{one['Key']}" and one["Size"] > 1000 for one in kept) >= 5
