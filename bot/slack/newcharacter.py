"""`/newcharacter`: a form with a name, a description, up to ten photos and, for a real person, a consent that is kept.

The form carries where it was opened from and, for pictures of a message, the ids of its files, so that it can be sent after
any restart.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.slack.blocks import Here, Json, context, cut, field, file_input, modal, option, plain, text_input
from storage.characters import CONSENT, DESCRIPTION_LIMIT, NAME_LIMIT

FORM, PHOTOS = "room:newcharacter:create", "room:characters:photographed"
EVERYBODY = "Everybody in this workspace can draw them by name."
HERE_ONLY = "They can be drawn by name in this conversation; whoever makes them can let the whole workspace use them."
AGREE = "Everybody in the pictures agrees"


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
