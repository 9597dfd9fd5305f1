"""Segments: what is damaged, foreign or gone is never used, and no tier outgrows its bytes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import torch

from storage.blobs import BlobMissing
from worker.engines.contract import Record
from worker.history.segments import (
    DamagedSegment,
    Segment,
    SegmentStore,
    next_key,
    root_key,
    segment_from_bytes,
    segment_to_bytes,
)

SALT = UUID(int=7)


def segment(number: int, fingerprint: str = "engine", dtype: torch.dtype = torch.float32) -> Segment:
    generator = torch.Generator().manual_seed(number)
    layers = tuple(torch.randn(2, 10, 8, generator=generator).to(dtype) for _ in range(3))
    return Segment(f"{number:064x}", fingerprint, layers, tuple(layer * 2 for layer in layers))


def record(words: tuple[int, ...] = (1, 2), picture: float = 0.5, version: int = 1) -> Record:
    return Record(
        turn_id=UUID(int=1),
        fingerprint="engine",
        text="",
        reply="",
        token_ids=np.array(words, np.int32),
        visual_tokens=np.full((2, 4), picture, np.float32),
        characters=(UUID(int=3),),
        versions=(version,),
    )


def equal(one: Segment | None, other: Segment) -> bool:
    return one is not None and all(
        torch.equal(a, b) for a, b in zip((*one.keys, *one.values), (*other.keys, *other.values), strict=True)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_segment_comes_back_from_its_bytes(dtype: torch.dtype) -> None:
    kept = segment(1, dtype=dtype)
    assert equal(segment_from_bytes(segment_to_bytes(kept), kept.key, "engine"), kept)


def test_a_flipped_bit_anywhere_is_noticed() -> None:
    data = segment_to_bytes(segment(1))
    for place in (0, 9, 60, len(data) // 2, len(data) - 1):
        broken = bytearray(data)
        broken[place] ^= 1
        with pytest.raises(DamagedSegment):
            segment_from_bytes(bytes(broken), segment(1).key, "engine")


def test_a_truncated_file_another_turn_and_another_engine_are_noticed() -> None:
    data, key = segment_to_bytes(segment(1)), segment(1).key
    for wrong in (b"", data[:7], data[:100], data[:-1]):
        with pytest.raises(DamagedSegment):
            segment_from_bytes(wrong, key, "engine")
    with pytest.raises(DamagedSegment, match="another turn, engine"):
        segment_from_bytes(data, segment(2).key, "engine")
    with pytest.raises(DamagedSegment, match="another turn, engine"):
        segment_from_bytes(data, key, "another engine")


def test_the_key_changes_with_everything_that_a_segment_was_computed_from() -> None:
    root = root_key("engine", SALT)
    keys = {
        next_key(root, record()),
        next_key(root, record(words=(1, 3))),
        next_key(root, record(picture=0.25)),
        next_key(root, record(version=2)),
        next_key(root_key("another engine", SALT), record()),
        next_key(root_key("engine", uuid4()), record()),
        next_key(next_key(root, record()), record()),
    }
    assert len(keys) == 7
    assert next_key(root, record()) == next_key(root_key("engine", SALT), record())


def test_the_memory_forgets_the_least_recently_used_first() -> None:
    size = segment(0).size
    store = SegmentStore(memory_bytes=3 * size)
    for number in range(3):
        store.put(segment(number))
    store.get(segment(0).key, "engine")
    store.put(segment(3))
    assert [store.is_warm(segment(number).key) for number in range(4)] == [True, False, True, True]


def test_another_process_finds_on_disk_what_this_one_kept(tmp_path: Path) -> None:
    SegmentStore(memory_bytes=0, disk_folder=tmp_path, disk_bytes=2**20).put(segment(1))
    other = SegmentStore(memory_bytes=2**20, disk_folder=tmp_path, disk_bytes=2**20)
    assert equal(other.get(segment(1).key, "engine"), segment(1))
    assert other.is_warm(segment(1).key)


def test_the_disk_stays_within_its_bytes_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    size = len(segment_to_bytes(segment(0)))
    store = SegmentStore(memory_bytes=0, disk_folder=tmp_path, disk_bytes=4 * size)
    for number in range(10):
        store.put(segment(number))
        file = tmp_path / f"{segment(number).key}.safetensors"
        if file.exists():
            os.utime(file, (time.time() + number, time.time() + number))
        assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= 4 * size
    assert store.get(segment(0).key, "engine") is None
    assert equal(store.get(segment(9).key, "engine"), segment(9))


def test_a_damaged_file_on_disk_is_removed_and_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SegmentStore(memory_bytes=0, disk_folder=tmp_path, disk_bytes=2**20)
    store.put(segment(1))
    file = tmp_path / f"{segment(1).key}.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    assert store.get(segment(1).key, "engine") is None
    assert "is not used" in caplog.text
    assert not file.exists()


def test_a_segment_of_another_engine_is_never_used(tmp_path: Path) -> None:
    store = SegmentStore(memory_bytes=2**20, disk_folder=tmp_path, disk_bytes=2**20)
    store.put(segment(1, "another engine"))
    assert store.get(segment(1).key, "engine") is None


def test_the_blob_store_is_asked_last_and_may_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SegmentStore(memory_bytes=2**20, disk_folder=tmp_path, disk_bytes=2**20)
    key, data = segment(1).key, segment_to_bytes(segment(1))

    def gone() -> bytes:
        raise BlobMissing("segments/1")

    assert store.get(key, "engine", gone) is None
    assert store.get(key, "engine", lambda: data[:50]) is None
    assert "blob store is not used" in caplog.text
    assert equal(store.get(key, "engine", lambda: data), segment(1))
    assert equal(store.get(key, "engine", gone), segment(1)), "the faster tiers have it now"
    store.forget()
    assert equal(store.get(key, "engine", gone), segment(1)), "and so has the disk"


def test_a_disk_that_cannot_be_written_costs_no_turn(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    store = SegmentStore(memory_bytes=2**20, disk_folder=blocked / "below", disk_bytes=2**20)
    store.put(segment(1))
    assert equal(store.get(segment(1).key, "engine"), segment(1))
