"""What the local Slack knows: workspaces, people, channels, messages, files, views and tokens, and the rules among them.

It answers no request and knows no page; what the app has to hear of a change goes out over the wire from here.
"""

from __future__ import annotations

import itertools
import mimetypes
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ops.local.server import Loopback
from ops.local.slack_blocks import TEXT, elements_of, problems_of_blocks, problems_of_view
from ops.local.slack_wire import Delivery, Payload, Wire

APP_ID, CLIENT_ID, CLIENT_SECRET = "A0LOCALAPP", "1000.2000", "local-client-secret"
SIGNING_SECRET = "local-signing-secret"  # noqa: S105  (opens nothing but this server; likewise below)
APP_TOKEN = "xapp-1-A0LOCALAPP-1-local"  # noqa: S105
TRIGGER_SECONDS = 3.0
RESPONSE_SECONDS, RESPONSES = 1800.0, 5  # for which, and so many times, a response_url can be used
VIEWS = 3  # on top of each other
TOKEN_SECONDS = 43_200  # that a token lives where tokens rotate
ALT_TEXT = 1000  # characters of an upload's description
METADATA = 8000  # bytes of a message's

SCOPES = (
    *("app_mentions:read", "assistant:write", "channels:history", "channels:join", "channels:read", "chat:write"),
    *("chat:write.public", "commands", "files:read", "files:write", "groups:history", "groups:read", "im:history"),
    *("im:read", "im:write", "users:read"),
)
"""Of an app that may do all that this server knows."""

EVENTS = frozenset(
    {
        *("app_home_opened", "app_mention", "app_uninstalled", "member_joined_channel", "message.channels"),
        *("message.groups", "message.im", "tokens_revoked"),
    }
)
"""That this server can tell an app of."""

_KEPT = re.compile(r"(<[@#!][^<>]+>)")  # of what somebody writes: mentions


class Problem(Exception):
    """An error that Slack answers with: its name, further fields of the answer, and, for 429, when to come again."""

    def __init__(
        self, error: str, *, messages: Iterable[str] = (), retry_after: int | None = None, **more: str
    ) -> None:
        super().__init__(error)
        self.error, self.more, self.retry_after = error, more, retry_after
        self.messages = list(messages)


@dataclass(slots=True)
class Grant:
    """A bot's token."""

    token: str
    team_id: str
    scopes: tuple[str, ...]
    expires_at: float | None = None
    refresh_token: str | None = None
    revoked: bool = False


@dataclass(slots=True)
class Trigger:
    """The right to open one modal, for three seconds."""

    id: str
    team_id: str
    user_id: str
    created: float
    used: bool = False
    view_id: str = ""  # that it came from


@dataclass(slots=True)
class Response:
    """What a response_url stands for."""

    team_id: str
    user_id: str
    channel_id: str
    created: float
    message: Payload | None  # that it came from
    left: int = RESPONSES


@dataclass(slots=True)
class Limits:
    """What a test may set about them."""

    post_burst: int = 5  # posts in a channel at once
    post_seconds: float = 1.0  # that each takes to be allowed again; 0 switches the limit off
    upload_bytes: int = 1 << 30
    processing_seconds: float = 0.0  # for which a new file is not ready
    spent: dict[str, tuple[float, float]] = field(default_factory=dict)  # by channel: posts left, and when that was
    errors: dict[str, list[str]] = field(default_factory=dict)  # by method: what the next calls are answered with
    refused: dict[str, list[int]] = field(default_factory=dict)  # by method: 429 for the next calls, with these seconds


