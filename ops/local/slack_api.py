"""The Web API of the local Slack: methods by name, uploads and downloads of files, OAuth, and answers to interactions.

Each method checks what Slack documents for it and answers with Slack's own envelope and errors; what it changes is the
state's business.
"""

from __future__ import annotations

import base64
import json
import math
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import BasicAuth, web

from ops.local.slack_blocks import MARKDOWN
from ops.local.slack_state import (
    ALT_TEXT,
    APP_ID,
    APP_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    METADATA,
    RESPONSE_SECONDS,
    TOKEN_SECONDS,
    TRIGGER_SECONDS,
    VIEWS,
    Grant,
    Problem,
    State,
    Trigger,
)
from ops.local.slack_wire import Payload

CODE_SECONDS = 600.0
PROMPTS, LOADING_MESSAGES = 4, 10
_STRUCTURED = ("attachments", "blocks", "chunks", "files", "loading_messages", "metadata", "prompts", "view")
_EVENT_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,254}")


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a method: its arguments, and who asks."""

    arguments: Payload
    grant: Grant
    token: str
    basic: BasicAuth | None

    def __getitem__(self, name: str) -> Any:  # Any: JSON; likewise below
        """A required argument. Raises `Problem`."""
        value = self.arguments.get(name)
        if value is None or value == "":
            raise Problem("invalid_arguments", messages=[f"[ERROR] missing required field: {name}"])
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """An optional one."""
        return self.arguments.get(name, default)

    def flag(self, name: str) -> bool:
        return str(self.arguments.get(name, "")).lower() in ("1", "true")


Method = Callable[[Call], Payload | Awaitable[Payload]]


class WebApi:
    """Routes on the server of a local Slack."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._open: dict[str, Method] = {  # with no token of a bot
            "apps.connections.open": self._connections_open,
            "apps.uninstall": self._uninstall,
            "oauth.v2.access": self._access,
        }
        self._methods: dict[str, tuple[Method, tuple[str, ...]]] = {  # with the scopes of which one is needed
            "api.test": (lambda _: {}, ()),
            "assistant.threads.setStatus": (self._set_status, ("assistant:write", "chat:write")),
            "assistant.threads.setSuggestedPrompts": (self._set_prompts, ("assistant:write",)),
            "assistant.threads.setTitle": (self._set_title, ("assistant:write",)),
            "auth.revoke": (self._revoke, ()),
            "auth.test": (self._auth_test, ()),
            "chat.appendStream": (self._append_stream, ("chat:write",)),
            "chat.delete": (self._delete, ("chat:write",)),
            "chat.getPermalink": (self._permalink, ()),
            "chat.postEphemeral": (self._post_ephemeral, ("chat:write",)),
            "chat.postMessage": (self._post_message, ("chat:write",)),
            "chat.startStream": (self._start_stream, ("chat:write",)),
            "chat.stopStream": (self._stop_stream, ("chat:write",)),
            "chat.update": (self._update, ("chat:write",)),
            "conversations.history": (self._history, ()),
            "conversations.info": (self._info, ("channels:read", "groups:read", "im:read")),
            "conversations.join": (self._join, ("channels:join",)),
            "conversations.members": (self._members, ("channels:read", "groups:read", "im:read")),
            "conversations.open": (self._open_direct, ("im:write",)),
            "conversations.replies": (self._replies, ()),
            "files.completeUploadExternal": (self._complete_upload, ("files:write",)),
            "files.delete": (self._delete_file, ("files:write",)),
            "files.getUploadURLExternal": (self._upload_url, ("files:write",)),
            "files.info": (self._file_info, ("files:read",)),
            "team.info": (self._team_info, ("team:read",)),
            "users.conversations": (self._users_conversations, ("channels:read", "groups:read", "im:read")),
            "users.info": (self._users_info, ("users:read",)),
            "views.open": (self._views_open, ()),
            "views.publish": (self._views_publish, ()),
            "views.push": (self._views_push, ()),
            "views.update": (self._views_update, ()),
        }

    def add_to(self, app: web.Application) -> None:
        """Add the routes, before the server starts."""
        app.router.add_route("*", "/api/{method}", self._call)
        app.router.add_get("/link/", self._state.wire.link)
        app.router.add_post("/upload/v1/{file}", self._uploaded)
        app.router.add_get("/files-pri/{place}/{name:.*}", self._download)
        app.router.add_get("/elsewhere/{name:.*}", self._elsewhere)
        app.router.add_get("/oauth/v2/authorize", self._authorize)
        app.router.add_post("/actions/{team}/{number}/{secret}", self._answered)

    # -- the envelope --------------------------------------------------------------------------------------------------

    async def _call(self, request: web.Request) -> web.Response:
        name, state = request.match_info["method"], self._state
        arguments = await _arguments(request)
        token = arguments.pop("token", "") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        state.requests.append((name, arguments))
        try:
            answer = await self._answer(name, arguments, token, _basic(request))
        except Problem as problem:
            body: Payload = {"ok": False, "error": problem.error, **problem.more}
            if problem.messages:
                body["response_metadata"] = {"messages": problem.messages}
                body["errors"] = [one.removeprefix("[ERROR] ") for one in problem.messages]
            if problem.retry_after is not None:
                state.limited += 1
                return web.json_response(body, status=429, headers={"Retry-After": str(problem.retry_after)})
            return web.json_response(body)
        return web.json_response({"ok": True, **answer})

    async def _answer(self, name: str, arguments: Payload, token: str, basic: BasicAuth | None) -> Payload:
        refused = self._state.limits.refused.get(name)
        if refused:
            raise Problem("ratelimited", retry_after=refused.pop(0))
        if errors := self._state.limits.errors.get(name):
            raise Problem(errors.pop(0))
        if name in self._open:
            method = self._open[name]
            call = Call(arguments, Grant("", "", ()), token, basic)
        elif name in self._methods:
            method, scopes = self._methods[name]
            call = Call(arguments, self._granted(token), token, basic)
            _need(call.grant, *scopes)
        else:
            raise Problem("unknown_method", req_method=name)
        answer = method(call)
        return answer if isinstance(answer, dict) else await answer

    def _granted(self, token: str) -> Grant:
        """What a token stands for. Raises `Problem` for one that is good for nothing."""
        if not token or token.startswith("Basic "):
            raise Problem("not_authed")
        grant = self._state.grants.get(token)
        if grant is None:
            raise Problem("invalid_auth")
        if not self._state.teams[grant.team_id]["installed"]:
            raise Problem("account_inactive")
        if grant.revoked:
            raise Problem("token_revoked")
        if grant.expires_at is not None and self._state.clock() > grant.expires_at:
            raise Problem("token_expired")
        return grant

    def _channel(self, call: Call, name: str = "channel") -> Payload:
        """A conversation that the app can see. Raises `Problem`."""
        state, number = self._state, call[name]
        if number in state.users and state.users[number]["team_id"] == call.grant.team_id:
            return state.direct(state.users[number])
        channel = state.channels.get(number)
        if channel is None or call.grant.team_id not in channel["teams"]:
            raise Problem("channel_not_found")
        if state.kind_of(channel) != "channel" and not self._is_member(call, channel):
            raise Problem("channel_not_found")
        return channel

    def _is_member(self, call: Call, channel: Payload) -> bool:
        return self._state.bot_of(call.grant.team_id)["id"] in channel["members"]

    def _writable(self, call: Call) -> Payload:
        """One that it may write into. Raises `Problem`."""
        channel = self._channel(call)
        if channel["is_archived"]:
            raise Problem("is_archived")
        if not self._is_member(call, channel) and "chat:write.public" not in call.grant.scopes:
            raise Problem("not_in_channel")
        return channel

    def _readable(self, call: Call) -> Payload:
        """One whose messages it may read. Raises `Problem`."""
        channel = self._channel(call)
        kind = self._state.kind_of(channel)
        _need(call.grant, f"{kind}s:history" if kind != "im" else "im:history")
        if not self._is_member(call, channel):
            raise Problem("not_in_channel")
        return channel

    def _own(self, call: Call, wrong: str) -> Payload:
        """A message of the app's own. Raises `Problem`, `wrong` for another's."""
        channel = self._channel(call)
        message = self._state.message_at(channel["id"], call["ts"])
        if message is None:
            raise Problem("message_not_found")
        if message.get("bot_id") != self._state.teams[call.grant.team_id]["bot_id"]:
            raise Problem(wrong)
        return message

    # -- apps and tokens -----------------------------------------------------------------------------------------------

    def _auth_test(self, call: Call) -> Payload:
        team = self._state.teams[call.grant.team_id]
        return {
            **{"url": f"{self._state.url}/", "team": team["name"], "user": team["bot"]["name"], "team_id": team["id"]},
            **{"user_id": team["bot"]["id"], "bot_id": team["bot_id"], "is_enterprise_install": False},
        }

    def _team_info(self, call: Call) -> Payload:
        team = self._state.teams[call.grant.team_id]
        return {"team": {"id": team["id"], "name": team["name"], "domain": team["domain"]}}

    def _connections_open(self, call: Call) -> Payload:
        if call.token != APP_TOKEN:
            raise Problem("invalid_auth")
        ticket = self._state.wire.ticket()
        return {"url": f"ws://127.0.0.1:{self._state.port}/link/?ticket={ticket}&app_id={APP_ID}"}

    def _client(self, call: Call) -> None:
        """Check that it is the app that asks, by its secret. Raises `Problem`."""
        given = (
            (call.basic.login, call.basic.password)
            if call.basic
            else (call.get("client_id"), call.get("client_secret"))
        )
        if given[0] != CLIENT_ID:
            raise Problem("invalid_client_id")
        if given[1] != CLIENT_SECRET:
            raise Problem("bad_client_secret")

    def _access(self, call: Call) -> Payload:
        """Exchange a code, or a refresh token, for a token."""
        self._client(call)
        state = self._state
        if call.get("grant_type") == "refresh_token":
            team_id = state.refresh_tokens.pop(call["refresh_token"], None)
            if team_id is None or not state.teams[team_id]["installed"]:
                raise Problem("invalid_refresh_token")
            user_id = ""
        else:
            code = state.codes.get(call["code"])
            if code is None:
                raise Problem("invalid_code")
            if code["used"]:
                raise Problem("code_already_used")
            if state.clock() - code["created"] > CODE_SECONDS:
                raise Problem("code_expired")
            if call.get("redirect_uri") not in (None, "", code["redirect_uri"]):
                raise Problem("bad_redirect_uri")
            code["used"] = True
            team_id, user_id = code["team_id"], code["user_id"]
        grant, team = state.grant(team_id), state.teams[team_id]
        answer: Payload = {
            **{"app_id": APP_ID, "token_type": "bot", "access_token": grant.token, "scope": ",".join(grant.scopes)},
            **{"bot_user_id": team["bot"]["id"], "team": {"id": team_id, "name": team["name"]}, "enterprise": None},
            **{"is_enterprise_install": False, "authed_user": {"id": user_id}},
        }
        if grant.refresh_token is not None:
            answer |= {"refresh_token": grant.refresh_token, "expires_in": TOKEN_SECONDS}
        return answer

    def _revoke(self, call: Call) -> Payload:
        if call.flag("test"):
            return {"revoked": False}
        call.grant.revoked = True
        self._state.tell(call.grant.team_id, self._revocation(call.grant.team_id))
        return {"revoked": True}

    def _revocation(self, team_id: str) -> Payload:
        tokens = {"oauth": [], "bot": [self._state.bot_of(team_id)["id"]]}
        return {"type": "tokens_revoked", "tokens": tokens, "event_ts": self._state.new_ts()}

    def _uninstall(self, call: Call) -> Payload:
        self._client(call)
        self.uninstall(self._granted(call.token).team_id)
        return {}

    def uninstall(self, team_id: str) -> None:
        """Take the app away from a workspace: its tokens are good for nothing, and it hears of that."""
        state = self._state
        state.tell(team_id, {"type": "app_uninstalled", "event_ts": state.new_ts()})
        state.tell(team_id, self._revocation(team_id))
        for grant in state.grants.values():
            grant.revoked = grant.revoked or grant.team_id == team_id
        state.refresh_tokens = {token: one for token, one in state.refresh_tokens.items() if one != team_id}
        state.teams[team_id] |= {"installed": False, "token": ""}
        bot = state.bot_of(team_id)["id"]
        for channel in state.channels.values():
            if not channel["is_im"] and bot in channel["members"]:
                channel["members"].remove(bot)

    async def _authorize(self, request: web.Request) -> web.Response:
        """The page on which somebody allows an app: here they do at once, as whoever `user` names or the first admin."""
        query, state = request.query, self._state
        if query.get("client_id") != CLIENT_ID:
            return web.Response(status=400, text="Invalid client_id parameter")
        redirect = query.get("redirect_uri", "")
        if not redirect.startswith("http"):
            return web.Response(status=400, text="redirect_uri did not match any configured URIs")
        told = {"state": query["state"]} if "state" in query else {}
        if query.get("deny"):
            told["error"] = "access_denied"
        else:
            team_id = query.get("team") or next(iter(state.teams))
            people = [one for one in state.users.values() if one["team_id"] == team_id and not one["is_bot"]]
            admin = next((one for one in people if one["is_admin"]), None)
            told["code"] = f"{team_id}.{secrets.token_hex(8)}"
            state.codes[told["code"]] = {
                **{"team_id": team_id, "redirect_uri": redirect, "created": state.clock(), "used": False},
                "user_id": query.get("user") or (admin["id"] if admin else ""),
            }
        raise web.HTTPFound(f"{redirect}{'&' if '?' in redirect else '?'}{urlencode(told)}")

    # -- messages ------------------------------------------------------------------------------------------------------

    def _post_message(self, call: Call) -> Payload:
        channel = self._writable(call)
        message = self._composed(call, required=True)
        self._spend(channel)
        posted = self._state.post(channel, message, call.get("thread_ts"))
        self._state.statuses.pop((channel["id"], posted.get("thread_ts", "")), None)
        return {"channel": channel["id"], "ts": posted["ts"], "message": self._state.seen(posted, metadata=True)}

    def _post_ephemeral(self, call: Call) -> Payload:
        channel = self._writable(call)
        if call["user"] not in channel["members"]:
            raise Problem("user_not_in_channel")
        message = self._composed(call, required=True)
        self._spend(channel)
        told = {"channel": channel["id"], "ts": self._state.new_ts(), "to": call["user"], "type": "message"}
        if call.get("thread_ts"):
            told["thread_ts"] = call["thread_ts"]
        self._state.ephemeral.append(told | message)
        return {"message_ts": told["ts"]}

    def _update(self, call: Call) -> Payload:
        message = self._own(call, "cant_update_message")
        if "streaming" in message:
            raise Problem("streaming_state_conflict")
        if self._state.channels[message["channel"]]["is_archived"]:
            raise Problem("is_archived")
        given = self._composed(call, required=True)
        fields: Payload = {name: given[name] for name in ("blocks", "attachments", "metadata") if name in given}
        if call.get("text") is not None or call.get("markdown_text") is not None:
            fields = {"blocks": None} | fields if "blocks" in message else fields
            fields["text"] = given["text"]
        if "blocks" not in given:
            fields["edited"] = {"user": message["user"], "ts": self._state.new_ts()}
        self._state.change(message, **fields)
        seen = self._state.seen(message, metadata=True)
        return {"channel": message["channel"], "ts": message["ts"], "text": message["text"], "message": seen}

    def _delete(self, call: Call) -> Payload:
        message = self._own(call, "cant_delete_message")
        ts = message["ts"]
        self._state.remove(message)
        return {"channel": message["channel"], "ts": ts}

    def _permalink(self, call: Call) -> Payload:
        channel, state = self._channel(call), self._state
        message = state.message_at(channel["id"], str(call["message_ts"]))
        if message is None:
            raise Problem("message_not_found")
        link = f"https://{state.teams[call.grant.team_id]['domain']}.slack.com/archives/{channel['id']}"
        return {"channel": channel["id"], "permalink": f"{link}/p{message['ts'].replace('.', '')}"}

    def _composed(self, call: Call, *, required: bool) -> Payload:
        """A message of the app's as the arguments say. Raises `Problem`."""
        state, team = self._state, self._state.teams[call.grant.team_id]
        bot = team["bot"]
        message: Payload = {
            **{"user": bot["id"], "bot_id": team["bot_id"], "app_id": APP_ID, "team": team["id"]},
            "text": state.checked_text(call.get("text")),
        }
        markdown = call.get("markdown_text")
        if markdown is not None:
            if call.get("text") or call.get("blocks"):
                raise Problem("markdown_text_conflict")
            if len(markdown) > MARKDOWN:
                raise Problem("msg_too_long")
            message["text"] = markdown
        if call.get("blocks") is not None:
            message["blocks"] = state.checked_blocks(call["blocks"]) if call.get("blocks") != [] else []
        if call.get("attachments"):
            if not isinstance(call["attachments"], list):
                raise Problem("invalid_attachments")
            if len(call["attachments"]) > 100:
                raise Problem("too_many_attachments")
            attached = [one for one in call["attachments"] if "blocks" in one]
            message["attachments"] = call["attachments"]
            for one in attached:
                one["blocks"] = state.checked_blocks(one["blocks"])
        if call.get("metadata") is not None:
            message["metadata"] = _metadata(call["metadata"])
        if required and not (message["text"] or message.get("blocks") or message.get("attachments")):
            raise Problem("no_text")
        return message

    def _spend(self, channel: Payload) -> None:
        """Take one post in a channel. Raises `Problem` when there were too many of late."""
        limits, now = self._state.limits, self._state.clock()
        if not limits.post_seconds:
            return
        left, since = limits.spent.get(channel["id"], (float(limits.post_burst), now))
        left = min(float(limits.post_burst), left + (now - since) / limits.post_seconds)
        if left < 1:
            limits.spent[channel["id"]] = (left, now)
            raise Problem("ratelimited", retry_after=max(1, math.ceil((1 - left) * limits.post_seconds)))
        limits.spent[channel["id"]] = (left - 1, now)

    # -- streams -------------------------------------------------------------------------------------------------------

    def _start_stream(self, call: Call) -> Payload:
        channel = self._writable(call)
        if not channel["is_im"]:
            for name in ("recipient_team_id", "recipient_user_id"):
                if not call.get(name):
                    raise Problem(f"missing_{name}")
        message = self._composed(call, required=False) | {"text": _streamed(call), "streaming": True}
        message["blocks"] = self._streamed_blocks(call)
        self._spend(channel)
        posted = self._state.post(channel, message, call["thread_ts"])
        self._state.statuses.pop((channel["id"], posted.get("thread_ts", "")), None)
        return {"channel": channel["id"], "ts": posted["ts"]}

    def _append_stream(self, call: Call) -> Payload:
        message = self._own(call, "message_not_owned_by_app")
        if "streaming" not in message:
            raise Problem("message_not_in_streaming_state")
        message["text"] = self._state.checked_text(message["text"] + _streamed(call))
        message["blocks"] = [*message["blocks"], *self._streamed_blocks(call)]
        return {"channel": message["channel"], "ts": message["ts"]}

    def _streamed_blocks(self, call: Call) -> list[Payload]:
        """Blocks that are added to a stream. Raises `Problem`."""
        added = [one["blocks"] for one in call.get("chunks") or [] if one["type"] == "blocks"]
        return [block for blocks in added for block in self._state.checked_blocks(blocks)]

    def _stop_stream(self, call: Call) -> Payload:
        message = self._own(call, "message_not_owned_by_app")
        if "streaming" not in message:
            raise Problem("message_not_in_streaming_state")
        fields: Payload = {"text": self._state.checked_text(message["text"] + _streamed(call)), "streaming": None}
        if call.get("blocks"):
            fields["blocks"] = [*message["blocks"], *self._state.checked_blocks(call["blocks"])]
        if call.get("metadata") is not None:
            fields["metadata"] = _metadata(call["metadata"])
        self._state.change(message, **fields)
        seen = self._state.seen(message, metadata=True)
        return {"channel": message["channel"], "ts": message["ts"], "message": seen}

    # -- threads with the app ------------------------------------------------------------------------------------------

    def _with_app(self, call: Call) -> tuple[str, str]:
        """A thread. Raises `Problem`."""
        channel = self._channel(call, "channel_id")
        if not self._is_member(call, channel):
            raise Problem("not_in_channel")
        if self._state.message_at(channel["id"], call["thread_ts"]) is None:
            raise Problem("invalid_thread_ts")
        return channel["id"], call["thread_ts"]

    def _set_status(self, call: Call) -> Payload:
        where = self._with_app(call)
        if len(call.get("loading_messages") or []) > LOADING_MESSAGES:
            raise Problem("invalid_arguments")
        status = str(call.get("status", ""))
        self._state.status_log.append((*where, status))
        self._state.statuses.pop(where, None)
        if status:
            self._state.statuses[where] = status
        return {}

    def _set_title(self, call: Call) -> Payload:
        self._state.titles[self._with_app(call)] = call["title"]
        return {}

    def _set_prompts(self, call: Call) -> Payload:
        prompts = call["prompts"]
        if not 1 <= len(prompts) <= PROMPTS or any(not {"title", "message"} <= set(one) for one in prompts):
            raise Problem("invalid_arguments")
        where = self._with_app(call) if call.get("thread_ts") else (self._channel(call, "channel_id")["id"], "")
        self._state.prompts[where] = prompts
        return {}

    # -- conversations -------------------------------------------------------------------------------------------------

    def _info(self, call: Call) -> Payload:
        return {"channel": self._state.conversation(self._channel(call), call.grant.team_id)}

    def _members(self, call: Call) -> Payload:
        return {"members": self._channel(call)["members"], "response_metadata": {"next_cursor": ""}}

    def _join(self, call: Call) -> Payload:
        channel, bot = self._channel(call), self._state.bot_of(call.grant.team_id)
        if self._state.kind_of(channel) != "channel":
            raise Problem("method_not_supported_for_channel_type")
        if channel["is_archived"]:
            raise Problem("is_archived")
        if bot["id"] in channel["members"]:
            warned = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
            return {"channel": self._state.conversation(channel, call.grant.team_id), **warned}
        channel["members"].append(bot["id"])
        return {"channel": self._state.conversation(channel, call.grant.team_id)}

    def _open_direct(self, call: Call) -> Payload:
        users = str(call["users"]).split(",")
        person = self._state.users.get(users[0])
        if len(users) > 1 or person is None or person["is_bot"] or person["team_id"] != call.grant.team_id:
            raise Problem("user_not_found")
        return {"channel": {"id": self._state.direct(person)["id"]}}

    def _users_conversations(self, call: Call) -> Payload:
        kinds = {"public_channel": "channel", "private_channel": "group", "im": "im"}
        wanted = {kinds.get(one) for one in str(call.get("types", "public_channel")).split(",")}
        state, user = self._state, call.get("user") or self._state.bot_of(call.grant.team_id)["id"]
        own = [one for one in state.channels.values() if user in one["members"] and call.grant.team_id in one["teams"]]
        found = [state.conversation(one, call.grant.team_id) for one in own if state.kind_of(one) in wanted]
        return {"channels": found, "response_metadata": {"next_cursor": ""}}

    def _history(self, call: Call) -> Payload:
        channel = self._readable(call)
        every = [one for one in self._state.messages[channel["id"]] if one.get("thread_ts", one["ts"]) == one["ts"]]
        return self._listed(call, every[::-1], 100)

    def _replies(self, call: Call) -> Payload:
        channel = self._readable(call)
        message = self._state.message_at(channel["id"], call["ts"])
        if message is None:
            raise Problem("thread_not_found")
        every = self._state.thread(channel["id"], message["ts"])
        return self._listed(call, every, 1000, first=1 if len(every) > 1 else 0)

    def _listed(self, call: Call, every: list[Payload], default: int, *, first: int = 0) -> Payload:
        """A page of messages; the `first` of them are on each."""
        oldest, latest = float(call.get("oldest") or 0), float(call.get("latest") or "inf")
        inclusive = call.flag("inclusive")
        bounded = bool(call.get("oldest") or call.get("latest"))
        head, rest = every[:first], every[first:]
        found = [
            one
            for one in rest
            if not bounded or oldest < float(one["ts"]) < latest or (inclusive and float(one["ts"]) in (oldest, latest))
        ]
        limit, start = int(call.get("limit") or default), _cursor(call.get("cursor"))
        shown = [*head, *found[start : start + limit]]
        more = len(found) > start + limit
        cursor = base64.b64encode(f"next:{start + limit}".encode()).decode() if more else ""
        metadata = call.flag("include_all_metadata")
        return {
            "messages": [self._state.seen(one, metadata=metadata) for one in shown],
            **{"has_more": more, "response_metadata": {"next_cursor": cursor}},
        }

    def _users_info(self, call: Call) -> Payload:
        user = self._state.users.get(call["user"])
        known = user is not None and (
            user["team_id"] == call.grant.team_id
            or any(
                {user["id"], self._state.bot_of(call.grant.team_id)["id"]} <= set(one["members"])
                for one in self._state.channels.values()
            )
        )
        if user is None or not known:
            raise Problem("user_not_found")
        return {"user": user | ({"is_stranger": True} if user["team_id"] != call.grant.team_id else {})}

    # -- files ---------------------------------------------------------------------------------------------------------

    def _upload_url(self, call: Call) -> Payload:
        length = int(call["length"])
        if length <= 0:
            raise Problem("missing_argument")
        if length > self._state.limits.upload_bytes:
            raise Problem("file_upload_size_restricted")
        if len(call.get("alt_txt") or "") > ALT_TEXT:
            raise Problem("alt_txt_too_large")
        bot = self._state.bot_of(call.grant.team_id)
        file = self._state.add_file(str(call["filename"]), None, bot, alt_text=call.get("alt_txt") or "")
        file |= {"size": length, "ready_at": math.inf}
        return {"upload_url": f"{self._state.url}/upload/v1/{file['id']}", "file_id": file["id"]}

    async def _uploaded(self, request: web.Request) -> web.Response:
        """Bytes for an upload_url, raw or as a form."""
        file = self._state.files.get(request.match_info["file"])
        if file is None or file["id"] in self._state.contents:
            return web.Response(status=404, text="not found")
        if request.content_type.startswith("multipart/"):
            part = next((one for one in (await request.post()).values() if isinstance(one, web.FileField)), None)
            data = part.file.read() if part is not None else b""
        else:
            data = await request.read()
        if len(data) != file["size"]:
            return web.Response(status=400, text="the length is not what was announced")
        self._state.contents[file["id"]] = data
        return web.Response(text=f"OK - {len(data)}")

    def _complete_upload(self, call: Call) -> Payload:
        state, found = self._state, []
        for one in call["files"]:
            file = self._file(call, one.get("id", ""))
            if file["id"] not in state.contents:
                raise Problem("file_not_found")
            found.append((file, one))
        channel = self._writable(_renamed(call)) if call.get("channel_id") else None
        for file, one in found:
            file |= {
                "title": one.get("title") or file["name"],
                "ready_at": state.clock() + state.limits.processing_seconds,
            }
        if channel is not None:
            self._share(call, channel, [file for file, _ in found])
        return {"files": [state.file_seen(file) for file, _ in found]}

    def _share(self, call: Call, channel: Payload, files: list[Payload]) -> None:
        """Post files, with no metadata and no word of the message's time in the answer, as Slack does."""
        state = self._state
        comment = {"text": call.get("initial_comment") or ""}
        posted = state.post(
            channel,
            self._composed(Call(comment, call.grant, "", None), required=False)
            | {"subtype": "file_share", "files": [state.file_seen(one) for one in files]},
            call.get("thread_ts"),
        )
        kind = "private" if state.kind_of(channel) != "channel" else "public"
        for one in files:
            share = {"ts": posted["ts"], "thread_ts": posted.get("thread_ts", "")}
            one["shares"].setdefault(kind, {}).setdefault(channel["id"], []).append(share)
            one[{"channel": "channels", "group": "groups", "im": "ims"}[state.kind_of(channel)]].append(channel["id"])

    def _file(self, call: Call, number: str) -> Payload:
        """A file that the app can see. Raises `Problem`."""
        state, file = self._state, self._state.files.get(number)
        if file is None or not state.sees_file(call.grant.team_id, file):
            raise Problem("file_not_found")
        return file

    def _file_info(self, call: Call) -> Payload:
        file = self._state.file_seen(self._file(call, call["file"]))
        paging = {"count": 100, "total": 0, "page": 1, "pages": 0}
        return {"file": file, "comments": [], "response_metadata": {"next_cursor": ""}, "paging": paging}

    def _delete_file(self, call: Call) -> Payload:
        file = self._file(call, call["file"])
        if file["user"] != self._state.bot_of(call.grant.team_id)["id"]:
            raise Problem("cant_delete_file")
        self._state.forget_file(file)
        return {}

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """A file, to who has a token; to others the page to sign in, as Slack does."""
        number = request.match_info["place"].partition("-")[2]
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        grant, file = self._state.grants.get(token), self._state.files.get(number)
        if grant is None or grant.revoked or "files:read" not in grant.scopes:
            return web.Response(text="<!doctype html><title>Sign in</title>Sign in", content_type="text/html")
        if file is None or number not in self._state.contents or not self._state.sees_file(grant.team_id, file):
            return web.Response(status=404)
        if self._state.redirects_files:
            raise web.HTTPFound(f"http://localhost:{self._state.port}/elsewhere/{number}")
        return web.Response(body=self._state.contents[number], content_type=file["mimetype"])

    async def _elsewhere(self, request: web.Request) -> web.Response:
        """A host that is not Slack's."""
        self._state.seen_elsewhere.append(dict(request.headers))
        return web.Response(body=self._state.contents.get(request.match_info["name"], b""))

    # -- views ---------------------------------------------------------------------------------------------------------

    def _views_open(self, call: Call) -> Payload:
        trigger = self._triggered(call)
        return {"view": self._state.seen_view(self._state.open_view(trigger, self._state.checked_view(call["view"])))}

    def _views_push(self, call: Call) -> Payload:
        trigger = self._triggered(call)
        if not trigger.view_id or len(self._state.open_views.get(trigger.user_id, [])) >= VIEWS:
            raise Problem("push_limit_reached")
        view = self._state.checked_view(call["view"])
        return {"view": self._state.seen_view(self._state.open_view(trigger, view, onto=trigger.view_id))}

    def _triggered(self, call: Call) -> Trigger:
        """Use a trigger_id up. Raises `Problem`."""
        trigger = self._state.triggers.get(call.get("trigger_id") or call.get("interactivity_pointer") or "")
        if trigger is None or trigger.team_id != call.grant.team_id:
            raise Problem("invalid_trigger_id")
        if self._state.clock() - trigger.created > TRIGGER_SECONDS:
            raise Problem("expired_trigger_id")
        if trigger.used:
            raise Problem("exchanged_trigger_id")
        self._state.checked_view(call["view"])  # one that is refused uses nothing up
        trigger.used = True
        return trigger

    def _views_update(self, call: Call) -> Payload:
        wanted, external = call.get("view_id"), call.get("external_id")
        view = next(
            (
                one
                for one in self._state.views.values()
                if one["team_id"] == call.grant.team_id
                and (one["id"] == wanted or (external and one["external_id"] == external))
            ),
            None,
        )
        if view is None:
            raise Problem("not_found")
        if call.get("hash") not in (None, "", view["hash"]):
            raise Problem("hash_conflict")
        self._state.update_view(view, self._state.checked_view(call["view"]))
        return {"view": self._state.seen_view(view)}

    def _views_publish(self, call: Call) -> Payload:
        user = self._state.users.get(call["user_id"])
        if user is None or user["team_id"] != call.grant.team_id or user["is_bot"]:
            raise Problem("invalid_arguments", messages=["[ERROR] failed to match all allowed schemas: user_id"])
        view = self._state.checked_view(call["view"])
        if view["type"] != "home":
            raise Problem(
                "invalid_arguments", messages=["[ERROR] must be a view of type home [json-pointer:/view/type]"]
            )
        known = self._state.homes.get(user["id"])
        if call.get("hash") and known is not None and call["hash"] != known["hash"]:
            raise Problem("hash_conflict")
        return {"view": self._state.seen_view(self._state.publish(user, view))}

    # -- answers to interactions ---------------------------------------------------------------------------------------

    async def _answered(self, request: web.Request) -> web.Response:
        """A message for a response_url."""
        state, response = self._state, self._state.responses.get(request.match_info["secret"])
        if response is None or state.clock() - response.created > RESPONSE_SECONDS:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        if not response.left:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        body = await request.json()
        state.requests.append(("response_url", body))
        response.left -= 1
        grant = Grant("", response.team_id, ("chat:write",))
        try:
            if body.get("delete_original"):
                state.delete_original(response)
            else:
                message = self._composed(Call(body, grant, "", None), required=True)
                state.respond(response, message, body)
        except Problem as problem:
            told: Payload = {"ok": False, "error": problem.error}
            if problem.messages:
                told["response_metadata"] = {"messages": problem.messages}
            return web.json_response(told, status=404)
        return web.json_response({"ok": True})


