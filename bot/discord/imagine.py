"""`/imagine`, and what it offers while it is being written: names of characters, and aspects that the engine can draw.

Offers are made within Discord's three seconds or not at all, and only from the workspace and the thread that they are for.
"""

from __future__ import annotations

import logging

import discord
from discord import app_commands

from bot.aspects import Aspects, NoSuchAspect, in_words, meant
from bot.characters import naming
from bot.discord.client import Interaction
from bot.discord.commands import TEXT, name_of
from bot.discord.places import PLATFORM, Place, allowed_in, language_of, place_of, problem, source_of
from bot.discord.sentences import NOT_HERE
from bot.sentences import ALL_ARE
from storage.database import DatabaseUnavailable
from storage.sentences import told
from storage.turns import Request

log = logging.getLogger(__name__)

OFFERED = 25  # choices at once, each of so many characters at most
LONGEST = 100


@app_commands.command(name=name_of("imagine"), description=name_of("imagine.about"))
@app_commands.describe(
    text=name_of("imagine.text"),
    seed=name_of("imagine.seed"),
    characters=name_of("imagine.characters"),
    aspect=name_of("imagine.aspect"),
)
async def imagine(
    interaction: Interaction,
    text: app_commands.Range[str, 1, TEXT],
    seed: app_commands.Range[int, 0, 2**31 - 1] | None = None,
    characters: app_commands.Range[str, 1, LONGEST] | None = None,
    aspect: str | None = None,
) -> None:
    """In a thread or direct message its next turn; in a channel the beginning of a thread."""
    client, channel, language = interaction.client, interaction.channel, language_of(interaction)
    text = naming(text, _names_in(characters or ""))
    if channel is None:
        await interaction.response.send_message(told(NOT_HERE, language), ephemeral=True)
        return
    if (sentence := problem(channel, allowed_in(interaction))) is not None:
        await interaction.response.send_message(told(sentence, language), ephemeral=True)
        return

    def request_at(place: Place, aspect: str) -> Request:
        user, source_id = interaction.user, source_of(interaction)
        return place.request(source_id, user, text, language=language, seed=seed, aspect=aspect)

    if interaction.guild is None or isinstance(channel, discord.Thread):
        place = place_of(channel, interaction.guild, interaction.user, channel.id)

        async def draw() -> str | None:
            try:
                chosen = await _meant(interaction, aspect)
            except NoSuchAspect as error:
                return str(error)
            answer = await client.receive(request_at(place, chosen))
            return answer.text if answer is not None else None

        await client.answer(interaction, draw)
        return
    # The answer itself becomes the message that the thread starts from; everybody sees it.
    await interaction.response.defer(thinking=True)
    starter = await interaction.original_response()
    place = place_of(channel, interaction.guild, interaction.user, starter.id)
    try:
        chosen = await _meant(interaction, aspect)
    except NoSuchAspect as error:
        await interaction.edit_original_response(content=told(str(error), language))
        return
    answer = await client.receive(request_at(place, chosen))
    said = told(answer.text, language) if answer is not None else f"{interaction.user.mention}: {text}"
    try:
        await interaction.edit_original_response(content=said[:2000], allowed_mentions=discord.AllowedMentions.none())
    except discord.HTTPException as error:  # the turn is taken in, and its reply comes whatever stands above it
        log.warning("the message that a thread starts from stays empty: %s", error)


@imagine.autocomplete("characters")
async def _characters(interaction: Interaction, written: str) -> list[app_commands.Choice[str]]:
    """What the last of the names that were written so far may become, before it the names that are whole."""
    *whole, begun = [" ".join(one.split()) for one in written.split(",")]
    place = _place(interaction)
    if place is None:
        return []
    try:
        known = await interaction.client.characters.names(PLATFORM, *place)
    except DatabaseUnavailable as error:  # nobody waits for an offer as for an answer
        log.warning("no names can be offered: %s", error)
        return []
    taken = {one.casefold() for one in whole}
    fitting = [one for one in known if one.casefold().startswith(begun.casefold()) and one.casefold() not in taken]
    offers = [", ".join([*filter(None, whole), one]) for one in dict.fromkeys(fitting)]
    return [app_commands.Choice(name=one, value=one) for one in offers if len(one) <= LONGEST][:OFFERED]


def _names_in(chosen: str) -> list[str]:
    """The names that were chosen, each once."""
    return list(dict.fromkeys(name for one in chosen.split(",") if (name := " ".join(one.split()))))


@imagine.autocomplete("aspect")
async def _offered(interaction: Interaction, written: str) -> list[app_commands.Choice[str]]:
    """The aspects of what draws here; it says so where there is no other."""
    try:
        aspects = await _aspects(interaction)
    except DatabaseUnavailable as error:  # as above
        log.warning("no aspects can be offered: %s", error)
        return []
    words = {name: in_words(name, aspects) for name in aspects}
    if len(aspects) == 1:
        words = {name: ALL_ARE.given(only=only) for name, only in words.items()}
    offers = {name: told(one, language_of(interaction)) for name, one in words.items()}
    fitting = [name for name, words in offers.items() if written.casefold().strip() in words.casefold()]
    return [app_commands.Choice(name=offers[name], value=name) for name in fitting][:OFFERED]


async def _meant(interaction: Interaction, aspect: str | None) -> str:
    """The name of what was chosen, empty where nothing was. Raises `NoSuchAspect`."""
    return "" if aspect is None else meant(aspect, await _aspects(interaction))


async def _aspects(interaction: Interaction) -> Aspects:
    place = _place(interaction)
    return {} if place is None else await interaction.client.choices.aspects(PLATFORM, *place)


def _place(interaction: Interaction) -> tuple[str, str, str] | None:
    if interaction.channel is None:
        return None
    place = place_of(interaction.channel, interaction.guild, interaction.user, interaction.channel.id)
    return place.workspace, place.channel, place.thread
