"""`/forgetme`: says what would be deleted of a person in this server or in their messages, and asks once more.

Only whoever asked can see it and press its button, which holds no state: it always means whoever presses it.
"""

from __future__ import annotations

import re
from typing import Any

import discord

from bot.discord.characters import Menu
from bot.discord.client import Interaction
from bot.discord.places import PLATFORM, workspace_of
from bot.forgetme import NOTHING

ID = re.compile(r"likeness:forgetme-(?P<what>really)")
STAYS = (
    "My messages with what you asked for are taken away as well, as far as Discord lets me. What you wrote yourself, and "
    "the names of threads, are Discord's and not mine to forget: they stay there until you or a moderator delete them."
)


async def show(interaction: Interaction) -> None:
    """What would go, and the question."""
    await interaction.client.show(interaction, lambda: _question(interaction))


async def used(interaction: Interaction, _: re.Match[str]) -> None:
    """Somebody is sure."""
    await interaction.client.show(interaction, lambda: _forget(interaction))


async def _question(interaction: Interaction) -> Menu:
    asked = await interaction.client.forgetting.question(PLATFORM, workspace_of(interaction), str(interaction.user.id))
    if asked is None:
        return _words(NOTHING), []
    view = _words(f"{asked}\n{STAYS}")
    button: discord.ui.Button[Any] = discord.ui.Button(  # Any: it belongs to whichever view
        label="Delete all of it", style=discord.ButtonStyle.danger, custom_id="likeness:forgetme-really"
    )
    return view.add_item(discord.ui.ActionRow(button)), []


async def _forget(interaction: Interaction) -> Menu:
    said = await interaction.client.forgetting.forget(PLATFORM, workspace_of(interaction), str(interaction.user.id))
    return _words(f"{said} {STAYS}"), []


def _words(text: str) -> discord.ui.LayoutView:
    return discord.ui.LayoutView(timeout=None).add_item(discord.ui.TextDisplay(text))
