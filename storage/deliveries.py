"""Deliveries: the one visible reply that each turn owes, and who is showing it just now.

A delivery is leased before it is shown and marked after, each in a transaction of its own. Whoever finds an expired lease
must look for the reply in the thread before showing it again; `Due.attempts` says whether anybody tried before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Text, bindparam, func, or_, select, text, update
from sqlalchemy.orm import Session

from storage import events
from storage.database import single
from storage.sentences import LANGUAGES
from storage.tables import Delivery, Kind, Status, Workspace

RETRY_SECONDS = (1, 2, 5, 15, 60, 300)


@dataclass(frozen=True, slots=True)
class DuePicture:
    """A picture to show."""

    blob_key: str
    width: int
    height: int
    alt_text: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Due:
    """A reply to show: where, what, and what is known of earlier attempts."""

    turn_id: UUID
    conversation_id: UUID
    workspace_id: UUID
    workspace: str  # the platform's own ids, as text
    channel: str
    thread: str
    source_id: str
    status: Status
    text: str
    pictures: tuple[DuePicture, ...]
    message_id: str | None  # of the placeholder or an earlier reply, when one is recorded
    attempts: int  # before this one
    kind: Kind = Kind.SAY
    picks: int = 0  # how many variations there are to pick from
    compares: bool = False  # whether two configurations drew it, to be voted on
    deleted: bool = False  # by a person: what was shown is to go
    shown: bool = False  # whether it stood there before: if it is gone now, somebody has removed it
    language: str = LANGUAGES[0]  # of whoever asked for it
    files: dict[str, str] = field(default_factory=dict)  # uploaded already: the platform's ids by what they show


_LEASE = text(
    """
    WITH leased AS (
        UPDATE deliveries SET lease_owner = :owner, lease_until = now() + make_interval(secs => :seconds),
            attempts = deliveries.attempts + 1
        FROM (
            SELECT turn_id FROM deliveries
            WHERE platform = :platform AND delivered_at IS NULL AND due_at <= now()
              AND (lease_until IS NULL OR lease_until < now())
            ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
        ) picked
        WHERE deliveries.turn_id = picked.turn_id
        RETURNING deliveries.turn_id, deliveries.due_at, deliveries.message_id, deliveries.attempts,
                  deliveries.files, deliveries.shown_at IS NOT NULL AS shown
    )
    SELECT t.id, t.conversation_id, t.workspace_id, w.external_id, c.channel, c.thread, t.source_id, t.status, t.reply, t.kind,
           t.options ->> 'language' AS language,
           t.deleted_at IS NOT NULL AS deleted, t.kind = 'variations' AND t.picked_at IS NULL AS unpicked,
           leased.message_id, leased.attempts, leased.files, leased.shown,
           (SELECT jsonb_agg(jsonb_build_array(p.blob_key, p.width, p.height, p.alt_text, b.bytes) ORDER BY p.position)
            FROM pictures p JOIN blobs b ON b.workspace_id = p.workspace_id AND b.key = p.blob_key
            WHERE p.turn_id = t.id AND (p.chosen OR t.picked_at IS NULL)) AS pictures,
           EXISTS (SELECT FROM pictures p WHERE p.turn_id = t.id AND p.configuration <> '') AS compares
    FROM leased JOIN turns t ON t.id = leased.turn_id JOIN conversations c ON c.id = t.conversation_id
    JOIN workspaces w ON w.id = t.workspace_id
    ORDER BY leased.due_at
    """
)


@single
def lease(session: Session, platform: str, owner: UUID, *, seconds: float, limit: int = 20) -> list[Due]:
    """Take due deliveries of a platform, oldest first, with all that is needed to show them."""
    rows = session.execute(_LEASE, {"owner": owner, "seconds": seconds, "platform": platform, "limit": limit})
    return [
        Due(
            turn_id=row.id,
            conversation_id=row.conversation_id,
            workspace_id=row.workspace_id,
            workspace=row.external_id,
            channel=row.channel,
            thread=row.thread,
            source_id=row.source_id,
            status=Status(row.status),
            text=row.reply,
            pictures=tuple(DuePicture(*picture) for picture in row.pictures or ()),
            message_id=row.message_id,
            attempts=row.attempts - 1,
            kind=Kind(row.kind),
            picks=len(row.pictures or ()) if row.unpicked else 0,
            compares=row.compares,
            deleted=row.deleted,
            shown=row.shown,
            language=row.language or LANGUAGES[0],
            files=row.files,
        )
        for row in rows
    ]


_DELIVERED = text(
    """
    UPDATE deliveries SET message_id = :message_id, delivered_at = now(), shown_at = coalesce(shown_at, now()),
        lease_owner = NULL, lease_until = NULL, problem = ''
    WHERE turn_id = :turn_id AND delivered_at IS NULL AND lease_owner = :owner
    """
)


@single
def delivered(session: Session, turn_id: UUID, owner: UUID, message_id: str | None) -> None:
    """The reply stands in the thread, as whoever holds the lease has seen; None where it was taken away."""
    session.execute(_DELIVERED, {"turn_id": turn_id, "owner": owner, "message_id": message_id})


def postpone(session: Session, turn_id: UUID, owner: UUID, problem: str) -> None:
    """An attempt failed: try again later, later each time."""
    attempts = session.scalar(
        select(Delivery.attempts).where(Delivery.turn_id == turn_id, Delivery.lease_owner == owner).with_for_update()
    )
    if attempts is not None:
        pause = RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1]
        session.execute(
            update(Delivery)
            .where(Delivery.turn_id == turn_id)
            .values(
                due_at=func.now() + timedelta(seconds=pause), lease_owner=None, lease_until=None, problem=problem[:500]
            )
        )


@single
def abandon(session: Session, turn_id: UUID, problem: str) -> None:
    """Nobody can see the reply any more, because the thread or the bot's access to it is gone."""
    session.execute(
        update(Delivery)
        .where(Delivery.turn_id == turn_id, Delivery.delivered_at.is_(None))
        .values(delivered_at=func.now(), lease_owner=None, lease_until=None, problem=problem[:500])
    )


