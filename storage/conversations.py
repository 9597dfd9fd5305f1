"""Reading conversations: the line of turns that a new turn stands on, who is in scope there, and what a page shows.

It changes nothing. Every question carries its workspace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from storage.tables import (
    Appearance,
    Character,
    Conversation,
    Kind,
    Picture,
    Record,
    Reference,
    Segment,
    Status,
    Turn,
    Workspace,
)


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


@dataclass(frozen=True, slots=True)
class InScope:
    """A character who can be drawn by name, and the pictures that show them, in order."""

    id: UUID
    name: str
    version: int
    description: str
    turn_id: UUID | None
    reference_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """All that an engine may know when it draws a turn."""

    workspace_salt: UUID
    past: tuple[PastTurn, ...]  # from the first turn to the parent; only done ones
    characters: tuple[InScope, ...]
    attachment_keys: tuple[str, ...]  # of the turn itself


@dataclass(frozen=True, slots=True)
class PictureView:
    """A picture as a page shows it."""

    id: UUID
    blob_key: str
    width: int
    height: int
    alt_text: str
    characters: tuple[str, ...]


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
    pictures: tuple[PictureView, ...]


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation in a list."""

    id: UUID
    title: str
    last_turn_at: datetime
    turns: int
    picture_key: str | None


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


def line(session: Session, workspace_id: UUID, conversation_id: UUID, turn_id: UUID, parent_id: UUID | None) -> Line:
    """What the engine is given to draw the turn."""
    ancestors = [found for found, status in path(session, workspace_id, parent_id) if status is Status.DONE]
    salt = session.scalars(select(Workspace.salt).where(Workspace.id == workspace_id)).one()
    past = _past(session, workspace_id, ancestors)
    characters = in_scope(session, workspace_id, conversation_id, ancestors)
    attached = session.scalars(
        select(Reference.blob_key)
        .where(Reference.workspace_id == workspace_id, Reference.turn_id == turn_id)
        .order_by(Reference.position)
    ).all()
    return Line(salt, past, characters, tuple(attached))


def _past(session: Session, workspace_id: UUID, ancestors: Sequence[UUID]) -> tuple[PastTurn, ...]:
    if not ancestors:
        return ()
    segments: dict[UUID, dict[str, str]] = {}
    for row in session.execute(
        select(Segment.turn_id, Segment.fingerprint, Segment.blob_key).where(
            Segment.workspace_id == workspace_id, Segment.turn_id.in_(ancestors)
        )
    ):
        segments.setdefault(row.turn_id, {})[row.fingerprint] = row.blob_key
    rows = session.execute(
        select(
            Turn.id,
            Turn.text,
            Turn.reply,
            Record.blob_key.label("record_key"),
            Record.fingerprint,
            Picture.blob_key.label("picture_key"),
        )
        .outerjoin(Record, Record.turn_id == Turn.id)
        .outerjoin(Picture, and_(Picture.turn_id == Turn.id, Picture.chosen))
        .where(Turn.workspace_id == workspace_id, Turn.id.in_(ancestors))
    )
    found = {
        row.id: PastTurn(
            row.id, row.text, row.reply, row.record_key, row.fingerprint, row.picture_key, segments.get(row.id, {})
        )
        for row in rows
    }
    return tuple(found[turn_id] for turn_id in ancestors)


