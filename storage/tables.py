"""The tables, as SQLAlchemy maps them.

Ids are UUIDv7, times are UTC, and every foreign key between a workspace's rows carries the workspace, so that a row can
never point into another tenant. It knows the shape of rows only; how a turn changes state is in `storage.turns`.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7


class Status(StrEnum):
    """Where a turn is in its life. The last four are final."""

    RECEIVED = "received"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether the turn will never change again."""
        return self in FINAL


FINAL = frozenset({Status.DONE, Status.REFUSED, Status.FAILED, Status.CANCELLED})


class Kind(StrEnum):
    """What a turn asks for."""

    SAY = "say"
    AGAIN = "again"
    VARIATIONS = "variations"  # several pictures of one reading, of which one is picked
    ENLARGE = "enlarge"


class Base(DeclarativeBase):
    """Declarative base; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy reads it from the class)
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
        list[Any]: JSONB(none_as_null=True),
    }


def _id() -> Mapped[UUID]:
    return mapped_column(primary_key=True, default=uuid7)


def _now() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


def _naive() -> Mapped[Any]:  # Any: with or without None
    return mapped_column(DateTime(timezone=False))


def _within(
    table: str, column: str, *, use_alter: bool = False, ondelete: str | None = "CASCADE"
) -> ForeignKeyConstraint:
    """A foreign key to `table` that carries the workspace."""
    return ForeignKeyConstraint(
        ["workspace_id", column], [f"{table}.workspace_id", f"{table}.id"], use_alter=use_alter, ondelete=ondelete
    )


class Workspace(Base):
    """The tenant: a Discord guild, a Slack team, the local studio, or one person's DMs."""

    __tablename__ = "workspaces"
    __table_args__ = (UniqueConstraint("platform", "external_id"),)

    id: Mapped[UUID] = _id()
    platform: Mapped[str]
    external_id: Mapped[str]
    name: Mapped[str] = mapped_column(server_default="")
    salt: Mapped[UUID] = mapped_column(server_default=func.gen_random_uuid())  # part of every segment key
    served_at: Mapped[datetime] = mapped_column(server_default=text("'epoch'"))  # when a turn of it was last claimed
    settings: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    created_at: Mapped[datetime] = _now()


class Person(Base):
    """A platform user within a workspace."""

    __tablename__ = "persons"
    __table_args__ = (
        UniqueConstraint("workspace_id", "external_id"),
        UniqueConstraint("workspace_id", "id"),
        CheckConstraint("ready_turns >= 0", name="ready_turns"),
        Index("ix_persons_waiting", "workspace_id", "served_at", postgresql_where=text("ready_turns > 0")),
    )

    id: Mapped[UUID] = _id()
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    external_id: Mapped[str]
    name: Mapped[str] = mapped_column(server_default="")
    served_at: Mapped[datetime] = mapped_column(server_default=text("'epoch'"))
    ready_turns: Mapped[int] = mapped_column(server_default="0")  # how many of their turns a worker could claim now
    blocked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = _now()


class Worker(Base):
    """One process that holds an engine: what the bot knows of engines."""

    __tablename__ = "workers"

    id: Mapped[UUID] = _id()
    engine: Mapped[str]
    fingerprint: Mapped[str]
    abilities: Mapped[dict[str, Any]]
    host: Mapped[str]
    stopping: Mapped[bool] = mapped_column(server_default=text("false"))
    paused: Mapped[bool] = mapped_column(server_default=text("false"))  # by an operator: it claims nothing
    started_at: Mapped[datetime] = _now()
    heartbeat_at: Mapped[datetime] = _now()


