"""Drawing without a mention: `/imagine` with words, or a form with words, characters by name and a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from bot.characters import naming
from bot.slack.blocks import (
    INPUT,
    OPTIONS,
    Here,
    Json,
    cut,
    field,
    modal,
    number_input,
    option,
    plain,
    text_input,
)
from bot.slack.channels import NOT_HERE
from bot.slack.places import PLATFORM, Place
from bot.slack.render import escaped
from bot.slack.rooms import Unfit, Visit

FORM = "room:draw:send"
SEEDS = 2**31 - 1
STARTER = 3500  # characters of the message that a thread begins with
REPLAY_SECONDS = 600
NO_WORDS = "Please say whom to draw, and where."


async def show(visit: Visit, _: str, value: str) -> Json:
    """The form, with the names of those who can be drawn here."""
    names = await visit.bot.characters.names(PLATFORM, visit.team, visit.here.channel, visit.here.thread)
    return form(visit.here, names, value)


async def sent(visit: Visit, _: str, fields: Json) -> None:
    """In a thread its next turn, in a channel the beginning of one. Raises `Unfit`."""
    text = naming(str(fields.get("text") or "").strip(), fields.get("characters") or [])
    channel = visit.here.channel or str(fields.get("channel") or "")
    if not (visit.here.channel or await visit.bot.channels.open_to(visit.team, channel, visit.person.id)):
        raise Unfit("channel", NOT_HERE)
    seed = str(fields.get("seed") or "")
    if seed and not (seed.isdecimal() and int(seed) <= SEEDS):
        raise Unfit("seed", f"Please write a number from 0 to {SEEDS:,}.")
    said = await draw(visit.elsewhere(Here(channel, visit.here.thread)), text, seed=int(seed) if seed else None)
    if said is not None:
        raise Unfit("text", said)


async def draw(visit: Visit, text: str, *, seed: int | None = None, reply_to: UUID | None = None) -> str | None:
    """Take in what somebody wants to have drawn, and say why not, or what else is to be said. Without a thread one begins."""
    bot, place = visit.bot, visit.place
    if not text:
        return NO_WORDS
    if (sentence := await bot.channels.problem(visit.team, place.channel)) is not None:
        return sentence
    if place.thread:
        return await _received(visit, place, text, seed, reply_to)
    what = f"draw:{visit.team}:{visit.source_id}"
    if not await bot.once.first(what, REPLAY_SECONDS):
        return None
    said: str | None = ""
    try:
        words = cut(f"<@{visit.person.id}>: {escaped(text)}", STARTER)
        told = await visit.client.chat_postMessage(channel=place.channel, text=words, unfurl_links=False)
        said = await _received(visit, replace(place, thread=str(told["ts"])), text, seed, reply_to)
    finally:
        if said is not None:  # nothing came of it, and the form may be sent again
            await bot.once.again(what)
    return said


async def _received(visit: Visit, place: Place, text: str, seed: int | None, reply_to: UUID | None) -> str | None:
    request = place.request(visit.source_id, visit.person, text, seed=seed, reply_to=reply_to)
    answer = await visit.bot.receive(request)
    return answer.text if answer is not None else None


def form(here: Here, names: Sequence[str] = (), text: str = "") -> Json:
    """What people fill in. From nowhere, such as App Home, they choose the channel too."""
    blocks = [field("text", "Whom to draw and where", text_input(longest=INPUT, initial=text, lines=True))]
    if names:
        offered = [option(name, name) for name in names[:OPTIONS]]
        chosen = {"type": "multi_static_select", "placeholder": plain("By name", 150), "options": offered}
        blocks.append(field("characters", "Who is in it", chosen, optional=True))
    blocks.append(
        field(
            "seed",
            "Seed",
            number_input(0, SEEDS),
            hint="A number: the same one draws the same again",
            optional=True,
        )
    )
    if not here.channel:
        ours = {"include": ["public", "private"]}  # direct messages would be those with everybody else
        where = {"type": "conversations_select", "default_to_current_conversation": True, "filter": ours}
        blocks.append(field("channel", "Where", where))
    return modal("Draw", blocks, carries=here.written(), callback=FORM, submit="Draw", close="Cancel")
