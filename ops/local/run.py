"""`likeness local-discord` and `likeness local-slack`: the bot on a platform of this machine, with a page to write and press."""

from __future__ import annotations

import asyncio

from pydantic import SecretStr
from rich.console import Console

from bot.discord.client import LikenessClient, point_at
from bot.services import Services
from bot.slack.app import run as run_slack
from bot.slack.manifest import EVENTS_PATH, manifest
from ops.local.discord import TOKEN, LocalDiscord
from ops.local.discord_page import Page as DiscordPage
from ops.local.slack import LocalSlack
from ops.local.slack_page import Page as SlackPage
from ops.local.slack_state import APP_TOKEN, SIGNING_SECRET
from ops.one_machine import OneMachine
from ops.stack import free_port
from storage.settings import Settings

HOME, CHANNELS, PEOPLE = "Storytellers", ("general", "stories"), ("Ada", "Ben")  # the first of them is an admin


async def discord(machine: OneMachine, port: int, console: Console) -> None:
    """Serve a Discord until cancelled."""
    server = LocalDiscord()
    await server.start(port, pages=DiscordPage(server).add_to)
    try:
        guild = await server.guild(HOME)
        for name in CHANNELS:
            await server.channel(guild, name)
        people = [server.person(name) for name in PEOPLE]
        for person in people:
            server.direct(person)
        server.managers.add((guild["id"], people[0]["id"]))
        _say(console, "Discord", server.url)
        await _on_discord(machine.settings, server.url)
    finally:
        await server.stop()


async def _on_discord(settings: Settings, url: str) -> None:
    point_at(url)
    local = settings.model_copy(update={"discord_url": url, "discord_token": SecretStr(TOKEN)})
    async with LikenessClient(Services.open(local)) as client:
        await client.start(TOKEN)


async def slack(machine: OneMachine, port: int, console: Console) -> None:
    """Serve a Slack until cancelled; the settings say how it reaches the bot."""
    server = LocalSlack()
    server.use_manifest(manifest("", socket=True, one=True))
    team = server.team(HOME)
    people = [server.person(name, team, admin=name == PEOPLE[0]) for name in PEOPLE]
    for name in CHANNELS:
        server.channel(team, name)
    for person in people:
        server.direct(person)
    await server.start(port, pages=SlackPage(server).add_to)
    settings = machine.settings
    secrets = {"slack_bot_token": team["token"], "slack_app_token": APP_TOKEN, "slack_signing_secret": SIGNING_SECRET}
    local = settings.model_copy(
        update={
            **{name: SecretStr(value) for name, value in secrets.items()},
            **{"slack_url": server.url, "slack_port": free_port()},
        }
    )
    bot = asyncio.create_task(run_slack(Services.open(local)))
    try:
        while not await _reached(server, local) and not bot.done():  # noqa: ASYNC110  (see below)
            await asyncio.sleep(0.1)  # nobody is told when the bot listens
        if not bot.done():
            _say(console, "Slack", server.url)
        await bot
    finally:
        bot.cancel()
        await asyncio.gather(bot, return_exceptions=True)
        await server.stop()


async def _reached(server: LocalSlack, settings: Settings) -> bool:
    """Whether the bot can be told of events by now."""
    if settings.slack_mode == "socket":
        return bool(server.wire.sockets)
    return await server.use_http(f"http://{settings.slack_host}:{settings.slack_port}{EVENTS_PATH}")


def _say(console: Console, platform: str, url: str) -> None:
    console.print(f"\n  A {platform} with the bot in it: {url}\n  Ctrl-C stops it.\n", markup=False)
