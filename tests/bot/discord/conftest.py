"""A Discord on this machine with a server, a channel and two people, and the bot in it, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import pytest
import uvloop

from bot.discord.client import LikenessClient, point_at
from bot.services import Services
from ops.local.discord import TOKEN, LocalDiscord, Payload, Waiting
from storage.settings import Settings
from storage.tables import Status
from tests.bot.helpers import InPlaceOfAWorker, until
from tests.factory import Factory

ME = "<@100>"


def pytest_asyncio_loop_factories(item: pytest.Function) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the bot runs on; simcord looks into asyncio's own, and takes no other."""
    return {"loop": asyncio.new_event_loop if "simcord_env" in item.fixturenames else uvloop.new_event_loop}


@dataclass
class Town(InPlaceOfAWorker):
    """A server and who is in it."""

    discord: LocalDiscord
    guild: Payload
    general: Payload
    ada: Payload
    ben: Payload
    services: Services
    factory: Factory

    def file_of(self, waiting: Waiting) -> bytes:
        """The file that an interaction was answered with."""
        assert waiting.message is not None
        (file,) = waiting.message["attachments"]
        return self.discord.files[f"{file['id']}/{file['filename']}"]

    async def queued(self, count: int = 1) -> None:
        """Wait until so many turns wait."""

        def waiting() -> bool:
            return self.factory.count(Status.QUEUED) >= count

        await until(waiting)

    async def told(self, channel: Payload, count: int = 1) -> list[Payload]:
        """The bot's messages in a channel, when there are so many."""
        await until(lambda: len(self.discord.told_in(channel)) >= count)
        return self.discord.told_in(channel)

    async def shown(self, channel: Payload, count: int = 1) -> list[Payload]:
        """The bot's messages with a picture, when there are so many."""

        def pictures() -> list[Payload]:
            return [one for one in self.discord.told_in(channel) if one["attachments"]]

        await until(lambda: len(pictures()) >= count)
        return pictures()

    async def thread(self, message: Payload) -> Payload:
        """The thread that starts from a message, when it is there."""
        await until(lambda: self.discord.thread_of(message) is not None)
        found = self.discord.thread_of(message)
        assert found is not None
        return found


@pytest.fixture
async def discord() -> AsyncIterator[LocalDiscord]:
    """The server, empty."""
    server = LocalDiscord()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def settings(settings: Settings, discord: LocalDiscord) -> Settings:
    """Settings of a bot that talks to it."""
    point_at(discord.url)
    return settings.model_copy(update={"discord_url": discord.url, "delivery_seconds": 4.0})


@pytest.fixture(autouse=True)
def soon_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of a test are told at once, so none is waited for."""
    monkeypatch.setattr("bot.discord.client.GUILDS_SECONDS", 0.05)


@pytest.fixture
async def bot(discord: LocalDiscord, services: Services) -> AsyncIterator[LikenessClient]:
    """The bot, connected."""
    await discord.guild("Storytellers")
    async with running(services) as client:
        yield client


class running:
    """A bot process's client, connected and ready."""

    def __init__(self, services: Services) -> None:
        self._client = LikenessClient(services)

    async def __aenter__(self) -> LikenessClient:
        self._task = asyncio.create_task(self._client.start(TOKEN))
        ready = asyncio.create_task(self._client.wait_until_ready())
        done, _ = await asyncio.wait({self._task, ready}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        assert ready in done, self._task
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
        await asyncio.wait({self._task}, timeout=5)


@pytest.fixture
async def town(discord: LocalDiscord, bot: LikenessClient, services: Services, factory: Factory) -> Town:
    """A channel and two people."""
    (guild,) = discord.guilds.values()
    general = await discord.channel(guild, "general")
    await until(lambda: bot.get_channel(int(general["id"])) is not None)
    return Town(discord, guild, general, discord.person("Ada"), discord.person("Ben"), services, factory)
