"""`/likeness`: a window from which everything else is reached, and the words that lead there from a thread.

Slash commands do not exist in threads and a mention cannot open a window, so there it is answered with buttons that do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import catalogue
from bot.slack.blocks import Here, Json, actions, button, modal, mrkdwn, plain, section
from bot.slack.render import escaped

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
ONLY_YOU = "Only you see what this opens."
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
"""What may be written after `/likeness`, and where it leads; some of it also in a thread."""

_ROOMS = {words: room for room, every in WORDS.items() for words in every}


async def show(visit: Visit, _: str, __: str) -> Json:
    """What there is to do for whoever asks."""
    return view(visit.here, admin=visit.may_see_admin(), language=visit.person.language)


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
    return section(mrkdwn(f"*{label}*\n{escaped(about)}"), button(label, opens(room)))


# -- in words ----------------------------------------------------------------------------------------------------------


def room_of(text: str) -> str | None:
    """Where words after `/likeness` lead; None for words that are none of these."""
    return _ROOMS.get(" ".join(text.split()).rstrip(".! ").lower() or text.strip())


def offer(words: str, *rooms: str) -> tuple[Json, ...]:
    """Words in a thread, and buttons that open windows."""
    labels = {room: label for room, (_, label) in OPENS.items()} | {"admin": "Admin"}
    return section(plain(words)), actions(*(button(labels[room], opens(room)) for room in rooms))


def help_blocks() -> tuple[Json, ...]:
    """What Likeness can do, in a thread, and buttons to all of it."""
    row = [button(label, opens(room)) for room, (_, label) in OPENS.items() if room not in ("draw", "help")]
    return section(mrkdwn(HELP)), actions(*row)