class Conversation(Base):
    """One thread or DM: a tree of turns with a head."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("workspace_id", "channel", "thread"),
        UniqueConstraint("workspace_id", "id"),
        _within("turns", "head_id", use_alter=True, ondelete=None),
        Index("ix_conversations_recent", "workspace_id", "last_turn_at"),
    )

    id: Mapped[UUID] = _id()
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    channel: Mapped[str]
    thread: Mapped[str]
    title: Mapped[str] = mapped_column(server_default="")
    head_id: Mapped[UUID | None]
    settings: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    created_at: Mapped[datetime] = _now()
    last_turn_at: Mapped[datetime] = _now()


class Turn(Base):
    """One request to the bot and what came of it; a node of the tree. Only `storage.turns` writes `status`."""

    __tablename__ = "turns"
    __table_args__ = (
        # Not the workspace first: before Postgres has counted a new table, it would look for foreign keys' rows here, among
        # all turns of the workspace.
        UniqueConstraint("source_id", "workspace_id"),
        UniqueConstraint("workspace_id", "id"),
        _within("conversations", "conversation_id"),
        _within("persons", "person_id"),
        _within("turns", "parent_id", ondelete=None),
        CheckConstraint(
            "status IN ('received', 'queued', 'running', 'done', 'refused', 'failed', 'cancelled')", name="status"
        ),
        Index("ix_turns_conversation", "conversation_id", "id"),
        Index("ix_turns_parent", "parent_id"),
        Index(
            "ix_turns_runnable",
            "engine",
            "workspace_id",
            "person_id",
            "id",
            postgresql_where=text("status = 'queued' AND ready_at IS NOT NULL"),
        ),
        Index("ix_turns_waiting", "engine", "id", postgresql_where=text("status IN ('received', 'queued', 'running')")),
        Index("ix_turns_lease", "lease_until", postgresql_where=text("status = 'running'")),
        Index("ix_turns_received", "created_at", postgresql_where=text("status = 'received'")),
        Index("ix_turns_finished", "engine", "finished_at", postgresql_where=text("status = 'done'")),
    )

    id: Mapped[UUID] = _id()
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    conversation_id: Mapped[UUID]
    person_id: Mapped[UUID]
    parent_id: Mapped[UUID | None]
    source_id: Mapped[str]  # id of the message, interaction or form that asked for it
    kind: Mapped[str]
    text: Mapped[str]
    attachments: Mapped[list[Any]] = mapped_column(server_default="[]")  # links, until they are admitted
    options: Mapped[dict[str, Any]] = mapped_column(server_default="{}")  # what is asked for besides words
    engine: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str]
    ready_at: Mapped[datetime | None]  # since when all turns before it on its line are final
    fencing: Mapped[int] = mapped_column(server_default="0")
    strikes: Mapped[int] = mapped_column(server_default="0")
    worker_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    reply: Mapped[str] = mapped_column(server_default="")
    tokens_read: Mapped[int] = mapped_column(server_default="0")
    tokens_reused: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = _now()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    picked_at: Mapped[datetime | None]  # when somebody picked one of its variations
    deleted_at: Mapped[datetime | None]  # by a person: nothing of what was drawn is kept


class Blob(Base):
    """Bytes kept in the blob store; collected when nothing refers to them."""

    __tablename__ = "blobs"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    content_type: Mapped[str]
    created_at: Mapped[datetime] = _now()


def _blob() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["workspace_id", "blob_key"], ["blobs.workspace_id", "blobs.key"])


class Picture(Base):
    """A picture of a turn; the chosen one is what history keeps."""

    __tablename__ = "pictures"
    __table_args__ = (
        UniqueConstraint("workspace_id", "id"),
        UniqueConstraint("turn_id", "position"),
        _within("turns", "turn_id"),
        _blob(),
        Index("ix_pictures_blob", "workspace_id", "blob_key"),
    )

    id: Mapped[UUID] = _id()
    workspace_id: Mapped[UUID]
    turn_id: Mapped[UUID]
    position: Mapped[int] = mapped_column(server_default="0")
    chosen: Mapped[bool] = mapped_column(server_default=text("true"))
    blob_key: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    alt_text: Mapped[str]
    configuration: Mapped[str] = mapped_column(server_default="")  # that drew it, where two are compared
    created_at: Mapped[datetime] = _now()


class Character(Base):
    """A named person of the story. Without a conversation it belongs to the whole workspace.

    `turn_id` is the turn that introduced the character; such a character is in scope of that turn's descendants only, so
    that two branches may each have their own Olivia.
    """

    __tablename__ = "characters"
    __table_args__ = (
        UniqueConstraint("workspace_id", "id"),
        _within("conversations", "conversation_id"),
        _within("turns", "turn_id", ondelete=None),
        _within("persons", "created_by", ondelete=None),
        Index(
            "uq_characters_name",
            "workspace_id",
            "conversation_id",
            "turn_id",
            text("lower(name)"),
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_characters_conversation", "conversation_id"),
    )

    id: Mapped[UUID] = _id()
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    conversation_id: Mapped[UUID | None]
    turn_id: Mapped[UUID | None]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    version: Mapped[int] = mapped_column(server_default="1")
    consent: Mapped[dict[str, Any] | None]
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = _now()
    deleted_at: Mapped[datetime | None]


class Reference(Base):
    """A picture that shows what a character looks like, or that was attached to a message."""

    __tablename__ = "references"
    __table_args__ = (
        UniqueConstraint("workspace_id", "id"),
        _within("characters", "character_id"),
        _within("turns", "turn_id"),
        _blob(),
        CheckConstraint("character_id IS NOT NULL OR turn_id IS NOT NULL", name="owner"),
        Index("ix_references_character", "character_id"),
        Index("ix_references_turn", "turn_id"),
        Index("ix_references_blob", "workspace_id", "blob_key"),
    )

    id: Mapped[UUID] = _id()
    workspace_id: Mapped[UUID]
    character_id: Mapped[UUID | None]
    turn_id: Mapped[UUID | None]
    position: Mapped[int] = mapped_column(server_default="0")
    blob_key: Mapped[str]
    created_at: Mapped[datetime] = _now()


class Encoding(Base):
    """Where that is what a painter made of a character's reference. It goes with the reference, whoever deletes that."""

    __tablename__ = "encodings"
    __table_args__ = (
        _within("references", "reference_id"),
        _blob(),
        Index("ix_encodings_blob", "workspace_id", "blob_key"),
    )

    reference_id: Mapped[UUID] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)  # of the painter
    workspace_id: Mapped[UUID]
    blob_key: Mapped[str]


