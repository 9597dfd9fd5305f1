"""The catalogue of published models: what an operator who names nothing gets, and what they are told of what they named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storage.settings import Settings
from worker.engines import models
from worker.engines.models import ENGINES, MANIFEST, MODELS, ModelMissing, chosen, located, needed_gb


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(_env_file=None, data_dir=folder, **given)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_default_may_be_used_by_everybody_and_is_in_the_catalogue(engine: models.Published) -> None:
    for name in filter(None, (engine.reader, engine.painter, engine.lora)):
        assert MODELS[name].commercial, name


def test_every_number_has_its_source() -> None:
    for model in MODELS.values():
        assert model.source
        assert all(one.source for one in model.weights)
        assert all(one.source for one in model.speeds)


def test_whoever_names_a_model_gets_it_at_the_commit_they_named_and_sees_its_licence(tmp_path: Path) -> None:
    named = settings(tmp_path, painter="black-forest-labs/FLUX.2-klein-9B@abc123", reader=str(tmp_path))
    reader, painter = chosen("klein", named)
    assert (painter.name, painter.revision) == ("black-forest-labs/FLUX.2-klein-9B", "abc123")
    assert "no commercial use" in painter.licence
    assert reader.folder
    assert "yours to check" in reader.licence


def test_a_lora_can_be_left_out_and_a_remote_painter_needs_none(tmp_path: Path) -> None:
    assert [one.part for one in chosen("qwen-edit", settings(tmp_path))] == ["reader", "painter", "lora"]
    assert [one.part for one in chosen("qwen-edit", settings(tmp_path, lora="none"))] == ["reader", "painter"]
    assert [one.part for one in chosen("remote", settings(tmp_path, painter="a/b", lora="c/d"))] == ["reader"]


def test_a_model_is_there_only_when_all_of_it_is(tmp_path: Path) -> None:
    held = settings(tmp_path)
    reader, _ = chosen("klein", held)
    with pytest.raises(ModelMissing, match="likeness models fetch"):
        located(reader, held)
    home = tmp_path / "models" / "Qwen--Qwen3-VL-4B-Instruct"
    (home / "c0ffee").mkdir(parents=True)
    (home / "pinned").write_text("c0ffee\n")
    with pytest.raises(ModelMissing, match="at c0ffee"):
        located(reader, held)
    (home / "c0ffee" / MANIFEST).write_text('{"files": {"a": {"size": 3000000000}}}')
    assert located(reader, held) == home / "c0ffee"
    assert models.gigabytes(reader, held) == 3.0, "as it lies on the disk"


def test_quantization_and_offload_need_less_memory(tmp_path: Path) -> None:
    def needed(**given: str) -> float:
        held = settings(tmp_path, **given)
        found = needed_gb(chosen("qwen-edit", held), held)
        assert found is not None
        return found

    assert needed() > 80 > needed(quantization="fp8") > needed(quantization="nf4")
    assert needed() > needed(offload="model") > needed(offload="sequential")
    assert needed(offload="model") == pytest.approx(40.9 + models.ROOM_GB + 0.85), (
        "the largest part alone, and the LoRA"
    )
    unknown = settings(tmp_path, painter="some/body")
    assert needed_gb(chosen("klein", unknown), unknown) is None


@pytest.mark.parametrize("engine", ENGINES)
def test_the_docs_tell_the_need_that_doctor_reckons(engine: str, tmp_path: Path) -> None:
    needs = []
    for quantization in ("none", "fp8", "nf4"):
        held = settings(tmp_path, quantization=quantization)
        needs.append(f"{needed_gb(chosen(engine, held), held):.0f}")
    docs = (Path(__file__).parents[3] / "docs" / "engines.md").read_text()
    row = next(line for line in docs.splitlines() if line.startswith(f"| `{engine}` |"))
    assert row.endswith(f"| {' / '.join(needs)} |")
