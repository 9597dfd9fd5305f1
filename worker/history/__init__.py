"""What a conversation was, as an engine needs it: records, and the segments that spare reading them again."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from worker.engines.contract import Record
from worker.history.records import DamagedRecord, record_from_bytes, record_to_bytes

__all__ = ["DamagedRecord", "History", "record_from_bytes", "record_to_bytes"]


@dataclass(frozen=True, slots=True)
class History:
    """The done turns from the first one to the parent of the turn that is drawn."""

    records: tuple[Record, ...]
    workspace_salt: UUID
