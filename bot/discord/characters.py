"""`/characters`: pages of characters with their pictures, and what can be done with one of them.

Everything is one message that only whoever asked can see, and that each press changes. It holds no state but what is in the
ids of its buttons, so that it works after any restart; who may do what is asked again whenever something is done.
"""

from __future__ import annotations

import asyncio
import io
import re
from typing import Any
from uuid import UUID

import discord
from PIL import Image

from bot.characters import Author, CharacterView, Page
from bot.discord.client import Interaction
from bot.discord.newcharacter import UNFIT, add_consent, add_photos, filled_in
from bot.discord.places import moderates
from bot.turns import Who
from storage.blobs import BlobError
from storage.characters import NAME_LIMIT

ID = re.compile(r"likeness:characters-(?P<what>[a-z]+)(?::(?P<character>[0-9a-f]{32}))?:(?P<page>[0-9]{1,4})")
SIZE = 5  # characters on a page: a message has at most 40 components and 4,000 characters
SIDE, LARGE = 160, 512  # pixels of a picture, on a page and alone
SHORT = 200  # characters of a description on a page
ALT_TEXT = 256  # characters that Discord takes for a picture in a menu
NOBODY = "Nobody has a name yet. `/newcharacter` makes somebody who can be drawn by name."
GONE = "That character does not exist any more."
SURE = "Delete {name}? Their pictures and description go for good; what was drawn stays."

Menu = tuple[discord.ui.LayoutView, list[discord.File]]


def custom_id(what: str, page: int, character_id: UUID | None = None) -> str:
    """The id of a button, a menu or a form: what it does, with whom, and which page it came from."""
    return f"likeness:characters-{what}{f':{character_id.hex}' if character_id else ''}:{page}"


async def show(interaction: Interaction) -> None:
    """The first page, for whoever asks."""
    await interaction.client.show(interaction, lambda: _listed(interaction, 0))


async def used(interaction: Interaction, match: re.Match[str]) -> None:
    """Something in the menu was pressed or chosen, or one of its forms was sent."""
    what, page = match["what"], int(match["page"])
    character_id = UUID(match["character"]) if match["character"] else None
    data: Any = interaction.data or {}  # Any: JSON as Discord has it
    if what == "choose":
        what, character_id = "one", UUID(data["values"][0])
    if character_id is None:
        await interaction.client.show(interaction, lambda: _listed(interaction, page))
    elif what == "rename":
        await interaction.client.ask(interaction, _rename_form(custom_id("renamed", page, character_id)))
    elif what == "photo":
        await interaction.client.ask(interaction, _photo_form(custom_id("photographed", page, character_id)))
    else:
        await interaction.client.show(interaction, lambda: _done(interaction, what, page, character_id))


async def _done(interaction: Interaction, what: str, page: int, character_id: UUID) -> Menu:
    """Do something with a character, and show them again."""
    client, user = interaction.client, interaction.user
    workspace_id, _ = await client.scope(interaction)
    who, said = _who(interaction), ""
    try:
        match what:
            case "renamed":
                name = str(filled_in(interaction)[0].get("name") or "")
                said = await client.characters.rename(workspace_id, character_id, name, who)
            case "photographed":
                fields, links = filled_in(interaction)
                said = await client.characters.add_photos(
                    workspace_id,
                    character_id,
                    [client.fetch(link) for link in links],
                    who,
                    Author(str(user.id), user.display_name),
                    consent=bool(fields.get("consent")),
                )
            case "promote":
                said = await client.characters.promote(workspace_id, character_id, who)
            case "really":
                said = await client.characters.remove(workspace_id, character_id, who)
                return await _listed(interaction, page, said)
    except UNFIT as error:
        said = str(error)
    known = await client.characters.one(workspace_id, character_id, who)
    if known is None:
        return await _listed(interaction, page, said or GONE)
    return one(known, await _picture(interaction, known, LARGE), page, said, sure=what == "delete")


async def _listed(interaction: Interaction, number: int, said: str = "") -> Menu:
    client = interaction.client
    page = await client.characters.page(*await client.scope(interaction), _who(interaction), number, size=SIZE)
    pictures = await asyncio.gather(*(_picture(interaction, known, SIDE) for known in page.people))
    return listing(page, pictures, said)


def _who(interaction: Interaction) -> Who:
    """Somebody, who has their own direct messages to themselves."""
    return Who(str(interaction.user.id), moderates(interaction) or interaction.guild_id is None)


async def _picture(interaction: Interaction, known: CharacterView, side: int) -> bytes | None:
    """The picture that shows a character best, no larger than it is shown; None where it cannot be had."""
    if known.picture is None:
        return None
    try:
        data = await asyncio.to_thread(interaction.client.services.blobs.get, known.picture)
    except BlobError:
        return None
    return await asyncio.to_thread(_fitting, data, side)


def _fitting(data: bytes, side: int) -> bytes:
    with Image.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


# -- what it looks like ------------------------------------------------------------------------------------------------


