"""Segments: what is damaged, foreign or gone is never used, and no tier outgrows its bytes."""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import torch

from storage.blobs import BlobMissing
from worker.engines.contract import Record
from worker.history import segments
from worker.history.segments import (
    ATTEMPTS,
    FETCHES,
    DamagedSegment,
    Fetch,
    Pace,
    Segment,
    SegmentStore,
    Wanted,
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


def got(store: SegmentStore, key: str, fetch: Fetch | None = None) -> Segment | None:
    return store.restore([Wanted(key, 10, fetch)], "engine")[0]


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
    got(store, segment(0).key)
    store.put(segment(3))
    assert [store.is_warm(segment(number).key) for number in range(4)] == [True, False, True, True]


def test_another_process_finds_on_disk_what_this_one_kept(tmp_path: Path) -> None:
    SegmentStore(memory_bytes=0, disk_folder=tmp_path, disk_bytes=2**20).put(segment(1))
    other = SegmentStore(memory_bytes=2**20, disk_folder=tmp_path, disk_bytes=2**20)
    assert equal(got(other, segment(1).key), segment(1))
    assert other.is_warm(segment(1).key)


def test_bytes_are_made_only_for_a_disk_and_for_who_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[str] = []

    def counted(one: Segment) -> bytes:
        made.append(one.key)
        return segment_to_bytes(one)

    monkeypatch.setattr(segments, "segment_to_bytes", counted)
    memory = SegmentStore(memory_bytes=2**20)
    memory.put(segment(1))
    assert memory.is_warm(segment(1).key)
    assert not made
    assert equal(segment_from_bytes(memory.stored(segment(2)), segment(2).key, "engine"), segment(2))
    for _ in range(2):
        SegmentStore(memory_bytes=0, disk_folder=tmp_path, disk_bytes=2**20).put(segment(3))
    assert made == [segment(2).key, segment(3).key]


def test_the_disk_stays_within_its_bytes_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    size = len(segment_to_bytes(segment(0)))
    store = SegmentStore(memory_bytes=0, disk_folder=tmp_path, disk_bytes=4 * size)
    for number in range(10):
        store.put(segment(number))
        file = tmp_path / f"{segment(number).key}.safetensors"
        if file.exists():
            os.utime(file, (time.time() + number, time.time() + number))
        assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= 4 * size
    assert got(store, segment(0).key) is None
    assert equal(got(store, segment(9).key), segment(9))


def test_a_damaged_file_on_disk_is_removed_and_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SegmentStore(memory_bytes=0, disk_folder=tmp_path, disk_bytes=2**20)
    store.put(segment(1))
    file = tmp_path / f"{segment(1).key}.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    assert got(store, segment(1).key) is None
    assert "is not used" in caplog.text
    assert not file.exists()


def test_a_segment_of_another_engine_is_never_used(tmp_path: Path) -> None:
    store = SegmentStore(memory_bytes=2**20, disk_folder=tmp_path, disk_bytes=2**20)
    store.put(segment(1, "another engine"))
    assert got(store, segment(1).key) is None


def test_the_blob_store_is_asked_last_and_may_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SegmentStore(memory_bytes=2**20, disk_folder=tmp_path, disk_bytes=2**20)
    key, data = segment(1).key, segment_to_bytes(segment(1))

    def gone() -> bytes:
        raise BlobMissing("segments/1")

    assert got(store, key, gone) is None
    assert got(store, key, lambda: data[:50]) is None
    assert "blob store is not used" in caplog.text
    assert equal(got(store, key, lambda: data), segment(1))
    assert equal(got(store, key, gone), segment(1)), "the faster tiers have it now"
    store.forget()
    assert equal(got(store, key, gone), segment(1)), "and so has the disk"


def test_a_disk_that_cannot_be_written_costs_no_turn(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    store = SegmentStore(memory_bytes=2**20, disk_folder=blocked / "below", disk_bytes=2**20)
    store.put(segment(1))
    assert equal(got(store, segment(1).key), segment(1))


def test_segments_come_from_the_blob_store_side_by_side(tmp_path: Path) -> None:
    together = threading.Barrier(FETCHES)
    stored = [segment_to_bytes(segment(number)) for number in range(FETCHES)]

    def fetch(number: int) -> bytes:
        together.wait(10)
        return stored[number]

    store = SegmentStore(memory_bytes=2**20)
    wanted = [Wanted(segment(number).key, 10, partial(fetch, number)) for number in range(FETCHES)]
    found = store.restore(wanted, "engine")
    assert all(equal(one, segment(number)) for number, one in enumerate(found))


def test_what_is_computed_faster_than_restored_is_left_to_be_computed_and_tried_again_some_time() -> None:
    fetched, delay = 0, 0.02

    def fetch() -> bytes:
        nonlocal fetched
        fetched += 1
        time.sleep(delay)
        return segment_to_bytes(segment(1))

    def computing(positions: int) -> float:
        return 1e-3 * positions

    def found() -> bool:
        return store.restore(wanted, "engine", computing=computing) != [None]

    store = SegmentStore(memory_bytes=0)
    wanted = [Wanted(segment(1).key, 10, fetch)]
    assert found(), "nobody knows yet how long it takes"
    for _ in range(5):
        assert not found()
    assert equal(store.restore(wanted, "engine", computing=lambda _: 10.0)[0], segment(1)), "a slow model waits for it"
    assert fetched == 2
    delay = 0.0
    assert [found() for _ in range(100)].count(True) > 50, "a tier that was slow once is fast now"


def test_a_pace_is_of_what_is_near_in_count_and_one_that_was_held_up_does_not_mislead_it() -> None:
    pace = Pace()
    assert pace.expected(10) is None
    for _ in range(5):
        pace.note(0.1, 10)  # a fixed cost is most of it
        pace.note(0.5, 1000)
    assert pace.expected(10) == pytest.approx(0.1)
    assert pace.expected(1000) == pytest.approx(0.5), "ten times as quick apiece"
    pace.note(9.0, 1000)
    assert pace.expected(1000) == pytest.approx(0.5)
    for _ in range(3):
        pace.note(9.0, 1000)
    assert pace.expected(1000) == pytest.approx(9.0), "but it follows what stays slow"


def test_a_pace_that_can_try_knows_from_the_beginning() -> None:
    tried: list[int] = []
    pace = Pace(tried.append)
    pace.note(60.0, 100)
    assert set(tried) == set(), "only who asks has to wait for it"
    expected = pace.expected(100)
    assert expected is not None
    assert expected < 60.0, "the first time may have been a cold one"
    assert set(tried) == set(ATTEMPTS)
    tried.clear()
    assert pace.expected(100) is not None
    assert tried == []
