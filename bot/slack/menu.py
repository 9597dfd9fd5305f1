"""`/likeness`: a window from which everything else is reached, and the words that lead there from a thread.

Slash commands do not exist in threads and a mention cannot open a window, so there it is answered with buttons that do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import catalogue
from bot.slack import sentences
from bot.slack.blocks import Here, Json, actions, button, modal, mrkdwn, plain, section
from bot.slack.render import escaped
from storage.sentences import told

if TYPE_CHECKING:
    from bot.slack.rooms import Visit

OPENS = {
    "draw": ("imagine.about", sentences.DRAW),
    "newcharacter": ("newcharacter.about", sentences.NEW_CHARACTER),
    "characters": ("characters.about", sentences.CHARACTERS),
    "conversations": ("", sentences.YOUR_CONVERSATIONS),
    "settings": ("", sentences.SETTINGS),
    "forgetme": ("forgetme.about", sentences.FORGET_ME),
    "help": ("help.about", sentences.HELP_TITLE),
}
ABOUT = {
    "conversations": sentences.ABOUT_CONVERSATIONS,
    "settings": sentences.ABOUT_SETTINGS,
    "admin": sentences.ABOUT_ADMIN,
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
    return help_view(visit.here, visit.person.language)


def opens(room: str) -> str:
    """The id of a button that opens a window, or turns this one into another."""
    return f"room:{room}:open"


def back(language: str = "en") -> Json:
    """The button that leads back here."""
    return button(told(sentences.MENU, language), opens("menu"))


def view(here: Here, *, admin: bool, language: str = "en") -> Json:
    """What there is to do. In the person's language, by BCP 47 tag."""
    blocks = [
        _entry(room, told(label, language), catalogue.said(key, language) if key else told(ABOUT[room], language))
        for room, (key, label) in OPENS.items()
    ]
    if admin:
        blocks.append(_entry("admin", told(sentences.ADMIN, language), told(ABOUT["admin"], language)))
    return modal("Likeness", blocks, carries=here.written())


def help_view(here: Here, language: str = "en") -> Json:
    """What Likeness can do."""
    blocks = [section(mrkdwn(told(sentences.HELP, language))), actions(back(language))]
    return modal(told(sentences.HELP_TITLE, language), blocks, carries=here.written())


def _entry(room: str, label: str, about: str) -> Json:
    return section(mrkdwn(f"*{label}*\n{escaped(about)}"), button(label, opens(room)))


# -- in words ----------------------------------------------------------------------------------------------------------


def room_of(text: str) -> str | None:
    """Where words after `/likeness` lead; None for words that are none of these."""
    return _ROOMS.get(" ".join(text.split()).rstrip(".! ").lower() or text.strip())


def offer(words: str, language: str, *rooms: str) -> tuple[Json, ...]:
    """Words in a thread, and buttons that open windows, in a language by BCP 47 tag."""
    labels = {room: label for room, (_, label) in OPENS.items()} | {"admin": sentences.ADMIN}
    row = [button(told(labels[room], language), opens(room)) for room in rooms]
    return section(plain(told(words, language))), actions(*row)


def help_blocks(language: str = "en") -> tuple[Json, ...]:
    """What Likeness can do, in a thread, and buttons to all of it."""
    every = {room: label for room, (_, label) in OPENS.items() if room not in ("draw", "help")}
    row = [button(told(label, language), opens(room)) for room, label in every.items()]
    return section(mrkdwn(told(sentences.HELP, language))), actions(*row)
