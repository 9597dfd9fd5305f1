"""Shortcuts of messages: use its pictures as references, draw from one of ours, report one of ours.

Each opens a form at once, which carries what it is about, so that it can be sent after a restart.
"""

from __future__ import annotations

from uuid import UUID

from bot import catalogue
from bot.slack.blocks import INPUT, Here, Json, field, modal, text_input

REFERENCE, BRANCH, REPORT = "likeness_reference", "likeness_branch", "likeness_report"
BRANCHED, REPORTED = "room:shortcuts:branch", "room:shortcuts:report"
REASON = 1000  # characters of a report, at most
NO_PICTURES = "There is no picture in that message. Choose a message with pictures of whom you want to draw."
NOT_OURS = "That is none of my pictures. Choose a message in which I show one."
THANKS = (
    "Thank you. I kept your report: those who run me can read your reason, which picture it is about, and that it was you. "
    "Until they have looked, the picture stays where it is."
)


def title(what: str, language: str = "en") -> str:
    """The name of a shortcut, as its form is called."""
    return catalogue.said(f"menu.{what}", language)


def branch_form(here: Here, turn_id: UUID) -> Json:
    """The words of a turn that goes on from one of the bot's pictures."""
    words = field("text", "What to draw", text_input(longest=INPUT, lines=True))
    carries = here.written(turn=turn_id.hex)
    return modal(title("branch"), [words], carries=carries, callback=BRANCHED, submit="Draw", close="Cancel")


def report_form(here: Here, turn_id: UUID) -> Json:
    """Why somebody finds one of the bot's pictures wrong."""
    words = field("text", "What is wrong with it", text_input(longest=REASON, lines=True))
    carries = here.written(turn=turn_id.hex)
    return modal(title("report"), [words], carries=carries, callback=REPORTED, submit="Report", close="Cancel")
