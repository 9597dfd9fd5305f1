"""Messages: a mention, or something written in the messages tab, is a turn; where people wish so, all that is said in a thread.

A mention may arrive as two events, each of them several times and at several processes: what makes it happen once is its
channel and its timestamp. Two that arrive at the same time are taken in together.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from slack_bolt.context.async_context import AsyncBoltContext

from bot.slack import commands
from bot.slack.commands import ONCE_SECONDS, Heard
from bot.slack.files import links_of
from bot.slack.places import PLATFORM, Payload, Place, is_direct, message_source
from storage import conversations
from storage.sentences import told

if TYPE_CHECKING:
    from bot.slack.app import SlackBot

SUBTYPES = frozenset({None, "file_share", "thread_broadcast"})  # the others tell of changes, or are no person's words
OTHERS = re.compile(r"\s*(<@|<!(here|channel|everyone|subteam))")  # how a message begins that is meant for others
MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^>]*)?>")
REFERENCE = re.compile(r"<([#!]?)([^>|]*)(?:\|([^>]*))?>")


def register(bot: SlackBot) -> None:
    """Listen to messages."""

    async def heard(event: Payload, context: AsyncBoltContext) -> None:
        await bot.in_time(hear(bot, event, context.team_id or "", context.bot_user_id or ""))

    bot.app.event("app_mention")(heard)
    bot.app.event("message")(heard)


async def hear(bot: SlackBot, event: Payload, team: str, me: str) -> None:
    """Take a message in, if it is meant for the bot."""
    if event.get("bot_id") or not event.get("user") or event.get("subtype") not in SUBTYPES:
        return
    if not await _is_meant(bot, event, team, me):
        return
    source_id = message_source(event["channel"], event["ts"])
    await bot.once.together(f"{team}:{source_id}", lambda: _take(bot, event, team, me, source_id))


async def _take(bot: SlackBot, event: Payload, team: str, me: str, source_id: str) -> None:
    place = await place_of(bot, team, event)
    author = await bot.people.person(team, event["user"])
    problem = await bot.channels.problem(team, place.channel)
    if problem is not None:
        async with bot.once.doing(f"problem:{team}:{source_id}", ONCE_SECONDS) as first:
            if first:
                await bot.tell(team, event["user"], told(problem, author.language))
        return
    text = await plain(bot, team, me, event.get("text") or "")
    heard = Heard(place, author, text, links_of(team, event.get("files") or []), source_id)
    if not commands.is_command(heard):
        await bot.receive(heard.request())
        return
    async with bot.once.doing(f"command:{team}:{source_id}", ONCE_SECONDS) as first:
        if first and (said := await commands.obey(bot, heard)) is not None:
            await bot.say(place, source_id, told(said.text, author.language), said.blocks)


async def place_of(bot: SlackBot, team: str, event: Payload) -> Place:
    """Where a message is."""
    name = (await bot.teams.installed(team)).name
    return Place(team, name, event["channel"], event.get("thread_ts") or event["ts"])


async def _is_meant(bot: SlackBot, event: Payload, team: str, me: str) -> bool:
    text, thread = event.get("text") or "", event.get("thread_ts")
    if is_direct(event["channel"]) or event.get("type") == "app_mention" or me in MENTION.findall(text):
        return True
    if thread is None or OTHERS.match(text) or not (text or event.get("files")):
        return False
    if not await bot.listening.to_every_message(team):
        return False
    found = await bot.services.database.arun(conversations.find, PLATFORM, team, event["channel"], thread)
    return found is not None and found[1] is not None


async def plain(bot: SlackBot, team: str, me: str, text: str) -> str:
    """The words without the mention of the bot, and with names in place of what Slack writes as ids."""
    names = {one: (await bot.people.person(team, one)).name for one in set(MENTION.findall(text)) - {me}}
    text = MENTION.sub(lambda match: " " if match[1] == me else names[match[1]] or "somebody", text)

    def named(match: re.Match[str]) -> str:
        mark, what, label = match.groups()
        return label or (f"{mark}{what}" if mark == "#" else what)

    return " ".join(html.unescape(REFERENCE.sub(named, text)).split(" ")).strip()


async def apologise(bot: SlackBot, team: str, event: Payload, sentence: str) -> None:
    """Tell whoever wrote a message that it came to nothing."""
    if event.get("type") in ("app_mention", "message") and event.get("user"):
        place = Place(team, "", event["channel"], event.get("thread_ts") or event["ts"])
        language = await bot.people.language(team, event["user"])
        await bot.say(place, f"failed:{message_source(event['channel'], event['ts'])}", told(sentence, language))
