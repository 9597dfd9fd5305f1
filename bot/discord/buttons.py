"""Buttons of turns. They hold nothing but the turn's id, so that they work after any restart and in any process."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import discord

from bot.discord import render
from bot.discord.client import Interaction
from bot.discord.places import PLATFORM, allowed_in, moderates, place_of, problem, source_of, workspace_of
from bot.turns import GONE, MINE, Who
from storage.tables import Kind


class TurnButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],  # Any: a dynamic item belongs to no view
    template=render.MARK,
):
    """A button under a message of a turn."""

    def __init__(self, what: str, turn_id: UUID) -> None:
        super().__init__(discord.ui.Button(custom_id=render.custom_id(what, turn_id)))
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
        turns, user = interaction.client.turns, interaction.user
        known = await turns.known(PLATFORM, workspace_of(interaction), self._turn_id)
        if known is None:
            return GONE
        match self._what:
            case "cancel" if known.author == str(user.id) or moderates(interaction):
                said = None if await turns.cancel(known.workspace_id, known.turn_id) else "It has ended already."
            case "cancel":
                said = MINE
            case "undo":
                who = Who(str(user.id), moderates(interaction))
                said = await turns.undo(
                    known.workspace_id, known.conversation_id, source_of(interaction), who, only=known.turn_id
                )
            case "again":
                said = await self._ask(interaction, Kind.AGAIN)
            case "variations":
                said = await self._ask(interaction, Kind.VARIATIONS)
            case "larger":
                said = await self._ask(interaction, Kind.ENLARGE)
            case "pick1" | "pick2" | "pick3" | "pick4":
                who = Who(str(user.id), moderates(interaction))
                said = await turns.pick(known.workspace_id, known.turn_id, int(self._what[-1]) - 1, who)
            case "better1" | "better2":
                refused = await turns.prefer(known, str(user.id), user.display_name, int(self._what[-1]) - 1)
                said = refused or "Thank you. I noted which of the two you like better."
            case "delete":
                who = Who(str(user.id), moderates(interaction))
                said = await turns.delete(known.workspace_id, known.turn_id, source_of(interaction), who)
            case "up" | "down":
                likes = self._what == "up"
                refused = await turns.vote(known, str(user.id), user.display_name, likes=likes)
                said = refused or f"Thank you. I noted that you {'like' if likes else 'do not like'} it."
            case _:
                said = GONE
        return said

    async def _ask(self, interaction: Interaction, kind: Kind) -> str | None:
        """Another turn, about this one."""
        client, channel = interaction.client, interaction.channel
        if channel is None:
            return GONE
        if (sentence := problem(channel, allowed_in(interaction))) is not None:
            return sentence
        place = place_of(channel, interaction.guild, interaction.user, channel.id)
        request = place.request(source_of(interaction), interaction.user, "", kind=kind, reply_to=self._turn_id)
        answer = await client.receive(request)
        return answer.text if answer is not None else None
