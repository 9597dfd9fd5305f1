"""Reading conversations: the line of turns that a new turn stands on, who is in scope there, and what a page shows.

It changes nothing. Every question carries its workspace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, bindparam, func, select, text
from sqlalchemy.orm import Session

from storage.database import single
from storage.tables import (
    Appearance,
    Character,
    Conversation,
    Kind,
    Person,
    Picture,
    Reference,
    Status,
    Turn,
    Workspace,
)

DIRECT = "dm:"  # before a person's id: the workspace of direct messages
Box = tuple[int, int, int, int]
"""Where somebody is in a picture: left, top, right and bottom edge, in pixels."""


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A done turn on the line that a new turn continues."""

    turn_id: UUID
    text: str
    reply: str
    record_key: str | None
    record_fingerprint: str | None
    picture_key: str | None
    segments: dict[str, str]  # blob key of the segment by fingerprint
    boxes: dict[UUID, Box]  # where characters are in its picture
    attachment_keys: tuple[str, ...] = ()  # pictures that came with its message
    pictures: int = 1  # that were drawn for it, of which one is chosen


@dataclass(frozen=True, slots=True)
class InScope:
    """A character who can be drawn by name, and the pictures that show them, in order."""

    id: UUID
    name: str
    version: int
    description: str
    turn_id: UUID | None
    reference_keys: tuple[str, ...]
    embeddable: bool  # whether a face may be taken from its references: drawn ones, or uploaded with consent


@dataclass(frozen=True, slots=True)
class Line:
    """All that an engine may know when it draws a turn."""

    workspace_salt: UUID
    past: tuple[PastTurn, ...]  # from the first turn to the parent; only done ones
    characters: tuple[InScope, ...]
    attachment_keys: tuple[str, ...]  # of the turn itself


@dataclass(frozen=True, slots=True)
class Likeness:
    """A character in a picture, and how like their reference they are, from -1 to 1, where that was looked at."""

    name: str
    similarity: float | None


@dataclass(frozen=True, slots=True)
class PictureView:
    """A picture as a page shows it."""

    id: UUID
    blob_key: str
    width: int
    height: int
    alt_text: str
    characters: tuple[Likeness, ...]


@dataclass(frozen=True, slots=True)
class TurnView:
    """A turn as a page shows it."""

    id: UUID
    parent_id: UUID | None
    kind: Kind
    text: str
    status: Status
    reply: str
    seed: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    tokens_read: int
    tokens_reused: int
    on_line: bool  # whether it leads to the head
    deleted: bool  # by a person: its words and pictures are gone
    attached: tuple[str, ...]  # blob keys of the references that came with it
    pictures: tuple[PictureView, ...]  # the one that history keeps comes first


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation in a list."""

    id: UUID
    title: str
    last_turn_at: datetime
    turns: int
    picture_key: str | None


@dataclass(frozen=True, slots=True)
class TakenPart:
    """A conversation that a person took part in, and where it is, by the platform's own ids."""

    channel: str
    thread: str
    title: str
    last_turn_at: datetime
    turns: int


_PATH = text(
    """
    WITH RECURSIVE line AS (
        SELECT id, parent_id, status, 0 AS depth FROM turns WHERE workspace_id = :workspace_id AND id = :turn_id
        UNION ALL
        SELECT t.id, t.parent_id, t.status, line.depth + 1 FROM turns t JOIN line ON t.id = line.parent_id
        WHERE t.workspace_id = :workspace_id
    )
    SELECT id, status FROM line ORDER BY depth DESC
    """
)


def path(session: Session, workspace_id: UUID, turn_id: UUID | None) -> list[tuple[UUID, Status]]:
    """The turns from the first one to `turn_id`, itself included, with their states."""
    if turn_id is None:
        return []
    rows = session.execute(_PATH, {"workspace_id": workspace_id, "turn_id": turn_id})
    return [(row.id, Status(row.status)) for row in rows]


_IN_SCOPE = """
    here AS (
        SELECT id, name, version, description, turn_id, conversation_id, created_at,
               ARRAY(SELECT r.blob_key FROM "references" r WHERE r.workspace_id = {workspace_id} AND r.character_id = c.id
                     ORDER BY r.position, r.id) AS reference_keys,
               consent IS NOT NULL OR NOT EXISTS (
                   SELECT FROM "references" r WHERE r.workspace_id = {workspace_id} AND r.character_id = c.id AND NOT EXISTS (
                       SELECT FROM pictures p WHERE p.workspace_id = {workspace_id} AND p.blob_key = r.blob_key)
               ) AS embeddable
        FROM characters c
        WHERE workspace_id = {workspace_id} AND deleted_at IS NULL AND (
            conversation_id IS NULL
            OR conversation_id = {conversation_id} AND (turn_id IS NULL OR turn_id = ANY(ARRAY({ancestors}))))
    )
"""
_CHARACTERS = "(SELECT jsonb_agg(to_jsonb(here) ORDER BY created_at, id) FROM here) AS characters"

