"""Buttons of turns: which a reply has, and what happens when somebody presses one. What they look like is the adapter's.

They hold nothing but the turn's id, so that they work after any restart and in any process, and are the mark by which a
message of a turn is found again.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from bot import sentences
from bot.sentences import GONE, MINE
from bot.turns import Turns, Who
from storage.deliveries import Due
from storage.sentences import Sentence
from storage.tables import Kind, Status

MARK = re.compile(r"likeness:(?P<what>[a-z]+[1-4]?):(?P<turn>[0-9a-f]{32})")


class Button(NamedTuple):
    """What it does, and what is written on it."""

    what: str
    label: Sentence | None
    emoji: str


CANCEL = Button("cancel", sentences.CANCEL, "✖️")


def custom_id(what: str, turn_id: UUID) -> str:
    """The id of a button of a turn."""
    return f"likeness:{what}:{turn_id.hex}"


def mark_of(custom_ids: Iterable[str | None]) -> UUID | None:
    """The turn that a message belongs to, by the ids of its buttons."""
    for one in custom_ids:
        if one and (match := MARK.fullmatch(one)):
            return UUID(match["turn"])
    return None


def is_reply(custom_ids: Iterable[str | None]) -> bool:
    """Whether a message of a turn is its reply: while it waits it can be cancelled."""
    return not any(one and (match := MARK.fullmatch(one)) and match["what"] == CANCEL.what for one in custom_ids)


def offered(due: Due) -> list[list[Button]]:
    """What can be done with what came of a turn, in rows. Picks and preferences stand above the rest."""
    again, variations = Button("again", sentences.AGAIN, "🔁"), Button("variations", sentences.VARIATIONS, "🔀")
    undo, delete = Button("undo", sentences.UNDO, "↩️"), Button("delete", sentences.DELETE, "🗑️")
    if due.status is not Status.DONE:
        return [[undo] if due.status is Status.REFUSED else [Button("again", sentences.TRY_AGAIN, "🔁")]]
    if due.kind is Kind.ENLARGE:
        return [[delete]]
    if not due.pictures:
        return [[again, undo, delete]]
    if due.picks:
        picks = [Button(f"pick{number}", sentences.TAKE.given(number=number), "") for number in range(1, due.picks + 1)]
        return [picks, [Button("variations", sentences.OTHERS, "🔀"), undo, delete]]
    if due.compares:
        better = [
            Button("better1", sentences.FIRST_IS_BETTER, "1️⃣"),
            Button("better2", sentences.SECOND_IS_BETTER, "2️⃣"),
        ]
        return [better, [again, variations, undo, delete]]
    votes = [Button("up", None, "👍"), Button("down", None, "👎")]
    return [[again, variations, Button("larger", sentences.LARGER, "🔍"), undo], [*votes, delete]]


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody pressed a button, in the platform's own words; `source_id` makes it happen once."""

    platform: str
    workspace: str
    what: str
    turn_id: UUID
    source_id: str
    who: Who
    name: str


async def obey(turns: Turns, press: Press, ask: Callable[[Kind], Awaitable[str | None]]) -> str | None:
    """Do what a button says, and return what to say to whoever pressed it, if anything.

    `ask` takes in another turn of a kind, about this one, and returns what to say if it cannot.
    """
    who = press.who
    known = await turns.known(press.platform, press.workspace, press.turn_id)
    if known is None:
        return GONE
    said: str | None
    match press.what:
        case "cancel" if known.author == who.author or who.moderates:
            said = None if await turns.cancel(known.workspace_id, known.turn_id) else sentences.ENDED
        case "cancel":
            said = MINE
        case "undo":
            said = await turns.undo(known.workspace_id, known.conversation_id, press.source_id, who, only=known.turn_id)
        case "again":
            said = await ask(Kind.AGAIN)
        case "variations":
            said = await ask(Kind.VARIATIONS)
        case "larger":
            said = await ask(Kind.ENLARGE)
        case "pick1" | "pick2" | "pick3" | "pick4":
            said = await turns.pick(known.workspace_id, known.turn_id, int(press.what[-1]) - 1, who)
        case "better1" | "better2":
            refused = await turns.prefer(known, who.author, press.name, int(press.what[-1]) - 1)
            said = refused or sentences.PREFERRED
        case "delete":
            said = await turns.delete(known.workspace_id, known.turn_id, press.source_id, who)
        case "up" | "down":
            likes = press.what == "up"
            refused = await turns.vote(known, who.author, press.name, likes=likes)
            said = refused or (sentences.LIKED if likes else sentences.DISLIKED)
        case _:
            said = GONE
    return said
