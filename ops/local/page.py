"""A page of the local Discord: its channels and messages, as anybody; so that the bot can be tried without an account.

It is for this machine only: it asks for no password, and takes forms only from its own page.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from ops.local.discord import BOT_ID, DIRECT, EPHEMERAL, LOADING, MENU, THREAD, LocalDiscord, Payload, Waiting, walk


class Page:
    """Routes on a local Discord's own server."""

    def __init__(self, discord: LocalDiscord) -> None:
        self._discord = discord
        self._templates = Environment(
            loader=PackageLoader("ops.local"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"words": self._words, "walk": walk}

    def add_to(self, app: web.Application) -> None:
        """Add the routes, before the server starts."""
        app.router.add_get("/", self._home)
        app.router.add_get("/channels/{channel}", self._channel)
        app.router.add_get("/channels/{channel}/messages", self._messages)
        for what in ("say", "press", "choose", "slash", "form"):
            app.router.add_post(f"/channels/{{channel}}/{what}", getattr(self, f"_{what}"))

    async def _home(self, _: web.Request) -> web.Response:
        first = next(iter(self._discord.channels))
        raise web.HTTPSeeOther(f"/channels/{first}")

    async def _channel(self, request: web.Request) -> web.Response:
        people = [one for one in self._discord.members.values() if not one["bot"]]
        shown = self._shown(request)
        return self._page(
            "discord.html",
            channel=shown,
            channels=[one for one in self._discord.channels.values() if one["type"] != THREAD],
            threads=[one for one in self._discord.channels.values() if one["type"] == THREAD],
            guild=next(iter(self._discord.guilds.values())),
            people=people,
            me=self._me(request),
            commands=[one for one in self._discord.commands if one.get("type", 1) == 1],
            **self._told(request),
        )

    async def _messages(self, request: web.Request) -> web.Response:
        return self._page("messages.html", channel=self._shown(request), me=self._me(request), **self._told(request))

    async def _say(self, request: web.Request) -> web.Response:
        form, channel = await self._fields(request), self._shown(request)
        text = (
            str(form["text"]) if channel["type"] == DIRECT else str(form["text"]).replace("@Likeness", f"<@{BOT_ID}>")
        )
        target = next((one for one in self._all(channel) if one["id"] == form.get("reply_to")), None)
        await self._discord.say(self._me(request), channel, text, reply_to=target, pictures=_pictures(form, "pictures"))
        return self._back(request)

    async def _press(self, request: web.Request) -> web.Response:
        form, channel = await self._fields(request), self._shown(request)
        whispered = [one.message for one in self._discord.interactions.values() if one.message is not None]
        message = next(one for one in (*self._all(channel), *whispered) if one["id"] == form["message"])
        what = str(form["what"])
        if "value" in form:
            await self._discord.choose(self._me(request), message, what.split(":")[1], str(form["value"]))
        else:
            await self._discord.press(self._me(request), message, what)
        return self._back(request)

    async def _choose(self, request: web.Request) -> web.Response:
        form, channel = await self._fields(request), self._shown(request)
        message = next(one for one in self._all(channel) if one["id"] == form["message"])
        await self._discord.use_menu(self._me(request), message, str(form["what"]))
        return self._back(request)

    async def _slash(self, request: web.Request) -> web.Response:
        form, channel = await self._fields(request), self._shown(request)
        name, _, text = str(form["command"]).strip().removeprefix("/").partition(" ")
        command = next((one for one in self._discord.commands if one["name"] == name), None)
        inner, _, rest = text.partition(" ")
        for one in command.get("options", []) if command is not None else []:
            if one["type"] == 1 and one["name"] == inner:
                name, text, command = f"{name} {inner}", rest, one
        if command is not None:
            first = next((one for one in command.get("options", []) if one["type"] in (3, 4, 6)), None)
            options = {first["name"]: self._value(first["type"], text.strip())} if first and text.strip() else {}
            await self._discord.slash(self._me(request), channel, name, **options)
        return self._back(request)

    def _value(self, kind: int, text: str) -> str | int | Payload:
        """What was typed for an option: words, a number, or somebody by name."""
        if kind == 6:
            named = (one for one in self._discord.members.values() if one["global_name"] == text.removeprefix("@"))
            return next(named, text)
        return int(text) if kind == 4 and text.isdigit() else text

    async def _form(self, request: web.Request) -> web.Response:
        fields, waiting = await self._fields(request), self._latest(self._shown(request))
        if waiting is not None and waiting.modal is not None:
            ids = [one["component"]["custom_id"] for one in waiting.modal["components"]]
            told = {one: str(fields[one]) for one in ids if isinstance(fields.get(one), str)}
            await self._discord.send_form(self._me(request), waiting, pictures=_pictures(fields, "photos"), **told)
        return self._back(request)

    async def _fields(self, request: web.Request) -> Any:  # Any: aiohttp's multidict of fields and files
        if request.headers.get("Origin", self._discord.url) != self._discord.url:
            raise web.HTTPForbidden
        return await request.post()

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

    def _latest(self, channel: Payload) -> Waiting | None:
        """The latest interaction in a channel."""
        every = reversed(self._discord.interactions.values())
        return next((one for one in every if one.channel_id == int(channel["id"])), None)

    def _all(self, channel: Payload) -> list[Payload]:
        return self._discord.messages[int(channel["id"])]

    def _told(self, request: web.Request) -> dict[str, Any]:  # Any: what templates show
        """Messages, and what only the latest presser sees."""
        channel = self._shown(request)
        latest = self._latest(channel)
        whisper = latest.message if latest and latest.message and latest.message["flags"] & EPHEMERAL else None
        return {
            "messages": self._all(channel),
            "whisper": whisper,
            "modal": latest.modal if latest else None,
            "thinking": LOADING,
            "menus": [one["name"] for one in self._discord.commands if one.get("type") == MENU],
            "opened": {one["id"] for one in self._all(channel) if int(one["id"]) in self._discord.channels},
        }

    def _page(self, template: str, **values: Any) -> web.Response:  # Any: as above
        return web.Response(text=self._templates.get_template(template).render(**values), content_type="text/html")

    def _words(self, text: str) -> Markup:
        """The little of Discord's markup that the bot uses: mentions, small print, countdowns, headings, bold words."""
        words = escape(text)
        for number, user in self._discord.members.items():
            words = re.sub(rf"&lt;@!?{number}&gt;", f"<b>@{escape(user['global_name'])}</b>", words)
        words = re.sub(r"&lt;t:(\d+):R&gt;", r'<time data-at="\1">soon</time>', words)
        words = re.sub(r"^### (.*)$", r"<strong>\1</strong>", words, flags=re.MULTILINE)
        words = re.sub(r"\\([*_`~|])", r"\1", re.sub(r"(?<!\\)\*\*(.+?)\*\*", r"<b>\1</b>", words))
        small = re.sub(r"^-# (.*)$", r"<small>\1</small>", words, flags=re.MULTILINE)
        return Markup(small.replace("\n", "<br>"))  # noqa: S704  (escaped above)


def _pictures(form: Any, name: str) -> list[tuple[str, bytes]]:  # Any: as above
    """The files of a field."""
    files = [one for one in form.getall(name, []) if isinstance(one, web.FileField) and one.filename]
    return [(one.filename, one.file.read()) for one in files]
