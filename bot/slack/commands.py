"""Commands that are written to the bot: Slack has no slash commands in threads, so there everything is reached by words.

`bot.commands` has those of every platform; here are those that Discord has as slash commands. Whoever adds another gives it
to `WORDS`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.characters import Author
from bot.commands import Command, parse
from bot.sentences import NOTHING_YET, SHEET
from bot.slack import menu
from bot.slack.places import PLATFORM, Payload, Person, Place
from bot.slack.sentences import ARCHIVE, NO_NAME, ONLY_YOU, UNASKED, WHAT_I_CAN
from bot.turns import Answer, AttachmentGone
from storage.blobs import BlobError
from storage.characters import CharacterProblem
from storage.intake import PictureRefused
from storage.sentences import told
from storage.turns import Request

if TYPE_CHECKING:
    from bot.slack.app import SlackBot

ONCE_SECONDS = 7200  # longer than `bot.slack.missed` looks back: a file that answers a message does not say so


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that is meant for the bot; `files` are links that it can fetch."""

    place: Place
    person: Person
    text: str
    files: tuple[str, ...]
    source_id: str

    def request(self) -> Request:
        """The turn that it asks for, unless it is a command."""
        return self.place.request(self.source_id, self.person, self.text, attachments=self.files)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command says in the thread; `blocks` stand for the text where there are any."""

    text: str
    blocks: tuple[Payload, ...] = ()


Obey = Callable[["SlackBot", Heard, "re.Match[str]"], Awaitable[Said | None]]


async def new_character(bot: SlackBot, heard: Heard, match: re.Match[str]) -> Said:
    """Of the conversation: a name, and after a comma or a colon what they look like."""
    name, _, description = match["about"].replace(":", ",", 1).partition(",")
    if not name.strip():
        return Said(NO_NAME, menu.offer(NO_NAME, heard.person.language, "newcharacter"))
    place = heard.place
    workspace_id = await bot.turns.workspace(PLATFORM, place.workspace, place.workspace_name)
    try:
        said = await bot.characters.create(
            workspace_id,
            await bot.turns.conversation(workspace_id, place.channel, place.thread),
            name=name,
            description=description.strip(),
            pictures=[bot.files.fetch(link) for link in heard.files],
            author=Author(heard.person.id, heard.person.name),
        )
        said = said.then(UNASKED) if heard.files else said
    except (CharacterProblem, PictureRefused, AttachmentGone, BlobError) as error:
        return Said(str(error), menu.offer(str(error), heard.person.language, "characters"))
    return Said(said, menu.offer(said, heard.person.language, "characters"))


async def characters(bot: SlackBot, heard: Heard, _: re.Match[str]) -> Said:
    """Who can be drawn by name, and a button to all that can be done with them."""
    answer = await bot.turns.receive(heard.place.request(heard.source_id, heard.person, Command.CHARACTERS))
    assert isinstance(answer, Answer)
    return Said(answer.text, menu.offer(answer.text, heard.person.language, "characters", "newcharacter"))


async def history(bot: SlackBot, heard: Heard, _: re.Match[str]) -> Said | None:
    """The conversation's pictures on one sheet."""
    return await _take_away(bot, heard, "history.png")


async def export(bot: SlackBot, heard: Heard, _: re.Match[str]) -> Said | None:
    """The whole conversation as a zip."""
    return await _take_away(bot, heard, "conversation.zip")


async def help_(_: SlackBot, heard: Heard, __: re.Match[str]) -> Said:
    """What Likeness can do, and buttons to it."""
    return Said(WHAT_I_CAN, menu.help_blocks(heard.person.language))


async def window(_: SlackBot, heard: Heard, match: re.Match[str]) -> Said:
    """A button that opens a window, which a mention cannot."""
    room = menu.room_of(match[0])
    assert room is not None
    return Said(ONLY_YOU, menu.offer(ONLY_YOU, heard.person.language, room))


WORDS: dict[str, Obey] = {
    r"new ?character\b[\s:,]*(?P<about>.*)": new_character,
    r"history": history,
    r"export": export,
    r"(list )?characters": characters,
    r"help|\?": help_,
    r"settings|conversations|forget ?me|admin|status": window,
}
"""What a message has to be, as a whole, to be a command."""


def is_command(heard: Heard) -> bool:
    """Whether a message is one, of Slack's or of every platform's."""
    return _command(heard) is not None or (not heard.files and parse(heard.text) is not None)


async def obey(bot: SlackBot, heard: Heard) -> Said | None:
    """Carry a command out, and return what to say in its thread, if anything."""
    found = _command(heard)
    if found is not None:
        work, match = found
        return await work(bot, heard, match)
    answer = await bot.receive(heard.request())
    return None if answer is None else Said(answer.text)


def _command(heard: Heard) -> tuple[Obey, re.Match[str]] | None:
    text = heard.text.strip()
    for pattern, work in WORDS.items():
        if (match := re.fullmatch(pattern, text.rstrip(".!"), re.IGNORECASE | re.DOTALL)) is not None:
            return work, match
    return None


async def _take_away(bot: SlackBot, heard: Heard, filename: str) -> Said | None:
    place = heard.place
    workspace_id = await bot.turns.workspace(PLATFORM, place.workspace, place.workspace_name)
    conversation_id = await bot.turns.conversation(workspace_id, place.channel, place.thread)
    make = bot.albums.sheet if filename.endswith(".png") else bot.albums.archive
    data = await make(workspace_id, conversation_id)
    if data is None:
        return Said(NOTHING_YET)
    sheet = filename.endswith(".png")
    words = told(SHEET if sheet else ARCHIVE, heard.person.language)
    await bot.platform.share(place, data, filename, words)
    return None
