"""Where something happens on Slack, in the words of the tables.

A workspace is a team. A thread is a conversation: what is said in a channel or in the app's messages tab begins one, and its
id is the timestamp of the message that it begins with. Of a channel that two teams share, what the bot hears belongs to the
team through which it hears it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from storage.tables import Kind
from storage.turns import Request

PLATFORM = "slack"

Payload = dict[str, Any]
"""JSON as Slack has it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, as a team knows them. `moderates`: an admin or owner of that very team."""

    id: str
    name: str = ""
    moderates: bool = False
    language: str = "en"  # by BCP 47 tag


@dataclass(frozen=True, slots=True)
class Place:
    """Workspace, channel and thread by Slack's ids. Without a thread it is a channel, or the whole workspace."""

    workspace: str
    workspace_name: str
    channel: str
    thread: str

    @property
    def direct(self) -> bool:
        """Whether only one person and the bot see it."""
        return is_direct(self.channel)

    def request(
        self,
        source_id: str,
        author: Person,
        text: str,
        *,
        kind: Kind = Kind.SAY,
        attachments: tuple[str, ...] = (),
        reply_to: UUID | None = None,
        seed: int | None = None,
        aspect: str = "",
    ) -> Request:
        """What somebody asks for here."""
        return Request(
            platform=PLATFORM,
            workspace=self.workspace,
            workspace_name=self.workspace_name,
            channel=self.channel,
            thread=self.thread,
            source_id=source_id,
            author=author.id,
            author_name=author.name,
            text=text,
            language=author.language,
            kind=kind,
            attachments=attachments,
            reply_to=reply_to,
            seed=seed,
            aspect=aspect,
            moderates=author.moderates,
        )


def is_direct(channel: str) -> bool:
    """Whether a channel is the messages tab of one person."""
    return channel.startswith("D")


def message_source(channel: str, ts: str) -> str:
    """What makes a message happen once, however often and as whatever events Slack tells of it."""
    return f"message:{channel}:{ts}"


def message_id(channel: str, ts: str) -> str:
    """A message in the words of the tables: timestamps are Slack's ids only within their channel."""
    return f"{channel}:{ts}"


def ts_of(message: str) -> str:
    """The timestamp of a message, from `message_id`."""
    return message.rpartition(":")[2]


def pressed_in(team: str, name: str, body: Payload) -> Place:
    """Where an action or a shortcut on a message comes from: its thread, or the one that its message would begin.

    From the App Home or a modal, which are nowhere, channel and thread are empty.
    """
    message = body.get("message") or {}
    container = body.get("container") or {}
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id") or ""
    ts = message.get("thread_ts") or container.get("thread_ts") or message.get("ts") or container.get("message_ts")
    return Place(team, name, channel, (ts or "") if channel else "")


def action_source(body: Payload) -> str:
    """What makes the press of a button happen once."""
    (action, *_) = body["actions"]
    user, container = body["user"]["id"], body.get("container") or {}
    return f"action:{user}:{container.get('message_ts') or container.get('view_id', '')}:{action['action_ts']}"
