"""Forget me: says what would be deleted of a person in this workspace, and asks once more.

Only whoever asked can see it and press its button, which holds no state: it always means whoever presses it.
"""

from __future__ import annotations

from bot.forgetme import NOTHING
from bot.slack import menu
from bot.slack.blocks import Here, Json, actions, button, modal, plain, section, sentence
from bot.slack.places import PLATFORM
from bot.slack.rooms import Visit

STAYS = (
    "My messages with what you asked for are taken away as well, as far as Slack lets me. What you wrote yourself is Slack's "
    "and not mine to forget: it stays there until you or an admin delete it."
)
REALLY = "room:forgetme:really"


async def show(visit: Visit, what: str, _: str) -> Json:
    """The question, or that it is done."""
    forgetting = visit.bot.forgetting
    if what == "really":
        said = await forgetting.forget(PLATFORM, visit.team, visit.person.id)
        return done(f"{said} {STAYS}", visit.here)
    asked = await forgetting.question(PLATFORM, visit.team, visit.person.id)
    return done(NOTHING, visit.here) if asked is None else view(asked, visit.here)


def view(asked: str, here: Here) -> Json:
    """What would go, and the question."""
    row = actions(button("Delete all of it", REALLY, style="danger"), menu.back())
    return modal("Forget me", [section(plain(asked)), section(plain(STAYS)), row], carries=here.written())


def done(said: str, here: Here) -> Json:
    """That it is done, or that nothing is kept."""
    return sentence(said, menu.back(), title="Forget me", carries=here.written())