_LINE = """
    line AS (
        SELECT id, parent_id, status, text, reply, 0 AS depth FROM turns
        WHERE workspace_id = {workspace_id} AND id = {parent_id}
        UNION ALL
        SELECT t.id, t.parent_id, t.status, t.text, t.reply, line.depth + 1
        FROM turns t JOIN line ON t.id = line.parent_id
        WHERE t.workspace_id = {workspace_id}
    ),
    past AS (
        SELECT line.id, line.depth, line.text, line.reply, r.blob_key AS record_key, r.fingerprint,
               p.blob_key AS picture_key,
               (SELECT jsonb_object_agg(s.fingerprint, s.blob_key) FROM segments s WHERE s.turn_id = line.id) AS segments,
               (SELECT jsonb_object_agg(a.character_id, a.box) FROM appearances a
                WHERE a.picture_id = p.id AND a.box IS NOT NULL) AS boxes,
               ARRAY(SELECT f.blob_key FROM "references" f WHERE f.workspace_id = {workspace_id} AND f.turn_id = line.id
                     ORDER BY f.position) AS attachments,
               (SELECT count(*) FROM pictures q WHERE q.turn_id = line.id) AS pictures
        FROM line LEFT JOIN records r ON r.turn_id = line.id LEFT JOIN pictures p ON p.turn_id = line.id AND p.chosen
        WHERE line.status = 'done'
    ),
    {in_scope}
"""
_LINE_COLUMNS = f"""
    (SELECT salt FROM workspaces WHERE id = {{workspace_id}}) AS salt,
    (SELECT jsonb_agg(to_jsonb(past) ORDER BY depth DESC) FROM past) AS past,
    {_CHARACTERS},
    ARRAY(SELECT blob_key FROM "references" WHERE workspace_id = {{workspace_id}} AND turn_id = {{turn_id}}
          ORDER BY position) AS attachments
"""  # noqa: S608  (of constants)


def line_sql(turn: str) -> tuple[str, str]:
    """The line of a turn as SQL: the parts of a `WITH RECURSIVE`, and the columns that `line_of` reads.

    `turn` names an earlier part, of one row at most: the turn. So a worker that claims reads the line in the same trip.
    """
    fields = {
        column: f"(SELECT {'id' if column == 'turn_id' else column} FROM {turn})"  # noqa: S608  (a name of our own)
        for column in ("workspace_id", "conversation_id", "turn_id", "parent_id")
    }
    in_scope = _IN_SCOPE.format(ancestors="SELECT id FROM past", **fields)
    return _LINE.format(in_scope=in_scope, **fields), _LINE_COLUMNS.format(**fields)


def line_of(row: Any) -> Line:
    """What the engine is given to draw the turn, from a row with the columns of `line_sql`."""
    past = tuple(
        PastTurn(
            turn_id=UUID(turn["id"]),
            text=turn["text"],
            reply=turn["reply"],
            record_key=turn["record_key"],
            record_fingerprint=turn["fingerprint"],
            picture_key=turn["picture_key"],
            segments=turn["segments"] or {},
            boxes={UUID(one): tuple(box) for one, box in (turn["boxes"] or {}).items()},
            attachment_keys=tuple(turn["attachments"]),
            pictures=turn["pictures"],
        )
        for turn in row.past or ()
    )
    characters = _nearest(row.characters or (), [turn.turn_id for turn in past])
    return Line(row.salt, past, characters, tuple(row.attachments))


_SCOPE = text(
    "WITH {in_scope} SELECT {characters}".format(
        in_scope=_IN_SCOPE.format(
            workspace_id=":workspace_id", conversation_id=":conversation_id", ancestors="SELECT unnest(:ancestors)"
        ),
        characters=_CHARACTERS,
    )
).bindparams(bindparam("ancestors", type_=ARRAY(Uuid)))


def in_scope(
    session: Session, workspace_id: UUID, conversation_id: UUID, ancestors: Sequence[UUID]
) -> tuple[InScope, ...]:
    """Characters who can be drawn by name on a line of turns.

    Those of the workspace, those created in the conversation, and those whom a turn of the line introduced. Of several
    with one name the nearest counts: the line's latest, then the conversation's, then the workspace's.
    """
    found = session.scalar(
        _SCOPE, {"workspace_id": workspace_id, "conversation_id": conversation_id, "ancestors": list(ancestors)}
    )
    return _nearest(found or (), ancestors)


