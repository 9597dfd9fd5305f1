"""Settings: what holds in a workspace and in a thread, which anybody may see and an admin may change.

One window that each choice changes; it works after any restart.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.preferences import NoSuchEngine
from bot.slack import menu
from bot.slack.blocks import (
    OPTIONS,
    Here,
    Json,
    actions,
    button,
    context,
    modal,
    mrkdwn,
    option,
    plain,
    said,
    section,
)
from bot.slack.blocks import menu as choice
from bot.slack.render import escaped
from bot.slack.rooms import Visit
from storage.preferences import Preferences

USUAL = "the usual one"  # what a menu says of choosing nothing
NOT_YOURS = "Only an admin of this workspace can change that."
PLACE = "this workspace"
NO_ENGINE = ":"  # the value of choosing nothing; an engine's begins with it too


async def show(visit: Visit, what: str, value: str) -> Json:
    """What holds, after what was chosen."""
    workspace_id, conversation_id = await visit.scope()
    choices, sentence = visit.bot.choices, ""
    if what != "open" and not visit.person.moderates:
        sentence = NOT_YOURS
    elif what == "every":
        await choices.count_every_message(workspace_id, counts=value == "on")
    elif what in ("engine", "here"):
        engine = value.removeprefix(NO_ENGINE) or None
        try:
            await choices.choose_engine(workspace_id, conversation_id if what == "here" else None, engine)
        except NoSuchEngine as error:
            sentence = str(error)
    held, engines = await choices.read(workspace_id, conversation_id)
    return view(held, engines, visit.here, sentence, changeable=visit.person.moderates)


def does(what: str) -> str:
    """The id of a menu or a button."""
    return f"room:settings:{what}"


def lines(held: Preferences, *, in_thread: bool) -> str:
    """What holds, as mrkdwn."""
    found = [f"*Engine of {PLACE}:* {escaped(held.workspace_engine or USUAL)}"]
    if in_thread:
        found.append(f"*Engine of this thread:* {escaped(held.conversation_engine or f'that of {PLACE}')}")
    every = "counts" if held.every_message else "counts only where it mentions me"
    return "\n".join(
        [*found, f"What draws here is {escaped(held.engine)}.", f"*A message in a thread of mine* {every}."]
    )


def view(held: Preferences, engines: Sequence[str], here: Here, sentence: str = "", *, changeable: bool) -> Json:
    """What holds, in words, and for who may change it the menus."""
    in_thread = bool(here.thread)
    blocks = [*said(sentence), section(mrkdwn(lines(held, in_thread=in_thread)))]
    if not changeable:
        blocks.append(context(plain("Admins of this workspace can change these.")))
        return modal("Settings", [*blocks, actions(menu.back())], carries=here.written())
    if engines:
        chosen = _engines("engine", PLACE, USUAL, engines, held.workspace_engine)
        blocks.append(section(plain(f"Engine of {PLACE}"), chosen))
    if engines and in_thread:
        chosen = _engines("here", "this thread", f"that of {PLACE}", engines, held.conversation_engine)
        blocks.append(section(plain("Engine of this thread"), chosen))
    turned, label = ("off", "Only what mentions me") if held.every_message else ("on", "Count every message")
    row = actions(button(label, does("every"), turned), menu.back())
    return modal("Settings", [*blocks, row], carries=here.written())


def _engines(what: str, place: str, usual: str, engines: Sequence[str], chosen: str | None) -> Json:
    options = [option(f"No choice: {usual}", NO_ENGINE)]
    options += [option(engine, f"{NO_ENGINE}{engine}") for engine in engines[: OPTIONS - 1]]
    now = NO_ENGINE + (chosen or "")
    initial = next((one for one in options if one["value"] == now), None)
    return choice(does(what), f"Engine of {place}", options, initial)
