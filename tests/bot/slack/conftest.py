"""A Slack on this machine with a workspace, a channel and two people, and the bot in it, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import uvloop
from pydantic import SecretStr

from bot.services import Services
from bot.slack import render
from bot.slack.app import SlackBot
from bot.slack.manifest import EVENTS_PATH, manifest
from ops.local.slack import File, LocalSlack
from ops.local.slack_state import APP_TOKEN, SIGNING_SECRET
from ops.local.slack_wire import Payload
from storage.settings import Settings
from storage.tables import Status
from tests.bot.helpers import InPlaceOfAWorker, until
from tests.factory import Factory


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the bot runs on."""
    return {"uvloop": uvloop.new_event_loop}


@dataclass
class Town(InPlaceOfAWorker):
    """A workspace and who is in it."""

    slack: LocalSlack
    team: Payload
    general: Payload
    ada: Payload
    ben: Payload
    boss: Payload
    services: Services
    factory: Factory

    @property
    def me(self) -> str:
        """How somebody mentions the bot."""
        return f"<@{self.team['bot']['id']}>"

    async def say(
        self, text: str, thread: Payload | None = None, *, by: Payload | None = None, files: Iterable[File] = ()
    ) -> Payload:
        """Somebody mentions the bot in the channel; Ada unless another is named."""
        return await self.slack.write(self.general, by or self.ada, f"{self.me} {text}", thread=thread, files=files)

    async def first_picture(self) -> tuple[Payload, Payload]:
        """A message that began a thread, and the bot's reply in it."""
        said = await self.say("Olivia")
        await self.queued()
        self.draw()
        (shown,) = await self.shown(said)
        return said, shown

    async def queued(self, count: int = 1) -> None:
        """Wait until so many turns wait, and nobody tells of them a second time any more."""
        await until(lambda: self.factory.count(Status.QUEUED) >= count)
        await self.slack.wire.settled()

    def told(self, thread: Payload) -> list[Payload]:
        """The bot's messages in a thread."""
        return self.slack.told_in(self.slack.channels[thread["channel"]], thread=thread)

    async def answered(self, thread: Payload, count: int = 1) -> list[Payload]:
        """The same when there are so many."""
        await until(lambda: len(self.told(thread)) >= count)
        return self.told(thread)

    async def sentences(self, thread: Payload, count: int = 1) -> list[str]:
        """What it said in a thread besides replies, when that is so much."""

        def said() -> list[str]:
            return [words_of(one) for one in self.told(thread) if render.answered(one) is not None]

        await until(lambda: len(said()) >= count)
        return said()

    async def shown(self, thread: Payload, count: int = 1) -> list[Payload]:
        """The bot's replies with a picture, when there are so many."""

        def pictures() -> list[Payload]:
            return [one for one in self.told(thread) if pictures_of(one) and is_reply(one)]

        await until(lambda: len(pictures()) >= count)
        return pictures()

    def picture(self, message: Payload) -> bytes:
        """The bytes of the one picture in a message."""
        (block,) = pictures_of(message)
        return self.slack.contents[block["slack_file"]["id"]]


def pictures_of(message: Payload) -> list[Payload]:
    """The pictures in a message."""
    return [one for one in message.get("blocks") or [] if one["type"] == "image"]


def is_reply(message: Payload) -> bool:
    """Whether a message of a turn says that it is the reply."""
    payload: Payload = (message.get("metadata") or {}).get("event_payload", {})
    return payload.get("reply") is True


def words_of(message: Payload) -> str:
    """All words in a message's blocks."""
    texts = []
    for block in message.get("blocks") or []:
        texts += [block["text"]["text"]] if block["type"] == "section" else []
        texts += [one["text"] for one in block["elements"]] if block["type"] == "context" else []
    return "\n".join(texts)


def button(message: Payload, what: str) -> str:
    """The action_id of a button."""
    ids = [one["action_id"] for block in message["blocks"] if block["type"] == "actions" for one in block["elements"]]
    return next(one for one in ids if one.startswith(f"likeness:{what}:"))


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    """The server, empty, with an app as the manifest has it.

    It tries events again at once, and then in a second, when a signature is another.
    """
    server = LocalSlack()
    server.use_manifest(manifest("", socket=True, one=True))
    server.wire.retries = (0.0, 1.1, 1.1)
    server.limits.post_burst = 20
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def mode() -> str:
    """How Slack reaches the bot; tests of the other way set it."""
    return "http"


@pytest.fixture
def settings(settings: Settings, slack: LocalSlack, mode: str) -> Settings:
    """Settings of a bot that talks to it."""
    here = {"slack_url": slack.url, "slack_mode": mode, "slack_port": 0, "delivery_seconds": 4.0}
    secrets = {"slack_signing_secret": SecretStr(SIGNING_SECRET), "slack_app_token": SecretStr(APP_TOKEN)}
    team = slack.team("Storytellers")
    return settings.model_copy(update={**here, **secrets, "slack_bot_token": SecretStr(team["token"])})


@asynccontextmanager
async def running(slack: LocalSlack, services: Services) -> AsyncIterator[SlackBot]:
    """A bot process that Slack can reach."""
    async with SlackBot(services) as bot:
        if services.settings.slack_mode == "http":
            runner = await bot.listen()
            assert await slack.use_http(f"http://127.0.0.1:{runner.addresses[0][1]}{EVENTS_PATH}")
            close = runner.cleanup
        else:
            close = (await bot.connect()).close_async
            await until(lambda: slack.wire.sockets)
        try:
            yield bot
        finally:
            await close()


@pytest.fixture
async def bot(slack: LocalSlack, services: Services) -> AsyncIterator[SlackBot]:
    """The bot, running."""
    async with running(slack, services) as process:
        yield process


@pytest.fixture
async def town(slack: LocalSlack, bot: SlackBot, services: Services, factory: Factory) -> Town:
    """A channel and three people, of whom one is an admin."""
    (team,) = slack.teams.values()
    ada, ben, boss = slack.person("Ada", team), slack.person("Ben", team), slack.person("Boss", team, admin=True)
    return Town(slack, team, slack.channel(team, "general"), ada, ben, boss, services, factory)
