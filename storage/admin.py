"""What the admins of a workspace see and change: whether turns are taken in there, from whom, and how many a day.

The rules lie in `workspaces.settings` and `persons.blocked_at`; `storage.turns.receive` asks `refusal` before it takes a
turn in, and whatever else people change asks `barred`. Days are days of UTC. It knows nothing of who may be an admin: that
is `bot.admin`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Uuid, bindparam, cast, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from storage.sentences import BLOCKED, ONE_TURN, PAUSED, TURNS, USED_UP, Sentence, several
from storage.tables import Audit, Person, Status, Turn, Usage, Workspace

COMPARE = "compare"  # in a workspace's settings: percent of its turns that two configurations draw; in a turn's options: this one
MOST_ACTIVE = 5
TODAY = cast(func.timezone("UTC", func.now()), Date)


def turns_of(count: int) -> Sentence:
    """A number of turns in words."""
    return several(count, ONE_TURN, TURNS)


@dataclass(frozen=True, slots=True)
class Rules:
    """What an admin has set. `quota` is how many turns a person has a day; 0 is without an end."""

    paused: bool = False
    quota: int = 0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Rules:
        """As `workspaces.settings` has them."""
        return cls(bool(settings.get("paused")), int(settings.get("quota") or 0))


# -- what the door asks -----------------------------------------------------------------------------------------------

_QUOTA_LOCK = 0x0DA7  # any constant that no other pair of advisory locks begins with

# A turn counts from the moment it is taken in: while it waits by its row, afterwards by the usage that its end notes. What
# was cancelled, or failed with its worker, counts no more.
_COUNTED = text(
    """
    SELECT (SELECT coalesce(sum(turns), 0) FROM usage WHERE workspace_id = :workspace_id AND person_id = :person_id
            AND day = (now() AT TIME ZONE 'UTC')::date)
         + (SELECT count(*) FROM turns WHERE workspace_id = :workspace_id AND person_id = :person_id
            AND status IN ('received', 'queued', 'running'))
    """
).bindparams(bindparam("workspace_id", type_=Uuid), bindparam("person_id", type_=Uuid))


def refusal(session: Session, workspace_id: UUID, person_id: UUID, rules: Rules, *, blocked: bool) -> Sentence | None:
    """Why no turn of this person is taken in just now, as a sentence to them. Asks the database only where a quota is set.

    With a quota, further turns of the person wait until this transaction ends: none can slip in beside it.
    """
    if blocked:
        return BLOCKED
    if rules.paused:
        return PAUSED
    if not rules.quota:
        return None
    # A statement of its own: only a later one sees what others committed while this one waited for the lock.
    person = int.from_bytes(person_id.bytes[-4:], signed=True)
    session.execute(select(func.pg_advisory_xact_lock(_QUOTA_LOCK, person)))
    counted = session.scalars(_COUNTED, {"workspace_id": workspace_id, "person_id": person_id}).one()
    return USED_UP.given(quota=turns_of(rules.quota)) if counted >= rules.quota else None


def used_today(session: Session, workspace_id: UUID, author: str) -> int:
    """How many turns of somebody, by the platform's own id, the quota counts today."""
    person_id = session.scalar(
        select(Person.id).where(Person.workspace_id == workspace_id, Person.external_id == author)
    )
    given = {"workspace_id": workspace_id, "person_id": person_id}
    return 0 if person_id is None else int(session.execute(_COUNTED, given).scalar_one())


def barred(session: Session, workspace_id: UUID, author: str) -> Sentence | None:
    """Why somebody, by the platform's own id, may change nothing here, as a sentence to them. None: they may."""
    blocked = session.scalar(
        select(Person.blocked_at).where(Person.workspace_id == workspace_id, Person.external_id == author)
    )
    return None if blocked is None else BLOCKED


# -- what admins change -----------------------------------------------------------------------------------------------


