"""Collects blobs that nothing refers to: uploads that were refused, what a crash left, what deleted characters let go.

It goes by the store's own listing, so that objects without a row are found as well; what is not named as ours stays.
An object younger than the grace is never touched: it may belong to a turn that is just being finished.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import ARRAY, DateTime, String, Uuid, bindparam, text
from sqlalchemy.orm import Session

from storage.blobs import Blobs, workspace_of
from storage.database import Database

_REFERRED = """
    EXISTS (SELECT FROM pictures r WHERE r.workspace_id = b.workspace_id AND r.blob_key = b.key)
    OR EXISTS (SELECT FROM "references" r WHERE r.workspace_id = b.workspace_id AND r.blob_key = b.key)
    OR EXISTS (SELECT FROM records r WHERE r.workspace_id = b.workspace_id AND r.blob_key = b.key)
    OR EXISTS (SELECT FROM segments r WHERE r.workspace_id = b.workspace_id AND r.blob_key = b.key)
    OR EXISTS (SELECT FROM encodings r WHERE r.workspace_id = b.workspace_id AND r.blob_key = b.key)
"""

_ARRAYS = (bindparam("workspaces", type_=ARRAY(Uuid)), bindparam("keys", type_=ARRAY(String)))

_FORGET = text(
    f"""
    DELETE FROM blobs b USING unnest(:workspaces, :keys) AS old(workspace_id, key)
    WHERE b.workspace_id = old.workspace_id AND b.key = old.key AND b.created_at < :before AND NOT ({_REFERRED})
    """  # noqa: S608  (a constant)
).bindparams(*_ARRAYS, bindparam("before", type_=DateTime(timezone=True)))

_KEPT = text(
    """
    SELECT b.key FROM blobs b JOIN unnest(:workspaces, :keys) AS old(workspace_id, key)
    ON b.workspace_id = old.workspace_id AND b.key = old.key
    """
).bindparams(*_ARRAYS)


def collect(database: Database, blobs: Blobs, *, grace_seconds: float) -> int:
    """Delete old objects that nothing refers to. Returns how many. Raises `BlobsUnavailable` or `DatabaseUnavailable`."""
    before = datetime.now(UTC) - timedelta(seconds=grace_seconds)
    old = (stored.key for stored in blobs.list() if stored.modified < before)
    deleted = 0
    while keys := list(itertools.islice(old, 100)):
        for key in database.run(_forget, keys, before):
            # Somebody may have put the same bytes again meanwhile, which renews their date.
            if all(stored.modified < before for stored in blobs.list(key)):
                blobs.delete(key)
                deleted += 1
    blobs.clear_unfinished(before)
    return deleted


def _forget(session: Session, keys: Sequence[str], before: datetime) -> list[str]:
    ours = {key: workspace_id for key in keys if (workspace_id := workspace_of(key)) is not None}
    named = {"workspaces": list(ours.values()), "keys": list(ours)}
    session.execute(_FORGET, named | {"before": before})
    kept = set(session.scalars(_KEPT, named))
    return [key for key in ours if key not in kept]
