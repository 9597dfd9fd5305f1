"""`/likeness`: a window from which everything else is reached, and the words that lead there from a thread.

Slash commands do not exist in threads and a mention cannot open a window, so there it is answered with buttons that do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot import catalogue
from bot.slack.blocks import Here, Json, actions, button, context, cut, escape, modal, mrkdwn, plain, section
from storage.characters import DESCRIPTION_LIMIT, NAME_LIMIT

if TYPE_CHECKING:
    from bot.slack.rooms import Visit

HELP = (
    "Tell me whom to draw and where: mention me, or write to me in our messages. “Olivia, red curly hair and round glasses, "
    "reading on a beach”, and then in the thread “a close-up of Olivia at night”.\n"
    "In a thread mention me with one of these: *undo*, *again*, *cancel*, *characters*, *new character* and a name, "
    "*settings*, *history*, *export*, *forget me*, *help*. Elsewhere `/likeness` has all of it in a window, and `/imagine` "
    "draws.\n"
    "Under a picture are buttons for another one, variations, a larger one and more. In the menu of a message are _Use as "
    "reference_, _Draw from here_ and _Report_. My Home tab shows the characters, your conversations and what holds here."
)
OPENS = {
    "draw": ("imagine.about", "Draw"),
    "newcharacter": ("newcharacter.about", "New character"),
    "characters": ("characters.about", "Characters"),
    "conversations": ("", "Your conversations"),
    "settings": ("", "Settings"),
    "forgetme": ("forgetme.about", "Forget me"),
    "help": ("help.about", "Help"),
}
ABOUT = {
    "conversations": "All pictures on one sheet, or everything as a zip",
    "settings": "What holds in this workspace",
    "admin": "For admins: how I work in this workspace",
}
WORDS: dict[str, tuple[str, ...]] = {
    "draw": ("draw", "imagine"),
    "newcharacter": ("newcharacter", "new character", "new"),
    "characters": ("characters", "list characters"),
    "conversations": ("conversations", "history", "export"),
    "settings": ("settings",),
    "forgetme": ("forgetme", "forget me"),
    "admin": ("admin", "status", "pause", "resume", "quota", "block", "unblock", "workers", "votes"),
    "help": ("help", "?"),
}
"""What may be written after `/likeness`, or to the bot in a thread, and where it leads."""

_ROOMS = {words: room for room, every in WORDS.items() for words in every}
_NEW = re.compile(r"new\s+character\b[\s:,]*(?P<name>[^,:.\n]*)[,:.\s]*(?P<rest>.*)", re.IGNORECASE | re.DOTALL)


async def show(visit: Visit, _: str, __: str) -> Json:
    """What there is to do for whoever asks."""
    return view(visit.here, admin=visit.may_see_admin())


async def show_help(visit: Visit, _: str, __: str) -> Json:
    """What Likeness can do."""
    return help_view(visit.here)


def opens(room: str) -> str:
    """The id of a button that opens a window, or turns this one into another."""
    return f"room:{room}:open"


def back() -> Json:
    """The button that leads back here."""
    return button("Menu", opens("menu"))


def view(here: Here, *, admin: bool, language: str = "en") -> Json:
    """What there is to do. Descriptions are in the person's language, by BCP 47 tag."""
    blocks = [
        _entry(room, label, catalogue.said(key, language) if key else ABOUT[room])
        for room, (key, label) in OPENS.items()
    ]
    if admin:
        blocks.append(_entry("admin", "Admin", ABOUT["admin"]))
    return modal("Likeness", blocks, carries=here.written())


def help_view(here: Here) -> Json:
    """What Likeness can do."""
    return modal("Help", [section(mrkdwn(HELP)), actions(back())], carries=here.written())


def _entry(room: str, label: str, about: str) -> Json:
    return section(mrkdwn(f"*{label}*\n{escape(about)}"), button(label, opens(room)))


# -- in words ----------------------------------------------------------------------------------------------------------


def room_of(text: str) -> str | None:
    """Where words after `/likeness` lead; None for words that are none of these."""
    return _ROOMS.get(" ".join(text.split()).rstrip(".! ").lower() or text.strip())


def answer(text: str, files: tuple[str, ...] = ()) -> tuple[str, list[Json]] | None:
    """What a mention is answered with that asks for a window: words, and blocks with a button that opens it.

    `files` are the pictures that came with it. None: the words ask for no window.
    """
    new = _NEW.fullmatch(text.strip())
    if new is not None:
        name, description = new["name"].strip(), new["rest"].strip()
        value = Here().written(
            name=cut(name, NAME_LIMIT), description=cut(description, DESCRIPTION_LIMIT), files=list(files)
        )
        words = f"A new character: {name}." if name else "A new character."
        return words, [section(plain(words)), actions(button("Fill in the form", opens("newcharacter"), value))]
    room = room_of(text)
    if room is None or files or room in ("newcharacter", "draw"):
        return None
    if room == "help":
        row = actions(*(button(label, opens(one)) for one, (_, label) in OPENS.items() if one not in ("draw", "help")))
        return "What I can do.", [section(mrkdwn(HELP)), row]
    label = "Admin" if room == "admin" else OPENS[room][1]
    return f"{label}:", [context(plain("Only you see what this opens.")), actions(button(label, opens(room)))]