def note(
    session: Session, workspace_id: UUID, person_id: UUID, source_id: str, action: str, details: Mapping[str, Any]
) -> bool:
    """Note who does what. False when it was noted before: what arrives twice is obeyed once."""
    noted = session.scalar(
        insert(Audit)
        .values(
            id=uuid7(),
            workspace_id=workspace_id,
            person_id=person_id,
            source_id=source_id,
            action=action,
            details=dict(details),
        )
        .on_conflict_do_nothing()
        .returning(Audit.id)
    )
    return noted is not None


def set_paused(session: Session, workspace_id: UUID, *, paused: bool) -> bool:
    """Take no turns in any more, or take them in again. False: it was so already."""
    return _set(session, workspace_id, "paused", paused)


def set_quota(session: Session, workspace_id: UUID, quota: int) -> bool:
    """How many turns a person has a day; 0 is without an end. False: it was so already."""
    return _set(session, workspace_id, "quota", quota)


def set_compared(session: Session, workspace_id: UUID, share: int) -> bool:
    """How many percent of the turns two configurations draw, for people to vote. False: it was so already."""
    return _set(session, workspace_id, COMPARE, share)


def set_blocked(session: Session, workspace_id: UUID, person_id: UUID, *, blocked: bool) -> bool:
    """Take no turns in from a person any more, or take them in again. False: it was so already."""
    changed = session.scalar(
        update(Person)
        .where(
            Person.workspace_id == workspace_id,
            Person.id == person_id,
            Person.blocked_at.is_(None) if blocked else Person.blocked_at.is_not(None),
        )
        .values(blocked_at=func.now() if blocked else None)
        .returning(Person.id)
    )
    return changed is not None


def _set(session: Session, workspace_id: UUID, name: str, value: bool | int) -> bool:
    before = session.execute(
        select(Workspace.settings).where(Workspace.id == workspace_id).with_for_update(key_share=True)
    ).scalar_one()
    if (before.get(name) or 0) == value:
        return False
    session.execute(
        update(Workspace).where(Workspace.id == workspace_id).values(settings=Workspace.settings.concat({name: value}))
    )
    return True


# -- what admins see --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands in a workspace. `finished` and `most_active`, by name, are of today."""

    rules: Rules
    waiting: int
    running: int
    finished: int
    most_active: list[tuple[str, int]]
    blocked: list[str]


_NAME = func.coalesce(func.nullif(Person.name, ""), Person.external_id)


def standing(session: Session, workspace_id: UUID) -> Standing:
    """How it stands in a workspace now."""
    settings = session.execute(select(Workspace.settings).where(Workspace.id == workspace_id)).scalar_one()
    unfinished = session.execute(
        select(Turn.status == Status.RUNNING, func.count())
        .where(Turn.workspace_id == workspace_id, Turn.status.in_([Status.RECEIVED, Status.QUEUED, Status.RUNNING]))
        .group_by(Turn.status)
    ).all()
    used = func.sum(Usage.turns)
    active = session.execute(
        select(_NAME, used, func.sum(used).over())
        .join(Usage, Usage.person_id == Person.id)
        .where(Person.workspace_id == workspace_id, Usage.workspace_id == workspace_id, Usage.day == TODAY)
        .group_by(Person.id)
        .order_by(used.desc(), Person.id)
        .limit(MOST_ACTIVE)
    ).all()
    blocked = session.scalars(
        select(_NAME)
        .where(Person.workspace_id == workspace_id, Person.blocked_at.is_not(None))
        .order_by(Person.blocked_at)
    ).all()
    return Standing(
        rules=Rules.of(settings),
        waiting=sum(count for running, count in unfinished if not running),
        running=sum(count for running, count in unfinished if running),
        finished=int(active[0][2]) if active else 0,
        most_active=[(name, int(count)) for name, count, _ in active],
        blocked=list(blocked),
    )


def blocked_persons(session: Session, workspace_id: UUID) -> list[tuple[str, str]]:
    """Who is blocked, by the platform's own id and by name, in the order that they were."""
    rows = session.execute(
        select(Person.external_id, _NAME)
        .where(Person.workspace_id == workspace_id, Person.blocked_at.is_not(None))
        .order_by(Person.blocked_at, Person.id)
    )
    return [(person, name) for person, name in rows]