class Copy(Base):
    """A copy of a picture that a platform keeps for its menus. The blob may go first: then the copy is left to be deleted."""

    __tablename__ = "copies"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)  # the platform's own id
    blob_key: Mapped[str]
    created_at: Mapped[datetime] = _now()


class Appearance(Base):
    """Who is in which picture, as which version, where, and how similar."""

    __tablename__ = "appearances"
    __table_args__ = (_within("pictures", "picture_id"), _within("characters", "character_id"))

    picture_id: Mapped[UUID] = mapped_column(primary_key=True)
    character_id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    version: Mapped[int]
    box: Mapped[list[Any] | None]  # left, top, right and bottom edge, in pixels
    similarity: Mapped[float | None]


class Record(Base):
    """Where the record of a finished turn is; the truth of the history, never evicted."""

    __tablename__ = "records"
    __table_args__ = (_within("turns", "turn_id"), _blob(), Index("ix_records_blob", "workspace_id", "blob_key"))

    turn_id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    fingerprint: Mapped[str]
    blob_key: Mapped[str]


class Segment(Base):
    """A history segment that is kept in the blob store."""

    __tablename__ = "segments"
    __table_args__ = (_within("turns", "turn_id"), _blob(), Index("ix_segments_blob", "workspace_id", "blob_key"))

    turn_id: Mapped[UUID] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    blob_key: Mapped[str]


