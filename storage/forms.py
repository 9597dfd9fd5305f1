"""What a form will need when it is sent, where that does not fit into the form itself and nobody can ask for it again.

Kept for a day or two, by an id that the form carries. It knows nothing of forms or of who reads them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from storage.tables import Audit

ACTION = "form"
KEPT = timedelta(days=1)


def keep(session: Session, workspace_id: UUID, form_id: str, details: dict[str, Any]) -> None:  # Any: JSON
    """Keep details for a form, the first time."""
    session.execute(
        insert(Audit)
        .values(id=uuid7(), workspace_id=workspace_id, source_id=form_id, action=ACTION, details=details)
        .on_conflict_do_nothing()
    )


def kept(session: Session, workspace_id: UUID, form_id: str) -> dict[str, Any] | None:  # Any: as above
    """What was kept for a form of this workspace; None when nothing was, or not any more."""
    return session.scalar(
        select(Audit.details).where(
            Audit.workspace_id == workspace_id, Audit.action == ACTION, Audit.source_id == form_id
        )
    )


def clear(session: Session) -> None:
    """Let go of what was kept for the forms of all workspaces more than a day ago. For the sweeper."""
    session.execute(delete(Audit).where(Audit.action == ACTION, Audit.at < func.now() - KEPT))
