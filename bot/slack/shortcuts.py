"""Shortcuts of messages: use its pictures as references, draw from one of ours, report one of ours.

Each opens a form at once, which carries what it is about, so that it can be sent after a restart.
"""

from __future__ import annotations

from uuid import UUID

from bot import catalogue
from bot.sentences import GONE, NO_PICTURES, NOT_OURS, REPORTED
from bot.slack import newcharacter
from bot.slack.blocks import INPUT, PHOTOS, Here, Json, field, modal, sentence, text_input
from bot.slack.imagine import draw
from bot.slack.places import PLATFORM, Payload, Place
from bot.slack.render import marked
from bot.slack.rooms import Unfit, Visit
from storage import reports

REFERENCE, BRANCH, REPORT = "likeness_reference", "likeness_branch", "likeness_report"
BRANCHED, REPORTING = "room:shortcuts:branch", "room:shortcuts:report"
NAMES = {REFERENCE: "reference", BRANCH: "branch", REPORT: "report"}
"""Callback ids of the shortcuts, and what the catalogue calls them under `menu.`."""
REASON = 1000  # characters of a report, at most


async def sent(visit: Visit, what: str, fields: Json) -> Json | None:
    """Draw from a picture, or keep a report of one. Raises `Unfit`."""
    text = str(fields.get("text") or "")
    known = await visit.bot.turns.known(PLATFORM, visit.team, UUID(visit.carried["turn"]))
    if known is None:
        raise Unfit("text", GONE)
    if what == "branch":
        said = await draw(visit, text, reply_to=known.turn_id)
        if said is not None:
            raise Unfit("text", said)
        return None
    refused = await visit.bot.services.database.arun(
        reports.report,
        known.workspace_id,
        known.turn_id,
        source_id=visit.source_id,
        author=visit.person.id,
        author_name=visit.person.name,
        reason=text,
    )
    return sentence(refused or REPORTED, title=title("report"))


def form(callback: str, place: Place, message: Payload, ours: bool) -> Json:
    """What choosing a shortcut of a message opens: a form, or a sentence. `ours`: whether the bot wrote the message."""
    if callback == REFERENCE:
        files = _pictures(message)
        here = Here(place.channel, message.get("thread_ts", ""))
        return (
            newcharacter.form(here, title=title("reference"), files=files[:PHOTOS]) if files else sentence(NO_PICTURES)
        )
    found = marked(message) if ours else None
    shows = any(block["type"] == "image" for block in message.get("blocks") or [])
    if found is None or not found[1] or (callback == BRANCH and not shows):
        return sentence(NOT_OURS)
    here = Here(place.channel, place.thread)
    return (branch_form if callback == BRANCH else report_form)(here, found[0])


def _pictures(message: Payload) -> list[str]:
    """The ids of a message's pictures: what was attached to it, or what its blocks show, as ours do."""
    attached = [one["id"] for one in message.get("files") or [] if str(one.get("mimetype", "")).startswith("image/")]
    shown = [one.get("slack_file", {}).get("id") for one in message.get("blocks") or [] if one["type"] == "image"]
    return list(dict.fromkeys([*attached, *filter(None, shown)]))


def title(what: str) -> str:
    """The name of a shortcut, as its form is called."""
    return catalogue.said(f"menu.{what}")


def branch_form(here: Here, turn_id: UUID) -> Json:
    """The words of a turn that goes on from one of the bot's pictures."""
    words = field("text", "What to draw", text_input(longest=INPUT, lines=True))
    carries = here.written(turn=turn_id.hex)
    return modal(title("branch"), [words], carries=carries, callback=BRANCHED, submit="Draw", close="Cancel")


def report_form(here: Here, turn_id: UUID) -> Json:
    """Why somebody finds one of the bot's pictures wrong."""
    words = field("text", "What is wrong with it", text_input(longest=REASON, lines=True))
    carries = here.written(turn=turn_id.hex)
    return modal(title("report"), [words], carries=carries, callback=REPORTING, submit="Report", close="Cancel")
