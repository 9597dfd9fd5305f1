"""Buttons of turns, as Discord tells of them. What they do is in `bot.buttons`."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import discord

from bot.buttons import MARK, Press, custom_id, obey
from bot.discord.client import Interaction
from bot.discord.places import PLATFORM, allowed_in, language_of, moderates, place_of, problem, source_of, workspace_of
from bot.sentences import GONE
from bot.turns import Who
from storage.tables import Kind


class TurnButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],  # Any: a dynamic item belongs to no view
    template=MARK,
):
    """A button under a message of a turn."""

    def __init__(self, what: str, turn_id: UUID) -> None:
        super().__init__(discord.ui.Button(custom_id=custom_id(what, turn_id)))
        self._what, self._turn_id = what, turn_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> TurnButton:
        """What a pressed button says."""
        return cls(match["what"], UUID(match["turn"]))

    async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]  # only our client has these
        """Somebody pressed it."""
        await interaction.client.answer(interaction, lambda: self._obey(interaction))

    async def _obey(self, interaction: Interaction) -> str | None:
        user = interaction.user
        press = Press(
            platform=PLATFORM,
            workspace=workspace_of(interaction),
            what=self._what,
            turn_id=self._turn_id,
            source_id=source_of(interaction),
            who=Who(str(user.id), moderates(interaction)),
            name=user.display_name,
        )
        return await obey(interaction.client.turns, press, lambda kind: self._ask(interaction, kind))

    async def _ask(self, interaction: Interaction, kind: Kind) -> str | None:
        """Another turn, about this one."""
        client, channel = interaction.client, interaction.channel
        if channel is None:
            return GONE
        if (sentence := problem(channel, allowed_in(interaction))) is not None:
            return sentence
        place = place_of(channel, interaction.guild, interaction.user, channel.id)
        user, language = interaction.user, language_of(interaction)
        request = place.request(source_of(interaction), user, "", language=language, kind=kind, reply_to=self._turn_id)
        answer = await client.receive(request)
        return answer.text if answer is not None else None
