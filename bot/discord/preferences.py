"""`/settings`: what holds in a server and in a thread, which anybody may see and who manages the server may change.

One message that each choice changes; the ids of its menus and buttons say all, so that it works after any restart.
"""

from __future__ import annotations

import re
from typing import Any

import discord

from bot.discord.characters import Menu
from bot.discord.client import Interaction
from bot.preferences import NoSuchEngine
from storage.preferences import Preferences

ID = re.compile(r"likeness:preferences-(?P<what>[a-z]+):(?P<value>[a-z]*)")
USUAL = "the usual one"  # what a menu says of choosing nothing
NOT_YOURS = "Only somebody who may manage this server can change that."


async def show(interaction: Interaction) -> None:
    """The settings, for whoever asks."""
    await interaction.client.show(interaction, lambda: _shown(interaction))


async def used(interaction: Interaction, match: re.Match[str]) -> None:
    """Something was chosen or pressed."""
    await interaction.client.show(interaction, lambda: _changed(interaction, match["what"], match["value"]))


async def _changed(interaction: Interaction, what: str, value: str) -> Menu:
    choices = interaction.client.choices
    if not _may_change(interaction):
        return await _shown(interaction, NOT_YOURS)
    workspace_id, conversation_id = await interaction.client.scope(interaction)
    if what == "every":
        await choices.count_every_message(workspace_id, counts=value == "on")
        return await _shown(interaction)
    data: Any = interaction.data or {}  # Any: JSON as Discord has it
    engine = data["values"][0].removeprefix(":") or None
    try:
        await choices.choose_engine(workspace_id, conversation_id if what == "here" else None, engine)
    except NoSuchEngine as error:
        return await _shown(interaction, str(error))
    return await _shown(interaction)


def _may_change(interaction: Interaction) -> bool:
    """Direct messages are their person's own."""
    return interaction.guild_id is None or interaction.permissions.manage_guild


async def _shown(interaction: Interaction, said: str = "") -> Menu:
    workspace_id, conversation_id = await interaction.client.scope(interaction)
    held, engines = await interaction.client.choices.read(workspace_id, conversation_id)
    direct = interaction.guild_id is None
    return menu(
        held,
        engines,
        said,
        in_thread=conversation_id is not None and not direct,
        direct=direct,
        changeable=_may_change(interaction),
        hears=interaction.client.intents.message_content,
    ), []


def menu(
    held: Preferences, engines: list[str], said: str, *, in_thread: bool, direct: bool, changeable: bool, hears: bool
) -> discord.ui.LayoutView:
    """What holds, in words, and for who may change it the menus."""
    view = discord.ui.LayoutView(timeout=None)
    place = "your direct messages" if direct else "this server"
    every = "counts" if held.every_message and hears else "counts only where it means me, by a mention or a reply"
    lines = [said, f"**Engine of {place}:** {held.workspace_engine or USUAL}"]
    if in_thread:
        lines.append(f"**Engine of this thread:** {held.conversation_engine or f'that of {place}'}")
    lines.append(f"-# What draws here is {held.engine}.")
    if not direct:
        lines.append(f"**A message in a thread of mine** {every}.")
    if not changeable:
        lines.append("-# Whoever may manage this server can change these.")
    view.add_item(discord.ui.TextDisplay("\n".join(line for line in lines if line)))
    if not changeable:
        return view
    if engines:
        view.add_item(discord.ui.ActionRow(_engines("engine", place, USUAL, engines, held.workspace_engine)))
    if engines and in_thread:
        usual = f"that of {place}"
        view.add_item(discord.ui.ActionRow(_engines("here", "this thread", usual, engines, held.conversation_engine)))
    if not direct and hears:
        turned, label = ("off", "Only what means me") if held.every_message else ("on", "Count every message")
        button: discord.ui.Button[Any] = discord.ui.Button(
            label=label, custom_id=f"likeness:preferences-every:{turned}"
        )
        view.add_item(discord.ui.ActionRow(button))
    return view


def _engines(
    what: str, place: str, usual: str, engines: list[str], chosen: str | None
) -> discord.ui.Select[Any]:  # Any: it belongs to whichever view
    options = [discord.SelectOption(label=f"No choice: {usual}", value=":", default=chosen is None)]
    options += [
        discord.SelectOption(label=engine, value=f":{engine}", default=engine == chosen) for engine in engines[:24]
    ]
    return discord.ui.Select(
        custom_id=f"likeness:preferences-{what}:", placeholder=f"Engine of {place}", options=options
    )