def listing(page: Page, pictures: list[bytes | None], said: str = "") -> Menu:
    """A page of characters, with a menu to choose one and buttons to the pages beside it."""
    view, files = discord.ui.LayoutView(timeout=None), []
    if not page.people:
        return view.add_item(_words(f"{said}\n{NOBODY}" if said else NOBODY)), []
    many = f", page {page.number + 1} of {page.pages}" if page.pages > 1 else ""
    view.add_item(_words(f"{said}\n-# {page.count} can be drawn by name here{many}".lstrip()))
    for number, (known, data) in enumerate(zip(page.people, pictures, strict=True)):
        words = _about(known, SHORT)
        if data is None:
            view.add_item(_words(words))
        else:
            file = discord.File(io.BytesIO(data), filename=f"{number}.jpg", description=_alt_text(known))
            files.append(file)
            view.add_item(discord.ui.Section(words, accessory=discord.ui.Thumbnail(file)))
    view.add_item(discord.ui.ActionRow(_menu(page)))
    if page.pages > 1:
        row: discord.ui.ActionRow[discord.ui.LayoutView] = discord.ui.ActionRow()
        for label, number in (("Before", page.number - 1), ("Next", page.number + 1)):
            there = 0 <= number < page.pages
            row.add_item(_button(label, custom_id("page", number if there else 9999), disabled=not there))
        view.add_item(row)
    return view, files


def one(known: CharacterView, data: bytes | None, page: int, said: str = "", *, sure: bool = False) -> Menu:
    """A character and what can be done with them; with `sure`, the question before they are deleted."""
    view, files = discord.ui.LayoutView(timeout=None), []
    if said:
        view.add_item(_words(said))
    view.add_item(_words(_about(known)))
    if data is not None:
        files.append(discord.File(io.BytesIO(data), filename="character.jpg", description=_alt_text(known)))
        view.add_item(discord.ui.MediaGallery(discord.MediaGalleryItem(files[0])))
    row: discord.ui.ActionRow[discord.ui.LayoutView] = discord.ui.ActionRow()
    if sure and known.changeable:
        view.add_item(_words(SURE.format(name=_plain(known.name))))
        row.add_item(_button("Delete", custom_id("really", page, known.id), discord.ButtonStyle.danger))
        row.add_item(_button("Keep", custom_id("one", page, known.id)))
    else:
        if known.changeable:
            row.add_item(_button("Rename", custom_id("rename", page, known.id)))
            row.add_item(_button("Add photos", custom_id("photo", page, known.id)))
            if not known.everywhere:
                row.add_item(_button("Use everywhere", custom_id("promote", page, known.id)))
            row.add_item(_button("Delete", custom_id("delete", page, known.id), discord.ButtonStyle.danger))
        row.add_item(_button("All characters", custom_id("page", page)))
    return view.add_item(row), files


def _menu(page: Page) -> discord.ui.Select[Any]:  # Any: it belongs to whichever view
    options = [
        discord.SelectOption(label=known.name, value=known.id.hex, description=_where(known)) for known in page.people
    ]
    return discord.ui.Select(
        custom_id=custom_id("choose", page.number), placeholder="Choose a character", options=options
    )


def _button(
    label: str, button_id: str, style: discord.ButtonStyle = discord.ButtonStyle.secondary, *, disabled: bool = False
) -> discord.ui.Button[Any]:  # Any: as above
    return discord.ui.Button(label=label, custom_id=button_id, style=style, disabled=disabled)


def _rename_form(form_id: str) -> discord.ui.Modal:
    form = discord.ui.Modal(title="Another name", custom_id=form_id, timeout=None)
    field: discord.ui.TextInput[Any] = discord.ui.TextInput(custom_id="name", max_length=NAME_LIMIT)  # Any: as above
    form.add_item(discord.ui.Label(text="Name", component=field))
    return form


def _photo_form(form_id: str) -> discord.ui.Modal:
    form = discord.ui.Modal(title="More pictures", custom_id=form_id, timeout=None)
    add_photos(form, required=True)
    add_consent(form)
    return form


def _words(text: str) -> discord.ui.TextDisplay[Any]:  # Any: as above
    return discord.ui.TextDisplay(text)


def _about(known: CharacterView, most: int | None = None) -> str:
    description = " ".join(known.description.split())
    if most is not None and len(description) > most:
        description = description[: most - 1].rstrip() + "…"
    lines = [f"### {_plain(known.name)}", _plain(description), f"-# {_where(known)}"]
    return "\n".join(line for line in lines if line)


def _where(known: CharacterView) -> str:
    return "Known everywhere" if known.everywhere else "Known in this conversation"


def _plain(text: str) -> str:
    """Words of a person, as they wrote them."""
    return discord.utils.escape_mentions(discord.utils.escape_markdown(text))


def _alt_text(known: CharacterView) -> str:
    about = f"{known.name}: {known.description}" if known.description else f"A picture of {known.name}."
    return about if len(about) <= ALT_TEXT else about[: ALT_TEXT - 1].rstrip() + "…"
