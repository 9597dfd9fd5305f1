"""The page of the local Discord: what is written and pressed there reaches the server, and nothing from elsewhere does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from ops.local.discord import EPHEMERAL, LAYOUT, LocalDiscord, Payload
from ops.local.discord_page import Page


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
    for words in ("/imagine Olivia at night", "/unknown"):
        await browser.post(f"/channels/{general['id']}/say", data={"text": words})
    assert len(discord.interactions) == 1
    assert not discord.messages[int(general["id"])]


async def test_a_whisper_is_seen_by_its_person_alone_until_it_is_dismissed(
    discord: LocalDiscord, general: Payload, browser: httpx.AsyncClient
) -> None:
    ada, ben = (one for one in (*discord.members.values(), discord.person("Ben")) if not one["bot"])
    waiting = await discord.slash(ada, general, "help")
    waiting.message = discord._message(general, discord.bot, "Tell me whom to draw.") | {"flags": 64}
    channel = f"/channels/{general['id']}"
    assert "whom to draw" in (await browser.get(channel, params={"as": ada["id"]})).text
    assert "whom to draw" not in (await browser.get(channel, params={"as": ben["id"]})).text
    dismissed = await browser.post(f"{channel}/dismiss", params={"as": ada["id"]})
    assert "whom to draw" not in dismissed.text


async def test_a_command_of_a_group_reaches_the_bot_with_what_was_typed_for_it(
    discord: LocalDiscord, general: Payload, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[tuple[str, dict[str, object]]] = []

    async def slash(_: Payload, __: Payload, command: str, /, **options: object) -> None:
        used.append((command, options))

    monkeypatch.setattr(discord, "slash", slash)
    quota = {"name": "quota", "type": 1, "options": [{"name": "turns", "type": 4}]}
    block = {"name": "block", "type": 1, "options": [{"name": "user", "type": 6}]}
    discord.commands = [{"id": "7", "name": "likeness", "type": 1, "description": "", "options": [quota, block]}]
    for typed in ("/likeness quota 3", "/likeness block @Ada"):
        await browser.post(f"/channels/{general['id']}/say", data={"text": typed})
    ada = next(one for one in discord.members.values() if one["global_name"] == "Ada")
    assert used == [("likeness quota", {"turns": 3}), ("likeness block", {"user": ada})]


async def test_a_menu_that_one_person_sees_is_shown_and_chosen_from(
    discord: LocalDiscord, general: Payload, browser: httpx.AsyncClient
) -> None:
    ben = discord.person("Ben")
    waiting = await discord.slash(ben, general, "characters")
    options = [{"label": "Olivia", "value": "o"}]
    components = [
        {"type": 10, "content": "### Olivia\n**red** \\*hair\\*"},
        {
            "type": 1,
            "components": [{"type": 2, "style": 2, "label": "Next", "custom_id": "likeness:characters-page:1"}],
        },
        {"type": 1, "components": [{"type": 3, "custom_id": "likeness:characters-choose:0", "options": options}]},
    ]
    body = {"type": 4, "data": {"flags": EPHEMERAL | LAYOUT, "components": components}}
    api = f"/api/v10/interactions/{waiting.id}/{waiting.token}/callback"
    assert (await browser.post(api, json=body)).status_code == 200
    page = await browser.get(f"/channels/{general['id']}", params={"as": ben["id"]})
    assert "<strong>Olivia</strong><br><b>red</b> *hair*" in page.text
    assert waiting.message is not None
    used = {"message": waiting.message["id"], "what": "likeness:characters-page:1"}
    press = f"/channels/{general['id']}/press?as={ben['id']}"
    await browser.post(press, data=used)
    await browser.post(press, data=used | {"what": "likeness:characters-choose:0", "value": "o"})
    assert [one.pressed for one in discord.interactions.values()] == [None, waiting.message, waiting.message]


@pytest.mark.parametrize(
    "wrong",
    [
        {"content": "words beside components"},
        {"components": [{"type": 10, "content": "x" * 4001}]},
        {"components": [{"type": 10, "content": "x"}] * 41},
        {"components": [{"type": 1, "components": [{"type": 2, "custom_id": "x" * 101}]}]},
        {"components": [{"type": 9, "components": [{"type": 10, "content": "x"}]}]},
        {"components": [{"type": 1, "components": [{"type": 3, "custom_id": "x", "options": []}]}]},
    ],
)
async def test_a_menu_that_discord_would_refuse_is_refused(
    discord: LocalDiscord, general: Payload, browser: httpx.AsyncClient, wrong: Payload
) -> None:
    waiting = await discord.slash(discord.person("Ben"), general, "characters")
    body = {"type": 4, "data": {"flags": LAYOUT, "components": [{"type": 10, "content": "x"}], **wrong}}
    answer = await browser.post(f"/api/v10/interactions/{waiting.id}/{waiting.token}/callback", json=body)
    assert answer.json()["code"] == 50035


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