def find(session: Session, platform: str, workspace: str, channel: str, thread: str) -> tuple[UUID, UUID | None] | None:
    """The ids of a workspace and of a conversation in it, by the platform's own ids; None for what is not known."""
    row = session.execute(
        select(Workspace.id, Conversation.id)
        .outerjoin(
            Conversation,
            (Conversation.workspace_id == Workspace.id)
            & (Conversation.channel == channel)
            & (Conversation.thread == thread),
        )
        .where(Workspace.platform == platform, Workspace.external_id == workspace)
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def at_head(session: Session, workspace_id: UUID, conversation_id: UUID) -> tuple[InScope, ...]:
    """Characters who can be drawn by name in a conversation as it stands now."""
    head_id = session.scalar(
        select(Conversation.head_id).where(
            Conversation.workspace_id == workspace_id, Conversation.id == conversation_id
        )
    )
    line = [turn_id for turn_id, _ in path(session, workspace_id, head_id)]
    return in_scope(session, workspace_id, conversation_id, line)


def _nearest(found: Sequence[dict[str, Any]], ancestors: Sequence[UUID]) -> tuple[InScope, ...]:
    order = {str(turn_id): position for position, turn_id in enumerate(ancestors)}

    def nearness(one: dict[str, Any]) -> tuple[int, int]:
        if one["conversation_id"] is None:
            return 0, 0
        return (1, 0) if one["turn_id"] is None else (2, order[one["turn_id"]])

    nearest = {one["name"].casefold(): one["id"] for one in sorted(found, key=nearness)}
    return tuple(
        InScope(
            id=UUID(one["id"]),
            name=one["name"],
            version=one["version"],
            description=one["description"],
            turn_id=None if one["turn_id"] is None else UUID(one["turn_id"]),
            reference_keys=tuple(one["reference_keys"]),
            embeddable=one["embeddable"],
        )
        for one in found
        if nearest[one["name"].casefold()] == one["id"]
    )


def turns_of(session: Session, workspace_id: UUID, conversation_id: UUID) -> list[TurnView]:
    """All turns of a conversation, oldest first."""
    # First the turns: one that ends meanwhile is shown as running, with somebody watching it, and never without its picture.
    turns = session.scalars(
        select(Turn).where(Turn.workspace_id == workspace_id, Turn.conversation_id == conversation_id).order_by(Turn.id)
    ).all()
    head_id = session.scalar(
        select(Conversation.head_id).where(
            Conversation.workspace_id == workspace_id, Conversation.id == conversation_id
        )
    )
    on_line = {turn_id for turn_id, _ in path(session, workspace_id, head_id)}
    shown: dict[UUID, list[Likeness]] = {}
    for picture_id, name, similarity in session.execute(
        select(Appearance.picture_id, Character.name, Appearance.similarity)
        .join(Character, Character.id == Appearance.character_id)
        .join(Picture, Picture.id == Appearance.picture_id)
        .join(Turn, Turn.id == Picture.turn_id)
        .where(Turn.workspace_id == workspace_id, Turn.conversation_id == conversation_id)
        .order_by(Character.created_at, Character.id)
    ):
        shown.setdefault(picture_id, []).append(Likeness(name, similarity))
    pictures: dict[UUID, list[PictureView]] = {}
    for picture in session.scalars(
        select(Picture)
        .join(Turn, Turn.id == Picture.turn_id)
        .where(Turn.workspace_id == workspace_id, Turn.conversation_id == conversation_id)
        .order_by(Picture.chosen.desc(), Picture.position)
    ):
        pictures.setdefault(picture.turn_id, []).append(
            PictureView(
                picture.id,
                picture.blob_key,
                picture.width,
                picture.height,
                picture.alt_text,
                tuple(shown.get(picture.id, ())),
            )
        )
    attached: dict[UUID, list[str]] = {}
    for turn_id, key in session.execute(
        select(Reference.turn_id, Reference.blob_key)
        .join(Turn, Turn.id == Reference.turn_id)
        .where(Turn.workspace_id == workspace_id, Turn.conversation_id == conversation_id)
        .order_by(Reference.position)
    ):
        if turn_id is not None:
            attached.setdefault(turn_id, []).append(key)
    return [
        TurnView(
            id=turn.id,
            parent_id=turn.parent_id,
            kind=Kind(turn.kind),
            text=turn.text,
            status=Status(turn.status),
            reply=turn.reply,
            seed=turn.seed,
            created_at=turn.created_at,
            started_at=turn.started_at,
            finished_at=turn.finished_at,
            tokens_read=turn.tokens_read,
            tokens_reused=turn.tokens_reused,
            on_line=turn.id in on_line,
            deleted=turn.deleted_at is not None,
            attached=tuple(attached.get(turn.id, ())),
            pictures=tuple(pictures.get(turn.id, ())),
        )
        for turn in turns
    ]


@single
def title(session: Session, platform: str, channel: str, thread: str) -> str:
    """What a conversation is called, after its first words; empty when there is no such conversation."""
    found = session.scalar(
        select(Conversation.title)
        .join(Workspace, Workspace.id == Conversation.workspace_id)
        .where(Workspace.platform == platform, Conversation.channel == channel, Conversation.thread == thread)
        .limit(1)
    )
    return found or ""


def direct_channels(session: Session, platform: str, limit: int = 200) -> list[str]:
    """Channels of direct messages that were talked in lately, the latest first."""
    return list(
        session.scalars(
            select(Conversation.channel)
            .join(Workspace, Workspace.id == Conversation.workspace_id)
            .where(
                Workspace.platform == platform,
                Workspace.external_id.startswith(DIRECT),
                Conversation.last_turn_at > func.now() - timedelta(days=30),
            )
            .order_by(Conversation.last_turn_at.desc())
            .limit(limit)
        )
    )


def latest_threads(session: Session, platform: str, workspace: str, limit: int) -> list[tuple[str, str]]:
    """Channels and threads of a workspace, by the platform's own ids, that were talked in lately, the latest first."""
    rows = session.execute(
        select(Conversation.channel, Conversation.thread)
        .join(Workspace, Workspace.id == Conversation.workspace_id)
        .where(
            Workspace.platform == platform,
            Workspace.external_id == workspace,
            Conversation.last_turn_at > func.now() - timedelta(days=30),
        )
        .order_by(Conversation.last_turn_at.desc())
        .limit(limit)
    )
    return [(row.channel, row.thread) for row in rows]


def recent(
    session: Session, workspace_id: UUID, *, before: datetime | None = None, limit: int = 50
) -> list[ConversationView]:
    """The conversations of a workspace, the latest first, each with its latest picture; `before` continues a list."""
    latest = (
        select(Picture.blob_key)
        .join(Turn, Turn.id == Picture.turn_id)
        .where(Turn.conversation_id == Conversation.id, Picture.chosen, Turn.kind != Kind.ENLARGE)
        .order_by(Picture.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    count = select(func.count()).where(Turn.conversation_id == Conversation.id).scalar_subquery()
    rows = session.execute(
        select(Conversation.id, Conversation.title, Conversation.last_turn_at, count, latest)
        .where(
            Conversation.workspace_id == workspace_id,
            *([Conversation.last_turn_at < before] if before is not None else []),
        )
        .order_by(Conversation.last_turn_at.desc())
        .limit(limit)
    )
    return [ConversationView(*row) for row in rows]


def taken_part(session: Session, workspace_id: UUID, author: str, *, limit: int) -> list[TakenPart]:
    """The conversations in which somebody, by the platform's own id, asked for something, the latest first."""
    count = select(func.count()).where(Turn.conversation_id == Conversation.id).scalar_subquery()
    rows = session.execute(
        select(Conversation.channel, Conversation.thread, Conversation.title, Conversation.last_turn_at, count)
        .where(Conversation.workspace_id == workspace_id, Conversation.id.in_(_theirs(workspace_id, author)))
        .order_by(Conversation.last_turn_at.desc())
        .limit(limit)
    )
    return [TakenPart(*row) for row in rows]


def takes_part(session: Session, workspace_id: UUID, author: str, channel: str, thread: str) -> UUID | None:
    """The conversation of a thread, if somebody, by the platform's own id, asked for something in it."""
    return session.scalar(
        select(Conversation.id).where(
            Conversation.workspace_id == workspace_id,
            Conversation.channel == channel,
            Conversation.thread == thread,
            Conversation.id.in_(_theirs(workspace_id, author)),
        )
    )


def _theirs(workspace_id: UUID, author: str) -> Select[UUID]:
    return (
        select(Turn.conversation_id)
        .join(Person, Person.id == Turn.person_id)
        .where(Person.workspace_id == workspace_id, Person.external_id == author, Turn.workspace_id == workspace_id)
    )
