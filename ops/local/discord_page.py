"""A page of the local Discord: its channels and messages, as anybody; so that the bot can be tried without an account.

It is for this machine only: it asks for no password, and takes forms only from its own page.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from aiohttp import web
from markupsafe import Markup

from ops.local.discord import BOT_ID, DIRECT, EPHEMERAL, LOADING, MENU, THREAD, LocalDiscord, Payload, Waiting, walk
from ops.local.pages import COLOURS, Pages, pictures


class Page(Pages):
    """Routes on a local Discord's own server."""

    def __init__(self, discord: LocalDiscord) -> None:
        super().__init__(discord, words=self._words, colour=_colour, walk=walk, without_shown=_without_shown)
        self._discord = discord
        self._dismissed: set[str] = set()

    def add_to(self, app: web.Application) -> None:
        """Add the routes, before the server starts."""
        app.router.add_get("/", self._home)
        app.router.add_get("/channels/{channel}", self._channel)
        app.router.add_get("/channels/{channel}/messages", self._messages)
        for what in ("say", "press", "choose", "form", "dismiss"):
            app.router.add_post(f"/channels/{{channel}}/{what}", getattr(self, f"_{what}"))

    async def _home(self, _: web.Request) -> web.Response:
        first = next(iter(self._discord.channels))
        raise web.HTTPSeeOther(f"/channels/{first}")

    async def _channel(self, request: web.Request) -> web.Response:
        people = [one for one in self._discord.members.values() if not one["bot"]]
        shown = self._shown(request)
        return self.page(
            "discord.html",
            channel=shown,
            title=shown.get("name", "Likeness"),
            here_as=lambda one: self._here_as(shown, one),
            channels=[one for one in self._discord.channels.values() if one["type"] != THREAD],
            threads=[one for one in self._discord.channels.values() if one["type"] == THREAD],
            guild=next(iter(self._discord.guilds.values())),
            people=people,
            me=self._me(request),
            commands=[one for one in self._discord.commands if one.get("type", 1) == 1],
            **self._told(request),
        )

    async def _messages(self, request: web.Request) -> web.Response:
        return self.page("messages.html", channel=self._shown(request), me=self._me(request), **self._told(request))

    async def _say(self, request: web.Request) -> web.Response:
        form, channel = await self.fields(request), self._shown(request)
        text = str(form["text"]).strip()
        if text.startswith("/"):
            await self._slash(self._me(request), channel, text)
            return self._back(request)
        if channel["type"] != DIRECT:
            text = text.replace("@Likeness", f"<@{BOT_ID}>")
        target = next((one for one in self._all(channel) if one["id"] == form.get("reply_to")), None)
        await self._discord.say(self._me(request), channel, text, reply_to=target, pictures=pictures(form, "pictures"))
        return self._back(request)

    async def _press(self, request: web.Request) -> web.Response:
        form, channel = await self.fields(request), self._shown(request)
        whispered = [one.message for one in self._discord.interactions.values() if one.message is not None]
        message = next(one for one in (*self._all(channel), *whispered) if one["id"] == form["message"])
        what = str(form["what"])
        if "value" in form:
            await self._discord.choose(self._me(request), message, what.split(":")[1], str(form["value"]))
        else:
            await self._discord.press(self._me(request), message, what)
        return self._back(request)

    async def _choose(self, request: web.Request) -> web.Response:
        form, channel = await self.fields(request), self._shown(request)
        message = next(one for one in self._all(channel) if one["id"] == form["message"])
        await self._discord.use_menu(self._me(request), message, str(form["what"]))
        return self._back(request)

    async def _slash(self, me: Payload, channel: Payload, text: str) -> None:
        """A command and, where it has an option for words, all that follows as these."""
        name, _, words = text.removeprefix("/").partition(" ")
        command = next((one for one in self._discord.commands if one["name"] == name), None)
        inner, _, rest = words.partition(" ")
        for one in command.get("options", []) if command is not None else []:
            if one["type"] == 1 and one["name"] == inner:
                name, words, command = f"{name} {inner}", rest, one
        if command is not None:
            first = next((one for one in command.get("options", []) if one["type"] in (3, 4, 6)), None)
            options = {first["name"]: self._value(first["type"], words.strip())} if first and words.strip() else {}
            await self._discord.slash(me, channel, name, **options)

    def _value(self, kind: int, text: str) -> str | int | Payload:
        """What was typed for an option: words, a number, or somebody by name."""
        if kind == 6:
            named = (one for one in self._discord.members.values() if one["global_name"] == text.removeprefix("@"))
            return next(named, text)
        return int(text) if kind == 4 and text.isdigit() else text

    async def _form(self, request: web.Request) -> web.Response:
        fields, waiting = await self.fields(request), self._latest(request)
        if waiting is not None and waiting.modal is not None:
            ids = [one["component"]["custom_id"] for one in waiting.modal["components"]]
            told = {one: str(fields[one]) for one in ids if isinstance(fields.get(one), str)}
            await self._discord.send_form(self._me(request), waiting, pictures=pictures(fields, "photos"), **told)
        return self._back(request)

    async def _dismiss(self, request: web.Request) -> web.Response:
        """Away with what only this person sees."""
        await self.fields(request)
        latest = self._latest(request)
        self._dismissed |= {latest.id} if latest is not None else set()
        return self._back(request)

    def _back(self, request: web.Request) -> web.Response:
        raise web.HTTPSeeOther(f"/channels/{request.match_info['channel']}?as={self._me(request)['id']}")

    def _shown(self, request: web.Request) -> Payload:
        number = request.match_info["channel"]
        found = self._discord.channels.get(int(number)) if number.isdigit() else None
        if found is None:
            raise web.HTTPNotFound
        return found

    def _me(self, request: web.Request) -> Payload:
        people = {one["id"]: one for one in self._discord.members.values() if not one["bot"]}
        return people.get(request.query.get("as", ""), next(iter(people.values())))

    def _here_as(self, channel: Payload, one: Payload) -> str:
        """The address of a channel for somebody else; their own direct messages in place of another's."""
        shown = self._discord.direct(one) if channel["type"] == DIRECT else channel
        return f"/channels/{shown['id']}?as={one['id']}"

    def _latest(self, request: web.Request) -> Waiting | None:
        """This person's latest interaction in a channel."""
        where, who = int(self._shown(request)["id"]), self._me(request)["id"]
        every = reversed(self._discord.interactions.values())
        return next((one for one in every if (one.channel_id, one.user_id) == (where, who)), None)

    def _all(self, channel: Payload) -> list[Payload]:
        return self._discord.messages[int(channel["id"])]

    def _told(self, request: web.Request) -> dict[str, Any]:  # Any: what templates show
        """Messages, and what only this person sees."""
        channel = self._shown(request)
        latest = self._latest(request)
        if latest is not None and latest.id in self._dismissed:
            latest = None
        whisper = latest.message if latest and latest.message and latest.message["flags"] & EPHEMERAL else None
        return {
            "messages": self._all(channel),
            "whisper": whisper,
            "modal": latest.modal if latest else None,
            "thinking": LOADING,
            "menus": [one["name"] for one in self._discord.commands if one.get("type") == MENU],
            "opened": {one["id"] for one in self._all(channel) if int(one["id"]) in self._discord.channels},
        }

    def _words(self, text: str) -> Markup:
        """The little of Discord's markup that the bot uses: mentions, small print, countdowns, headings, bold words."""
        words = escape(text)
        for number, user in self._discord.members.items():
            words = re.sub(
                rf"&lt;@!?{number}&gt;", f'<span class="mention">@{escape(user["global_name"])}</span>', words
            )
        words = re.sub(r"&lt;t:(\d+):R&gt;", r'<time data-at="\1">soon</time>', words)
        words = re.sub(r"^### (.*)$", r"<strong>\1</strong>", words, flags=re.MULTILINE)
        words = re.sub(r"\\([*_`~|])", r"\1", re.sub(r"(?<!\\)\*\*(.+?)\*\*", r"<b>\1</b>", words))
        small = re.sub(r"^-# (.*)$", r"<small>\1</small>", words, flags=re.MULTILINE)
        return Markup(small.replace("\n", "<br>"))  # noqa: S704  (escaped above)


def _colour(author: Payload) -> str:
    """A colour of somebody's own."""
    return "#5865f2" if author["bot"] else COLOURS[int(author["id"]) % len(COLOURS)]


def _without_shown(files: list[Payload], components: list[Payload]) -> list[Payload]:
    """The files of a message that its components do not show anyway."""
    media = [one["media"] for part in walk(components) for one in (part, *part.get("items", [])) if "media" in one]
    return [one for one in files if one["url"] not in {shown["url"] for shown in media}]
