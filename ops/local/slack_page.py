"""A page of the local Slack: its channels, threads, modals and App Home, as anybody; so that the bot can be tried without
an account.

It is for this machine only: it asks for no password, and takes forms only from its own page.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from markupsafe import Markup

from ops.local.pages import COLOURS, Pages, pictures
from ops.local.slack import LocalSlack
from ops.local.slack_blocks import elements_of
from ops.local.slack_state import Problem
from ops.local.slack_wire import Delivery, Payload

SILENCE = "Likeness did not answer in time."


class Page(Pages):
    """Routes on a local Slack's own server."""

    def __init__(self, slack: LocalSlack) -> None:
        super().__init__(slack, words=self._words, emoji=_emoji, colour=_colour, picture=self._picture, clock=_clock)
        self._slack = slack
        self._notices: dict[str, str] = {}  # by person: what the page itself has to say
        self._tried: dict[str, str] = {}  # by modal: why it could not be sent

    def add_to(self, app: web.Application) -> None:
        """Add the routes, before the server starts."""
        app.router.add_get("/", self._first)
        app.router.add_get("/pictures/{file}", self._shown_picture)
        app.router.add_get("/channels/{channel}", self._channel)
        app.router.add_get("/channels/{channel}/messages", self._messages)
        for what in ("say", "press", "choose", "submit", "close", "dismiss"):
            app.router.add_post(f"/channels/{{channel}}/{what}", getattr(self, f"_{what}"))

    # -- what is looked at ---------------------------------------------------------------------------------------------

    async def _first(self, _: web.Request) -> web.Response:
        first = next(one for one in self._slack.channels.values() if not one["is_im"])
        raise web.HTTPSeeOther(f"/channels/{first['id']}")

    async def _channel(self, request: web.Request) -> web.Response:
        me, channel = self._me(request), self._shown(request)
        if channel["is_im"]:
            await self._slack.open_home(me, tab=request.query.get("tab", "messages"))
        people = [one for one in self._slack.users.values() if one["team_id"] == me["team_id"] and not one["is_bot"]]
        return self.page(
            "slack.html",
            people=[(one, self._address(request, one)) for one in people],
            team=self._slack.teams[me["team_id"]],
            direct=self._slack.direct(me),
            commands=self._slack.commands,
            **self._told(request),
        )

    async def _messages(self, request: web.Request) -> web.Response:
        return self.page("slack_messages.html", **self._told(request))

    async def _shown_picture(self, request: web.Request) -> web.Response:
        """A picture as Slack's own client shows it, which needs no token of the app's."""
        file = self._slack.files.get(request.match_info["file"])
        if file is None or not self._slack.is_ready(file):
            return web.Response(status=404)
        return web.Response(body=self._slack.contents[file["id"]], content_type=file["mimetype"])

    # -- what is done --------------------------------------------------------------------------------------------------

    async def _say(self, request: web.Request) -> web.Response:
        form, channel, me = await self.fields(request), self._shown(request), self._me(request)
        text, thread = str(form["text"]).strip(), request.query.get("thread")
        self._notices.pop(me["id"], None)  # it was about what was written before
        if text.startswith("/"):
            await self._slash(me, channel, text, thread)
            return self._back(request)
        files = pictures(form, "pictures")
        if text or files:
            bot = self._slack.bot_of(me["team_id"])
            text = re.sub(r"@likeness\b", f"<@{bot['id']}>", text, flags=re.IGNORECASE)
            await self._slack.write(channel, me, text, thread=thread, files=files)
        return self._back(request)

    async def _slash(self, me: Payload, channel: Payload, text: str, thread: str | None) -> None:
        command, _, words = text.partition(" ")
        if command not in [one["command"] for one in self._slack.commands]:
            self._notices[me["id"]] = f"{command} is not a valid command."
        elif thread is not None:
            self._notices[me["id"]] = f"{command} is not supported in threads. Sorry!"
        else:
            self._heard(me, await self._slack.slash(command, words.strip(), me, channel))

    async def _press(self, request: web.Request) -> web.Response:
        form, me = await self.fields(request), self._me(request)
        where = self._place(request, str(form["where"]))
        value = str(form["value"]) if "value" in form else None
        delivery = await self._slack.press(where, str(form["what"]), me, value=value, block_id=str(form["block"]))
        self._heard(me, delivery)
        return self._back(request)

    async def _choose(self, request: web.Request) -> web.Response:
        form, me = await self.fields(request), self._me(request)
        message = self._place(request, str(form["where"]))
        self._heard(me, await self._slack.shortcut(message, str(form["what"]), me))
        return self._back(request)

    async def _submit(self, request: web.Request) -> web.Response:
        form, me = await self.fields(request), self._me(request)
        view = self._slack.views.get(str(form["view"]))
        if view is None:
            return self._back(request)
        self._tried.pop(view["id"], None)
        try:
            delivery = await self._slack.submit(view, _values(view, form), me)
        except ValueError as error:
            self._tried[view["id"]] = str(error)
        except Problem as problem:
            self._tried[view["id"]] = f"Slack refuses the answer of Likeness: {problem}."
        else:
            if not delivery.acknowledged:
                self._tried[view["id"]] = SILENCE
        return self._back(request)

    async def _close(self, request: web.Request) -> web.Response:
        form, me = await self.fields(request), self._me(request)
        view = self._slack.views.get(str(form["view"]))
        if view is not None:
            await self._slack.close(view, me)
        return self._back(request)

    async def _dismiss(self, request: web.Request) -> web.Response:
        """Away with what only this person sees."""
        form, me = await self.fields(request), self._me(request)
        self._notices.pop(me["id"], None)
        for one in self._slack.whispered_to(me):
            if one["ts"] == form.get("where"):
                self._slack.ephemeral.remove(one)
        return self._back(request)

    def _heard(self, me: Payload, delivery: Delivery) -> None:
        if not delivery.acknowledged:
            self._notices[me["id"]] = SILENCE

    # -- where it is ---------------------------------------------------------------------------------------------------

    def _shown(self, request: web.Request) -> Payload:
        found = self._slack.channels.get(request.match_info["channel"])
        if found is None:
            raise web.HTTPNotFound
        return found

    def _me(self, request: web.Request) -> Payload:
        people = {one["id"]: one for one in self._slack.users.values() if not one["is_bot"]}
        return people.get(request.query.get("as", ""), next(iter(people.values())))

    def _place(self, request: web.Request, which: str) -> Payload:
        """What somebody uses: a message, one for them alone, a modal, or App Home."""
        me, channel = self._me(request), self._shown(request)
        home = self._slack.homes.get(me["id"])
        found = self._slack.views.get(which) or self._slack.message_at(channel["id"], which)
        found = found or next((one for one in self._slack.whispered_to(me) if one["ts"] == which), None)
        found = found or (home if home is not None and home["id"] == which else None)
        if found is None:
            raise web.HTTPNotFound
        return found

    def _address(self, request: web.Request, person: Payload) -> str:
        """The address of what is shown for somebody else; their own direct messages in place of another's."""
        shown = self._shown(request)
        more = {name: value for name, value in request.query.items() if name == "tab"}
        if shown["is_im"] and shown["user"] != person["id"]:
            shown = self._slack.direct(person)
        elif "thread" in request.query:
            more["thread"] = request.query["thread"]
        return f"/channels/{shown['id']}?{urlencode({'as': person['id'], **more})}"

    def _back(self, request: web.Request) -> web.Response:
        raise web.HTTPSeeOther(self._address(request, self._me(request)))

    def _told(self, request: web.Request) -> dict[str, Any]:  # Any: what templates show
        """What the part of the page shows that changes."""
        me, channel, thread = self._me(request), self._shown(request), request.query.get("thread")
        every = self._slack.messages[channel["id"]]
        top = [one for one in every if one.get("thread_ts", one["ts"]) == one["ts"]]
        whispers = [one for one in self._slack.whispered_to(me) if one["channel"] == channel["id"]]
        return {
            **{"me": me, "channel": channel, "thread": thread, "tab": request.query.get("tab", "messages")},
            "query": urlencode(
                {name: value for name, value in request.query.items() if name in ("thread", "tab")} | {"as": me["id"]}
            ),
            "channels": [
                one for one in self._slack.channels.values() if not one["is_im"] and me["id"] in one["members"]
            ],
            "messages": top if thread is None else self._slack.thread(channel["id"], thread),
            "threads": {one["id"]: self._threads(one) for one in self._slack.channels.values()},
            "whispers": [one for one in whispers if one.get("thread_ts") == thread],
            "statuses": {ts: said for (where, ts), said in self._slack.statuses.items() if where == channel["id"]},
            "prompts": self._slack.prompts.get((channel["id"], thread or ""), []),
            "home": self._slack.homes.get(me["id"]),
            "modal": self._slack.view_of(me),
            "tried": self._tried,
            "notice": self._notices.get(me["id"]),
            "shortcuts": self._slack.shortcuts,
            "users": self._slack.users,
        }

    def _threads(self, channel: Payload) -> list[Payload]:
        return [one for one in self._slack.messages[channel["id"]] if one.get("reply_count")]

    # -- how it looks --------------------------------------------------------------------------------------------------

    def _picture(self, one: Payload) -> str:
        """The address of a picture of a block."""
        file = one.get("slack_file")
        if file is None:
            return str(one["image_url"])
        known = file.get("id") or next(
            (number for number, kept in self._slack.files.items() if file.get("url") in kept.values()), ""
        )
        return f"/pictures/{known}"

    def _words(self, text: str | Payload) -> Markup:
        """Words with Slack's marks; a text object says itself whether it has any."""
        if isinstance(text, dict):
            if text["type"] == "plain_text":
                return Markup(escape(text["text"]).replace("\n", "<br>"))  # noqa: S704  (escaped; likewise below)
            text = str(text["text"])
        words = escape(re.sub(r"<([@#!]?)([^<>|]+)(?:\|([^<>]*))?>", self._link, text))
        words = words.replace("&amp;", "&")  # people's words have Slack's entities already
        for mark, tag in (("*", "b"), ("_", "i"), ("~", "s"), ("`", "code")):
            bound = rf"(?<![\w{re.escape(mark)}]){re.escape(mark)}(\S(?:[^\n]*?\S)?){re.escape(mark)}(?![\w{re.escape(mark)}])"
            words = re.sub(bound, rf"<{tag}>\1</{tag}>", words)
        words = re.sub(r"\x02(.*?)\x03", r'<span class="mention">\1</span>', words)
        words = re.sub(r"\x04(.*?)\x05(.*?)\x06", r'<a href="\1">\2</a>', words)
        return Markup(words.replace("\n", "<br>"))  # noqa: S704

    def _link(self, found: re.Match[str]) -> str:
        """A mention or a link of Slack's markup, between characters that nobody types."""
        kind, what, label = found.groups()
        match kind:
            case "@":
                user = self._slack.users.get(what)
                return f"\x02@{user['real_name'] if user else what}\x03"
            case "#":
                channel = self._slack.channels.get(what)
                return f"\x02#{channel['name'] if channel else what}\x03"
            case "!":
                return label or f"\x02@{what}\x03"
        return f"\x04{what}\x05{label or what}\x06" if what.startswith(("https:", "http:")) else label or what


def _values(view: Payload, form: Any) -> dict[str, object]:  # Any: aiohttp's multidict
    """What a form brings for the inputs of a modal, by block."""
    values: dict[str, object] = {}
    for block in view["blocks"]:
        for element in elements_of(block) if block["type"] == "input" else ():
            name = block["block_id"]
            match element["type"]:
                case "file_input":
                    values[name] = pictures(form, name)
                case "checkboxes" | "multi_static_select":
                    values[name] = [str(one) for one in form.getall(name, [])]
                case _:
                    values[name] = str(form.get(name, "")).replace("\r\n", "\n")
    return values


def _emoji(text: str) -> tuple[str, str]:
    """The emoji that a label starts with, and the rest."""
    first, _, rest = text.partition(" ")
    return (first, rest) if first and not first[0].isascii() else ("", text)


def _colour(user: Payload) -> str:
    """A colour of somebody's own."""
    return "#611f69" if user["is_bot"] else COLOURS[sum(user["id"].encode()) % len(COLOURS)]


def _clock(ts: str) -> str:
    """Hours and minutes of a message."""
    return datetime.fromtimestamp(float(ts), UTC).strftime("%H:%M")
