"""Drawing without a mention: `/imagine` with words, or a form with words, characters by name, an aspect and a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from bot.aspects import Aspects, NoSuchAspect, in_words, meant
from bot.characters import naming
from bot.slack.blocks import (
    INPUT,
    OPTIONS,
    Here,
    Json,
    cut,
    field,
    menu,
    modal,
    number_input,
    option,
    plain,
    text_input,
)
from bot.slack.places import PLATFORM, Place
from bot.slack.render import escaped
from bot.slack.rooms import Unfit, Visit
from bot.slack.sentences import NOT_HERE

FORM = "room:draw:send"
SEEDS = 2**31 - 1
STARTER = 3500  # characters of the message that a thread begins with
REPLAY_SECONDS = 600
NO_WORDS = "Please say whom to draw, and where."


async def show(visit: Visit, _: str, value: str) -> Json:
    """The form, with the names of those who can be drawn here, and what pictures can be."""
    names = await visit.bot.characters.names(PLATFORM, visit.team, visit.here.channel, visit.here.thread)
    return form(visit.here, names, value, await _aspects(visit))


async def sent(visit: Visit, _: str, fields: Json) -> None:
    """In a thread its next turn, in a channel the beginning of one. Raises `Unfit`."""
    text = naming(str(fields.get("text") or "").strip(), fields.get("characters") or [])
    channel = visit.here.channel or str(fields.get("channel") or "")
    if not (visit.here.channel or await visit.bot.channels.open_to(visit.team, channel, visit.person.id)):
        raise Unfit("channel", NOT_HERE)
    seed = str(fields.get("seed") or "")
    if seed and not (seed.isdecimal() and int(seed) <= SEEDS):
        raise Unfit("seed", f"Please write a number from 0 to {SEEDS:,}.")
    there, aspect = visit.elsewhere(Here(channel, visit.here.thread)), str(fields.get("aspect") or "")
    if aspect:
        try:
            aspect = meant(aspect, await _aspects(there))
        except NoSuchAspect as error:  # it may not be what drew there when the form was opened
            raise Unfit("aspect", str(error)) from error
    said = await draw(there, text, seed=int(seed) if seed else None, aspect=aspect)
    if said is not None:
        raise Unfit("text", said)


async def draw(
    visit: Visit, text: str, *, seed: int | None = None, aspect: str = "", reply_to: UUID | None = None
) -> str | None:
    """Take in what somebody wants to have drawn, and say why not, or what else is to be said. Without a thread one begins."""
    bot, place = visit.bot, visit.place
    if not text:
        return NO_WORDS
    if (sentence := await bot.channels.problem(visit.team, place.channel)) is not None:
        return sentence
    received = partial(_received, visit, text=text, seed=seed, aspect=aspect, reply_to=reply_to)
    if place.thread:
        return await received(place)
    what = f"draw:{visit.team}:{visit.source_id}"
    if not await bot.once.first(what, REPLAY_SECONDS):
        return None
    said: str | None = ""
    try:
        words = cut(f"<@{visit.person.id}>: {escaped(text)}", STARTER)
        post = partial(visit.client.chat_postMessage, channel=place.channel, text=words, unfurl_links=False)
        told = await bot.channels.as_member(visit.team, place.channel, post)
        said = await received(replace(place, thread=str(told["ts"])))
    finally:
        if said is not None:  # nothing came of it, and the form may be sent again
            await bot.once.again(what)
    return said


async def _aspects(visit: Visit) -> Aspects:
    return await visit.bot.choices.aspects(PLATFORM, visit.team, visit.here.channel, visit.here.thread)


async def _received(
    visit: Visit, place: Place, *, text: str, seed: int | None, aspect: str, reply_to: UUID | None
) -> str | None:
    request = place.request(visit.source_id, visit.person, text, seed=seed, aspect=aspect, reply_to=reply_to)
    answer = await visit.bot.receive(request)
    return answer.text if answer is not None else None


def form(here: Here, names: Sequence[str] = (), text: str = "", aspects: Aspects | None = None) -> Json:
    """What people fill in. From nowhere, such as App Home, they choose the channel too; an aspect where there are several."""
    blocks = [field("text", "Whom to draw and where", text_input(longest=INPUT, initial=text, lines=True))]
    if names:
        offered = [option(name, name) for name in names[:OPTIONS]]
        chosen = {"type": "multi_static_select", "placeholder": plain("By name", 150), "options": offered}
        blocks.append(field("characters", "Who is in it", chosen, optional=True))
    if aspects is not None and len(aspects) > 1:
        shapes = [option(in_words(name, aspects), name) for name in aspects][:OPTIONS]
        blocks.append(field("aspect", "Width and height", menu("value", "As it fits", shapes), optional=True))
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
