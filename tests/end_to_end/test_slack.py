"""The whole path on Slack, both ways, with every process killed on the way: one visible reply for each message all the same.

A Slack on this machine, real Postgres, Valkey and Celery worker, and the bot as the process that operators run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager

import aiohttp
import pytest

from bot.slack.app import HEALTH
from bot.slack.manifest import EVENTS_PATH
from ops.local.slack import LocalSlack
from ops.local.slack_state import APP_TOKEN, SIGNING_SECRET
from ops.local.slack_wire import Delivery, Payload
from ops.processes import Process
from ops.stack import Stack, free_port
from storage.database import Database
from storage.settings import Settings
from storage.tables import Status
from tests.bot.helpers import until
from tests.bot.slack.conftest import button, is_reply, pictures_of, words_of
from tests.conversation import A_WHILE, survives_the_death_of_bot_and_worker
from tests.factory import Factory
from tests.processes import environment, running_worker


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Short leases, so that what a death leaves is found soon."""
    return settings.model_copy(update={"delivery_seconds": 1.5, "lease_seconds": 1.5})


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    """The server. It gives events up soon, so that what was said meanwhile has to be looked for."""
    server = LocalSlack()
    server.wire.retries = (0.0, 0.2, 0.2)
    await server.start()
    yield server
    await server.stop()


class SlackScene:
    """Ada in a channel of a workspace."""

    def __init__(self, stack: Stack, settings: Settings, slack: LocalSlack, mode: str) -> None:
        self._stack, self._settings, self._slack, self._mode = stack, settings, slack, mode
        self.team = slack.team("Storytellers")
        self._ada = slack.person("Ada", self.team)
        self._general = slack.channel(self.team, "general")
        self._said: Payload = {}
        self._port = free_port()

    def bot(self) -> AbstractContextManager[Process]:
        """As `likeness slack` runs it."""
        return self._bot()

    @contextmanager
    def _bot(self) -> Iterator[Process]:
        variables = {
            **environment(self._settings),
            "LIKENESS_SLACK_URL": self._slack.url,
            "LIKENESS_SLACK_MODE": self._mode,
            "LIKENESS_SLACK_PORT": str(self._port),
            "LIKENESS_SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "LIKENESS_SLACK_BOT_TOKEN": self.team["token"],
            "LIKENESS_SLACK_APP_TOKEN": APP_TOKEN,
            "PYTHONPATH": os.getcwd(),
        }
        process = self._stack.spawn("slack", [sys.executable, "-m", "ops.cli", "slack"], environment=variables)
        try:
            yield process
        finally:
            process.signal(signal.SIGKILL, group=True)
            process.stop(0)

    async def hears(self) -> None:
        """When it serves requests, or has a socket."""
        if self._mode == "socket":
            await until(lambda: self._slack.wire.sockets, 20)
            return
        base = f"http://127.0.0.1:{self._port}"
        async with asyncio.timeout(20), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(base + HEALTH) as answer:
                        assert answer.status == 200
                    break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
        assert await self._slack.use_http(base + EVENTS_PATH)

    async def begin(self, words: str) -> None:
        """In the channel."""
        self._said = await self._slack.write(self._general, self._ada, f"<@{self.team['bot']['id']}> {words}")

    async def say(self, words: str) -> None:
        """In the thread."""
        mentioned = f"<@{self.team['bot']['id']}> {words}"
        await self._slack.write(self._general, self._ada, mentioned, thread=self._said)

    async def cancel(self) -> Delivery:
        """Ada presses the button of the turn that waits."""
        (waiting,) = self.messages()
        return await self._slack.press(waiting, button(waiting, "cancel"), self._ada)

    def messages(self) -> list[Payload]:
        """Of the bot in the thread."""
        return self._slack.told_in(self._general, thread=self._said)

    def told(self) -> list[str]:
        """In the thread."""
        return [words_of(one) for one in self.messages()]

    def pictures(self) -> int:
        """In the thread; a placeholder shows but previews."""
        return sum(len(pictures_of(one)) for one in self.messages() if is_reply(one))


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_a_conversation_survives_the_death_of_bot_and_worker(
    stack: Stack, settings: Settings, database: Database, slack: LocalSlack, mode: str
) -> None:
    scene = SlackScene(stack, settings, slack, mode)
    await survives_the_death_of_bot_and_worker(scene, stack, settings, database)


async def test_kill_9_of_the_bot_between_the_upload_and_the_reply(
    stack: Stack, settings: Settings, database: Database, slack: LocalSlack
) -> None:
    """The file is there, Slack still looks at it, the bot dies: the next one shows that very file, once."""
    scene, factory = SlackScene(stack, settings, slack, "socket"), Factory(database)
    slack.limits.processing_seconds = 1.0
    with running_worker(stack, settings, database):
        with scene.bot() as bot:
            await scene.hears()
            await scene.begin("Olivia on the beach")
            await until(lambda: slack.called("files.completeUploadExternal"), 30)
            shows = ("chat.update", "chat.postMessage")
            before = sum(len(slack.called(one)) for one in shows)
            await until(lambda: sum(len(slack.called(one)) for one in shows) > before)
            bot.signal(signal.SIGKILL, group=True)
        assert scene.pictures() == 0
        with scene.bot():
            await until(lambda: scene.pictures() == 1, 30)
            await until(lambda: factory.delivered(factory.ids(Status.DONE)[0]), 10)
            await asyncio.sleep(A_WHILE)
    assert len(scene.told()) == 1
    assert len(slack.called("files.getUploadURLExternal")) == 1


async def test_kill_9_of_the_bot_over_a_press_leaves_nobody_waiting(
    stack: Stack, settings: Settings, database: Database, slack: LocalSlack
) -> None:
    """What was not done was not acknowledged: Slack says so to whoever pressed, and the next press counts."""
    scene, factory = SlackScene(stack, settings, slack, "http"), Factory(database)
    with scene.bot() as bot:
        await scene.hears()
        await scene.begin("Olivia on the beach")
        await until(scene.messages)
        with factory.holding_turns():
            pressing = asyncio.create_task(scene.cancel())
            done, _ = await asyncio.wait({pressing}, timeout=0.3)
            assert not done
            bot.signal(signal.SIGKILL, group=True)
            assert not (await pressing).acknowledged
    assert factory.count(Status.QUEUED) == 1
    with scene.bot():
        await scene.hears()
        assert (await scene.cancel()).acknowledged
        assert factory.count(Status.CANCELLED) == 1


async def test_sigterm_ends_it_cleanly(stack: Stack, settings: Settings, database: Database, slack: LocalSlack) -> None:
    """What it heard is taken in, and what waits is drawn by others."""
    scene = SlackScene(stack, settings, slack, "http")
    with scene.bot() as bot:
        await scene.hears()
        await scene.begin("Olivia on the beach")
        await until(lambda: Factory(database).count(Status.QUEUED) == 1)
        bot.signal(signal.SIGTERM)
        await until(lambda: bot.poll() is not None, 15)
        assert bot.poll() == 0
