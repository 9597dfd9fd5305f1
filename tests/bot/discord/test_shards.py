"""Shards: one process with several, and several processes with some of them each."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import ValidationError

from bot.discord.client import LikenessClient
from bot.services import Services
from ops.local.discord import LocalDiscord, Payload
from storage.settings import Settings
from tests.bot.discord.conftest import ME, Town, running
from tests.bot.helpers import until
from tests.factory import Factory


@pytest.fixture
async def discord(discord: LocalDiscord) -> LocalDiscord:
    discord.shards = 2
    return discord


async def elsewhere(town: Town) -> tuple[Payload, Payload]:
    """A server on the other shard than the town's, and a channel of it."""
    here = int(town.guild["id"]) >> 22
    while True:
        guild = await town.discord.guild("Elsewhere")
        if (int(guild["id"]) >> 22) % 2 != here % 2:
            return guild, await town.discord.channel(guild, "general")
        await asyncio.sleep(0.001)  # ids go by the millisecond


async def answered_everywhere(town: Town, *channels: Payload) -> None:
    for channel in channels:
        said = await town.discord.say(town.ada, channel, f"{ME} Olivia")
        thread = await town.thread(said)
        await town.queued()
        town.draw()
        await town.shown(thread)


async def test_servers_of_all_shards_are_answered_also_after_their_connections_dropped(
    town: Town, bot: LikenessClient
) -> None:
    _, other = await elsewhere(town)
    await until(lambda: bot.get_channel(int(other["id"])) is not None)
    assert {session.shard for session in town.discord.sessions.values()} == {(0, 2), (1, 2)}
    await answered_everywhere(town, town.general, other)
    await town.discord.drop()
    await answered_everywhere(town, other, town.general)


async def test_each_process_hears_its_own_shards(
    discord: LocalDiscord, services: Services, settings: Settings, factory: Factory
) -> None:
    guild = await discord.guild("Storytellers")
    channel = await discord.channel(guild, "general")
    ada = discord.person("Ada")
    both = [Services.open(settings.model_copy(update={"discord_shards": f"{number}/2"})) for number in range(2)]
    async with running(both[0]) as first, running(both[1]) as second:
        await discord.say(ada, channel, f"{ME} Olivia")
        await until(lambda: factory.texts() == ["Olivia"])
        assert sorted(len(one.guilds) for one in (first, second)) == [0, 1]
        assert {session.shard for session in discord.sessions.values()} == {(0, 2), (1, 2)}


@pytest.mark.parametrize("wrong", ["8/8", "3-1/4", "1", "a/b", "0-4/4", "0/0"])
def test_shards_that_there_are_not_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match="shards are chosen as"):
        Settings(discord_shards=wrong)


def test_some_shards_or_all() -> None:
    assert Settings(discord_shards="1-2/4").shards == (range(1, 3), 4)
    assert Settings(discord_shards="").shards is None