def in_scope(
    session: Session, workspace_id: UUID, conversation_id: UUID, ancestors: Sequence[UUID]
) -> tuple[InScope, ...]:
    """Characters who can be drawn by name on a line of turns.

    Those of the workspace, those created in the conversation, and those whom a turn of the line introduced. Of several
    with one name the nearest counts: the line's latest, then the conversation's, then the workspace's.
    """
    rows = session.execute(
        select(Character.id, Character.name, Character.version, Character.description, Character.turn_id)
        .add_columns(Character.conversation_id)
        .where(
            Character.workspace_id == workspace_id,
            Character.deleted_at.is_(None),
            or_(
                Character.conversation_id.is_(None),
                and_(
                    Character.conversation_id == conversation_id,
                    or_(Character.turn_id.is_(None), Character.turn_id.in_(ancestors)),
                ),
            ),
        )
        .order_by(Character.created_at, Character.id)
    ).all()
    order = {turn_id: position for position, turn_id in enumerate(ancestors)}

    def nearness(row: object) -> tuple[int, int]:
        turn_id, conversation = getattr(row, "turn_id", None), getattr(row, "conversation_id", None)
        return (0 if conversation is None else 1 if turn_id is None else 2, order.get(turn_id, -1) if turn_id else -1)

    nearest: dict[str, UUID] = {}
    for row in sorted(rows, key=nearness):
        nearest[row.name.casefold()] = row.id
    chosen = [row for row in rows if nearest[row.name.casefold()] == row.id]
    references: dict[UUID, list[str]] = {}
    if chosen:
        for character_id, key in session.execute(
            select(Reference.character_id, Reference.blob_key)
            .where(Reference.workspace_id == workspace_id, Reference.character_id.in_([row.id for row in chosen]))
            .order_by(Reference.character_id, Reference.position, Reference.id)
        ):
            if character_id is not None:
                references.setdefault(character_id, []).append(key)
    return tuple(
        InScope(row.id, row.name, row.version, row.description, row.turn_id, tuple(references.get(row.id, ())))
        for row in chosen
    )


def turns_of(session: Session, workspace_id: UUID, conversation_id: UUID) -> list[TurnView]:
    """All turns of a conversation, oldest first."""
    head_id = session.scalar(
        select(Conversation.head_id).where(
            Conversation.workspace_id == workspace_id, Conversation.id == conversation_id
        )
    )
    on_line = {turn_id for turn_id, _ in path(session, workspace_id, head_id)}
    names: dict[UUID, list[str]] = {}
    for picture_id, name in session.execute(
        select(Appearance.picture_id, Character.name)
        .join(Character, Character.id == Appearance.character_id)
        .join(Picture, Picture.id == Appearance.picture_id)
        .join(Turn, Turn.id == Picture.turn_id)
        .where(Turn.workspace_id == workspace_id, Turn.conversation_id == conversation_id)
        .order_by(Character.created_at, Character.id)
    ):
        names.setdefault(picture_id, []).append(name)
    pictures: dict[UUID, list[PictureView]] = {}
    for picture in session.scalars(
        select(Picture)
        .join(Turn, Turn.id == Picture.turn_id)
        .where(Turn.workspace_id == workspace_id, Turn.conversation_id == conversation_id)
        .order_by(Picture.position)
    ):
        pictures.setdefault(picture.turn_id, []).append(
            PictureView(
                picture.id,
                picture.blob_key,
                picture.width,
                picture.height,
                picture.alt_text,
                tuple(names.get(picture.id, ())),
            )
        )
    turns = session.scalars(
        select(Turn).where(Turn.workspace_id == workspace_id, Turn.conversation_id == conversation_id).order_by(Turn.id)
    )
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
            pictures=tuple(pictures.get(turn.id, ())),
        )
        for turn in turns
    ]


def recent(session: Session, workspace_id: UUID, limit: int = 50) -> list[ConversationView]:
    """The conversations of a workspace, the latest first, each with its latest picture."""
    latest = (
        select(Picture.blob_key)
        .join(Turn, Turn.id == Picture.turn_id)
        .where(Turn.conversation_id == Conversation.id, Picture.chosen)
        .order_by(Picture.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    count = select(func.count()).where(Turn.conversation_id == Conversation.id).scalar_subquery()
    rows = session.execute(
        select(Conversation.id, Conversation.title, Conversation.last_turn_at, count, latest)
        .where(Conversation.workspace_id == workspace_id)
        .order_by(Conversation.last_turn_at.desc())
        .limit(limit)
    )
    return [ConversationView(*row) for row in rows]
