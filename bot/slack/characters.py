"""Characters: pages of them with their pictures, and what can be done with one of them.

Everything is one window that each press changes. It holds no state but what it carries and what is in its buttons, so that
it works after any restart; who may do what is asked again whenever something is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from bot.characters import CharacterView, Page
from bot.slack import faces, menu
from bot.slack.blocks import (
    Here,
    Json,
    actions,
    button,
    context,
    field,
    modal,
    mrkdwn,
    one_line,
    option,
    plain,
    said,
    section,
    sure,
    text_input,
)
from bot.slack.blocks import menu as choice
from bot.slack.newcharacter import UNFIT, photo_form, pictures
from bot.slack.render import escaped, picture
from bot.slack.rooms import Unfit, Visit
from storage.characters import NAME_LIMIT

SIZE = 8  # characters on a page
SHORT = 200  # characters of a description on a page
NOBODY = "Nobody has a name yet. Make a new character who can be drawn by name."
GONE = "That character does not exist any more."
SURE = "{name}'s pictures and description go for good; what was drawn stays."
RENAMED = "room:characters:renamed"


async def show(visit: Visit, what: str, value: str) -> Json:
    """A page, somebody, or a form; or what came of a press."""
    if what in ("open", "page", "before", "next"):
        return await _listed(visit, int(value or 0))
    character_id, page = _whom(value)
    workspace_id = await visit.workspace()
    known = await visit.bot.characters.one(workspace_id, character_id, visit.who)
    if known is None:
        return await _listed(visit, page, GONE)
    sentence = ""
    try:
        match what:
            case "rename":
                return rename_form(known, page, visit.here)
            case "photo":
                return photo_form(visit.here, character_id.hex, known.name, page)
            case "promote":
                sentence = await visit.bot.characters.promote(workspace_id, character_id, visit.who)
            case "remove":
                return await _listed(
                    visit, page, await visit.bot.characters.remove(workspace_id, character_id, visit.who)
                )
    except UNFIT as error:
        sentence = str(error)
    return await _shown(visit, character_id, page, sentence)


async def sent(visit: Visit, what: str, fields: Json) -> Json:
    """Another name, or more pictures. Raises `Unfit`."""
    character_id, page = UUID(visit.carried["character"]), int(visit.carried["page"])
    workspace_id = await visit.workspace()
    back = button("Back", does("one"), whom(page, character_id))
    try:
        if what == "renamed":
            name = str(fields.get("name") or "")
            sentence = await visit.bot.characters.rename(workspace_id, character_id, name, visit.who)
        else:
            sentence = await visit.bot.characters.add_photos(
                workspace_id,
                character_id,
                pictures(visit, fields),
                visit.who,
                visit.author,
                consent=bool(fields.get("consent")),
            )
    except UNFIT as error:
        raise Unfit("name" if what == "renamed" else "photos", str(error), back) from error
    return await _shown(visit, character_id, page, sentence)


async def _listed(visit: Visit, number: int, sentence: str = "") -> Json:
    workspace_id, conversation_id = await visit.scope()
    page = await visit.bot.characters.page(workspace_id, conversation_id, visit.who, number, size=SIZE)
    return listing(page, await faces.of(visit, [one.picture for one in page.people]), visit.here, sentence)


async def _shown(visit: Visit, character_id: UUID, page: int, sentence: str) -> Json:
    known = await visit.bot.characters.one(await visit.workspace(), character_id, visit.who)
    if known is None:
        return await _listed(visit, page, sentence or GONE)
    (file_id,) = await faces.of(visit, [known.picture])
    return one(known, file_id, page, visit.here, sentence)


def _whom(value: str) -> tuple[UUID, int]:
    character_id, _, page = value.partition(":")
    return UUID(character_id), int(page or 0)


# -- what it looks like ------------------------------------------------------------------------------------------------


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
    lines = [f"*{escaped(known.name)}*", escaped(description.strip()), f"_{_where(known)}_"]
    return "\n".join(line for line in lines if line)


def _where(known: CharacterView) -> str:
    return "Known everywhere" if known.everywhere else "Known in this conversation"


def _alt_text(known: CharacterView) -> str:
    return f"{known.name}: {known.description}" if known.description else f"A picture of {known.name}."
