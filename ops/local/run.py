"""`likeness local-discord`: the bot on a Discord of this machine, with a page to write and press."""

from __future__ import annotations

from pydantic import SecretStr
from rich.console import Console

from bot.discord.client import LikenessClient, point_at
from bot.services import Services
from ops.local.discord import TOKEN, LocalDiscord
from ops.local.discord_page import Page
from ops.one_machine import OneMachine
from storage.settings import Settings

GUILD, CHANNELS, PEOPLE = "Storytellers", ("general", "stories"), ("Ada", "Ben")


async def serve(machine: OneMachine, port: int, console: Console) -> None:
    """Serve until cancelled."""
    discord = LocalDiscord()
    await discord.start(port, pages=Page(discord).add_to)
    try:
        guild = await discord.guild(GUILD)
        for name in CHANNELS:
            await discord.channel(guild, name)
        people = [discord.person(name) for name in PEOPLE]
        for person in people:
            discord.direct(person)
        discord.managers.add((guild["id"], people[0]["id"]))
        console.print(f"\n  A Discord with the bot in it: {discord.url}\n  Ctrl-C stops it.\n", markup=False)
        await _bot(machine.settings, discord.url)
    finally:
        await discord.stop()


async def _bot(settings: Settings, url: str) -> None:
    point_at(url)
    local = settings.model_copy(update={"discord_url": url, "discord_token": SecretStr(TOKEN)})
    async with LikenessClient(Services.open(local)) as client:
        await client.start(TOKEN)
