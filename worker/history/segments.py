"""Segments: what an MLLM remembers of one turn (keys and values of each layer), kept in three tiers, so that it need not be
read again.

It knows bytes, digests and eviction, and no model: what a segment means is its engine's business. Nothing here is the
truth: a segment that is missing, damaged or foreign is worth a line in the log and is then computed anew from the records.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import UUID, uuid4

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from storage.blobs import BlobError
from worker.engines.contract import Record

log = logging.getLogger(__name__)

_VERSION = "1"
ATTEMPTS = (64, 256)  # positions to begin with, where nobody knows how long it takes
FORGOTTEN = 0.9  # of what was expected: who was passed over for so long is measured anew
MEASURED = 24  # times that are remembered of how long something took
FETCHES = 8  # segments that are fetched from the blob store side by side

Fetch = Callable[[], bytes]
"""Gets a segment's bytes from the blob store. May raise `storage.blobs.BlobError`."""

Computing = Callable[[int], float | None]
"""Seconds that it takes to compute so many positions, if anybody knows."""


class DamagedSegment(Exception):
    """The bytes are not a whole segment, or not the one that was asked for."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Keys and values for the positions of one turn; one tensor (heads, positions, numbers) a layer."""

    key: str
    fingerprint: str
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @property
    def positions(self) -> int:
        """How many positions of the MLLM's input it spares."""
        return int(self.keys[0].shape[1])

    @property
    def size(self) -> int:
        """Bytes of its tensors."""
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))


def root_key(fingerprint: str, workspace_salt: UUID) -> str:
    """Where the chain of a conversation's keys begins; no two workspaces and no two engines share a key."""
    return hashlib.sha256(f"{fingerprint} {workspace_salt}".encode()).hexdigest()


def next_key(parent: str, record: Record) -> str:
    """The key of a turn's segment: everything that the positions up to its end were computed from."""
    digest = hashlib.sha256(parent.encode())
    digest.update(np.ascontiguousarray(record.token_ids, np.int32).tobytes())
    digest.update(b"visual")
    digest.update(np.ascontiguousarray(record.visual_tokens, np.float32).tobytes())
    for character, version in zip(record.characters, record.versions, strict=True):
        digest.update(f"{character} {version}".encode())
    for one in record.seen:
        digest.update(f"seen {one.label} {len(one.png)}".encode())
        digest.update(one.png)
    return digest.hexdigest()


def segment_to_bytes(segment: Segment) -> bytes:
    """A segment as a safetensors file."""
    tensors = {}
    for layer, (keys, values) in enumerate(zip(segment.keys, segment.values, strict=True)):
        tensors[f"keys.{layer}"] = keys.contiguous()
        tensors[f"values.{layer}"] = values.contiguous()
    return save(
        tensors,
        metadata={
            "version": _VERSION,
            "key": segment.key,
            "fingerprint": segment.fingerprint,
            "digest": _digest(segment.key, tensors),
        },
    )