async def _arguments(request: web.Request) -> Payload:
    """What came with a request, in its query, as a form or as JSON; structures that came as words are read."""
    found: Payload = dict(request.query)
    if request.content_type == "application/json":
        found |= await request.json()
    elif request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        found |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    for name in _STRUCTURED:
        if isinstance(found.get(name), str):
            try:
                found[name] = json.loads(found[name])
            except ValueError:
                continue
    return found


def _basic(request: web.Request) -> BasicAuth | None:
    header = request.headers.get("Authorization", "")
    return BasicAuth.decode(header) if header.startswith("Basic ") else None


def _need(grant: Grant, *scopes: str) -> None:
    """Raise `Problem` when a token has none of the scopes."""
    if scopes and not set(scopes) & set(grant.scopes):
        raise Problem("missing_scope", needed=scopes[0], provided=",".join(grant.scopes))


def _metadata(metadata: object) -> Payload:
    """Metadata of a message. Raises `Problem`."""
    if not isinstance(metadata, dict):
        raise Problem("invalid_metadata_format")
    if not metadata:
        return {}
    fine = isinstance(metadata.get("event_payload"), dict) and _EVENT_TYPE.fullmatch(
        str(metadata.get("event_type", ""))
    )
    if not fine or set(metadata) - {"event_type", "event_payload", "entities"}:
        raise Problem("invalid_metadata_schema")
    if len(json.dumps(metadata)) > METADATA:
        raise Problem("metadata_too_large")
    return metadata


def _streamed(call: Call) -> str:
    """Words that are added to a stream. Raises `Problem`."""
    text = str(call.get("markdown_text") or "")
    for chunk in call.get("chunks") or []:
        if chunk.get("type") == "markdown_text":
            text += chunk["text"]
        elif chunk.get("type") not in ("task_update", "plan_update", "blocks"):
            raise Problem("invalid_chunks")
    if len(text) > MARKDOWN:
        raise Problem("msg_too_long")
    return text


def _cursor(cursor: object) -> int:
    """Where a page starts. Raises `Problem`."""
    if not cursor:
        return 0
    try:
        return int(base64.b64decode(str(cursor), validate=True).decode().removeprefix("next:"))
    except ValueError:
        raise Problem("invalid_cursor") from None


def _renamed(call: Call) -> Call:
    """The call with its channel where other methods have it."""
    return Call(call.arguments | {"channel": call["channel_id"]}, call.grant, call.token, call.basic)
