"""Characters: pages of them with their pictures, and what can be done with one of them.

Everything is one window that each press changes. It holds no state but what it carries and what is in its buttons, so that
it works after any restart; who may do what is asked again whenever something is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from bot.characters import CharacterView, Page
from bot.slack import menu
from bot.slack.blocks import (
    Here,
    Json,
    actions,
    button,
    context,
    escape,
    field,
    modal,
    mrkdwn,
    one_line,
    option,
    picture,
    plain,
    said,
    section,
    sure,
    text_input,
)
from bot.slack.blocks import menu as choice
from storage.characters import NAME_LIMIT

SIZE = 8  # characters on a page
SHORT = 200  # characters of a description on a page
NOBODY = "Nobody has a name yet. Make a new character who can be drawn by name."
GONE = "That character does not exist any more."
SURE = "{name}'s pictures and description go for good; what was drawn stays."
RENAMED = "room:characters:renamed"


def does(what: str) -> str:
    """The id of a button or a menu."""
    return f"room:characters:{what}"


def whom(page: int, character_id: UUID) -> str:
    """What a button says: with whom, and which page it came from."""
    return f"{character_id.hex}:{page}"


def listing(page: Page, pictures: Sequence[str | None], here: Here, sentence: str = "") -> Json:
    """A page of characters, with a menu to choose one and buttons to the pages beside it. `pictures` are ids of files."""
    new = button("New character", "room:newcharacter:open")
    if not page.people:
        words = [*said(sentence), section(plain(NOBODY))]
        return modal("Characters", [*words, actions(new, menu.back())], carries=here.written())
    many = f", page {page.number + 1} of {page.pages}" if page.pages > 1 else ""
    blocks = [*said(sentence), context(plain(f"{page.count} can be drawn by name here{many}"))]
    blocks += [about(known, file_id) for known, file_id in zip(page.people, pictures, strict=True)]
    row = [choose(page)]
    if page.number > 0:
        row.append(button("Before", does("before"), str(page.number - 1)))
    if page.number < page.pages - 1:
        row.append(button("Next", does("next"), str(page.number + 1)))
    return modal("Characters", [*blocks, actions(*row), actions(new, menu.back())], carries=here.written())


def about(known: CharacterView, file_id: str | None) -> Json:
    """A character in few words, and beside them their picture, if there is one."""
    words = mrkdwn(_words(known, one_line(known.description, SHORT)))
    return section(words, picture(file_id, _alt_text(known)) if file_id else None)


def one(known: CharacterView, file_id: str | None, page: int, here: Here, sentence: str = "") -> Json:
    """A character and what can be done with them."""
    blocks = [*said(sentence), section(mrkdwn(_words(known, known.description)))]
    if file_id:
        blocks.append(picture(file_id, _alt_text(known)))
    row, who = [], whom(page, known.id)
    if known.changeable:
        row += [button("Rename", does("rename"), who), button("Add photos", does("photo"), who)]
        if not known.everywhere:
            row.append(button("Use everywhere", does("promote"), who))
        question = sure(f"Delete {known.name}?", SURE.format(name=known.name), "Delete", "Keep")
        row.append(button("Delete", does("remove"), who, style="danger", confirm=question))
    row.append(button("All characters", does("page"), str(page)))
    return modal("Character", [*blocks, actions(*row)], carries=here.written())


def rename_form(known: CharacterView, page: int, here: Here) -> Json:
    """Another name for somebody."""
    carries = here.written(character=known.id.hex, page=page)
    blocks = [field("name", f"Another name for {known.name}", text_input(longest=NAME_LIMIT))]
    return modal("Another name", blocks, carries=carries, callback=RENAMED, submit="Rename", close="Cancel")


def choose(page: Page) -> Json:
    """A menu of those on a page."""
    options = [option(known.name, whom(page.number, known.id), _where(known)) for known in page.people]
    return choice(does("choose"), "Choose a character", options)


def _words(known: CharacterView, description: str) -> str:
    lines = [f"*{escape(known.name)}*", escape(description.strip()), f"_{_where(known)}_"]
    return "\n".join(line for line in lines if line)


def _where(known: CharacterView) -> str:
    return "Known everywhere" if known.everywhere else "Known in this conversation"


def _alt_text(known: CharacterView) -> str:
    return f"{known.name}: {known.description}" if known.description else f"A picture of {known.name}."
