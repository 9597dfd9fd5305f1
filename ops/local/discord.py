"""A Discord of our own on this machine, which the unmodified client talks to over sockets.

It keeps the rules that a bot meets: compressed gateway with heartbeats, resume and invalid sessions; rate-limit buckets and
429; nonces; upload limits; permissions; threads, archives and locks; interactions that wait three seconds for an answer and
fifteen minutes for what follows. It knows one bot, has no voice, no roles but @everyone, and forgets all when it ends.
"""

from __future__ import annotations

import itertools
import json
import mimetypes
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import discord
from aiohttp import WSMsgType, web

from ops.local.server import Loopback

Payload = dict[str, Any]  # Any: JSON as Discord has it

EPOCH = 1_420_070_400_000
BOT_ID = 100
APPLICATION = str(BOT_ID)
TOKEN = "local"  # noqa: S105  (opens nothing but this server)
ANSWER_SECONDS, FOLLOW_SECONDS = 3.0, 900.0
NONCE_SECONDS = 300.0  # for which a second message with the same nonce is dropped
EDIT_SECONDS = 3600.0  # after which a message is edited rarely; here never
REPLAYED = 1000  # events that a session keeps for a resume
BUCKET = (5, 5.0)  # requests in so many seconds that change messages of one channel
MEMBERS_MAY = discord.Permissions(
    **dict.fromkeys(("view_channel", "send_messages", "send_messages_in_threads", "create_public_threads"), True),
    **dict.fromkeys(("attach_files", "read_message_history", "use_application_commands"), True),
).value
EVERYTHING = (discord.Permissions.all() & ~discord.Permissions(administrator=True)).value
EPHEMERAL, LOADING, LAYOUT = 64, 128, 1 << 15  # flags of messages; the last: of components alone
CONTENT = discord.Intents(message_content=True).value
TEXT, DIRECT, THREAD = 0, 1, 11  # types of channels
LABEL, FILES = 18, 19  # types of components
MENU = 3  # type of a command in the menu of a message
IN_LAYOUTS = frozenset({9, 10, 11, 12, 13, 14, 17})  # types that only a message of components alone may have
COMPONENTS, DISPLAYED, CUSTOM_ID, OPTIONS, CHOICES, ATTACHED = 40, 4000, 100, 25, 25, 10  # at most

