"""Windows: whatever opens one, is pressed in one or sent from one comes in here and goes to the room that it is of.

A window is opened at once, since Slack lets that be done for three seconds only, and filled when what it shows was read. It
holds no state but what it carries, so that any process can go on with it. The ids of what can be pressed are
`room:ROOM:WHAT`, and so are those of forms.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack import (
    admin,
    characters,
    conversations,
    faces,
    forgetme,
    home,
    imagine,
    menu,
    newcharacter,
    preferences,
    shortcuts,
)
from bot.slack.blocks import Here, Json, carried, pictures_of, sentence, values, without_pictures
from bot.slack.failures import failed
from bot.slack.mentions import plain
from bot.slack.places import Payload, action_source, pressed_in
from bot.slack.rooms import Unfit, Visit, fill

if TYPE_CHECKING:
    from bot.slack.app import SlackBot

log = logging.getLogger(__name__)

ID = re.compile(r"^room:(?P<room>[a-z]+):(?P<what>[a-z]+)$")
COMMANDS = {
    "/imagine": ("imagine.about", "Olivia on a beach"),
    "/newcharacter": ("newcharacter.about", "Olivia"),
    "/likeness": ("help.about", "characters | settings | admin | help"),
}
"""Slash commands: what the catalogue says of each, and what may be written after it."""

SHOW: dict[str, Callable[[Visit, str, str], Awaitable[Json]]] = {
    "menu": menu.show,
    "help": menu.show_help,
    "draw": imagine.show,
    "characters": characters.show,
    "conversations": conversations.show,
    "settings": preferences.show,
    "forgetme": forgetme.show,
    "admin": admin.show,
    "newcharacter": newcharacter.show,
}
"""What a room shows when something is opened or pressed."""

SENT: dict[str, Callable[[Visit, str, Json], Awaitable[Json | None]]] = {
    "newcharacter": newcharacter.sent,
    "characters": characters.sent,
    "draw": imagine.sent,
    "shortcuts": shortcuts.sent,
    "admin": admin.sent,
}
"""What a room does with a form that was sent, and shows then; None closes the window."""

CHANGES = frozenset({"promote", "remove", "engine", "here", "every", "really", "pause", "resume", "worker"})
"""What is pressed and changes what App Home shows."""

WAITING = sentence("One moment…")
PATIENCE = 2.0  # seconds for a form that was sent; Slack waits for three
DONE = "Done. The picture comes in the thread."


def register(bot: SlackBot) -> None:
    """Have windows, commands, shortcuts and App Home answered."""
    windows = Windows(bot)
    bot.app.action(ID)(windows.pressed)
    bot.app.view(ID)(windows.sent)
    for name in COMMANDS:
        bot.app.command(name)(windows.command)
    for name in shortcuts.NAMES:
        bot.app.shortcut(name)(windows.shortcut)
    bot.app.event("app_home_opened")(windows.home_opened)


class Windows:
    """The listeners of one process."""

    def __init__(self, bot: SlackBot) -> None:
        self._bot = bot

    async def pressed(self, ack: AsyncAck, body: Payload, context: AsyncBoltContext) -> None:
        """Something was pressed or chosen in a window, in App Home or in a message."""
        await ack()
        (action, *_) = body["actions"]
        match, chosen = ID.fullmatch(action["action_id"]), action.get("selected_option")
        assert match is not None
        room, what = match["room"], match["what"]
        value = str(chosen["value"] if chosen else action.get("value", ""))
        view = body.get("view") or {}
        place = pressed_in("", "", body)
        known = carried(view.get("private_metadata", ""))
        here = Here.of(known) if view else Here(place.channel, place.thread)
        ready = newcharacter.opened(here, value) if room == "newcharacter" else None

        async def show(visit: Visit) -> Json:
            shown = await SHOW[room](visit, what, value)
            if what in CHANGES:
                self._bot.later(self._after(visit))
            return shown

        self._show(context, body, here, action_source(body), show, ready)

    async def sent(self, ack: AsyncAck, body: Payload, context: AsyncBoltContext) -> None:
        """A form was sent: what can be mended is said at its field, if that is known in time."""
        view = body["view"]
        match = ID.fullmatch(view["callback_id"])
        assert match is not None
        work = self._bot.later(self._sent(match["room"], match["what"], body, context))
        done, _ = await asyncio.wait({work}, timeout=PATIENCE)
        if not done:
            await ack(response_action="update", view=WAITING)
            self._bot.later(self._sent_late(work, view["id"], context))
            return
        try:
            shown = work.result()
        except Unfit as error:
            await ack(response_action="errors", errors={error.field: str(error)})
        except Exception as error:  # one sentence for all that can go wrong, and what was filled in stays
            field = next(iter(view["state"]["values"]))
            await ack(response_action="errors", errors={field: failed(error, f"form {view['id']}")})
        else:
            if shown is None:
                await ack(response_action="clear")
                return
            await ack(response_action="update", view=without_pictures(shown))
            if pictures_of(shown):
                self._bot.later(self._fill(context, view["id"], shown))

    async def command(self, ack: AsyncAck, body: Payload, context: AsyncBoltContext) -> None:
        """A slash command: `/imagine` with words draws at once, all others open a window."""
        name, team = str(body["command"]), team_of(context)
        text = await plain(self._bot, team, context.bot_user_id or "", str(body.get("text") or ""))
        here, source_id = Here(body["channel_id"]), f"command:{body['trigger_id']}"
        if name == "/imagine" and text:

            async def draw() -> str | None:
                return await imagine.draw(await self._visit(team, body["user_id"], here, source_id), text)

            await self._bot.answer(ack, team, body, draw())
            return
        await ack()
        if name == "/newcharacter":
            self._show(context, body, here, source_id, None, newcharacter.form(here, text))
            return
        room = "draw" if name == "/imagine" else menu.room_of(text) if text else "menu"
        value = text if room is None else ""

        async def show(visit: Visit) -> Json:
            return await SHOW[room or "draw"](visit, "open", value)

        self._show(context, body, here, source_id, show)

    async def shortcut(self, ack: AsyncAck, body: Payload, context: AsyncBoltContext) -> None:
        """Something in the menu of a message."""
        await ack()
        message = body["message"]
        ours = bool(context.bot_user_id) and message.get("user") == context.bot_user_id
        form = shortcuts.form(body["callback_id"], pressed_in("", "", body), message, ours)
        self._show(context, body, Here(), "", None, form)

    async def home_opened(self, event: Payload, context: AsyncBoltContext) -> None:
        """Somebody looks at App Home."""
        if event.get("tab", "home") == "home":
            self._bot.later(self._home_opened(team_of(context), event["user"]))

    # -- the work ------------------------------------------------------------------------------------------------------

    def _show(
        self,
        context: AsyncBoltContext,
        body: Payload,
        here: Here,
        source_id: str,
        show: Callable[[Visit], Awaitable[Json]] | None,
        ready: Json | None = None,
    ) -> None:
        """Open a window, or go on in the one that was used, and show something there; `ready` needs nothing to be read."""
        self._bot.later(self._shown(team_of(context), body, here, source_id, show, ready))

    async def _shown(
        self,
        team: str,
        body: Payload,
        here: Here,
        source_id: str,
        show: Callable[[Visit], Awaitable[Json]] | None,
        ready: Json | None,
    ) -> None:
        user = body["user"]["id"] if "user" in body else body["user_id"]
        client, window = await self._bot.client(team), ""
        try:
            window, filled = await _window(client, body, ready)
            if filled or show is None:
                return
            visit = await self._visit(team, user, here, source_id, carried=_carried(body))
            shown = await show(visit)
            if not await fill(client, window, shown):
                await faces.forget_gone(visit, shown)
        except Exception as error:  # as in `sent`
            said = failed(error, f"a window of {team}")
            with contextlib.suppress(Exception):  # there is no other place to say it
                await (fill(client, window, sentence(said)) if window else self._bot.tell(team, user, said))

    async def _sent(self, room: str, what: str, body: Payload, context: AsyncBoltContext) -> Json | None:
        view, team = body["view"], team_of(context)
        known = carried(view.get("private_metadata", ""))
        source_id = f"view:{view['id']}:{view.get('hash', '')}"
        visit = await self._visit(team, body["user"]["id"], Here.of(known), source_id, carried=known)
        shown = await SENT[room](visit, what, values(view))
        self._bot.later(self._after(visit))
        return shown

    async def _sent_late(self, work: asyncio.Task[Json | None], view_id: str, context: AsyncBoltContext) -> None:
        try:
            shown = await work or sentence(DONE)
        except Unfit as error:
            shown = sentence(str(error), *([error.again] if error.again else []))
        except Exception as error:  # as in `sent`
            shown = sentence(failed(error, f"form {view_id}"))
        await self._fill(context, view_id, shown)

    async def _fill(self, context: AsyncBoltContext, view_id: str, shown: Json) -> None:
        try:
            await fill(await self._bot.client(team_of(context)), view_id, shown)
        except Exception:  # the window may be closed; what was done is done
            log.info("a window could not be filled", exc_info=True)

    async def _home_opened(self, team: str, user: str) -> None:
        visit = await self._visit(team, user, Here(), "")
        await self._after(visit)

    async def _after(self, visit: Visit) -> None:
        """Show what changed in App Home, and delete what shows nobody any more."""
        try:
            await home.publish(visit)
            await faces.clean(visit)
        except Exception:  # nobody waits for it, and the next change does it again
            log.warning("App Home of %s could not be shown", visit.person.id, exc_info=True)

    async def _visit(self, team: str, user: str, here: Here, source_id: str, carried: Json | None = None) -> Visit:
        installed = await self._bot.teams.installed(team)
        person = await self._bot.people.person(team, user)
        return Visit(
            self._bot, await self._bot.client(team), team, installed.name, person, here, source_id, carried or {}
        )


async def _window(client: AsyncWebClient, body: Payload, ready: Json | None) -> tuple[str, bool]:
    """The window that was used, or one that opens now, and whether it shows already what it has to."""
    view = body.get("view") or {}
    if view.get("type") == "modal":
        if ready is not None:
            await client.views_update(view_id=view["id"], view=ready)
        return str(view["id"]), ready is not None
    opened = await client.views_open(trigger_id=body["trigger_id"], view=ready or WAITING)
    return str(opened["view"]["id"]), ready is not None


def _carried(body: Payload) -> Json:
    return carried((body.get("view") or {}).get("private_metadata", ""))


def team_of(context: AsyncBoltContext) -> str:
    """The team that something comes from."""
    return context.team_id or ""
