"""Slash commands. Each is deferred at once and then answered, for its person alone where the thread need not see it."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import discord
from discord import app_commands

from bot import catalogue
from bot.commands import Command
from bot.discord import characters as pages
from bot.discord import forgetme as forgetting
from bot.discord import preferences
from bot.discord.client import Interaction
from bot.discord.newcharacter import NewCharacterForm
from bot.discord.places import PLATFORM, language_of, moderates, place_of, source_of
from bot.discord.sentences import ARCHIVE, NOT_HERE, TOO_LARGE
from bot.sentences import HELP, NOTHING_YET, SHEET
from storage.characters import NAME_LIMIT
from storage.sentences import Sentence, told

TEXT = 4000


class Catalogue(app_commands.Translator):
    """Has Discord show names and descriptions in the language of whoever looks."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContext[Any, Any],
    ) -> str | None:
        """The words in that language; None where they are the English ones."""
        key = string.extras.get("key")
        words = catalogue.said(key, locale.value) if key else string.message
        return None if words == string.message else words


def name_of(key: str) -> app_commands.locale_str:
    """What the catalogue has for a key."""
    return app_commands.locale_str(catalogue.said(key), key=key)


def add_commands(tree: app_commands.CommandTree[Any]) -> None:
    """All commands, on the tree of a client."""
    from bot.discord.admin import likeness
    from bot.discord.imagine import imagine

    commands: list[app_commands.Command[Any, Any, Any]] = [
        *(imagine, newcharacter, undo, characters, history, export, settings, forgetme, help_),
    ]
    for command in commands:
        tree.add_command(command)
    tree.add_command(likeness)


@app_commands.command(name=name_of("newcharacter"), description=name_of("newcharacter.about"))
@app_commands.describe(name=name_of("newcharacter.name"))
async def newcharacter(interaction: Interaction, name: app_commands.Range[str, 1, NAME_LIMIT] | None = None) -> None:
    """In a thread somebody of that conversation, elsewhere of the whole server."""
    await interaction.client.ask(interaction, NewCharacterForm(name or ""))


@app_commands.command(name=name_of("undo"), description=name_of("undo.about"))
async def undo(interaction: Interaction) -> None:
    """Of the thread that it is used in."""
    await _say(interaction, Command.UNDO)


@app_commands.command(name=name_of("characters"), description=name_of("characters.about"))
async def characters(interaction: Interaction) -> None:
    """Those of the thread that it is used in, and of the whole server."""
    await pages.show(interaction)


@app_commands.command(name=name_of("settings"), description=name_of("settings.about"))
async def settings(interaction: Interaction) -> None:
    """For whoever asks."""
    await preferences.show(interaction)


@app_commands.command(name=name_of("forgetme"), description=name_of("forgetme.about"))
async def forgetme(interaction: Interaction) -> None:
    """For whoever asks."""
    await forgetting.show(interaction)


@app_commands.command(name=name_of("help"), description=name_of("help.about"))
async def help_(interaction: Interaction) -> None:
    """For whoever asks."""
    await interaction.response.send_message(told(HELP, language_of(interaction)), ephemeral=True)


@app_commands.command(name=name_of("history"), description=name_of("history.about"))
async def history(interaction: Interaction) -> None:
    """For whoever asks."""
    albums = interaction.client.albums
    await _take_away(interaction, albums.sheet, "history.png", SHEET)


@app_commands.command(name=name_of("export"), description=name_of("export.about"))
async def export(interaction: Interaction) -> None:
    """For whoever asks."""
    albums = interaction.client.albums
    await _take_away(interaction, albums.archive, "conversation.zip", ARCHIVE)


async def _take_away(
    interaction: Interaction, make: Callable[[UUID, UUID], Awaitable[bytes | None]], filename: str, words: Sentence
) -> None:
    client, channel = interaction.client, interaction.channel

    async def make_it() -> str | tuple[str, discord.File]:
        if channel is None:
            return NOT_HERE
        place = place_of(channel, interaction.guild, interaction.user, channel.id)
        workspace_id = await client.turns.workspace(PLATFORM, place.workspace, place.workspace_name)
        data = await make(workspace_id, await client.turns.conversation(workspace_id, place.channel, place.thread))
        if data is None:
            return NOTHING_YET
        if len(data) > interaction.filesize_limit:
            return TOO_LARGE.given(size=round(len(data) / 2**20))
        description = told(words, language_of(interaction))
        return words, discord.File(io.BytesIO(data), filename=filename, description=description)

    await client.answer(interaction, make_it)


async def _say(interaction: Interaction, command: Command) -> None:
    client, channel = interaction.client, interaction.channel

    async def obey() -> str | None:
        if channel is None:
            return NOT_HERE
        place = place_of(channel, interaction.guild, interaction.user, channel.id)
        user, language, may = interaction.user, language_of(interaction), moderates(interaction)
        answer = await client.receive(
            place.request(source_of(interaction), user, command, language=language, moderates=may)
        )
        return answer.text if answer is not None else None

    await client.answer(interaction, obey)