MESSAGES = {
    10003: (404, "Unknown Channel"),
    10008: (404, "Unknown Message"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached"),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    50001: (403, "Missing Access"),
    50006: (400, "Cannot send an empty message"),
    50013: (403, "Missing Permissions"),
    50035: (400, "Invalid Form Body"),
    50083: (400, "Tried to perform an operation on an archived thread"),
    160004: (400, "A thread has already been created for this message"),
    160005: (403, "This thread is locked"),
}


class Problem(Exception):
    """An error that Discord answers with."""

    def __init__(self, code: int) -> None:
        super().__init__(MESSAGES[code][1])
        self.code = code


@dataclass(slots=True)
class Session:
    """What a gateway session has to keep for a resume."""

    id: str
    shard: tuple[int, int]
    intents: int = 0
    sequence: int = 0
    sent: deque[Payload] = field(default_factory=lambda: deque(maxlen=REPLAYED))
    connection: Connection | None = None


class Connection:
    """One socket of the gateway, compressed as a whole."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self._deflate = zlib.compressobj()

    async def send(self, payload: Payload) -> None:
        """Send one payload; a client that is gone hears of it when it resumes."""
        data = self._deflate.compress(json.dumps(payload).encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        if not self.socket.closed:
            await self.socket.send_bytes(data)


@dataclass(slots=True)
class Waiting:
    """An interaction that waits to be answered."""

    id: str
    token: str
    channel_id: int
    created: float
    answered: bool = False
    answered_at: float | None = None
    ephemeral: bool = False
    message: Payload | None = None
    modal: Payload | None = None
    user_id: str = ""
    choices: list[Payload] | None = None
    pressed: Payload | None = None  # the message that it came from


class LocalDiscord(Loopback):
    """The server. Everything that a test or a page wants to see is an attribute; everybody who writes is a method."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.clock = clock
        self._ids = itertools.count(1)
        self.guilds: dict[int, Payload] = {}
        self.channels: dict[int, Payload] = {}  # threads and direct messages included
        self.messages: dict[int, list[Payload]] = {}  # by channel, oldest first
        self.members: dict[int, Payload] = {}  # users by id
        self.managers: set[tuple[str, str]] = set()  # of a server, by its id and the user's
        self.permissions: dict[int, int] = {}  # of the bot, by channel; all where nothing is said
        self.files: dict[str, bytes] = {}
        self.commands: list[Payload] = []
        self.interactions: dict[str, Waiting] = {}  # by token
        self.requests: list[tuple[str, str]] = []  # method and path, in the order of arrival
        self.upload_limit = 10 * 2**20
        self.shards = 1  # that Discord wishes a client to have
        self.content_allowed = False  # whether the application has the privileged intent
        self.limited = 0  # requests that were answered with 429
        self.sessions: dict[str, Session] = {}
        self._buckets: dict[str, deque[float]] = {}
        self._nonces: dict[tuple[int, str], Payload] = {}
        self.bot = self.person("Likeness", bot=True, user_id=BOT_ID)

    # -- running -------------------------------------------------------------------------------------------------------

    async def start(self, port: int = 0, *, pages: Callable[[web.Application], None] | None = None) -> None:
        """Serve on a port of the loopback interface, a free one without a number; `pages` adds routes of its own."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/gateway", self._gateway)
        app.router.add_get("/attachments/{name:.*}", self._attachment)
        app.router.add_route("*", "/api/v10/{path:.*}", self._rest)
        if pages is not None:
            pages(app)
        await self.serve(app, port)

    async def stop(self) -> None:
        """End it, and with it all connections."""
        await self.drop(resumable=False)
        await self.stop_serving()

    def new_id(self) -> int:
        """A snowflake of now."""
        return (int(self.clock() * 1000) - EPOCH) << 22 | next(self._ids) & 0x3FFFFF

    # -- people and places ---------------------------------------------------------------------------------------------

    def person(self, name: str, *, bot: bool = False, user_id: int | None = None) -> Payload:
        """Somebody new."""
        user: Payload = {
            "id": str(user_id or self.new_id()),
            **{"username": name.lower(), "global_name": name, "discriminator": "0", "avatar": None, "bot": bot},
        }
        self.members[int(user["id"])] = user
        return user

    async def guild(self, name: str, locale: str = "en-US") -> Payload:
        """A new server with the bot in it."""
        number = self.new_id()
        roles = [role(number, "@everyone", MEMBERS_MAY), role(self.new_id(), "Likeness", EVERYTHING)]
        self.guilds[number] = {
            **{"id": str(number), "name": name, "owner_id": "1", "roles": roles, "emojis": [], "stickers": []},
            **{"features": [], "member_count": 2, "verification_level": 0, "default_message_notifications": 0},
            **{"explicit_content_filter": 0, "mfa_level": 0, "nsfw_level": 0, "premium_tier": 0, "large": False},
            **{"preferred_locale": locale, "system_channel_flags": 0, "premium_progress_bar_enabled": False},
            **{"afk_timeout": 300, "unavailable": False, "joined_at": self._now(), "voice_states": [], "presences": []},
            **{"stage_instances": [], "guild_scheduled_events": [], "soundboard_sounds": []},
        }
        await self._tell("GUILD_CREATE", self._whole_guild(number, []), guild_id=number)
        return self.guilds[number]

    async def leave(self, guild: Payload) -> None:
        """The bot is removed from a server."""
        number = int(guild["id"])
        for one in [one for one in self.channels.values() if one.get("guild_id") == guild["id"]]:
            self.permissions[int(one["id"])] = 0
        del self.guilds[number]
        await self._tell("GUILD_DELETE", {"id": guild["id"]}, guild_id=number)

    async def outage(self, guild: Payload) -> None:
        """Discord cannot serve a server for a while, and says so."""
        await self._tell("GUILD_DELETE", {"id": guild["id"], "unavailable": True}, guild_id=int(guild["id"]))

    async def recover(self, guild: Payload) -> None:
        """It can again: the server is told anew, with what its channels hold by now."""
        own = [one for one in self.channels.values() if one.get("guild_id") == guild["id"]]
        await self._tell("GUILD_CREATE", self._whole_guild(int(guild["id"]), own), guild_id=int(guild["id"]))

    async def channel(self, guild: Payload, name: str) -> Payload:
        """A new text channel."""
        return await self._add(
            {
                **{"id": str(self.new_id()), "type": TEXT, "guild_id": guild["id"], "name": name, "position": 0},
                **{
                    "permission_overwrites": [],
                    "topic": None,
                    "nsfw": False,
                    "parent_id": None,
                    "last_message_id": None,
                },
            },
            "CHANNEL_CREATE",
        )

    async def thread(self, message: Payload, name: str) -> Payload:
        """A new thread that starts from a message."""
        parent = self.channels[int(message["channel_id"])]
        thread = {
            **{"id": message["id"], "type": THREAD, "guild_id": parent["guild_id"], "parent_id": parent["id"]},
            **{"name": name[:100], "owner_id": str(BOT_ID), "message_count": 0, "member_count": 1, "flags": 0},
            **{"last_message_id": None, "rate_limit_per_user": 0},
            "thread_metadata": {
                **{"archived": False, "locked": False, "auto_archive_duration": 1440},
                "archive_timestamp": self._now(),
            },
        }
        return await self._add(thread, "THREAD_CREATE")

    def direct(self, user: Payload) -> Payload:
        """The direct messages between somebody and the bot."""
        for one in self.channels.values():
            if one["type"] == DIRECT and one["recipients"][0]["id"] == user["id"]:
                return one
        number = self.new_id()
        self.channels[number] = {"id": str(number), "type": DIRECT, "recipients": [user], "last_message_id": None}
        self.messages[number] = []
        return self.channels[number]

    async def allow(self, channel: Payload, permissions: discord.Permissions) -> None:
        """What the bot may do in a channel, and in its threads."""
        guild = channel["guild_id"]
        channel["permission_overwrites"] = [
            {"id": guild, "type": 0, "allow": str(permissions.value), "deny": str(EVERYTHING & ~permissions.value)}
        ]
        self.permissions[int(channel["id"])] = permissions.value
        await self._tell("CHANNEL_UPDATE", channel, guild_id=int(guild))

    async def change_thread(self, thread: Payload, **metadata: bool) -> None:
        """Archive or lock a thread, or the opposite."""
        thread["thread_metadata"].update(metadata)
        await self._tell("THREAD_UPDATE", thread, guild_id=int(thread["guild_id"]))

    async def delete_channel(self, channel: Payload) -> None:
        """A channel with its threads, or a thread, is gone."""
        for one in [one for one in self.channels.values() if channel["id"] in (one["id"], one.get("parent_id"))]:
            del self.channels[int(one["id"])]
            del self.messages[int(one["id"])]
        event = "THREAD_DELETE" if channel["type"] == THREAD else "CHANNEL_DELETE"
        await self._tell(event, channel, guild_id=int(channel["guild_id"]))

    # -- what people do ------------------------------------------------------------------------------------------------

    async def say(
        self,
        user: Payload,
        channel: Payload,
        text: str,
        *,
        reply_to: Payload | None = None,
        ping: bool = True,
        pictures: Iterable[tuple[str, bytes]] = (),
        told: bool = True,
    ) -> Payload:
        """Somebody writes; `<@100>` mentions the bot, and so does a reply to it unless its ping is switched off.

        With `told` False the gateway says nothing of it.
        """
        message = self._message(channel, user, text)
        if reply_to is not None:
            message["type"] = 19
            message["message_reference"] = {
                **{"type": 0, "channel_id": channel["id"], "message_id": reply_to["id"]},
                "guild_id": channel.get("guild_id"),
            }
            message["referenced_message"] = reply_to
            message["mentions"] += [reply_to["author"]] if ping else []
        message["attachments"] = [self._keep_file(name, data) for name, data in pictures]
        if channel.get("thread_metadata"):
            channel["thread_metadata"]["archived"] = False
        self._append(message)
        if told:
            await self._tell_message("MESSAGE_CREATE", message)
        return message

    async def press(self, user: Payload, message: Payload, what: str, *, moderator: bool = False) -> Waiting:
        """Somebody presses the button whose id has `what` in the middle, or is `what`."""
        custom_id = next(
            one["custom_id"]
            for one in walk(message["components"])
            if "custom_id" in one and what in (one["custom_id"].split(":")[1], one["custom_id"])
        )
        return await self._use(user, message, custom_id, 2, {}, moderator=moderator)

    async def choose(self, user: Payload, message: Payload, what: str, value: str) -> Waiting:
        """Somebody chooses one of the options of the menu whose id has `what` in the middle."""
        menu = next(
            one for one in walk(message["components"]) if one["type"] == 3 and one["custom_id"].split(":")[1] == what
        )
        assert value in [one["value"] for one in menu["options"]]
        return await self._use(user, message, menu["custom_id"], 3, {"values": [value]})

    async def _use(
        self, user: Payload, message: Payload, custom_id: str, kind: int, data: Payload, **may: bool
    ) -> Waiting:
        channel = self.channels[int(message["channel_id"])]
        used = {"custom_id": custom_id, "component_type": kind, **data}
        return await self._interact(user, channel, 3, used, message=message, **may)

    async def slash(self, user: Payload, channel: Payload, command: str, /, **options: str | int | Payload) -> Waiting:
        """Somebody uses a command, `likeness status` being one of a group; a user's payload as an option means that user."""
        return await self._interact(user, channel, 2, self._command(command, options))

    async def type_option(
        self, user: Payload, channel: Payload, command: str, /, option: str, typed: str, **options: str | int | Payload
    ) -> Waiting:
        """Somebody types into an option that offers choices."""
        return await self._interact(
            user, channel, 4, self._command(command, {**options, option: typed}, focused=option)
        )

    def _command(self, command: str, options: dict[str, str | int | Payload], focused: str = "") -> Payload:
        name, _, inner = command.partition(" ")
        given: list[Payload] = []
        users: Payload = {}
        for option, value in options.items():
            if isinstance(value, dict):
                users[value["id"]] = value
                given.append({"name": option, "type": 6, "value": value["id"]})
            else:
                given.append({"name": option, "type": 4 if isinstance(value, int) else 3, "value": value})
            if option == focused:
                given[-1]["focused"] = True
        if inner:
            given = [{"name": inner, "type": 1, "options": given}]
        number = next((one["id"] for one in self.commands if one["name"] == name), "1")
        resolved = {"users": users, "members": {one: {**self._member(), "permissions": "0"} for one in users}}
        return {"id": number, "name": name, "type": 1, "options": given, "resolved": resolved}

    async def use_menu(self, user: Payload, message: Payload, name: str, *, moderator: bool = False) -> Waiting:
        """Somebody chooses a command in the menu of a message; what is in the message comes along, intent or not."""
        channel = self.channels[int(message["channel_id"])]
        number = next(one["id"] for one in self.commands if one["name"] == name and one["type"] == MENU)
        data = {"id": number, "name": name, "type": MENU, "target_id": message["id"]}
        data["resolved"] = {"messages": {message["id"]: message}}
        return await self._interact(user, channel, 2, data, moderator=moderator)

    async def send_form(
        self, user: Payload, form: Waiting, *, pictures: Iterable[tuple[str, bytes]] = (), **fields: str | bool
    ) -> Waiting:
        """Somebody fills in the form that an interaction was answered with, and sends it."""
        assert form.modal is not None
        files = {one["id"]: one for one in (self._keep_file(name, data) for name, data in pictures)}
        components = []
        for label in form.modal["components"]:
            field = {"type": label["component"]["type"], "custom_id": label["component"]["custom_id"]}
            if field["type"] == FILES:
                field["values"] = list(files)
            else:
                field["value"] = fields.get(field["custom_id"], label["component"].get("value", ""))
            components.append({"type": LABEL, "component": field})
        data = {"custom_id": form.modal["custom_id"], "components": components, "resolved": {"attachments": files}}
        return await self._interact(user, self.channels[form.channel_id], 5, data, message=form.pressed)

    async def drop(self, *, resumable: bool = True) -> None:
        """Cut all gateway connections; what is not resumable begins anew."""
        for session in list(self.sessions.values()):
            if not resumable:
                del self.sessions[session.id]
            if session.connection is not None:
                await session.connection.socket.close(code=4000 if resumable else 4009)

    def told_in(self, channel: Payload) -> list[Payload]:
        """The bot's messages in a channel."""
        return [one for one in self.messages[int(channel["id"])] if one["author"]["id"] == str(BOT_ID)]

    def thread_of(self, message: Payload) -> Payload | None:
        """The thread that starts from a message."""
        return self.channels.get(int(message["id"]))

    # -- gateway -------------------------------------------------------------------------------------------------------

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        connection = Connection(socket)
        await connection.send({"op": 10, "d": {"heartbeat_interval": 41_250}})
        session: Session | None = None
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            payload = json.loads(message.data)
            match payload["op"]:
                case 1:
                    await connection.send({"op": 11})
                case 2 if payload["d"]["token"] != TOKEN:
                    await socket.close(code=4004)
                case 2 if payload["d"]["intents"] & CONTENT and not self.content_allowed:
                    await socket.close(code=4014)
                case 2:
                    session = await self._identify(connection, payload["d"])
                case 6:
                    session = await self._resume(connection, payload["d"])
        if session is not None and session.connection is connection:
            session.connection = None
        return socket

    async def _identify(self, connection: Connection, said: Payload) -> Session:
        shard, shards = said.get("shard") or (0, 1)
        session = Session(f"session-{self.new_id()}", (shard, shards), said["intents"], connection=connection)
        self.sessions[session.id] = session
        guilds = [number for number in self.guilds if _on_shard(number, session.shard)]
        await self._send(
            session,
            "READY",
            {
                **{"v": 10, "user": self.bot, "guilds": [{"id": str(one), "unavailable": True} for one in guilds]},
                **{"session_id": session.id, "resume_gateway_url": f"ws://127.0.0.1:{self.port}/gateway"},
                **{"application": {"id": APPLICATION, "flags": 0}, "shard": [shard, shards]},
            },
        )
        channels: dict[str, list[Payload]] = {}
        for one in self.channels.values():
            channels.setdefault(one.get("guild_id", ""), []).append(one)
        for number in guilds:
            await self._send(session, "GUILD_CREATE", self._whole_guild(number, channels.get(str(number), [])))
        return session

    async def _resume(self, connection: Connection, said: Payload) -> Session | None:
        session = self.sessions.get(said["session_id"])
        missed = [] if session is None else [one for one in session.sent if one["s"] > said["seq"]]
        if session is None or len(missed) < session.sequence - said["seq"]:
            await connection.send({"op": 9, "d": False})
            return None
        session.connection = connection
        for payload in missed:
            await connection.send(payload)
        await self._send(session, "RESUMED", {})
        return session

    async def _tell(self, event: str, data: Payload, *, guild_id: int | None) -> None:
        for session in list(self.sessions.values()):
            if _on_shard(guild_id or 0, session.shard):
                await self._send(session, event, data)

    async def _send(self, session: Session, event: str, data: Payload) -> None:
        session.sequence += 1
        payload = json.loads(json.dumps({"op": 0, "t": event, "s": session.sequence, "d": data}))
        session.sent.append(payload)
        if session.connection is not None:
            await session.connection.send(payload)

    async def _tell_message(self, event: str, message: Payload) -> None:
        channel = self.channels[int(message["channel_id"])]
        if message.get("flags", 0) & EPHEMERAL:
            return
        guild_id = channel.get("guild_id")
        more = {"guild_id": guild_id, "member": self._member()} if guild_id else {}
        for session in list(self.sessions.values()):
            if _on_shard(int(guild_id or 0), session.shard):
                told = self._seen(message, content=bool(session.intents & CONTENT))
                await self._send(session, event, told | more)

    def _seen(self, message: Payload, *, content: bool) -> Payload:
        """A message as the bot sees it: without the intent, others' words to others are left out."""
        in_guild = "guild_id" in self.channels[int(message["channel_id"])]
        to_bot = any(one["id"] == str(BOT_ID) for one in (*message["mentions"], message["author"]))
        hidden = {"content": "", "attachments": [], "components": []}
        return message | hidden if in_guild and not to_bot and not content else dict(message)

    def _whole_guild(self, number: int, own: list[Payload]) -> Payload:
        """A guild as the gateway tells of it, with its own channels and threads."""
        return {
            **self.guilds[number],
            "channels": [one for one in own if one["type"] == TEXT],
            "threads": [one for one in own if one["type"] == THREAD and not one["thread_metadata"]["archived"]],
            "members": [{"user": self.bot, **self._member(), "roles": [self.guilds[number]["roles"][1]["id"]]}],
        }

    def _member(self) -> Payload:
        return {"roles": [], "joined_at": self._now(), "deaf": False, "mute": False, "flags": 0, "avatar": None}

    # -- interactions --------------------------------------------------------------------------------------------------

    async def _interact(
        self,
        user: Payload,
        channel: Payload,
        kind: int,
        data: Payload,
        *,
        message: Payload | None = None,
        moderator: bool = False,
    ) -> Waiting:
        number = self.new_id()
        waiting = Waiting(
            str(number), f"token-{number}", int(channel["id"]), self.clock(), user_id=user["id"], pressed=message
        )
        self.interactions[waiting.token] = waiting
        guild_id = channel.get("guild_id")
        payload: Payload = {
            **{"id": waiting.id, "application_id": APPLICATION, "type": kind, "token": waiting.token, "version": 1},
            **{
                "channel_id": channel["id"],
                "channel": channel,
                "locale": user.get("locale", "en-US"),
                "entitlements": [],
                "data": data,
            },
            **{"app_permissions": str(self._allowed(channel)), "attachment_size_limit": self.upload_limit},
            **{"authorizing_integration_owners": {}, "context": 0 if guild_id else 1},
        }
        if message is not None:
            payload["message"] = message
        if guild_id:
            manages = (guild_id, user["id"]) in self.managers
            may = discord.Permissions(send_messages=True, manage_messages=moderator or manages, manage_guild=manages)
            payload |= {"guild_id": guild_id, "guild_locale": "en-US"}
            payload["member"] = {"user": user, "permissions": str(may.value), **self._member()}
        else:
            payload["user"] = user
        await self._tell("INTERACTION_CREATE", payload, guild_id=int(guild_id) if guild_id else None)
        return waiting

    async def _callback(self, request: web.Request, interaction: str, token: str) -> web.Response:
        waiting = self.interactions.get(token)
        if waiting is None or waiting.id != interaction or self.clock() - waiting.created > ANSWER_SECONDS:
            raise Problem(10062)
        if waiting.answered:
            raise Problem(40060)
        body, files = await self._body(request)
        kind, data = body["type"], body.get("data") or {}
        waiting.answered, waiting.answered_at = True, self.clock()
        if kind in (4, 5):
            flags = data.get("flags", 0) | (LOADING if kind == 5 else 0)
            waiting.ephemeral = bool(flags & EPHEMERAL)
            waiting.message = self._message(self.channels[waiting.channel_id], self.bot, data.get("content") or "")
            waiting.message |= {"flags": flags, "components": data.get("components") or []}
            waiting.message["attachments"] = files
            _check(waiting.message)
            await self._show(waiting)
        elif kind in (6, 7):
            if waiting.pressed is None:
                raise Problem(50035)
            waiting.message, waiting.ephemeral = waiting.pressed, bool(waiting.pressed["flags"] & EPHEMERAL)
            if kind == 7:
                self._change(waiting.message, data, files)
        elif kind == 8:
            if len(data["choices"]) > CHOICES or not all(
                1 <= len(str(one[part])) <= 100 for one in data["choices"] for part in ("name", "value")
            ):
                raise Problem(50035)
            waiting.choices = data["choices"]
        elif kind == 9:
            if len(data["custom_id"]) > CUSTOM_ID:
                raise Problem(50035)
            waiting.modal = data
        elif kind == 8:
            waiting.choices = data["choices"]
        resource = {"type": kind, **({"message": waiting.message} if waiting.message else {})}
        about = {"id": waiting.id, "type": 2, "response_message_loading": kind == 5}
        if waiting.message:
            about["response_message_id"] = waiting.message["id"]
            about["response_message_ephemeral"] = waiting.ephemeral
        return _json({"interaction": about, "resource": resource})

    async def _follow_up(self, request: web.Request, token: str, message_id: str | None) -> web.Response:
        waiting = self.interactions.get(token)
        if waiting is None or self.clock() - waiting.created > FOLLOW_SECONDS:
            raise Problem(10015)
        if message_id is None:
            body, files = await self._body(request)
            message = self._message(self.channels[waiting.channel_id], self.bot, body.get("content") or "")
            message |= {"flags": body.get("flags", 0), "components": body.get("components") or [], "attachments": files}
            if not message["flags"] & EPHEMERAL:
                self._append(message)
                await self._tell_message("MESSAGE_CREATE", message)
            return _json(message)
        if waiting.message is None:
            raise Problem(10008)
        if request.method == "PATCH":
            body, files = await self._body(request)
            self._change(waiting.message, body, files)
            waiting.message["flags"] &= ~LOADING
        elif request.method == "DELETE":
            self.messages[waiting.channel_id] = [
                one for one in self.messages[waiting.channel_id] if one["id"] != waiting.message["id"]
            ]
            waiting.message = None
            return web.Response(status=204)
        return _json(waiting.message)

    async def _show(self, waiting: Waiting) -> None:
        if waiting.message is not None and not waiting.ephemeral:
            self._append(waiting.message)
            await self._tell_message("MESSAGE_CREATE", waiting.message)

    # -- REST ----------------------------------------------------------------------------------------------------------

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.requests.append((request.method, path))
        parts = path.split("/")
        try:
            if request.method in ("POST", "PATCH") and parts[0] == "channels" and "messages" in parts:
                self._spend(f"{request.method} {parts[1]}")
            return await self._route(request, parts)
        except Problem as problem:
            status, words = MESSAGES[problem.code]
            wait = {"retry_after": 60.0, "global": False} if status == 429 else {}
            return _json(
                {"code": problem.code, "message": words, **wait}, status, {"Via": "1.1 local"} if wait else None
            )
        except _Limited as limited:
            self.limited += 1
            headers = {
                **{"Retry-After": str(limited.seconds), "X-RateLimit-Limit": str(BUCKET[0]), "Via": "1.1 local"},
                **{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": str(limited.seconds)},
                "X-RateLimit-Bucket": limited.bucket.replace(" ", "-"),
            }
            body = {"message": "You are being rate limited.", "retry_after": limited.seconds, "global": False}
            return _json(body, 429, headers)

    def _spend(self, bucket: str) -> None:
        """Take one request from a bucket. Raises `_Limited` when it is empty."""
        count, seconds = BUCKET
        spent, now = self._buckets.setdefault(bucket, deque()), self.clock()
        while spent and spent[0] <= now - seconds:
            spent.popleft()
        if len(spent) >= count:
            raise _Limited(bucket, round(spent[0] + seconds - now, 3))
        spent.append(now)

    async def _route(self, request: web.Request, parts: list[str]) -> web.StreamResponse:  # noqa: PLR0911  (a table)
        match [request.method, *parts]:
            case ["GET", "gateway", "bot"]:
                starts = {"total": 1000, "remaining": 1000, "reset_after": 1, "max_concurrency": 16}
                url = f"ws://127.0.0.1:{self.port}/gateway"
                return _json({"url": url, "shards": self.shards, "session_start_limit": starts})
            case ["GET", "users", "@me"]:
                return _json(self.bot)
            case ["GET", "oauth2", "applications", "@me"] | ["GET", "applications", "@me"]:
                return _json(_APPLICATION | {"owner": self.bot})
            case ["PUT", "applications", _, "commands"]:
                self.commands = [
                    {
                        "description": "",
                        **command,
                        "id": str(self.new_id()),
                        "application_id": APPLICATION,
                        "version": "1",
                    }
                    for command in await request.json()
                ]
                return _json([{"default_member_permissions": None, **one} for one in self.commands])
            case ["POST", "users", "@me", "channels"]:
                return _json(self.direct(self.members[int((await request.json())["recipient_id"])]))
            case ["POST", "interactions", interaction, token, "callback"]:
                return await self._callback(request, interaction, token)
            case ["POST", "webhooks", _, token]:
                return await self._follow_up(request, token, None)
            case [_, "webhooks", _, token, "messages", which]:
                return await self._follow_up(request, token, which)
            case [_, "channels", number, *rest]:
                return await self._in_channel(request, self._reached(number), rest)
            case _:
                raise web.HTTPNotFound

    def _reached(self, number: str) -> Payload:
        channel = self.channels.get(int(number))
        if channel is None:
            raise Problem(10003)
        if not self._allowed(channel) & discord.Permissions(view_channel=True).value:
            raise Problem(50001)
        return channel

    async def _in_channel(  # noqa: PLR0911  (a table)
        self, request: web.Request, channel: Payload, rest: list[str]
    ) -> web.StreamResponse:
        match [request.method, *rest]:
            case ["GET"]:
                return _json(channel)
            case ["PATCH"]:
                self._need(channel, "send_messages_in_threads")
                if channel["thread_metadata"]["locked"]:
                    self._need(channel, "manage_threads")
                await self.change_thread(channel, archived=(await request.json())["archived"])
                return _json(channel)
            case ["GET", "messages"]:
                allowed = discord.Permissions(self._allowed(channel)).read_message_history
                return _json(self._history(channel, request.query) if allowed else [])
            case ["POST", "messages"]:
                return await self._post(request, channel)
            case ["POST", "messages", starter, "threads"]:
                return await self._open_thread(channel, starter, (await request.json())["name"])
            case ["POST", "typing"]:
                return web.Response(status=204)
            case [_, "messages", number]:
                return await self._with_message(request, channel, number)
            case _:
                raise web.HTTPNotFound

    def _history(self, channel: Payload, query: Any) -> list[Payload]:
        after, before = int(query.get("after", 0)), int(query.get("before", 2**63))
        found = [one for one in self.messages[int(channel["id"])] if after < int(one["id"]) < before]
        limit = int(query.get("limit", 50))
        chosen = (found[:limit] if "after" in query else found[-limit:])[::-1]
        return [self._seen(one, content=self.content_allowed) for one in chosen]

    async def _post(self, request: web.Request, channel: Payload) -> web.Response:
        in_thread = channel["type"] == THREAD
        if in_thread and channel["thread_metadata"]["locked"]:
            raise Problem(160005)
        self._need(channel, "send_messages_in_threads" if in_thread else "send_messages")
        body, files = await self._body(request)
        if files:
            self._need(channel, "attach_files")
        nonce = str(body.get("nonce") or "")
        if len(nonce) > 25 or len(body.get("content") or "") > 2000:
            raise Problem(50035)
        known = self._nonces.get((int(channel["id"]), nonce)) if nonce and body.get("enforce_nonce") else None
        if known is not None and self._age(known) < NONCE_SECONDS:
            return _json(known)
        if not body.get("content") and not files:
            raise Problem(50006)
        message = self._message(channel, self.bot, body.get("content") or "")
        message |= {"components": body.get("components") or [], "attachments": files, "flags": body.get("flags", 0)}
        if reference := body.get("message_reference"):
            message |= {"type": 19, "message_reference": {"type": 0, **reference}}
        if nonce:
            message["nonce"] = nonce
            self._nonces[int(channel["id"]), nonce] = message
        if in_thread:
            channel["thread_metadata"]["archived"] = False
        self._append(message)
        await self._tell_message("MESSAGE_CREATE", message)
        return _json(message)

    async def _open_thread(self, channel: Payload, starter: str, name: str) -> web.Response:
        self._need(channel, "create_public_threads")
        message = next((one for one in self.messages[int(channel["id"])] if one["id"] == starter), None)
        if message is None:
            raise Problem(10008)
        if int(starter) in self.channels:
            raise Problem(160004)
        return _json(await self.thread(message, name))

    async def _with_message(self, request: web.Request, channel: Payload, number: str) -> web.Response:
        message = next((one for one in self.messages[int(channel["id"])] if one["id"] == number), None)
        if message is None:
            raise Problem(10008)
        if request.method == "GET":
            return _json(self._seen(message, content=self.content_allowed))
        if channel["type"] == THREAD and channel["thread_metadata"]["archived"]:
            raise Problem(50083)
        if request.method == "DELETE":
            self.messages[int(channel["id"])].remove(message)
            return web.Response(status=204)
        if self._age(message) > EDIT_SECONDS:
            raise Problem(30046)
        body, files = await self._body(request)
        if files:
            self._need(channel, "attach_files")
        self._change(message, body, files)
        return _json(message)

    # -- what they share -----------------------------------------------------------------------------------------------

    def _allowed(self, channel: Payload) -> int:
        where = channel["parent_id"] if channel["type"] == THREAD else channel["id"]
        own = self.permissions.get(int(channel["id"]), EVERYTHING)
        return own & self.permissions.get(int(where), EVERYTHING)

    def _need(self, channel: Payload, permission: str) -> None:
        if not getattr(discord.Permissions(self._allowed(channel)), permission):
            raise Problem(50013)

    async def _body(self, request: web.Request) -> tuple[Payload, list[Payload]]:
        """A body, and the files that came with it, kept and described. Raises `Problem` beyond the upload limit."""
        if request.content_type != "multipart/form-data":
            return await request.json(), []
        payload: Payload = {}
        raw: list[tuple[str, bytes]] = []
        async for part in await request.multipart():
            if part.name == "payload_json":  # type: ignore[union-attr]  # a part of a form is no multipart
                payload = json.loads(await part.text())  # type: ignore[union-attr]  # as above
            else:
                raw.append((part.filename or "file", await part.read()))  # type: ignore[union-attr]  # as above
        if any(len(data) > self.upload_limit for _, data in raw):
            raise Problem(40005)
        files = [self._keep_file(name, bytes(data)) for name, data in raw]
        told = payload.get("attachments") or (payload.get("data") or {}).get("attachments") or []
        for number, about in enumerate(told):
            if number < len(files) and about.get("description"):
                files[number]["description"] = about["description"]
        return payload, files

    def _keep_file(self, name: str, data: bytes) -> Payload:
        number = self.new_id()
        self.files[f"{number}/{name}"] = data
        url = f"{self.url}/attachments/{number}/{name}"
        return {"id": str(number), "filename": name, "size": len(data), "url": url, "proxy_url": url}

    async def _attachment(self, request: web.Request) -> web.Response:
        data = self.files.get(request.match_info["name"])
        kind = mimetypes.guess_type(request.path)[0] or "application/octet-stream"
        return web.Response(status=404) if data is None else web.Response(body=data, content_type=kind)

    def _change(self, message: Payload, body: Payload, files: list[Payload]) -> None:
        for name in ("content", "components"):
            if name in body:
                message[name] = body[name] or ("" if name == "content" else [])
        if "attachments" in body:
            kept = {str(one["id"]) for one in body["attachments"] or []}
            message["attachments"] = [one for one in message["attachments"] if one["id"] in kept] + files
        message["flags"] |= body.get("flags", 0) & LAYOUT
        _check(message)
        message["edited_timestamp"] = self._now()

    async def _add(self, channel: Payload, event: str) -> Payload:
        self.channels[int(channel["id"])] = channel
        self.messages[int(channel["id"])] = []
        await self._tell(event, channel, guild_id=int(channel["guild_id"]))
        return channel

    def _append(self, message: Payload) -> None:
        self.messages[int(message["channel_id"])].append(message)
        self.channels[int(message["channel_id"])]["last_message_id"] = message["id"]

    def _message(self, channel: Payload, author: Payload, text: str) -> Payload:
        mentions = [user for number, user in self.members.items() if f"<@{number}>" in text or f"<@!{number}>" in text]
        return {
            **{"id": str(self.new_id()), "channel_id": channel["id"], "content": text, "author": author, "type": 0},
            **{"mentions": mentions, "mention_roles": [], "mention_everyone": False, "attachments": [], "embeds": []},
            **{"timestamp": self._now(), "edited_timestamp": None, "tts": False, "pinned": False, "flags": 0},
            "components": [],
        }

    def _age(self, message: Payload) -> float:
        """Seconds since a message was written."""
        return self.clock() - ((int(message["id"]) >> 22) + EPOCH) / 1000

    def _now(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).isoformat()


def walk(components: Iterable[Payload]) -> Iterator[Payload]:
    """Components, and those that are inside of them."""
    for one in components:
        yield one
        yield from walk([*one.get("components", []), *([one["accessory"]] if "accessory" in one else [])])


def _check(message: Payload) -> None:
    """Raise what Discord says of a message with too much in it; and say where its pictures are, as Discord does."""
    every = list(walk(message["components"]))
    layout = bool(message["flags"] & LAYOUT)
    ids = [one["custom_id"] for one in every if "custom_id" in one]
    wrong = [
        layout and bool(message["content"]),
        not layout and any(one["type"] in IN_LAYOUTS for one in every),
        len(every) > COMPONENTS if layout else len(message["components"]) > 5,
        sum(len(one.get("content", "")) for one in every) > DISPLAYED,
        len(message["attachments"]) > ATTACHED,
        len(set(ids)) < len(ids) or any(not 1 <= len(one) <= CUSTOM_ID for one in ids),
        any(len(one["components"]) > 5 for one in every if one["type"] == 1),
        any(one["type"] == 9 and "accessory" not in one for one in every),
        any(not 1 <= len(one["options"]) <= OPTIONS for one in every if one["type"] == 3),
    ]
    files = {f"attachment://{one['filename']}": one["url"] for one in message["attachments"]}
    for media in [one["media"] for part in every for one in (part, *part.get("items", [])) if "media" in one]:
        media["url"] = files.get(media["url"], media["url"])
        wrong.append(not media["url"].startswith("http"))
    if any(wrong):
        raise Problem(50035)


class _Limited(Exception):
    def __init__(self, bucket: str, seconds: float) -> None:
        super().__init__(bucket)
        self.bucket, self.seconds = bucket, seconds


def role(number: int, name: str, permissions: int) -> Payload:
    return {
        **{"id": str(number), "name": name, "permissions": str(permissions), "position": 0, "color": 0, "flags": 0},
        **{"hoist": False, "managed": False, "mentionable": False},
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
    }


def _on_shard(guild_id: int, shard: tuple[int, int]) -> bool:
    number, count = shard
    return (guild_id >> 22) % count == number


def _json(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """JSON with no charset in its type, which the client would not read."""
    told = {"Content-Type": "application/json", **(headers or {})}
    return web.Response(body=json.dumps(data).encode(), status=status, headers=told)


_APPLICATION: Payload = {
    **{"id": APPLICATION, "name": "Likeness", "description": "", "icon": None, "flags": 0, "bot_public": True},
    **{"bot_require_code_grant": False, "verify_key": "0", "summary": ""},
}