class Delivery(Base):
    """The one visible reply that a turn owes."""

    __tablename__ = "deliveries"
    __table_args__ = (
        _within("turns", "turn_id"),
        Index(
            "ix_deliveries_due",
            "platform",
            "due_at",
            postgresql_where=text("delivered_at IS NULL AND due_at IS NOT NULL"),
        ),
        Index("ix_deliveries_message", "workspace_id", "message_id"),
    )

    turn_id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    platform: Mapped[str]
    message_id: Mapped[str | None]  # the placeholder, later the reply
    due_at: Mapped[datetime | None]  # not before this time; pushed on by a failed attempt
    attempts: Mapped[int] = mapped_column(server_default="0")
    lease_owner: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    shown_at: Mapped[datetime | None]  # for the first time; it may fall due again, to be changed or taken away
    files: Mapped[dict[str, Any]] = mapped_column(
        server_default="{}"
    )  # uploaded before it was shown: ids by what they show
    problem: Mapped[str] = mapped_column(server_default="")


class Vote(Base):
    """What a person thinks of a picture."""

    __tablename__ = "votes"
    __table_args__ = (_within("pictures", "picture_id"), _within("persons", "person_id"))

    picture_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    value: Mapped[int]
    created_at: Mapped[datetime] = _now()


class Usage(Base):
    """What a person used of an engine on one day (UTC)."""

    __tablename__ = "usage"
    __table_args__ = (_within("persons", "person_id"),)

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    engine: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    turns: Mapped[int] = mapped_column(server_default="0")
    seconds: Mapped[float] = mapped_column(server_default="0")


class Audit(Base):
    """Who did what to whom: commands, consent, deletions. A command's source id makes it happen once."""

    __tablename__ = "audit"
    __table_args__ = (
        _within("persons", "person_id", ondelete=None),
        Index(
            "uq_audit_source", "workspace_id", "source_id", unique=True, postgresql_where=text("source_id IS NOT NULL")
        ),
    )

    id: Mapped[UUID] = _id()
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    person_id: Mapped[UUID | None]
    source_id: Mapped[str | None]
    action: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    at: Mapped[datetime] = _now()


class _Installed:
    """What slack_sdk's store keeps of an app in a team, by its own names, naive times of UTC included; tokens are sealed
    (`storage.sealing`)."""

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[str]
    app_id: Mapped[str]
    enterprise_id: Mapped[str | None]
    enterprise_name: Mapped[str | None]
    team_id: Mapped[str | None]
    team_name: Mapped[str | None]
    bot_token: Mapped[str | None]
    bot_id: Mapped[str | None]
    bot_user_id: Mapped[str | None]
    bot_scopes: Mapped[str | None]
    bot_refresh_token: Mapped[str | None]
    bot_token_expires_at: Mapped[datetime | None] = _naive()
    is_enterprise_install: Mapped[bool]
    installed_at: Mapped[datetime] = _naive()


class SlackInstallation(_Installed, Base):
    """What Slack gave the app when somebody installed it; addresses of webhooks are sealed as well."""

    __tablename__ = "slack_installations"
    __table_args__ = (Index("ix_slack_installations_team", "client_id", "team_id", "installed_at"),)

    enterprise_url: Mapped[str | None]
    user_id: Mapped[str]
    user_token: Mapped[str | None]
    user_scopes: Mapped[str | None]
    user_refresh_token: Mapped[str | None]
    user_token_expires_at: Mapped[datetime | None] = _naive()
    incoming_webhook_url: Mapped[str | None]
    incoming_webhook_channel: Mapped[str | None]
    incoming_webhook_channel_id: Mapped[str | None]
    incoming_webhook_configuration_url: Mapped[str | None]
    token_type: Mapped[str | None]


class SlackInstalledBot(_Installed, Base):
    """The bot of an installation."""

    __tablename__ = "slack_bots"
    __table_args__ = (Index("ix_slack_bots_team", "client_id", "team_id", "installed_at"),)


class SlackOAuthState(Base):
    """What a browser must bring back that began an installation; once, and in time."""

    __tablename__ = "slack_oauth_states"

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(unique=True)
    expire_at: Mapped[datetime] = _naive()
