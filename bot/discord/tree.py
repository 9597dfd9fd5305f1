"""The tree of commands and menus, with what holds for all of them: they are used where the bot is."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.discord.sentences import NOBODY_HOME
from storage.sentences import told


class Tree(app_commands.CommandTree[discord.Client]):
    """All commands of a client."""

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Whether the bot is where a command is used; a person may have brought it along to a server that it is not in."""
        if interaction.guild_id is None or interaction.client.get_guild(interaction.guild_id) is not None:
            return True
        if interaction.type is discord.InteractionType.application_command:
            await interaction.response.send_message(told(NOBODY_HOME, interaction.locale.value), ephemeral=True)
        return False
