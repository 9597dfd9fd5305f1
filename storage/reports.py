"""Reports: that a person finds a picture wrong, and why. Kept beside all that was done, for operators to read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from storage import admin, turns
from storage.tables import Audit, Person, Workspace

ACTION = "report"


@dataclass(frozen=True, slots=True)
class Report:
    """One report, with what an operator needs to look the picture up."""

    at: datetime
    platform: str
    workspace: str  # the platform's own id
    workspace_name: str
    turn_id: UUID
    reporter: str  # the platform's own id
    reporter_name: str
    reason: str


def report(
    session: Session,
    workspace_id: UUID,
    turn_id: UUID,
    *,
    source_id: str,
    author: str,
    author_name: str,
    reason: str,
) -> str | None:
    """Keep that somebody reports the picture of a turn, once for each source id. Returns why it is not kept, if it is not."""
    refused = admin.barred(session, workspace_id, author)
    if refused is not None:
        return refused
    session.execute(
        insert(Audit)
        .values(
            id=uuid7(),
            workspace_id=workspace_id,
            person_id=turns.person(session, workspace_id, author, author_name),
            source_id=source_id,
            action=ACTION,
            details={"turn": str(turn_id), "reason": turns.storable(reason).strip()},
        )
        .on_conflict_do_nothing()
    )
    return None


def listed(session: Session, *, limit: int = 100) -> list[Report]:
    """The latest reports of all workspaces, newest first: for operators, and nobody else."""
    rows = session.execute(
        select(Audit.at, Audit.details, Workspace.platform, Workspace.external_id, Workspace.name, Person)
        .join(Workspace, Workspace.id == Audit.workspace_id)
        .join(Person, Person.id == Audit.person_id)
        .where(Audit.action == ACTION)
        .order_by(Audit.at.desc(), Audit.id.desc())
        .limit(limit)
    )
    return [
        Report(
            at=row.at,
            platform=row.platform,
            workspace=row.external_id,
            workspace_name=row.name,
            turn_id=UUID(row.details["turn"]),
            reporter=row.Person.external_id,
            reporter_name=row.Person.name,
            reason=row.details["reason"],
        )
        for row in rows
    ]
