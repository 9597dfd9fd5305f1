"""Context menus of messages: use its pictures as references, draw from one of ours, report one of ours.

Each opens a form at once, and the form carries what it is about in its id, so that it can be sent after a restart. Only the
links of another's pictures do not fit there, and cannot be asked for again without the message content intent: these are kept
in the database until the form is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any
from uuid import UUID

import discord
from discord import app_commands

from bot import catalogue
from bot.buttons import is_reply, mark_of
from bot.discord.client import Interaction
from bot.discord.commands import TEXT, name_of
from bot.discord.newcharacter import PHOTOS, NewCharacterForm, create, filled_in
from bot.discord.places import (
    PLATFORM,
    allowed_in,
    language_of,
    moderates,
    place_of,
    problem,
    source_of,
    workspace_of,
)
from bot.discord.platform import buttons_of
from bot.discord.sentences import NOT_HERE, PICTURES_GONE
from bot.sentences import GONE, NO_PICTURES, NOT_OURS, REPORTED
from storage import forms, reports
from storage.sentences import told
from storage.turns import Known

SOON = (0, 0.2, 0.5, 1.0)  # seconds: the links are kept while the form is open already
REASON = 1000  # characters of a report, at most

FORM = re.compile(r"likeness:form:(?P<what>reference|branch|report):(?P<about>[0-9a-f]+)(:(?P<message>\d+))?")


def add_menus(tree: app_commands.CommandTree[Any]) -> None:
    """All menus, on the tree of a client."""
    for key, callback in (("menu.reference", reference), ("menu.branch", branch), ("menu.report", report)):
        tree.add_command(app_commands.ContextMenu(name=name_of(key), callback=callback))


async def reference(interaction: Interaction, message: discord.Message) -> None:
    """The pictures of a message, by whomever, as references of a new character."""
    links = _pictures(message)
    sentence = _problem(interaction) or (None if links else NO_PICTURES)
    if sentence is not None:
        await interaction.response.send_message(told(sentence, language_of(interaction)), ephemeral=True)
        return
    title = _title(interaction, "menu.reference")
    form_id = f"likeness:form:reference:{interaction.id:x}:{message.id}"
    await interaction.client.ask(interaction, NewCharacterForm(title=title, custom_id=form_id, photos=False))
    turns, database = interaction.client.turns, interaction.client.services.database
    workspace_id = await turns.workspace(PLATFORM, workspace_of(interaction), _name_of(interaction))
    await database.arun(forms.keep, workspace_id, form_id, {"links": links})


async def branch(interaction: Interaction, message: discord.Message) -> None:
    """The words of a turn that goes on from one of the bot's pictures."""
    turn_id = _ours(interaction, message) if message.attachments else None
    sentence = _problem(interaction) or (None if turn_id else NOT_OURS)
    await _ask(interaction, sentence, "branch", turn_id, "What to draw", TEXT)


async def report(interaction: Interaction, message: discord.Message) -> None:
    """Why somebody finds one of the bot's pictures wrong."""
    turn_id = _ours(interaction, message)
    await _ask(interaction, None if turn_id else NOT_OURS, "report", turn_id, "What is wrong with it", REASON)


async def _ask(
    interaction: Interaction, sentence: str | None, what: str, turn_id: UUID | None, label: str, most: int
) -> None:
    if turn_id is None or sentence is not None:
        await interaction.response.send_message(told(sentence or GONE, language_of(interaction)), ephemeral=True)
        return
    form = discord.ui.Modal(
        title=_title(interaction, f"menu.{what}"), custom_id=f"likeness:form:{what}:{turn_id.hex}", timeout=None
    )
    words = discord.ui.TextInput[Any](custom_id="text", style=discord.TextStyle.paragraph, max_length=most)
    form.add_item(discord.ui.Label(text=label, component=words))
    await interaction.client.ask(interaction, form)


async def submitted(interaction: Interaction, custom_id: str) -> None:
    """A form that somebody sent, if it is one of these."""
    match = FORM.fullmatch(custom_id)
    if match is None:
        return

    async def obey() -> str | None:
        match match["what"]:
            case "reference":
                return await _create(interaction, custom_id, int(match["message"]))
            case "branch":
                return await _branch(interaction, UUID(match["about"]))
            case _:
                return await _report(interaction, UUID(match["about"]))

    await interaction.client.answer(interaction, obey)


async def _create(interaction: Interaction, form_id: str, message_id: int) -> str:
    client, channel = interaction.client, interaction.channel
    workspace_id = await client.turns.workspace(PLATFORM, workspace_of(interaction), _name_of(interaction))
    links: list[str] = []
    for pause in SOON:
        await asyncio.sleep(pause)
        details = await client.services.database.arun(forms.kept, workspace_id, form_id)
        if details is not None:
            links = details["links"]
            break
    if not links and isinstance(channel, discord.abc.Messageable):
        with contextlib.suppress(discord.HTTPException):
            links = _pictures(await channel.fetch_message(message_id))
    return await create(interaction, links) if links else PICTURES_GONE


async def _branch(interaction: Interaction, turn_id: UUID) -> str | None:
    client, channel = interaction.client, interaction.channel
    if (sentence := _problem(interaction)) is not None:
        return sentence
    if await _known(interaction, turn_id) is None:
        return GONE
    assert channel is not None
    place = place_of(channel, interaction.guild, interaction.user, channel.id)
    answer = await client.receive(
        place.request(
            source_of(interaction),
            interaction.user,
            str(filled_in(interaction)[0].get("text") or ""),
            language=language_of(interaction),
            reply_to=turn_id,
            moderates=moderates(interaction),
        )
    )
    return answer.text if answer is not None else None


async def _report(interaction: Interaction, turn_id: UUID) -> str:
    known, user = await _known(interaction, turn_id), interaction.user
    if known is None:
        return GONE
    refused = await interaction.client.services.database.arun(
        reports.report,
        known.workspace_id,
        known.turn_id,
        source_id=source_of(interaction),
        author=str(user.id),
        author_name=user.display_name,
        reason=str(filled_in(interaction)[0].get("text") or ""),
    )
    return refused or REPORTED


async def _known(interaction: Interaction, turn_id: UUID) -> Known | None:
    return await interaction.client.turns.known(PLATFORM, workspace_of(interaction), turn_id)


def _problem(interaction: Interaction) -> str | None:
    """Why nothing can be drawn where the menu is used, as a sentence."""
    channel = interaction.channel
    return NOT_HERE if channel is None else problem(channel, allowed_in(interaction))


def _ours(interaction: Interaction, message: discord.Message) -> UUID | None:
    """The turn that a message of the bot's shows; None for any other message, and for one that still waits."""
    ids, me = buttons_of(message), interaction.client.user
    ours = me is not None and message.author.id == me.id and is_reply(ids)
    return mark_of(ids) if ours else None


def _pictures(message: discord.Message) -> list[str]:
    """Links to the pictures of a message, as many as a character may have."""
    every = [one.url for one in message.attachments if (one.content_type or "image/").startswith("image/")]
    return every[:PHOTOS]


def _title(interaction: Interaction, key: str) -> str:
    return catalogue.said(key, interaction.locale.value)


def _name_of(interaction: Interaction) -> str:
    return interaction.guild.name if interaction.guild is not None else f"{interaction.user.display_name}'s messages"
