"""What nothing refers to is collected, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path
from uuid import uuid4

import pytest

from storage.blobs import Blobs, open_blobs
from storage.collector import collect
from storage.settings import Settings
from storage.tables import Status
from storage.turns import DrawnPicture, Outcome, StoredBlob, finish
from tests.factory import Factory

DAY = 86_400.0


@pytest.fixture
def blobs(settings: Settings) -> Blobs:
    return open_blobs(settings.blobs)


def put(blobs: Blobs, settings: Settings, key: str, *, age: float = 0) -> str:
    blobs.put(key, b"bytes", content_type="image/png")
    then = time.time() - age
    os.utime(Path(settings.data_dir) / "blobs" / key, (then, then))
    return key


def test_an_old_blob_without_a_reference_goes_and_a_young_one_stays(
    factory: Factory, blobs: Blobs, settings: Settings
) -> None:
    put(blobs, settings, f"uploads/{uuid4()}/old.bin", age=2 * DAY)
    young = put(blobs, settings, f"uploads/{uuid4()}/young.bin")
    assert collect(factory.database, blobs, grace_seconds=DAY) == 1
    assert [stored.key for stored in blobs.list()] == [young]


def test_what_is_not_named_as_ours_stays(factory: Factory, blobs: Blobs, settings: Settings) -> None:
    key = put(blobs, settings, "holiday/beach.png", age=400 * DAY)
    assert collect(factory.database, blobs, grace_seconds=0) == 0
    assert blobs.exists(key)


def test_a_picture_of_a_turn_stays_for_ever(factory: Factory, blobs: Blobs, settings: Settings) -> None:
    factory.receive()
    claim = factory.claim()
    assert claim is not None
    key = put(blobs, settings, f"pictures/{claim.workspace_id}/1.png", age=400 * DAY)
    picture = DrawnPicture(StoredBlob(key, 5, "image/png"), 1, 1, "")
    factory.database.run(finish, claim.turn_id, claim.fencing, Outcome(Status.DONE, "", pictures=(picture,)))
    assert collect(factory.database, blobs, grace_seconds=0) == 0
    assert blobs.exists(key)
