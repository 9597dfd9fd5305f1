"""What `/imagine` offers while it is being written: names of characters, and sizes that the engine can draw.

Offers are made within Discord's three seconds or not at all, and only from the workspace and the thread that they are for.
"""

from __future__ import annotations

import logging
from math import gcd

from discord import app_commands

from bot.discord.client import Interaction
from bot.discord.places import PLATFORM, place_of
from storage.database import DatabaseUnavailable

log = logging.getLogger(__name__)

OFFERED = 25  # choices at once, each of so many characters at most
LONGEST = 100


async def characters(interaction: Interaction, written: str) -> list[app_commands.Choice[str]]:
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


def names_in(chosen: str) -> list[str]:
    """The names that were chosen, each once."""
    return list(dict.fromkeys(name for one in chosen.split(",") if (name := " ".join(one.split()))))


async def aspects(interaction: Interaction) -> list[app_commands.Choice[str]]:
    """The size that what draws here draws in; it says so where there is no other."""
    try:
        sizes = await _sizes(interaction)
    except DatabaseUnavailable as error:  # as above
        log.warning("no sizes can be offered: %s", error)
        return []
    return [app_commands.Choice(name=f"{_in_words(size)}: all pictures here are", value=_value(size)) for size in sizes]


async def other_aspect(interaction: Interaction, aspect: str | None) -> str | None:
    """Why a picture cannot have a size, as a sentence; None when it can, or when nothing was chosen."""
    if aspect is None:
        return None
    sizes = await _sizes(interaction)
    if aspect.replace(" ", "").replace("×", "x") in [_value(size) for size in sizes]:
        return None
    if not sizes:
        return "No machine that draws is there just now, so I cannot tell its sizes. Please leave the aspect out."
    return f"Pictures here are {_in_words(sizes[0])}, and no other size can be chosen. Please leave the aspect out."


async def _sizes(interaction: Interaction) -> list[tuple[int, int]]:
    """The default alone: a turn does not say which size it wants, so no other would be drawn."""
    place = _place(interaction)
    return [] if place is None else (await interaction.client.choices.sizes(PLATFORM, *place))[:1]


def _place(interaction: Interaction) -> tuple[str, str, str] | None:
    if interaction.channel is None:
        return None
    place = place_of(interaction.channel, interaction.guild, interaction.user, interaction.channel.id)
    return place.workspace, place.channel, place.thread


def _value(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _in_words(size: tuple[int, int]) -> str:
    width, height = size
    whole = gcd(width, height)
    shape = "square" if width == height else f"{width // whole}:{height // whole}"
    return f"{width} × {height} ({shape})"