def abandon_all(session: Session, workspace_id: UUID, problem: str) -> None:
    """`abandon`, for all replies that a workspace is owed."""
    session.execute(
        update(Delivery)
        .where(Delivery.workspace_id == workspace_id, Delivery.delivered_at.is_(None))
        .values(delivered_at=func.now(), lease_owner=None, lease_until=None, problem=problem[:500])
    )


@single
def lease_placeholder(session: Session, turn_id: UUID, owner: UUID, *, seconds: float) -> bool:
    """Take the right to post the placeholder of a turn that still waits and has none."""
    taken = session.execute(
        update(Delivery)
        .where(
            Delivery.turn_id == turn_id,
            Delivery.message_id.is_(None),
            Delivery.delivered_at.is_(None),
            Delivery.due_at.is_(None),
            or_(Delivery.lease_until.is_(None), Delivery.lease_until < func.now()),
        )
        .values(
            lease_owner=owner,
            lease_until=func.now() + timedelta(seconds=seconds),
            attempts=Delivery.attempts + 1,
        )
        .returning(Delivery.turn_id)
    )
    return taken.one_or_none() is not None


@single
def keep_placeholder(session: Session, turn_id: UUID, owner: UUID, message_id: str | None) -> bool:
    """Note which message is the placeholder, if any, and give the lease back. Returns whether the reply is due by now."""
    due_at = session.scalar(
        update(Delivery)
        .where(Delivery.turn_id == turn_id, Delivery.lease_owner == owner)
        .values(message_id=message_id, lease_owner=None, lease_until=None)
        .returning(Delivery.due_at)
    )
    return due_at is not None


def delay(session: Session, turn_id: UUID, owner: UUID) -> None:
    """An attempt was cut off and may yet get through: its lease runs out first, and others that are due come before it."""
    session.execute(
        update(Delivery)
        .where(Delivery.turn_id == turn_id, Delivery.lease_owner == owner)
        .values(due_at=Delivery.lease_until)
    )


def show_again(session: Session, turn_id: UUID) -> None:
    """Have a reply edited in once more, shown already or just being shown: something may be written over it meanwhile."""
    _fall_due(session, [turn_id], Delivery.due_at.is_not(None), Delivery.message_id.is_not(None), lease_until=None)


def take_away(session: Session, *turn_ids: UUID) -> None:
    """Have what was shown of deleted turns taken away.

    What somebody is showing just now would appear after it was looked for: it keeps its time, but nobody notes it any more.
    """
    _fall_due(session, turn_ids)


def _fall_due(session: Session, turn_ids: Sequence[UUID], *which: ColumnElement[bool], **more: None) -> None:
    """Have replies shown anew. Whoever shows them just now has no say in it; `more` is what else is set."""
    due = session.execute(
        update(Delivery)
        .where(Delivery.turn_id.in_(turn_ids), *which)
        .values(delivered_at=None, due_at=func.now(), lease_owner=None, **more)
        .returning(Delivery.platform, Delivery.turn_id)
    )
    for platform, turn_id in due.all():
        events.notify_delivery(session, platform, turn_id)


_KEEP_FILE = text(
    """
    UPDATE deliveries SET files = jsonb_strip_nulls(files || jsonb_build_object(:what, cast(:file_id AS text)))
    WHERE turn_id = :turn_id RETURNING files
    """
).bindparams(bindparam("what", type_=Text))


@single
def keep_file(session: Session, turn_id: UUID, what: str, file_id: str | None) -> dict[str, str]:
    """Note a file that was uploaded for a reply, by what it shows; None: it is gone again. Returns all that are noted."""
    kept = session.execute(_KEEP_FILE, {"turn_id": turn_id, "what": what, "file_id": file_id}).scalar_one_or_none()
    return kept or {}


def turn_of_message(session: Session, platform: str, workspace: str, message_id: str) -> UUID | None:
    """The turn whose reply is this message, by the platform's own ids."""
    return session.scalar(
        select(Delivery.turn_id)
        .join(Workspace, Workspace.id == Delivery.workspace_id)
        .where(Workspace.platform == platform, Workspace.external_id == workspace, Delivery.message_id == message_id)
    )
