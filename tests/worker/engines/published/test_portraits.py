"""What a painter makes of an uploaded portrait: made once though processes come and go, and gone with the character."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import torch
from PIL import Image
from uuid_utils.compat import uuid7

from storage import characters, forgetting, turns
from storage.blobs import key_for, open_blobs
from storage.collector import collect
from storage.database import Database
from storage.settings import Settings
from storage.tables import Status
from storage.tickets import Bell
from storage.turns import Receipt, StoredBlob
from tests.factory import Factory
from tests.storage.test_forgetting import everything
from tests.worker.engines.published.conftest import Colours, Script, answer
from worker.drawing import Drawer
from worker.engines.published.engine import PublishedEngine
from worker.engines.published.painter import Brief, OnPaint, Painted
from worker.engines.published.reader import Reader

COLOUR = "#123456"
MADE = np.full((2, 2), 0x12 + 0x34 + 0x56, np.float32).tobytes()  # what `Colours` makes of it

Process = Callable[[Colours], Drawer]


@pytest.fixture
def process(settings: Settings, database: Database, reader: Reader, script: Script) -> Process:
    """Makes what a worker's process has when it begins; its reader always wants Ada."""
    script(answer(characters=["Ada"]))

    def begun(painter: Colours) -> Drawer:
        return Drawer(
            settings=settings,
            database=database,
            blobs=open_blobs(settings.blobs),
            bell=Bell(settings.broker_url),
            engine_name="echo",
            engine=PublishedEngine(reader, painter),
            worker_id=uuid7(),
        )

    return begun


@pytest.fixture
def story(factory: Factory) -> Receipt:
    return factory.receive("Ada dances")


@pytest.fixture
def ada(factory: Factory, story: Receipt, settings: Settings) -> UUID:
    """Ada, with a portrait that somebody uploaded."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), COLOUR).save(file, "PNG")
    key = key_for(story.workspace_id, "references", file.getvalue(), ".png")
    open_blobs(settings.blobs).put(key, file.getvalue(), content_type="image/png")
    return factory.database.run(
        characters.create,
        story.workspace_id,
        story.conversation_id,
        name="Ada",
        references=[StoredBlob(key, len(file.getvalue()), "image/png")],
        created_by=factory.database.run(turns.person, story.workspace_id, "ada"),
    )


def kept(settings: Settings) -> list[Path]:
    """Files of the blob store with what was made of the portrait."""
    files = (settings.data_dir / "blobs" / stored.key for stored in open_blobs(settings.blobs).list())
    return [file for file in files if MADE in file.read_bytes()]


@dataclass
class Full(Colours):
    """A painter whose memory does not hold pictures of the usual size."""

    def paint(self, brief: Brief, *, seeds: Sequence[int], on_step: OnPaint, modest: bool = False) -> list[Painted]:
        if not modest:
            raise torch.OutOfMemoryError("2 GiB were wanted")
        return super().paint(brief, seeds=seeds, on_step=on_step, modest=modest)


def test_a_portrait_is_encoded_once_though_processes_end(process: Process, factory: Factory, ada: UUID) -> None:
    painter = Full()
    with pytest.raises(SystemExit):
        process(painter).draw_next()
    assert process(painter).draw_next()
    again = factory.receive("Ada again")
    with pytest.raises(SystemExit):
        process(painter).draw_next()
    assert process(painter).draw_next()
    assert factory.status(again.turn_id) is Status.DONE
    assert painter.saw == [COLOUR]
    assert painter.encoded == [COLOUR]
    other = Colours(fingerprint="colours-2")
    factory.receive("Ada once more")
    assert process(other).draw_next()
    assert other.encoded == [COLOUR], "what another painter made means nothing to it"


def test_what_is_damaged_is_made_again(
    process: Process, factory: Factory, ada: UUID, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    painter = Colours()
    assert process(painter).draw_next()
    (file,) = kept(settings)
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    for _ in range(2):
        receipt = factory.receive("Ada again")
        assert process(painter).draw_next()
        assert factory.status(receipt.turn_id) is Status.DONE
    assert painter.encoded == [COLOUR] * 2, "once more, and not for every process"
    assert "reference is not used" in caplog.text


@pytest.mark.parametrize("by", ["deleting the character", "forgetting the person", "leaving the workspace"])
def test_what_was_made_of_a_portrait_goes_with_it(
    process: Process, factory: Factory, story: Receipt, ada: UUID, settings: Settings, by: str
) -> None:
    assert process(Colours()).draw_next()
    (file,) = kept(settings)
    assert file.name in everything(factory, "blobs")
    blobs = open_blobs(settings.blobs)
    assert collect(factory.database, blobs, grace_seconds=0) == 0
    if by == "deleting the character":
        factory.database.run(characters.remove, story.workspace_id, ada)
    elif by == "forgetting the person":
        assert factory.database.run(forgetting.forget, "test", "guild", "ada") is not None
    else:
        assert factory.database.run(forgetting.leave, "test", "guild", datetime.now(UTC))
    assert file.name not in everything(factory, "blobs")
    assert collect(factory.database, blobs, grace_seconds=0) >= 2, "with the portrait itself"
    assert kept(settings) == []
    assert file.name not in everything(factory)
