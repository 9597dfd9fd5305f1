"""A Slack of our own on this machine, which the unmodified clients talk to over sockets.

It keeps the rules that a bot meets: Slack's envelope and errors, scopes and tokens that rotate, limits of blocks and views,
a post a second in a channel, files that are ready later, triggers for three seconds, and events in Socket Mode or signed
over HTTP, which come again when nobody acknowledges them. It knows one app, has no search and no user tokens, and forgets
all when it ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiohttp import web

from ops.local.slack_api import WebApi
from ops.local.slack_blocks import elements_of
from ops.local.slack_state import APP_ID, Grant, Problem, Response, State, Trigger, escaped, rich_text
from ops.local.slack_wire import Delivery, Kind, Payload

File = tuple[str, bytes]  # name and contents


class LocalSlack(State):
    """The server. Everything that a test or a page wants to see is an attribute; everybody who writes is a method."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock=clock)
        self._api = WebApi(self)

    # -- running -------------------------------------------------------------------------------------------------------

    async def start(self, port: int = 0, *, pages: Callable[[web.Application], None] | None = None) -> None:
        """Serve on a port of the loopback interface, a free one without a number; `pages` adds routes of its own."""
        app = web.Application(client_max_size=256 * 2**20)
        self._api.add_to(app)
        if pages is not None:
            pages(app)
        await self.serve(app, port)

    async def stop(self) -> None:
        """End it, and with it all connections."""
        await self.wire.stop()
        await self.stop_serving()

    # -- people and places ---------------------------------------------------------------------------------------------

    def team(self, name: str, *, installed: bool = True) -> Payload:
        """A new workspace, with the app in it or not yet."""
        number = self.new_id("T")
        team: Payload = {
            "id": number,
            "name": name,
            "domain": name.lower().replace(" ", "-"),
            "installed": False,
            "token": "",
        }
        self.teams[number] = team
        team |= {"bot": self._user(number, "Likeness", is_bot=True), "bot_id": self.new_id("B")}
        team["bot"]["profile"]["bot_id"] = team["bot_id"]
        if installed:
            self.grant(number, token=f"xoxb-{number}-local")
        return team

    def person(self, name: str, team: Payload, *, admin: bool = False, owner: bool = False) -> Payload:
        """Somebody new in a workspace, and in its public channels."""
        user = self._user(team["id"], name, is_admin=admin or owner, is_owner=owner)
        for channel in self.channels.values():
            if team["id"] in channel["teams"] and self.kind_of(channel) == "channel":
                channel["members"].append(user["id"])
        return user

    def _user(self, team_id: str, name: str, **more: bool) -> Payload:
        number = self.new_id("U")
        roles = (
            "is_admin",
            "is_owner",
            "is_primary_owner",
            "is_restricted",
            "is_ultra_restricted",
            "is_bot",
            "is_app_user",
        )
        profile = {"real_name": name, "display_name": name, "image_72": "", "team": team_id}
        self.users[number] = {
            **{"id": number, "team_id": team_id, "name": name.lower(), "real_name": name, "deleted": False},
            **{
                "tz": "Europe/London",
                "tz_offset": 0,
                "locale": "en-US",
                "updated": self.now(),
                "profile": profile,
                "color": "9f69e7",
            },
            **dict.fromkeys(roles, False),
            **more,
        }
        return self.users[number]

    def channel(
        self,
        team: Payload,
        name: str,
        *,
        private: bool = False,
        archived: bool = False,
        bot: bool = True,
        shared_with: Payload | None = None,
    ) -> Payload:
        """A new channel with everybody of the workspace in it, of both where it is shared by Slack Connect."""
        teams = [team["id"], *([shared_with["id"]] if shared_with else [])]
        members = [one["id"] for one in self.users.values() if one["team_id"] in teams and not one["is_bot"]]
        members += [team["bot"]["id"]] if bot and team["installed"] else []
        shared = {"is_ext_shared": shared_with is not None, "teams": teams}
        return self.add_channel(
            "C", team["id"], name=name, is_private=private, is_archived=archived, members=members, **shared
        )

    def invite(self, channel: Payload) -> None:
        """Somebody invites the app into a channel."""
        bot = self.bot_of(channel["team_id"])
        if bot["id"] not in channel["members"]:
            channel["members"].append(bot["id"])
            told = {
                "type": "member_joined_channel",
                "user": bot["id"],
                "channel": channel["id"],
                "team": bot["team_id"],
            }
            self.tell(bot["team_id"], told | {"channel_type": "C", "event_ts": self.new_ts()})

    def kick(self, channel: Payload) -> None:
        """Somebody removes the app from a channel."""
        bot = self.bot_of(channel["team_id"])
        channel["members"] = [one for one in channel["members"] if one != bot["id"]]

    def archive(self, channel: Payload) -> None:
        """Somebody archives a channel."""
        channel["is_archived"] = True

    def uninstall(self, team: Payload) -> None:
        """An admin removes the app from a workspace."""
        self._api.uninstall(team["id"])

    def install(self, team: Payload) -> Grant:
        """An admin installs the app without OAuth, as from its own settings."""
        return self.grant(team["id"])

    async def use_http(self, url: str) -> bool:
        """Somebody enters the app's address: it is asked, and from then on told over HTTP if it answers as it should."""
        return await self.wire.verify(url)

    def limit(self, method: str, *, times: int = 1, retry_after: int = 1) -> None:
        """Answer the next calls of a method with 429."""
        self.limits.refused.setdefault(method, []).extend([retry_after] * times)

    def refuse(self, method: str, error: str, *, times: int = 1) -> None:
        """Answer the next calls of a method with an error."""
        self.limits.errors.setdefault(method, []).extend([error] * times)

    # -- what people do ------------------------------------------------------------------------------------------------

    async def write(
        self,
        channel: Payload,
        person: Payload,
        text: str,
        *,
        thread: Payload | str | None = None,
        files: Iterable[File] = (),
    ) -> Payload:
        """Somebody writes, in a thread perhaps; `<@…>` with the id of the app's user mentions it."""
        words = escaped(text)
        message: Payload = {
            **{"user": person["id"], "text": words, "team": person["team_id"], "client_msg_id": self.new_id("M")},
            "blocks": [rich_text(text, self.new_id("b"))] if text else [],
        }
        if channel["is_ext_shared"]:
            message |= {"user_team": person["team_id"], "source_team": person["team_id"]}
        uploaded = [self.add_file(name, data, person) for name, data in files]
        if uploaded:
            place = {"channel": "channels", "group": "groups", "im": "ims"}[self.kind_of(channel)]
            for one in uploaded:
                one[place].append(channel["id"])
            message |= {"subtype": "file_share", "upload": False, "files": [self.file_seen(one) for one in uploaded]}
        return self.post(channel, message, thread["ts"] if isinstance(thread, dict) else thread)

    async def edit(self, message: Payload, text: str) -> None:
        """Somebody edits their message."""
        self.change(message, text=escaped(text), edited={"user": message["user"], "ts": self.new_ts()})

    async def delete(self, message: Payload) -> None:
        """Somebody deletes a message."""
        self.remove(message)

    async def press(
        self, where: Payload, action_id: str, person: Payload, *, value: str | None = None, block_id: str | None = None
    ) -> Delivery:
        """Somebody uses what has an action_id in a message, a modal or App Home: presses a button, or chooses `value`.

        Of several buttons with one action_id, `value` or `block_id` says which. Waits for the acknowledgement.
        """
        block, element = _used(where, action_id, value, block_id)
        action = {
            "action_id": action_id,
            "block_id": block["block_id"],
            "action_ts": self.new_ts(),
            "type": element["type"],
        }
        payload = self._interaction("block_actions", person) | {"actions": [action | self._chosen(element, value)]}
        if "channel" in where:
            payload |= self._from_message(where, person)
            container = {"type": "message", "message_ts": where["ts"], "channel_id": where["channel"]}
            container |= {name: where[name] for name in ("thread_ts",) if name in where}
            payload["container"] = container | {"is_ephemeral": "to" in where}
            payload |= {"state": {"values": {}}, "trigger_id": self.trigger(person)}
        else:
            payload |= {"view": self.seen_view(where), "container": {"type": "view", "view_id": where["id"]}}
            modal = where["id"] if where["type"] == "modal" else ""
            payload["trigger_id"] = self.trigger(person, view_id=modal)
        return await self._interact("interactive", payload)

    async def shortcut(self, message: Payload, callback_id: str, person: Payload) -> Delivery:
        """Somebody chooses a shortcut in the menu of a message. Waits for the acknowledgement."""
        payload = self._interaction("message_action", person) | self._from_message(message, person)
        payload |= {"callback_id": callback_id, "message_ts": message["ts"], "action_ts": self.new_ts()}
        return await self._interact("interactive", payload | {"trigger_id": self.trigger(person)})

    async def slash(
        self, command: str, text: str, person: Payload, channel: Payload, *, thread: object = None
    ) -> Delivery:
        """Somebody uses a command. Raises `ValueError` in a thread, where Slack has none. Waits for the acknowledgement."""
        if thread is not None:
            raise ValueError("Slack has no commands in threads.")
        team, kind = self.teams[person["team_id"]], self.kind_of(channel)
        name = {"im": "directmessage", "group": "privategroup"}.get(kind, channel["name"])
        payload = {
            **{"token": "local", "team_id": team["id"], "team_domain": team["domain"], "channel_id": channel["id"]},
            **{"channel_name": name, "user_id": person["id"], "user_name": person["name"], "command": command},
            **{"text": escaped(text), "api_app_id": APP_ID, "is_enterprise_install": "false"},
            **{"response_url": self.response_url(person, channel, None), "trigger_id": self.trigger(person)},
        }
        delivery = await self._interact("slash_commands", payload)
        if delivery.answer.get("text") or delivery.answer.get("blocks"):
            self._say_back(person, channel, delivery.answer)
        return delivery

    async def submit(self, view: Payload, values: dict[str, object], person: Payload) -> Delivery:
        """Somebody fills in a modal and sends it: then it is closed, unless the answer says otherwise.

        `values` are by action_id or block_id: words; the value of an option, or a list of such; a user's id; files as
        names and contents. What is not given stays as it was at first. Raises `ValueError` where Slack's client lets
        nobody send it. Errors that the app finds are `view["errors"]`. Waits for the acknowledgement.
        """
        view["state"] = {"values": self._state_of(view, values, person)}
        payload = self._interaction("view_submission", person)
        payload |= {"view": self.seen_view(view), "response_urls": []}
        delivery = await self._interact(
            "interactive", payload | {"trigger_id": self.trigger(person, view_id=view["id"])}
        )
        if delivery.acknowledged:
            self._obey(view, delivery.answer, person)
        return delivery

    async def close(self, view: Payload, person: Payload) -> Delivery | None:
        """Somebody closes a modal; the app hears of it if it asked to."""
        closed = self.close_views(person["id"], top=not view["clear_on_close"])
        told = next((one for one in closed if one["notify_on_close"]), None)
        if told is None:
            return None
        payload = self._interaction("view_closed", person) | {"view": self.seen_view(told)}
        return await self._interact("interactive", payload | {"is_cleared": view["clear_on_close"]})

    async def open_home(self, person: Payload, *, tab: str = "home") -> Delivery | None:
        """Somebody opens App Home, or the tab with its messages."""
        event = {"type": "app_home_opened", "user": person["id"], "channel": self.direct(person)["id"], "tab": tab}
        if tab == "home" and person["id"] in self.homes:
            event["view"] = self.seen_view(self.homes[person["id"]])
        return self.tell(person["team_id"], event | {"event_ts": self.new_ts()})

    # -- what tests and pages look at ----------------------------------------------------------------------------------

    def told_in(self, channel: Payload, *, thread: Payload | str | None = None) -> list[Payload]:
        """The app's messages in a channel, or in a thread of it."""
        ts = thread["ts"] if isinstance(thread, dict) else thread
        every = self.messages[channel["id"]] if ts is None else self.thread(channel["id"], ts)
        return [one for one in every if "bot_id" in one]

    def whispered_to(self, person: Payload) -> list[Payload]:
        """What the app told somebody alone, oldest first."""
        return [one for one in self.ephemeral if one["to"] == person["id"]]

    def view_of(self, person: Payload) -> Payload | None:
        """The modal that somebody sees."""
        stack = self.open_views.get(person["id"], [])
        return stack[-1] if stack else None

    def called(self, method: str) -> list[Payload]:
        """The arguments of all calls of a method."""
        return [arguments for name, arguments in self.requests if name == method]

    # -- interactions --------------------------------------------------------------------------------------------------

    async def _interact(self, kind: Kind, payload: Payload) -> Delivery:
        delivery = self.wire.send(kind, payload)
        await delivery.finished.wait()
        return delivery

    def _interaction(self, kind: str, person: Payload) -> Payload:
        team = self.teams[person["team_id"]]
        user = {"id": person["id"], "username": person["name"], "name": person["name"], "team_id": team["id"]}
        return {
            **{"type": kind, "user": user, "api_app_id": APP_ID, "token": "local", "enterprise": None},
            **{"team": {"id": team["id"], "domain": team["domain"]}, "is_enterprise_install": False},
        }

    def _from_message(self, message: Payload, person: Payload) -> Payload:
        channel = self.channels[message["channel"]]
        name = channel["name"] or "directmessage"
        told: Payload = {"channel": {"id": channel["id"], "name": name}}
        if "to" not in message:  # of one for somebody alone Slack tells the time only
            told["message"] = self.seen(message, metadata=True)
        return told | {"response_url": self.response_url(person, channel, message)}

    def _chosen(self, element: Payload, value: str | None) -> Payload:
        """What an action says of the choice. Raises `ValueError`."""
        chosen: Payload
        match element["type"]:
            case "button" | "icon_button":
                chosen = {name: element[name] for name in ("text", "value") if name in element}
            case "feedback_buttons":
                both = (element["positive_button"], element["negative_button"])
                one = next(one for one in both if one["value"] == value)
                chosen = {"text": one["text"], "value": one["value"]}
            case "users_select":
                chosen = {"selected_user": value}
            case "conversations_select":
                chosen = {"selected_conversation": value}
            case "plain_text_input":
                chosen = {"value": value}
            case kind:
                options = [one for one in _options(element) if one["value"] == value]
                if value and not options:
                    raise ValueError(f"There is no option {value}.")
                chosen = {"selected_options": options} if kind == "checkboxes" else {"selected_option": options[0]}
        return chosen

    def _say_back(self, person: Payload, channel: Payload, answer: Payload) -> None:
        """Show what came with the acknowledgement of a command."""
        team = self.teams[person["team_id"]]
        message = {"user": team["bot"]["id"], "bot_id": team["bot_id"], "app_id": APP_ID, "team": team["id"]}
        message["text"] = answer.get("text", "")
        if answer.get("blocks"):
            message["blocks"] = self.checked_blocks(answer["blocks"])
        self.respond(Response(team["id"], person["id"], channel["id"], self.clock(), None), message, answer)

    def _obey(self, view: Payload, answer: Payload, person: Payload) -> None:
        """Do what the acknowledgement of a submission says. Raises `Problem` for a view that Slack would refuse."""
        view.pop("errors", None)
        match answer.get("response_action"):
            case "errors":
                known = {one["block_id"] for one in view["blocks"] if one["type"] == "input"}
                if not answer["errors"] or set(answer["errors"]) - known:
                    raise Problem("invalid_arguments", messages=["[ERROR] errors name blocks that are no inputs"])
                view["errors"] = answer["errors"]
            case "update":
                self.update_view(view, self.checked_view(answer["view"]))
            case "push":
                trigger = Trigger("", person["team_id"], person["id"], self.clock())
                self.open_view(trigger, self.checked_view(answer["view"]), onto=view["id"])
            case "clear":
                self.close_views(person["id"])
            case _:
                self.close_views(person["id"], top=True)

    def _state_of(self, view: Payload, values: dict[str, object], person: Payload) -> Payload:
        """What a modal's inputs hold. Raises `ValueError`."""
        left = set(values)
        state: Payload = {}
        for block in view["blocks"]:
            for element in elements_of(block):
                name = element.get("action_id")
                if name is None or element["type"] in ("button", "overflow", "image"):
                    continue
                given = next((one for one in (name, block["block_id"]) if one in values), None)
                left.discard(given or "")
                value = self._filled(element, values.get(given) if given else None, given is not None, person)
                if block["type"] == "input" and not block.get("optional") and not _has(value):
                    raise ValueError(f"{block['label']['text']}: this is required.")
                state.setdefault(block["block_id"], {})[name] = {"type": element["type"], **value}
        if left:
            raise ValueError(f"The modal has no {', '.join(sorted(left))}.")
        return state

    def _filled(
        self, element: Payload, value: Any, given: bool, person: Payload
    ) -> Payload:  # Any: as `submit` takes it
        """The value of one input. Raises `ValueError`."""
        kind = element["type"]
        if kind == "file_input":
            files: Sequence[File] = value or ()
            if len(files) > element.get("max_files", 10):
                raise ValueError("These are too many files.")
            wanted = {one.lower() for one in element.get("filetypes", [])}
            if wanted and any(name.rpartition(".")[2].lower() not in wanted for name, _ in files):
                raise ValueError("This is not a kind of file that was asked for.")
            if any(len(data) > 10 * 2**20 for _, data in files):
                raise ValueError("This file is larger than 10 MB.")
            return {"files": [self.file_seen(self.add_file(name, data, person)) for name, data in files]}
        if kind in ("checkboxes", "multi_static_select"):
            wanted = {*(value or ())}
            options = [one for one in _options(element) if one["value"] in wanted]
            return {"selected_options": options if given else element.get("initial_options", [])}
        if kind in ("static_select", "radio_buttons"):
            option = next((one for one in _options(element) if one["value"] == value), None)
            if given and value and option is None:
                raise ValueError(f"There is no option {value}.")
            return {"selected_option": option if given else element.get("initial_option")}
        if kind == "users_select":
            return {"selected_user": value if given else element.get("initial_user")}
        if kind == "conversations_select":
            return {"selected_conversation": value if given else element.get("initial_conversation")}
        words = value if given else element.get("initial_value")
        if words and not element.get("min_length", 0) <= len(words) <= element.get("max_length", 3000):
            raise ValueError("These words are too long, or too short.")
        return {"value": words or None}


def _used(where: Payload, action_id: str, value: str | None, block_id: str | None) -> tuple[Payload, Payload]:
    """The block and the element that somebody uses. Raises `ValueError` where there is none."""
    for block in where.get("blocks", []):
        for one in elements_of(block):
            same = one.get("action_id") == action_id and block_id in (None, block["block_id"])
            if same and (one["type"] != "button" or value in (None, one.get("value"))):
                return block, one
    raise ValueError(f"There is nothing with the action_id {action_id}.")


def _options(element: Payload) -> list[Payload]:
    groups = element.get("option_groups", [])
    return [*element.get("options", []), *(one for group in groups for one in group["options"])]


def _has(value: Payload) -> bool:
    return any(bool(one) for one in value.values())
