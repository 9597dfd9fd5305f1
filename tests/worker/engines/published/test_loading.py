"""Engines of published models as the settings name them: a reader and a painter from folders, and a conversation with both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.settings import Settings
from tests.worker.engines.painters.conftest import SAVES
from tests.worker.engines.published.conftest import SALT, Talk, answer, scripted
from worker.engines import UnknownEngine, load
from worker.engines.models import ModelMissing
from worker.engines.painters.glm import Glm
from worker.engines.painters.klein import Klein
from worker.engines.painters.qwen_edit import QwenEdit
from worker.engines.painters.remote import RemotePainter
from worker.engines.published.engine import PublishedEngine
from worker.engines.published.reader import Reader
from worker.history import History
from worker.history.segments import SegmentStore


def settings_for(reader: Path, **more: object) -> Settings:
    named = {"reader": str(reader), "dtype": "float32", "device": "cpu", "lora": "none", **more}
    return Settings.model_validate(named)


@pytest.mark.parametrize(("name", "painter"), [("klein", Klein), ("qwen-edit", QwenEdit), ("glm", Glm)])
def test_each_reads_and_paints_and_never_encodes_its_own_pictures(
    name: str, painter: type, tiny_reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SAVES[name](tmp_path)
    engine = load(name, settings_for(tiny_reader, painter=str(tmp_path), steps=2))
    assert isinstance(engine, PublishedEngine)
    assert isinstance(engine.painter, painter)
    assert engine.abilities.sizes[0] == engine.painter.sizes[0]
    engine._aspects = {"1:1": (64, 64)}
    talk = Talk(engine, SegmentStore(memory_bytes=2**24), scripted(engine.reader, monkeypatch))
    introduced = answer(introduces=[{"name": "Kim", "looks": "red curls"}], pictures=["1a"])
    _, (first,) = talk.say("this is Kim", introduced, Image.new("RGB", (64, 64), "red"))
    assert first.picture is not None
    assert first.picture.size == (64, 64)

    def encode(_: Image.Image) -> None:
        raise AssertionError("it was encoded before")

    monkeypatch.setattr(engine.painter, "encode", encode)
    reading, several = talk.say("Kim at night", answer(characters=["Kim"], pictures=["1"]), seeds=[1, 2])
    assert reading.tokens_reused == len(first.record.token_ids)
    assert len({np.asarray(one.picture).tobytes() for one in several}) == 2


def test_remote_has_the_reader_here_and_the_painter_elsewhere(tiny_reader: Path) -> None:
    engine = load("remote", settings_for(tiny_reader, remote_url="http://127.0.0.1:9/v1", offload="model"))
    assert isinstance(engine, PublishedEngine)
    assert engine.reader._hook is not None, "it leaves the GPU, which the server may want"
    assert isinstance(engine.painter, RemotePainter)


def test_what_is_not_there_is_named(tiny_reader: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="klein"):
        load("klein", settings_for(tiny_reader, models_dir=str(tmp_path)))
    with pytest.raises(UnknownEngine, match="klein"):
        load("klein:fast", settings_for(tiny_reader))


@pytest.mark.parametrize("quantization", ["int8", "fp8"])
def test_a_reader_of_eight_bits_reads_and_shares_no_segment_with_the_whole_one(
    tiny_reader: Path, reader: Reader, quantization: str
) -> None:
    smaller = Reader.from_pretrained(
        tiny_reader,
        dtype=reader._model.dtype,
        quantization=quantization,  # type: ignore[arg-type]  # one of them
        offload="model",
    )
    assert smaller.fingerprint != reader.fingerprint
    (layer, *_) = smaller._model.model.language_model.layers
    assert type(layer.mlp.up_proj.weight).__module__.startswith("torchao")
    cache, position, *_ = smaller.remember(History((), SALT), ())
    assert position == cache.get_seq_length() > 0
