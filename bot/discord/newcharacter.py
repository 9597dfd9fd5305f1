"""`/newcharacter`: a form with a name, a description, up to ten photos and, for a real person, a consent that is kept.

The form holds no state: what is sent is read from the interaction itself, so a form that was opened before a restart can
still be sent after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

    def __init__(
        self, name: str = "", *, title: str = "A new character", custom_id: str = FORM, photos: bool = True
    ) -> None:
        super().__init__(title=title, custom_id=custom_id, timeout=None)
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
        if photos:
            add_photos(self, required=False)
        add_consent(self)


def add_photos(form: discord.ui.Modal, *, required: bool) -> None:
    """The field for pictures."""
    form.add_item(
        discord.ui.Label(
            text="Pictures of them",
            component=discord.ui.FileUpload(
                custom_id="photos", max_values=PHOTOS, min_values=int(required), required=required
            ),
        )
    )


def add_consent(form: discord.ui.Modal) -> None:
    """The field for the agreement of whoever is in the pictures."""
    form.add_item(
        discord.ui.Label(
            text="For a real person", description=CONSENT, component=discord.ui.Checkbox(custom_id="consent")
        )
    )


async def submitted(interaction: Interaction) -> None:
    """A form that somebody sent."""
    _, links = filled_in(interaction)
    await interaction.client.answer(interaction, lambda: create(interaction, links))


async def create(interaction: Interaction, links: Sequence[str]) -> str:
    """Make the character of a form that was sent, with the pictures behind links, and return what to say."""
    client, (fields, _) = interaction.client, filled_in(interaction)
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
