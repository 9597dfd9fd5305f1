"""`/newcharacter`: a form with a name, a description, up to ten photos and, for a real person, a consent that is kept.

The form carries where it was opened from and, for pictures of a message, the ids of its files, so that it can be sent after
any restart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from bot.slack import menu
from bot.slack.blocks import (
    Here,
    Json,
    button,
    carried,
    context,
    cut,
    field,
    file_input,
    modal,
    option,
    plain,
    sentence,
    text_input,
)
from bot.slack.files import link_of
from bot.slack.rooms import Unfit, Visit
from bot.turns import AttachmentGone
from storage.blobs import BlobsUnavailable
from storage.characters import CONSENT, DESCRIPTION_LIMIT, NAME_LIMIT, CharacterProblem
from storage.intake import PictureRefused

FORM, PHOTOS = "room:newcharacter:create", "room:characters:photographed"
EVERYBODY = "Everybody in this workspace can draw them by name."
HERE_ONLY = "They can be drawn by name in this conversation; whoever makes them can let the whole workspace use them."
AGREE = "Everybody in the pictures agrees"
UNFIT = (CharacterProblem, PictureRefused, BlobsUnavailable, AttachmentGone)
"""What people can mend themselves; each is a sentence to them."""


async def show(visit: Visit, _: str, value: str) -> Json:
    """The form."""
    return opened(visit.here, value)


def opened(here: Here, value: str) -> Json:
    """The form, with what the button that opens it knows already."""
    known = carried(value)
    return form(here, known.get("name", ""), known.get("description", ""), files=known.get("files", ()))


async def sent(visit: Visit, _: str, fields: Json) -> Json:
    """Make the character of a form that was sent. Raises `Unfit`."""
    workspace_id, conversation_id = await visit.scope()
    name, description = str(fields.get("name") or ""), str(fields.get("description") or "")
    files: list[str] = visit.carried.get("files", [])
    try:
        said = await visit.bot.characters.create(
            workspace_id,
            conversation_id,
            name=name,
            description=description,
            pictures=pictures(visit, fields, files),
            author=visit.author,
            consent=bool(fields.get("consent")),
        )
    except UNFIT as error:
        value = Here().written(name=name, description=description, files=files)
        again = button("Back to the form", menu.opens("newcharacter"), value)
        raise Unfit(_about(error, fields), str(error), again) from error
    return sentence(said, button("Characters", menu.opens("characters")), menu.back(), carries=visit.here.written())


def pictures(visit: Visit, fields: Json, files: Sequence[str] = ()) -> list[Awaitable[bytes]]:
    """The pictures that came with a form, and those of a message by the ids of its files."""
    every = [*(str(one["id"]) for one in fields.get("photos") or []), *files]
    return [visit.bot.files.fetch(link_of(visit.team, one)) for one in every]


def _about(error: Exception, fields: Json) -> str:
    """The field that a sentence is about."""
    return "name" if isinstance(error, CharacterProblem) or "photos" not in fields else "photos"


# -- what it looks like ------------------------------------------------------------------------------------------------


def form(
    here: Here, name: str = "", description: str = "", *, title: str = "A new character", files: Sequence[str] = ()
) -> Json:
    """What people fill in; with `files`, pictures that Slack has already, none are asked for."""
    blocks = [
        field("name", "Name", text_input(longest=NAME_LIMIT, initial=name)),
        field(
            "description",
            "What they look like",
            text_input(
                longest=DESCRIPTION_LIMIT, initial=description, lines=True, placeholder="Hair, skin, glasses, beard"
            ),
            optional=True,
        ),
    ]
    if files:
        many = "The picture" if len(files) == 1 else f"The {len(files)} pictures"
        blocks.append(context(plain(f"{many} of that message will show them.")))
    else:
        blocks.append(photos(optional=True))
    blocks += [consent(), context(plain(HERE_ONLY if here.thread else EVERYBODY))]
    more: dict[str, str | int | list[str]] = {"files": list(files)} if files else {}
    return modal(title, blocks, carries=here.written(**more), callback=FORM, submit="Create", close="Cancel")


def photo_form(here: Here, character_id: str, name: str, page: int) -> Json:
    """More pictures of somebody."""
    carries = here.written(character=character_id, page=page)
    blocks = [context(plain(cut(name, NAME_LIMIT))), photos(optional=False), consent()]
    return modal("More pictures", blocks, carries=carries, callback=PHOTOS, submit="Add", close="Cancel")


def photos(*, optional: bool) -> Json:
    """The field for pictures."""
    return field("photos", "Pictures of them", file_input(), optional=optional)


def consent() -> Json:
    """The field for the agreement of whoever is in the pictures."""
    boxes = {"type": "checkboxes", "options": [option(AGREE, "yes")]}
    return field("consent", "For a real person", boxes, hint=CONSENT, optional=True)
