"""`/newcharacter`: a form with a name, a description, up to ten photos and, for a real person, a consent that is kept.

The form holds no state: what is sent is read from the interaction itself, so a form that was opened before a restart can
still be sent after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import discord

from bot.characters import Author
from bot.discord.client import Interaction
from bot.turns import AttachmentGone
from storage.blobs import BlobsUnavailable
from storage.characters import CONSENT, DESCRIPTION_LIMIT, NAME_LIMIT, CharacterProblem
from storage.intake import PictureRefused

FORM = "likeness:newcharacter"
PHOTOS = 10
UNFIT = (CharacterProblem, PictureRefused, BlobsUnavailable, AttachmentGone)
"""What people can mend themselves; each is a sentence to them."""


class NewCharacterForm(discord.ui.Modal):
    """What people fill in."""

    def __init__(self, name: str = "") -> None:
        super().__init__(title="A new character", custom_id=FORM, timeout=None)
        self.add_item(
            discord.ui.Label(
                text="Name",
                component=discord.ui.TextInput(custom_id="name", max_length=NAME_LIMIT, default=name or None),
            )
        )
        self.add_item(
            discord.ui.Label(
                text="What they look like",
                description="Hair, skin, glasses, beard",
                component=discord.ui.TextInput(
                    custom_id="description",
                    style=discord.TextStyle.paragraph,
                    max_length=DESCRIPTION_LIMIT,
                    required=False,
                ),
            )
        )
        add_photos(self, required=False)


def add_photos(form: discord.ui.Modal, *, required: bool) -> None:
    """The fields for pictures, and for the agreement of whoever is in them."""
    form.add_item(
        discord.ui.Label(
            text="Pictures of them",
            component=discord.ui.FileUpload(
                custom_id="photos", max_values=PHOTOS, min_values=int(required), required=required
            ),
        )
    )
    form.add_item(
        discord.ui.Label(
            text="For a real person", description=CONSENT, component=discord.ui.Checkbox(custom_id="consent")
        )
    )


async def submitted(interaction: Interaction) -> None:
    """A form that somebody sent."""
    await interaction.client.answer(interaction, lambda: _create(interaction))


async def _create(interaction: Interaction) -> str:
    client = interaction.client
    fields, links = filled_in(interaction)
    workspace_id, conversation_id = await client.scope(interaction)
    try:
        return await client.characters.create(
            workspace_id,
            conversation_id,
            name=str(fields.get("name") or ""),
            description=str(fields.get("description") or ""),
            pictures=[client.fetch(link) for link in links],
            author=Author(str(interaction.user.id), interaction.user.display_name),
            consent=bool(fields.get("consent")),
        )
    except UNFIT as error:
        return str(error)


def filled_in(interaction: Interaction) -> tuple[dict[str, Any], list[str]]:
    """The fields of a form that was sent, by their ids, and links to the pictures that came with it."""
    data: dict[str, Any] = dict(interaction.data or {})  # Any: JSON as Discord has it
    fields = dict(_fields(data.get("components", [])))
    files = data.get("resolved", {}).get("attachments", {})
    return fields, [files[one]["url"] for one in fields.get("photos") or [] if one in files]


def _fields(components: Any) -> Iterator[tuple[str, Any]]:
    """What was filled in, by the ids of the fields."""
    for one in components:
        inner = one.get("component")
        for field in [inner] if inner else one.get("components", []):
            yield field.get("custom_id", ""), field.get("values", field.get("value"))
