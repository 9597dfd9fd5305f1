"""What a conversation was, as an engine needs it: records, and the segments that spare reading them again.

Segments hold tensors, so they live in `worker.history.segments`, which only engines with an MLLM import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from PIL import Image

from worker.engines.contract import Record
from worker.history.records import DamagedRecord, record_from_bytes, record_to_bytes

if TYPE_CHECKING:
    from worker.history.segments import Fetch, SegmentStore

__all__ = ["DamagedRecord", "History", "record_from_bytes", "record_to_bytes"]


@dataclass(frozen=True, slots=True)
class History:
    """The done turns from the first one to the parent of the turn that is drawn.

    Without `segments` everything is read anew. `fetch` gets a turn's segment of this engine from the blob store. `picture`
    gets the picture of a turn as it is stored, RGB or None, and `attached` those that came with its message: engines ask for
    few of them. `several` are the turns of several pictures, of which somebody may have picked another since.
    """

    records: tuple[Record, ...]
    workspace_salt: UUID
    segments: SegmentStore | None = None
    fetch: Mapping[UUID, Fetch] = field(default_factory=dict)
    picture: Callable[[UUID], Image.Image | None] | None = None
    attached: Callable[[UUID], tuple[Image.Image, ...]] | None = None
    several: frozenset[UUID] = frozenset()
