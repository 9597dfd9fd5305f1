"""Copies of blobs that a platform keeps, by the platform's own id: made once, and given up with the blob.

It knows rows; how a copy is made and deleted on the platform is the adapter's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from storage.tables import Copy, Picture, Reference

PASSING = ""  # the key of what is looked at once
KEPT = timedelta(hours=1)  # for as long


def known(session: Session, workspace_id: UUID, keys: Sequence[str]) -> dict[str, str]:
    """The platform's ids of those blobs that have a copy, the first of each."""
    rows = session.execute(
        select(Copy.blob_key, Copy.external_id)
        .where(Copy.workspace_id == workspace_id, Copy.blob_key.in_(keys))
        .order_by(Copy.created_at.desc())
    )
    return {key: external_id for key, external_id in rows}  # noqa: C416  (rows are no pairs to the checker)


def keep(session: Session, workspace_id: UUID, made: Mapping[str, str]) -> None:
    """Note copies by the keys of their blobs. Of one blob two may have been made at once: both are noted, to be given up."""
    for key, external_id in sorted(made.items()):
        session.execute(
            insert(Copy)
            .values(workspace_id=workspace_id, blob_key=key, external_id=external_id)
            .on_conflict_do_nothing()
        )


def left(session: Session, workspace_id: UUID, *, limit: int = 50) -> list[str]:
    """The platform's ids of copies whose blob shows nobody any more."""
    shows = (
        exists().where(table.workspace_id == workspace_id, table.blob_key == Copy.blob_key)
        for table in (Reference, Picture)
    )
    needless = [~one for one in shows]
    passed = or_(Copy.blob_key != PASSING, Copy.created_at < func.now() - KEPT)
    return list(
        session.scalars(
            select(Copy.external_id)
            .where(Copy.workspace_id == workspace_id, passed, *needless)
            .order_by(Copy.external_id)
            .limit(limit)
        )
    )


def drop(session: Session, workspace_id: UUID, external_id: str) -> None:
    """Forget a copy that is deleted."""
    session.execute(delete(Copy).where(Copy.workspace_id == workspace_id, Copy.external_id == external_id))