def segment_from_bytes(data: bytes, key: str, fingerprint: str) -> Segment:
    """The segment of `segment_to_bytes`. Raises `DamagedSegment` when it is not whole, or another turn's or engine's."""
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        if header["version"] != _VERSION or header["key"] != key or header["fingerprint"] != fingerprint:
            raise DamagedSegment("it belongs to another turn, engine or version")
        if header["digest"] != _digest(key, tensors):
            raise DamagedSegment("its digest does not match its content")
        layers = range(len(tensors) // 2)
        return Segment(
            key,
            fingerprint,
            tuple(tensors[f"keys.{layer}"] for layer in layers),
            tuple(tensors[f"values.{layer}"] for layer in layers),
        )
    except (SafetensorError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise DamagedSegment(f"it cannot be read: {error}") from error


def _digest(key: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(key.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype}".encode())
        digest.update(tensors[name].contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A segment to restore. `fetch` gets it from the blob store, if it is there."""

    key: str
    positions: int
    fetch: Fetch | None = None


class Pace:
    """How long it takes to do so many of something, by what was measured lately.

    What is asked is answered from the measurements nearest in count, since few cost more apiece than many, and by their
    median, since a single one may have been held up.
    """

    def __init__(self, attempt: Callable[[int], None] | None = None) -> None:
        """An `attempt` does so many of it, to be measured when somebody asks for the first time."""
        self._attempt = attempt
        self._measured: tuple[tuple[int, float], ...] = ()  # counts, and seconds apiece; the latest first
        self._faded = 1.0

    def note(self, seconds: float, count: int) -> None:
        """It took so many seconds for so many."""
        if self._faded < FORGOTTEN:
            self._measured = ()
        self._measured = ((max(count, 1), seconds / max(count, 1)), *self._measured)[:MEASURED]
        self._faded = 1.0

    def expected(self, count: int) -> float | None:
        """Seconds for so many. Nobody knows before the first time."""
        if (attempt := self._attempt) is not None:
            self._attempt = None
            attempt(ATTEMPTS[-1])  # the first one warms up
            for one in ATTEMPTS:
                began = time.perf_counter()
                attempt(one)
                self.note(time.perf_counter() - began, one)
        measured = self._measured  # as it is now: other threads may note
        if not measured:
            return None
        nearest = sorted((abs(math.log2(one / max(count, 1))), number) for number, (one, _) in enumerate(measured))[:5]
        some = (measured[number][1] for far, number in nearest if far <= nearest[0][0] + 1)
        return self._faded * count * median(some)

    def fade(self) -> None:
        """It was passed over: what was slow once is tried again some time, and then measured anew."""
        self._faded *= 0.97


class SegmentStore:
    """Segments in this process's memory, then in a folder of this machine, then wherever `Fetch` gets them from.

    Each tier is bounded in bytes, and the least recently used leaves first; the blob store is bounded by the collector,
    which removes what no turn refers to. A found segment is taken up into the faster tiers. Safe to use from many
    threads; many processes may share the folder. A tier that fails costs time and never a turn.
    """

    def __init__(self, *, memory_bytes: int, disk_folder: Path | None = None, disk_bytes: int = 0) -> None:
        self._memory: OrderedDict[str, Segment] = OrderedDict()
        self._memory_bytes = memory_bytes
        self._memory_used = 0
        self._disk = disk_folder if disk_bytes else None
        self._disk_bytes = disk_bytes
        self._disk_used = 0
        self._lock = threading.Lock()
        self._pace = {"disk": Pace(), "blobs": Pace()}  # of one segment, of one wave of segments
        self._fetchers = ThreadPoolExecutor(FETCHES, thread_name_prefix="segments")
        if self._disk is not None:
            try:
                self._disk.mkdir(parents=True, exist_ok=True)
                self._disk_used = sum(size for _, size, _ in self._files())
            except OSError as error:
                log.warning("no segments are kept on disk: %s", error)
                self._disk = None

    def is_warm(self, key: str) -> bool:
        """Whether the segment is in this process's memory. It does not count as a use."""
        with self._lock:
            return key in self._memory

    def restore(
        self, wanted: Sequence[Wanted], fingerprint: str, *, computing: Computing | None = None
    ) -> list[Segment | None]:
        """The segments that are wanted, each from the nearest tier that has it whole, or None: then compute it.

        `computing` says how long that takes: a tier that lately took longer for so many is passed over.
        """
        found = [self._from_memory(one.key, fingerprint) for one in wanted]
        missing = [
            number for number, segment in enumerate(found) if segment is None and self._on_disk(wanted[number].key)
        ]
        if self._worth("disk", len(missing), [wanted[number] for number in missing], computing):
            began = time.perf_counter()
            for number in missing:
                found[number] = self._from_disk(wanted[number].key, fingerprint)
            self._pace["disk"].note(time.perf_counter() - began, len(missing))
        missing = [
            number for number, segment in enumerate(found) if segment is None and wanted[number].fetch is not None
        ]
        waves = math.ceil(len(missing) / FETCHES)
        if self._worth("blobs", waves, [wanted[number] for number in missing], computing):
            began = time.perf_counter()
            fetched = self._fetchers.map(lambda number: self._from_blobs(wanted[number], fingerprint), missing)
            for number, segment in zip(missing, fetched, strict=True):
                found[number] = segment
            self._pace["blobs"].note(time.perf_counter() - began, waves)
        return found

    def _worth(self, tier: str, count: int, missing: Sequence[Wanted], computing: Computing | None) -> bool:
        """Whether a tier gives what is missing at least as fast as computing would."""
        if not missing or computing is None:
            return bool(missing)
        pace = self._pace[tier]
        restored = pace.expected(count)
        if restored is None:
            return True
        computed = computing(sum(one.positions for one in missing))
        if computed is None or restored <= computed:
            return True
        log.info("%d segments are computed, which is faster than to get them from %s", len(missing), tier)
        pace.fade()
        return False

    def _from_memory(self, key: str, fingerprint: str) -> Segment | None:
        with self._lock:
            found = self._memory.get(key)
            if found is None or found.fingerprint != fingerprint:
                return None
            self._memory.move_to_end(key)
            return found

    def _from_blobs(self, wanted: Wanted, fingerprint: str) -> Segment | None:
        assert wanted.fetch is not None
        try:
            data = wanted.fetch()
            found = segment_from_bytes(data, wanted.key, fingerprint)
        except (BlobError, DamagedSegment) as error:
            log.warning("segment %s from the blob store is not used: %s", wanted.key[:12], error)
            return None
        self._keep_in_memory(found)
        self._keep_on_disk(wanted.key, data)
        return found

    def put(self, segment: Segment) -> None:
        """Keep a segment in memory and on disk."""
        self._keep_in_memory(segment)
        if self._disk is not None and not self._on_disk(segment.key):
            self._keep_on_disk(segment.key, segment_to_bytes(segment))

    def stored(self, segment: Segment) -> bytes:
        """Keep a segment in memory and on disk, and return its bytes, for whoever keeps them in the blob store."""
        data = segment_to_bytes(segment)
        self._keep_in_memory(segment)
        self._keep_on_disk(segment.key, data)
        return data

    def forget(self) -> None:
        """Empty this process's memory; the other tiers stay."""
        with self._lock:
            self._memory.clear()
            self._memory_used = 0

    def _keep_in_memory(self, segment: Segment) -> None:
        if segment.size > self._memory_bytes:
            return
        with self._lock:
            before = self._memory.pop(segment.key, None)
            self._memory_used += segment.size - (before.size if before is not None else 0)
            self._memory[segment.key] = segment
            while self._memory_used > self._memory_bytes:
                _, gone = self._memory.popitem(last=False)
                self._memory_used -= gone.size

    def _file(self, key: str) -> Path | None:
        return self._disk / f"{key}.safetensors" if self._disk is not None else None

    def _on_disk(self, key: str) -> bool:
        file = self._file(key)
        return file is not None and file.exists()

    def _from_disk(self, key: str, fingerprint: str) -> Segment | None:
        file = self._file(key)
        if file is None:
            return None
        try:
            found = segment_from_bytes(file.read_bytes(), key, fingerprint)
            os.utime(file)
        except FileNotFoundError:
            return None
        except (OSError, DamagedSegment) as error:
            log.warning("segment %s on disk is not used: %s", key[:12], error)
            file.unlink(missing_ok=True)
            return None
        self._keep_in_memory(found)
        return found

    def _keep_on_disk(self, key: str, data: bytes) -> None:
        file = self._file(key)
        if file is None or len(data) > self._disk_bytes or file.exists():
            return
        part = file.with_name(f"{key}.{uuid4().hex}.part")
        try:
            part.write_bytes(data)
            part.replace(file)
        except OSError as error:
            log.warning("segment %s is not kept on disk: %s", key[:12], error)
            part.unlink(missing_ok=True)
            return
        with self._lock:
            self._disk_used += len(data)
            full = self._disk_used > self._disk_bytes
        if full:
            self._evict_from_disk()

    def _evict_from_disk(self) -> None:
        """Remove the least recently used files until a tenth of the space is free. Others may share the folder: count anew."""
        files = sorted(self._files())
        used = sum(size for _, size, _ in files)
        for _, size, file in files:
            if used <= self._disk_bytes * 0.9:
                break
            file.unlink(missing_ok=True)
            used -= size
        with self._lock:
            self._disk_used = used

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time of the last use, bytes and path of each file."""
        found = []
        for file in self._disk.glob("*.safetensors") if self._disk is not None else ():
            try:
                about = file.stat()
            except FileNotFoundError:
                continue
            found.append((about.st_mtime, about.st_size, file))
        return found