class State(Loopback):
    """Everything a test or a page wants to see is an attribute."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.clock = clock
        self.teams: dict[str, Payload] = {}  # by id: name, domain, bot (a user), bot_id, token, installed
        self.users: dict[str, Payload] = {}  # by id, bots included
        self.channels: dict[str, Payload] = {}  # by id, direct messages included; members are users' ids
        self.messages: dict[str, list[Payload]] = {}  # by channel, oldest first, replies among them
        self.ephemeral: list[Payload] = []  # messages with channel and `to`, the one who sees them
        self.files: dict[str, Payload] = {}  # by id, as files.info tells of them
        self.contents: dict[str, bytes] = {}  # of files, by id
        self.views: dict[str, Payload] = {}  # modals that are open, by id
        self.open_views: dict[str, list[Payload]] = {}  # the same by person, the topmost last
        self.homes: dict[str, Payload] = {}  # App Home by person
        self.statuses: dict[tuple[str, str], str] = {}  # of the app, by channel and thread
        self.status_log: list[tuple[str, str, str]] = []  # channel, thread, status, in order
        self.titles: dict[tuple[str, str], str] = {}  # of threads with the app
        self.prompts: dict[tuple[str, str], list[Payload]] = {}  # suggested there
        self.grants: dict[str, Grant] = {}  # by token
        self.codes: dict[str, Payload] = {}  # of OAuth: team_id, redirect_uri, created, used
        self.refresh_tokens: dict[str, str] = {}  # to the team they are for
        self.triggers: dict[str, Trigger] = {}
        self.responses: dict[str, Response] = {}  # by the last part of a response_url
        self.requests: list[tuple[str, Payload]] = []  # method and arguments, in the order of arrival
        self.limited = 0  # requests that were answered with 429
        self.limits = Limits()
        self.commands: list[Payload] = []  # of the app, as its manifest has them; likewise the shortcuts of messages
        self.shortcuts: list[Payload] = []
        self.subscribed = EVENTS  # what the app wants to hear of
        self.scopes: tuple[str, ...] = SCOPES  # that an installation grants
        self.rotates_tokens = False
        self.refuses_orphans = False  # else a reply to a parent that is gone stands beside it, as mostly on Slack
        self.redirects_files = False  # downloads to another host, which has no business with tokens
        self.seen_elsewhere: list[dict[str, str]] = []  # headers of what came to that host
        self.wire = Wire(app_id=APP_ID, signing_secret=SIGNING_SECRET, clock=clock)
        self._ids = itertools.count(1)
        self._last_ts = 0

    def new_id(self, letter: str) -> str:
        """An id as Slack's: a letter for the kind, and ten more."""
        return f"{letter}0{next(self._ids):09X}"

    def new_ts(self) -> str:
        """A time of now that no message has yet."""
        self._last_ts = max(int(self.clock() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06}"

    def use_manifest(self, manifest: Payload) -> None:
        """Make the app what its manifest says: workspaces that come later grant its scopes, and it hears its events."""
        self.scopes = tuple(manifest["oauth_config"]["scopes"]["bot"])
        self.subscribed = frozenset(manifest["settings"]["event_subscriptions"]["bot_events"])
        self.rotates_tokens = manifest["settings"].get("token_rotation_enabled", False)
        self.commands = manifest["features"].get("slash_commands", [])
        self.shortcuts = [one for one in manifest["features"].get("shortcuts", []) if one["type"] == "message"]

    # -- who and where -------------------------------------------------------------------------------------------------

    def bot_of(self, team_id: str) -> Payload:
        """The app's user in a workspace."""
        bot: Payload = self.teams[team_id]["bot"]
        return bot

    def bot_in(self, channel: Payload) -> Payload | None:
        """The app's user in a channel, when one of its workspaces has put it there."""
        bots = (self.bot_of(one) for one in channel["teams"] if self.teams[one]["installed"])
        return next((one for one in bots if one["id"] in channel["members"]), None)

    def direct(self, person: Payload) -> Payload:
        """The direct messages between somebody and the app."""
        for one in self.channels.values():
            if one["is_im"] and one["user"] == person["id"]:
                return one
        bot = self.bot_of(person["team_id"])
        return self.add_channel(
            "D", person["team_id"], is_im=True, user=person["id"], members=[person["id"], bot["id"]]
        )

    def add_channel(self, letter: str, team_id: str, **more: object) -> Payload:
        """A new conversation, open to all of the workspace unless `more` says otherwise."""
        channel: Payload = {
            **{"id": self.new_id(letter), "team_id": team_id, "teams": [team_id], "name": "", "is_private": False},
            **{"is_im": False, "is_archived": False, "is_ext_shared": False, "members": [], "created": self.now()},
            **more,
        }
        self.channels[channel["id"]] = channel
        self.messages[channel["id"]] = []
        return channel

    def now(self) -> int:
        return int(self.clock())

    def kind_of(self, channel: Payload) -> str:
        """`im`, `group` (which is private) or `channel`: so scopes and events call it."""
        return "im" if channel["is_im"] else "group" if channel["is_private"] else "channel"

    def conversation(self, channel: Payload, team_id: str) -> Payload:
        """A conversation as the Web API tells of it to the app of a workspace."""
        kind, member = self.kind_of(channel), self.bot_of(team_id)["id"] in channel["members"]
        common = {"id": channel["id"], "created": channel["created"], "is_archived": channel["is_archived"]}
        common |= {"is_im": kind == "im", "is_mpim": False, "context_team_id": team_id}
        if kind == "im":
            return common | {"user": channel["user"], "is_user_deleted": False, "is_org_shared": False}
        shared = channel["is_ext_shared"]
        return common | {
            **{"name": channel["name"], "name_normalized": channel["name"], "is_channel": kind == "channel"},
            **{"is_group": kind == "group", "is_private": kind == "group", "is_member": member, "is_general": False},
            **{"is_shared": shared, "is_ext_shared": shared, "is_org_shared": False, "is_pending_ext_shared": False},
            **{"shared_team_ids": channel["teams"], "creator": "", "num_members": len(channel["members"])},
            **{
                "topic": {"value": "", "creator": "", "last_set": 0},
                "purpose": {"value": "", "creator": "", "last_set": 0},
            },
        }

    # -- messages ------------------------------------------------------------------------------------------------------

    def message_at(self, channel_id: str, ts: str) -> Payload | None:
        """A message by its time."""
        return next((one for one in self.messages.get(channel_id, []) if one["ts"] == ts), None)

    def thread(self, channel_id: str, ts: str) -> list[Payload]:
        """A message and the replies to it."""
        return [one for one in self.messages[channel_id] if ts in (one["ts"], one.get("thread_ts"))]

    def post(self, channel: Payload, message: Payload, thread_ts: str | None = None) -> Payload:
        """Put a message into a channel, beside the thread where that is gone, and tell the app. Raises `Problem`."""
        message = {"type": "message", "ts": self.new_ts(), "channel": channel["id"], **message}
        parent = self.message_at(channel["id"], thread_ts) if thread_ts else None
        if parent is not None and "thread_ts" in parent:
            parent = self.message_at(channel["id"], parent["thread_ts"])
        if thread_ts and parent is None and self.refuses_orphans:
            raise Problem("thread_not_found")
        if parent is not None:
            message |= {"thread_ts": parent["ts"], "parent_user_id": parent["user"]}
            parent.setdefault("thread_ts", parent["ts"])
        self.messages[channel["id"]].append(message)
        if parent is not None:
            self._count(parent)
        self.tell_of(message)
        return message

    def change(self, message: Payload, **fields: object) -> None:
        """Change a message, and tell the app."""
        before = dict(message)
        message |= fields
        for name in [name for name, value in fields.items() if value is None]:
            del message[name]
        channel = message["channel"]
        self._told_change("message_changed", channel, message=self.seen(message), previous_message=self.seen(before))

    def remove(self, message: Payload) -> None:
        """Delete a message; a parent stays as a tombstone while it has replies."""
        before = self.seen(message)
        own = self.messages[message["channel"]]
        if message.get("reply_count"):
            kept = {
                name: message[name] for name in ("type", "ts", "channel", "thread_ts", "reply_count", "reply_users")
            }
            message.clear()
            message |= kept | {"subtype": "tombstone", "user": "USLACKBOT", "hidden": True}
            message["text"] = "This message was deleted."
        else:
            own.remove(message)
            parent = self.message_at(message["channel"], message.get("thread_ts", ""))
            if parent is not None:
                self._count(parent)
        self._told_change("message_deleted", message["channel"], deleted_ts=message["ts"], previous_message=before)

    def seen(self, message: Payload, *, metadata: bool = False) -> Payload:
        """A message as Slack tells of it; its metadata only to who asks for it."""
        hidden = {"channel", "to", "streaming", *(() if metadata else ("metadata",))}
        return {name: value for name, value in message.items() if name not in hidden}

    def _count(self, parent: Payload) -> None:
        replies = [one for one in self.thread(parent["channel"], parent["ts"]) if one is not parent]
        users = list(dict.fromkeys(one["user"] for one in replies))
        parent |= {"reply_count": len(replies), "reply_users": users, "reply_users_count": len(users)}
        if replies:
            parent["latest_reply"] = replies[-1]["ts"]
        elif parent.get("subtype") == "tombstone":
            self.messages[parent["channel"]].remove(parent)

    # -- what a message may hold ---------------------------------------------------------------------------------------

    def checked_blocks(self, blocks: object) -> list[Payload]:
        """Blocks of a message with an id each. Raises `Problem` as Slack does about them."""
        problems = problems_of_blocks(blocks, "message")
        if not problems:
            problems = [f"[ERROR] invalid slack file [json-pointer:{one}]" for one in self._unknown_files(blocks)]
        if problems:
            raise Problem("invalid_blocks", messages=problems)
        return [self._with_ids(one) for one in blocks]  # type: ignore[attr-defined]  # it is a list: that was checked

    def checked_view(self, view: object) -> Payload:
        """A view with an id for each block. Raises `Problem` as Slack does about it."""
        problems = problems_of_view(view)
        if problems:
            raise Problem("invalid_arguments", messages=problems)
        found: Payload = view  # type: ignore[assignment]  # it is an object: that was checked
        files = [
            f"[ERROR] invalid slack file [json-pointer:/view{one}]" for one in self._unknown_files(found["blocks"])
        ]
        if files:
            raise Problem("invalid_arguments", messages=files)
        return found | {"blocks": [self._with_ids(one) for one in found["blocks"]]}

    def _with_ids(self, block: Payload) -> Payload:
        """A block, and what is used in it, with the ids that Slack makes up where none are given."""
        block = {"block_id": self.new_id("b"), **block}
        for name in ("elements", "accessory", "element"):
            if name in block and block["type"] != "context" and block["type"] != "rich_text":
                one = block[name]
                block[name] = [self._named(each) for each in one] if isinstance(one, list) else self._named(one)
        return block

    def _named(self, element: Payload) -> Payload:
        return element if element["type"] == "image" else {"action_id": self.new_id("a"), **element}

    def _unknown_files(self, blocks: object) -> Iterator[str]:
        """Pointers to pictures of blocks that are no picture yet, or none at all."""
        every: list[Payload] = blocks  # type: ignore[assignment]  # callers have checked that
        for number, block in enumerate(every):
            for one in (block, *elements_of(block)):
                file = one.get("slack_file")
                if file is None:
                    continue
                found = self.files.get(file.get("id", "")) or next(
                    (known for known in self.files.values() if file.get("url") in _addresses(known)), None
                )
                if found is None or not self.is_ready(found) or not found["mimetype"].startswith("image/"):
                    yield f"/blocks/{number}/slack_file"

    def checked_text(self, text: object) -> str:
        """Words of a message. Raises `Problem`."""
        if len(str(text or "")) > TEXT:
            raise Problem("msg_too_long")
        return str(text or "")

    # -- files ---------------------------------------------------------------------------------------------------------

    def add_file(
        self, name: str, data: bytes | None, user: Payload, *, alt_text: str = "", ready_at: float = 0.0
    ) -> Payload:
        """A new file of somebody's; without data it is only expected."""
        number, team = self.new_id("F"), user["team_id"]
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        private = f"{self.url}/files-pri/{team}-{number}"
        self.files[number] = {
            **{"id": number, "created": self.now(), "timestamp": self.now(), "name": name, "title": name},
            **{"mimetype": kind, "filetype": name.rpartition(".")[2].lower(), "user": user["id"], "user_team": team},
            **{"editable": False, "size": len(data or b""), "mode": "hosted", "is_external": False, "is_public": False},
            **{"external_type": "", "public_url_shared": False, "display_as_bot": False, "username": ""},
            **{"url_private": f"{private}/{name}", "url_private_download": f"{private}/download/{name}"},
            **{"permalink": f"{self.url}/files/{user['id']}/{number}/{name}", "file_access": "visible"},
            **{"channels": [], "groups": [], "ims": [], "shares": {}, "has_rich_preview": False},
            **({"alt_txt": alt_text} if alt_text else {}),
            "ready_at": ready_at,
        }
        if data is not None:
            self.contents[number] = data
        return self.files[number]

    def is_ready(self, file: Payload) -> bool:
        """Whether an upload is complete, and Slack has looked at it."""
        return file["id"] in self.contents and self.clock() >= file["ready_at"]

    def sees_file(self, team_id: str, file: Payload) -> bool:
        """Whether the app of a workspace can see a file: its own, one from a modal, or one of a channel it can see."""
        bot = self.bot_of(team_id)["id"]
        places = [self.channels[one] for one in (*file["channels"], *file["groups"], *file["ims"])]
        own = file["user_team"] == team_id
        if own and (not places or file["user"] == bot):
            return True
        return any(bot in one["members"] or (own and self.kind_of(one) == "channel") for one in places)

    def file_seen(self, file: Payload) -> Payload:
        """A file as Slack tells of it: of one that is not ready, not what kind it is."""
        shown = {name: value for name, value in file.items() if name != "ready_at"}
        return shown if self.is_ready(file) else shown | {"mimetype": "", "filetype": "", "pretty_type": ""}

    def forget_file(self, file: Payload) -> None:
        """Delete a file; messages that have it keep a tombstone of it."""
        del self.files[file["id"]]
        self.contents.pop(file["id"], None)
        gone = {"id": file["id"], "mode": "tombstone"}
        for message in itertools.chain(*self.messages.values()):
            if "files" in message:
                message["files"] = [gone if one["id"] == file["id"] else one for one in message["files"]]

    # -- views ---------------------------------------------------------------------------------------------------------

    def open_view(self, trigger: Trigger, view: Payload, *, onto: str = "") -> Payload:
        """Show somebody a modal, in place of all others or on top of one."""
        stack = self.open_views.setdefault(trigger.user_id, [])
        if not onto:
            self.close_views(trigger.user_id)
            stack = self.open_views.setdefault(trigger.user_id, [])
        opened = self._whole_view(trigger.team_id, trigger.user_id, view)
        opened |= {"root_view_id": stack[0]["id"] if stack else opened["id"], "previous_view_id": onto or None}
        stack.append(opened)
        self.views[opened["id"]] = opened
        return opened

    def update_view(self, view: Payload, fields: Payload) -> None:
        """Show something else in a modal, or in App Home."""
        kept = {name: view[name] for name in ("id", "team_id", "user", "root_view_id", "previous_view_id")}
        fresh = self._whole_view(view["team_id"], view["user"], fields)
        view.clear()
        view |= fresh | kept

    def close_views(self, user_id: str, *, top: bool = False) -> list[Payload]:
        """Close somebody's modals, or the topmost, and say which these were."""
        stack = self.open_views.get(user_id, [])
        closed = [stack.pop()] if top and stack else list(stack)
        if not top:
            stack.clear()
        for one in closed:
            del self.views[one["id"]]
        return closed

    def publish(self, user: Payload, view: Payload) -> Payload:
        """Show somebody a view in App Home."""
        if user["id"] in self.homes:
            self.update_view(self.homes[user["id"]], view)
        else:
            whole = self._whole_view(user["team_id"], user["id"], view)
            self.homes[user["id"]] = whole | {"root_view_id": whole["id"], "previous_view_id": None}
        return self.homes[user["id"]]

    def _whole_view(self, team_id: str, user_id: str, view: Payload) -> Payload:
        return {
            **{"id": self.new_id("V"), "team_id": team_id, "app_id": APP_ID, "app_installed_team_id": team_id},
            **{"bot_id": self.teams[team_id]["bot_id"], "private_metadata": "", "callback_id": "", "external_id": ""},
            **{"title": None, "submit": None, "close": None, "clear_on_close": False, "notify_on_close": False},
            **{"state": {"values": {}}, "hash": f"{self.new_ts()}.{secrets.token_hex(4)}", "user": user_id, **view},
        }

    def seen_view(self, view: Payload) -> Payload:
        """A view as Slack tells of it."""
        return {name: value for name, value in view.items() if name not in ("user", "errors")}

    # -- answers -------------------------------------------------------------------------------------------------------

    def respond(self, response: Response, message: Payload, body: Payload) -> None:
        """Put an answer to an interaction where its fields say: for one person, for all, or in place of the original."""
        channel, original = self.channels[response.channel_id], response.message
        if body.get("replace_original") and original is not None:
            fields = {"blocks": None, **{name: message[name] for name in ("text", "blocks") if name in message}}
            if original in self.ephemeral:
                original.pop("blocks", None)
                original |= {name: value for name, value in fields.items() if value is not None}
            else:
                self.change(original, **{name: value for name, value in fields.items() if value or name in original})
            return
        thread = body.get("thread_ts")
        if body.get("response_type") == "in_channel":
            self.post(channel, message, thread)
            return
        told = {"channel": channel["id"], "ts": self.new_ts(), "to": response.user_id, "type": "message", **message}
        self.ephemeral.append(told | ({"thread_ts": thread} if thread else {}))

    def delete_original(self, response: Response) -> None:
        """Take the message away that an interaction came from."""
        if response.message is None:
            return
        if response.message in self.ephemeral:
            self.ephemeral.remove(response.message)
        else:
            self.remove(response.message)

    # -- events --------------------------------------------------------------------------------------------------------

    def tell(self, team_id: str, event: Payload, *, shared: bool = False) -> Delivery | None:
        """Tell the app of a workspace of an event; None where it is not installed or does not want to hear of it."""
        team, name = self.teams[team_id], event["type"]
        if name == "message":
            name = {"im": "message.im", "group": "message.groups"}.get(event["channel_type"], "message.channels")
        if name not in self.subscribed or not team["installed"]:
            return None
        bot = {"enterprise_id": None, "team_id": team_id, "user_id": team["bot"]["id"], "is_bot": True}
        return self.wire.send(
            "events_api",
            {
                **{"token": "local", "team_id": team_id, "context_team_id": team_id, "context_enterprise_id": None},
                **{"api_app_id": APP_ID, "event": event, "type": "event_callback", "event_id": self.new_id("Ev")},
                **{"event_time": self.now(), "authorizations": [bot | {"is_enterprise_install": False}]},
                **{"is_ext_shared_channel": shared, "event_context": f"4-{secrets.token_hex(8)}"},
            },
        )

    def tell_of(self, message: Payload) -> None:
        """Tell the app of a new message: twice where it mentions it, and it is in the channel."""
        channel = self.channels[message["channel"]]
        bot = self.bot_in(channel)
        if bot is None:
            return
        event = self.seen(message) | {"channel": channel["id"], "event_ts": message["ts"]}
        if channel["is_ext_shared"] and "files" in event:
            event["files"] = [{"id": one["id"], "file_access": "check_file_info"} for one in event["files"]]
        if f"<@{bot['id']}>" in message["text"] and not channel["is_im"] and message["user"] != bot["id"]:
            hidden = ("parent_user_id", "subtype")
            mention = {name: value for name, value in event.items() if name not in hidden}
            self.tell(bot["team_id"], mention | {"type": "app_mention"}, shared=channel["is_ext_shared"])
        told = event | {"channel_type": self.kind_of(channel)}
        self.tell(bot["team_id"], told, shared=channel["is_ext_shared"])

    def _told_change(self, subtype: str, channel_id: str, **more: object) -> None:
        channel = self.channels[channel_id]
        bot = self.bot_in(channel)
        if bot is not None:
            ts = self.new_ts()
            event = {"type": "message", "subtype": subtype, "hidden": True, "ts": ts, "event_ts": ts, **more}
            event |= {"channel": channel["id"], "channel_type": self.kind_of(channel)}
            self.tell(bot["team_id"], event, shared=channel["is_ext_shared"])

    # -- tokens, triggers, answers -------------------------------------------------------------------------------------

    def grant(self, team_id: str, *, token: str | None = None) -> Grant:
        """A new token for the app of a workspace, which is installed there from now on."""
        rotates, secret = self.rotates_tokens and token is None, secrets.token_hex(12)
        grant = Grant(token or f"{'xoxe.xoxb-1' if rotates else 'xoxb'}-{team_id}-{secret}", team_id, self.scopes)
        if rotates:
            grant.expires_at, grant.refresh_token = self.clock() + TOKEN_SECONDS, f"xoxe-1-{team_id}-{secret}"
            self.refresh_tokens[grant.refresh_token] = team_id
        self.grants[grant.token] = grant
        self.teams[team_id] |= {"installed": True, "token": grant.token}
        return grant

    def trigger(self, user: Payload, *, view_id: str = "") -> str:
        """A new trigger_id."""
        number = f"{next(self._ids)}.{user['team_id']}.{secrets.token_hex(8)}"
        self.triggers[number] = Trigger(number, user["team_id"], user["id"], self.clock(), view_id=view_id)
        return number

    def response_url(self, user: Payload, channel: Payload, message: Payload | None) -> str:
        """A new address for answers to an interaction."""
        secret = secrets.token_hex(12)
        known = Response(user["team_id"], user["id"], channel["id"], self.clock(), message)
        self.responses[secret] = known
        return f"{self.url}/actions/{user['team_id']}/{next(self._ids)}/{secret}"


def escaped(text: str) -> str:
    """What somebody writes as Slack passes it on: with entities, except in mentions."""
    parts = _KEPT.split(text)
    for number in range(0, len(parts), 2):
        parts[number] = parts[number].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(parts)


def rich_text(text: str, block_id: str) -> Payload:
    """What somebody writes as the block that comes with it."""
    elements: list[Payload] = []
    for part in filter(None, _KEPT.split(text)):
        if part.startswith("<@") and _KEPT.fullmatch(part):
            elements.append({"type": "user", "user_id": part[2:-1]})
        else:
            elements.append({"type": "text", "text": part})
    return {
        **{"type": "rich_text", "block_id": block_id},
        "elements": [{"type": "rich_text_section", "elements": elements}],
    }


def _addresses(file: Payload) -> tuple[str, ...]:
    return (file["url_private"], file["url_private_download"], file["permalink"])
