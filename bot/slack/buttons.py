"""Buttons of turns, as Slack tells of them. What they do is in `bot.buttons`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bot.buttons import MARK, Press, obey
from bot.sentences import GONE
from bot.slack.places import PLATFORM, Payload, Person, Place, action_source, pressed_in
from bot.turns import Who
from storage.tables import Kind

if TYPE_CHECKING:
    from bot.slack.app import SlackBot


def register(bot: SlackBot) -> None:
    """Listen to presses."""

    async def pressed(ack: AsyncAck, body: Payload, context: AsyncBoltContext) -> None:
        team = context.team_id or ""
        await bot.answer(ack, team, body, _obey(bot, team, body))

    bot.app.action(MARK)(pressed)


async def _obey(bot: SlackBot, team: str, body: Payload) -> str | None:
    match = MARK.fullmatch(body["actions"][0]["action_id"])
    if match is None:
        return GONE
    person = await bot.people.person(team, body["user"]["id"])
    place = pressed_in(team, (await bot.teams.installed(team)).name, body)
    press = Press(
        platform=PLATFORM,
        workspace=team,
        what=match["what"],
        turn_id=UUID(match["turn"]),
        source_id=action_source(body),
        who=Who(person.id, person.moderates),
        name=person.name,
    )
    return await obey(bot.turns, press, lambda kind: _ask(bot, place, person, press, kind))


async def _ask(bot: SlackBot, place: Place, person: Person, press: Press, kind: Kind) -> str | None:
    """Another turn, about this one."""
    if not place.thread:
        return GONE
    if (sentence := await bot.channels.problem(place.workspace, place.channel)) is not None:
        return sentence
    answer = await bot.receive(place.request(press.source_id, person, "", kind=kind, reply_to=press.turn_id))
    return answer.text if answer is not None else None
