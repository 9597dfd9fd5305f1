"""What admins of a workspace do in a window: look, pause, give a quota, block, compare; and operators pause workers.

Whether somebody is an admin Slack says, by the roles of the workspace; `bot.admin` asks once more whenever something is done.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.admin import NOT_ADMIN
from bot.characters import Author
from bot.slack import menu
from bot.slack.blocks import (
    OPTIONS,
    Here,
    Json,
    actions,
    button,
    divider,
    field,
    header,
    modal,
    number_input,
    option,
    overflow,
    plain,
    section,
    sentence,
    sure,
)
from bot.slack.blocks import menu as choice
from bot.slack.rooms import Unfit, Visit
from storage import admin

QUOTA = 10_000
WORKERS = 20  # that can be paused in one window
PAUSE = "I take nothing in here until I am resumed; what waits already is still drawn."
NOBODY_BLOCKED = "Nobody is blocked here."


async def show(visit: Visit, what: str, value: str) -> Json:
    """How it stands, after what was pressed; or one of the forms."""
    if not visit.may_see_admin():
        return sentence(NOT_ADMIN, menu.back(), carries=visit.here.written())
    service, said = visit.administration, ""
    match what:
        case "pause":
            said = await service.pause(visit.admin)
        case "resume":
            said = await service.resume(visit.admin)
        case "worker":
            action, _, worker_id = value.partition(":")
            obey = service.pause_worker if action == "pause" else service.resume_worker
            said = await obey(visit.admin, worker_id)
        case "quota" if visit.person.moderates:
            return quota_form(visit.here)
        case "share" if visit.person.moderates:
            return share_form(visit.here)
        case "block" if visit.person.moderates:
            return block_form(visit.here)
        case "unblock" if visit.person.moderates:
            blocked = await visit.bot.services.database.arun(admin.blocked_persons, await visit.workspace())
            if blocked:
                return unblock_form(blocked, visit.here)
            said = NOBODY_BLOCKED
    return await _shown(visit, said)


async def sent(visit: Visit, what: str, fields: Json) -> Json:
    """One of the forms. Raises `Unfit`."""
    service, by = visit.administration, visit.admin
    match what:
        case "quota":
            said = await service.quota(by, _number("count", fields, QUOTA))
        case "share":
            said = await service.votes(by, _number("share", fields, 100))
        case _:
            person = await visit.bot.people.person(visit.team, str(fields["person"]))
            whom = Author(person.id, person.name or person.id)
            said = await (service.block if what == "block" else service.unblock)(by, whom)
    return await _shown(visit, said)


async def _shown(visit: Visit, said: str) -> Json:
    service, by = visit.administration, visit.admin
    mine = await service.worker_choices(by, "")
    workers = await service.workers(by)
    if not visit.person.moderates:
        return view("", "", workers, mine, visit.here, said, manages=False)
    return view(await service.status(by), await service.votes(by), workers, mine, visit.here, said)


def _number(name: str, fields: Json, most: int) -> int:
    """A whole number of a field. Slack's own clients send no other, but nothing else says so."""
    written = str(fields.get(name) or "")
    if not written.isdecimal() or int(written) > most:
        raise Unfit(name, f"Please write a number from 0 to {most:,}.")
    return int(written)


# -- what it looks like ------------------------------------------------------------------------------------------------


def does(what: str) -> str:
    """The id of a button, or of a form."""
    return f"room:admin:{what}"


def view(
    status: str,
    votes: str,
    workers: str,
    mine: Sequence[tuple[str, str]],
    here: Here,
    told: str = "",
    *,
    manages: bool = True,
) -> Json:
    """How it stands in the workspace, and what can be changed.

    `mine` are the workers that an operator may pause, each a line and an id. Somebody who operates and does not manage the
    workspace sees nothing else.
    """
    blocks = [section(plain(told))] if told else []
    if manages:
        row = [
            button("Pause", does("pause"), confirm=sure("Pause me here?", PAUSE, "Pause", "Cancel")),
            button("Resume", does("resume")),
            button("Quota", does("quota")),
            button("Block somebody", does("block")),
            button("Unblock somebody", does("unblock")),
        ]
        blocks += [section(plain(status)), actions(*row), divider()]
        blocks += [section(plain(votes)), actions(button("Compare", does("share"))), divider()]
    blocks.append(header("Workers"))
    if mine:
        blocks += [section(plain(line), _worker(worker_id)) for line, worker_id in mine[:WORKERS]]
    else:
        blocks.append(section(plain(workers)))
    return modal("Admin", [*blocks, actions(menu.back())], carries=here.written())


def quota_form(here: Here) -> Json:
    """How many turns everybody has a day."""
    hint = "Turns a person and day; 0 means as many as they like"
    return _form("quota", "Quota", field("count", "Turns a day", number_input(0, QUOTA), hint=hint), here)


def share_form(here: Here) -> Json:
    """How many percent are drawn by two."""
    hint = (
        "They are drawn by two, side by side, and people say which is better, where a worker knows what to compare with"
    )
    return _form("share", "Compare", field("share", "Percent of what is said", number_input(0, 100), hint=hint), here)


def block_form(here: Here) -> Json:
    """Whose turns are not taken in any more."""
    chosen = {"type": "users_select", "placeholder": plain("Whom", 150)}
    return _form("block", "Block somebody", field("person", "Whom", chosen), here, "Block")


def unblock_form(blocked: Sequence[tuple[str, str]], here: Here) -> Json:
    """Who is blocked, by id and name, of whom one is drawn for again."""
    options = [option(name, person) for person, name in blocked[:OPTIONS]]
    chosen = choice("value", "Whom", options)
    return _form("unblock", "Unblock somebody", field("person", "Whom", chosen), here, "Unblock")


def _form(what: str, title: str, block: Json, here: Here, submit: str = "Save") -> Json:
    row = actions(button("Back", menu.opens("admin")))
    return modal(title, [block, row], carries=here.written(), callback=does(what), submit=submit)


def _worker(worker_id: str) -> Json:
    return overflow(does("worker"), [option("Pause", f"pause:{worker_id}"), option("Resume", f"resume:{worker_id}")])
