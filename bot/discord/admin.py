"""`/likeness`: the commands of admins. Discord shows them to who may manage the server; `bot.admin` asks once more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import discord
from discord import app_commands

from bot.admin import Admin, Administration
from bot.characters import Author
from bot.discord.client import Interaction
from bot.discord.commands import name_of
from bot.discord.places import PLATFORM, source_of, workspace_of

QUOTA = 10_000
CHOICES, CHOICE = 25, 100  # that Discord shows, and characters of each
NOT_A_SERVER = "That can only be done in a server."
WHICH = "Choose a worker to pause or resume."
WHAT = "Choose whether to pause or to resume it."

likeness = app_commands.Group(
    name=name_of("likeness"),
    description=name_of("likeness.about"),
    default_permissions=discord.Permissions(manage_guild=True),
    allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
)


def _by(interaction: Interaction) -> Admin:
    """Who uses the command, and whether Discord says that they may manage this server."""
    may = interaction.permissions
    return Admin(
        platform=PLATFORM,
        workspace=workspace_of(interaction),
        workspace_name=interaction.guild.name if interaction.guild is not None else "",
        author=_author(interaction.user),
        source_id=source_of(interaction),
        manages=interaction.guild_id is not None and (may.manage_guild or may.administrator),
    )


def _author(user: discord.abc.User) -> Author:
    return Author(str(user.id), user.display_name)


async def _answer(interaction: Interaction, work: Callable[[Administration, Admin], Awaitable[str]]) -> None:
    async def say() -> str:
        if interaction.guild_id is None:
            return NOT_A_SERVER
        return await work(Administration(interaction.client.services), _by(interaction))

    await interaction.client.answer(interaction, say)


@likeness.command(name=name_of("status"), description=name_of("status.about"))
async def status(interaction: Interaction) -> None:
    """Of this server alone."""
    await _answer(interaction, Administration.status)


@likeness.command(name=name_of("pause"), description=name_of("pause.about"))
async def pause(interaction: Interaction) -> None:
    """In this server."""
    await _answer(interaction, Administration.pause)


@likeness.command(name=name_of("resume"), description=name_of("resume.about"))
async def resume(interaction: Interaction) -> None:
    """In this server."""
    await _answer(interaction, Administration.resume)


@likeness.command(name=name_of("quota"), description=name_of("quota.about"))
@app_commands.describe(turns=name_of("quota.turns"))
async def quota(interaction: Interaction, turns: app_commands.Range[int, 0, QUOTA]) -> None:
    """For everybody in this server."""
    await _answer(interaction, lambda service, by: service.quota(by, turns))


@likeness.command(name=name_of("block"), description=name_of("block.about"))
@app_commands.describe(user=name_of("block.user"))
async def block(interaction: Interaction, user: discord.User) -> None:
    """In this server."""
    await _answer(interaction, lambda service, by: service.block(by, _author(user)))


@likeness.command(name=name_of("unblock"), description=name_of("unblock.about"))
@app_commands.describe(user=name_of("unblock.user"))
async def unblock(interaction: Interaction, user: discord.User) -> None:
    """Also who has left the server meanwhile."""
    await _answer(interaction, lambda service, by: service.unblock(by, _author(user)))


@likeness.command(name=name_of("workers"), description=name_of("workers.about"))
@app_commands.describe(action=name_of("workers.action"), worker=name_of("workers.worker"))
@app_commands.choices(
    action=[app_commands.Choice(name=name_of(action), value=action) for action in ("pause", "resume")]
)
async def workers(interaction: Interaction, action: str | None = None, worker: str | None = None) -> None:
    """A list of them; with an action and a worker, that one is paused or resumed."""

    async def obey(service: Administration, by: Admin) -> str:
        if action is None:
            return await service.workers(by) if worker is None else WHAT
        if worker is None:
            return WHICH
        return await (service.pause_worker if action == "pause" else service.resume_worker)(by, worker)

    await _answer(interaction, obey)


@workers.autocomplete("worker")
async def _workers(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The workers that an operator may mean."""
    service = Administration(interaction.client.services)
    found = await service.worker_choices(_by(interaction), typed)
    return [app_commands.Choice(name=line[:CHOICE], value=worker_id) for line, worker_id in found[:CHOICES]]


@likeness.command(name=name_of("votes"), description=name_of("votes.about"))
@app_commands.describe(share=name_of("votes.share"))
async def votes(interaction: Interaction, share: app_commands.Range[int, 0, 100] | None = None) -> None:
    """Of this server alone."""
    await _answer(interaction, lambda service, by: service.votes(by, share))
