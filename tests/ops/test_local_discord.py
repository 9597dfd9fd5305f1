"""The page of the local Discord: what is written and pressed there reaches the server, and nothing from elsewhere does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from ops.local.discord import LocalDiscord, Payload
from ops.local.page import Page


@pytest.fixture
async def discord() -> AsyncIterator[LocalDiscord]:
    """A server with a channel and somebody in it."""
    server = LocalDiscord()
    await server.start(pages=Page(server).add_to)
    await server.channel(await server.guild("Storytellers"), "general")
    server.person("Ada")
    yield server
    await server.stop()


@pytest.fixture
def general(discord: LocalDiscord) -> Payload:
    return next(iter(discord.channels.values()))


@pytest.fixture
async def browser(discord: LocalDiscord) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=discord.url, follow_redirects=True) as client:
        yield client


async def test_what_is_written_is_shown_and_mentions_the_bot(
    discord: LocalDiscord, general: Payload, browser: httpx.AsyncClient
) -> None:
    page = await browser.post(f"/channels/{general['id']}/say", data={"text": "@Likeness <b>Olivia</b>"})
    assert "&lt;b&gt;Olivia" in page.text
    (message,) = discord.messages[int(general["id"])]
    assert message["content"] == "<@100> <b>Olivia</b>"
    assert message["mentions"] == [discord.bot]


async def test_a_command_reaches_the_bot(discord: LocalDiscord, general: Payload, browser: httpx.AsyncClient) -> None:
    text = {"name": "text", "type": 3, "description": ""}
    discord.commands = [{"id": "7", "name": "imagine", "type": 1, "description": "Draw", "options": [text]}]
    await browser.post(f"/channels/{general['id']}/slash", data={"command": "/imagine Olivia at night"})
    await browser.post(f"/channels/{general['id']}/slash", data={"command": "/unknown"})
    assert len(discord.interactions) == 1


async def test_the_menu_of_a_message_reaches_the_bot(
    discord: LocalDiscord, general: Payload, browser: httpx.AsyncClient
) -> None:
    discord.commands = [{"id": "7", "name": "Report", "type": 3}]
    (ada,) = [one for one in discord.members.values() if not one["bot"]]
    message = await discord.say(ada, general, "look", pictures=[("me.png", b"picture")])
    page = await browser.post(f"/channels/{general['id']}/choose", data={"message": message["id"], "what": "Report"})
    assert "Report" in page.text
    assert len(discord.interactions) == 1


async def test_a_form_of_another_page_is_refused(
    discord: LocalDiscord, general: Payload, browser: httpx.AsyncClient
) -> None:
    elsewhere = {"Origin": "http://elsewhere.example"}
    answer = await browser.post(f"/channels/{general['id']}/say", data={"text": "hello"}, headers=elsewhere)
    assert answer.status_code == 403
    assert not discord.messages[int(general["id"])]


async def test_a_channel_that_does_not_exist_is_not_found(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/channels/1")).status_code == 404
    assert (await browser.get("/channels/nonsense")).status_code == 404
