"""Whether a machine can hold an engine, asked about machines that are not here, and about this one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.settings import Settings
from worker.engines.capacity import LIBRARIES, Gpu, Machine, machine, shortages, summary
from worker.engines.models import MANIFEST, chosen, home_of

EVERYTHING = frozenset(LIBRARIES)
H100 = Machine((Gpu("H100", 85, 84, (9, 0)),), "2.13.0", "13.0", "590.1", 256, EVERYTHING)
RTX_4090 = replace(H100, gpus=(Gpu("RTX 4090", 25.3, 24.8, (8, 9)),), memory_gb=64)
T4 = replace(H100, gpus=(Gpu("T4", 15.6, 15.5, (7, 5)),))
NOTHING = Machine(torch="2.13.0+cpu", memory_gb=16, libraries=EVERYTHING)


@pytest.fixture
def held(tmp_path: Path) -> Settings:
    """Settings of a machine on which all models were fetched, as their catalogue has them."""
    settings = Settings(_env_file=None, data_dir=tmp_path)
    for engine in ("klein", "qwen-edit", "glm"):
        for one in chosen(engine, settings):
            folder = home_of(one, settings.models_folder) / "c0ffee"
            folder.mkdir(parents=True, exist_ok=True)
            (folder.parent / "pinned").write_text("c0ffee")
            assert one.known
            size = round((one.known.gigabytes or 0) * 1e9)
            (folder / MANIFEST).write_text(f'{{"files": {{"weights": {{"size": {size}}}}}}}')
            if one.part == "lora":
                (folder / "Lightning-4steps-V1.0-bf16.safetensors").touch()
    return settings


def says(engine: str, settings: Settings, facts: Machine, **given: Any) -> str:
    return " ".join(f"{one.says} {one.mend}" for one in shortages(engine, settings.model_copy(update=given), facts))


def test_a_large_gpu_holds_all_of_them(held: Settings) -> None:
    assert says("klein", held, H100) == ""
    assert says("glm", held, H100) == ""
    assert says("qwen-edit", held, H100, quantization="fp8") == ""
    assert "H100, 85 GB of which about 34 GB are reckoned, driver 590.1" in summary("klein", held, H100)


def test_what_is_too_large_is_said_with_what_would_fit(held: Settings) -> None:
    assert "needs about 34 GB" in says("klein", held, RTX_4090)
    assert "With LIKENESS_QUANTIZATION=fp8 it needs about 22 GB." in says("klein", held, RTX_4090)
    assert says("klein", held, RTX_4090, quantization="fp8") == ""
    assert "LIKENESS_QUANTIZATION=fp8" in says("qwen-edit", held, H100)
    tiny = replace(H100, gpus=(Gpu("MX", 2, 2, (8, 6)),))
    assert "preview does" in says("klein", held, tiny)


def test_memory_that_others_use_is_told_from_memory_that_is_not_there(held: Settings) -> None:
    busy = replace(H100, gpus=(Gpu("H100", 85, 10, (9, 0)),))
    assert "only 10 are free" in says("klein", held, busy)


def test_offload_asks_the_machine_for_what_the_gpu_is_spared(held: Settings) -> None:
    card = replace(RTX_4090, gpus=(Gpu("L40S", 47.7, 47, (8, 9)),))
    assert "needs about 86 GB" in says("qwen-edit", held, card)
    assert "76 GB lie in the machine's memory, which has 64" in says("qwen-edit", held, card, offload="sequential")
    card = replace(card, memory_gb=128)
    assert says("qwen-edit", held, card, offload="sequential") == ""
    assert "layer by layer" in says("qwen-edit", held, card, offload="sequential", quantization="fp8")


def test_glm_is_not_told_to_move_its_layers_nor_left_with_what_it_cannot(held: Settings) -> None:
    small = replace(RTX_4090, gpus=(Gpu("RTX 3060", 12.6, 12.5, (8, 6)),))
    assert "sequential" not in says("glm", held, small)
    assert "layer by layer" in says("glm", held, H100, offload="sequential")
    assert "no LoRA" in says("glm", held, H100, lora="some/lora")


def test_an_old_gpu_is_told_what_it_cannot_compute(held: Settings) -> None:
    told = says("klein", held, T4, quantization="fp8")
    assert "LIKENESS_DTYPE=float16" in told
    assert "LIKENESS_QUANTIZATION=int8" in told


def test_why_there_is_no_gpu_is_said(held: Settings) -> None:
    assert "no driver of NVIDIA answers" in says("klein", held, NOTHING)
    assert "is a build for CPUs" in says("klein", held, replace(NOTHING, driver="590.1"))
    assert "Update the driver" in says("klein", held, replace(NOTHING, driver="450.1", cuda="13.0"))
    assert "torch is not installed" in says("klein", held, replace(NOTHING, torch=""))
    assert "there are 1" in says("klein", held, H100, device="cuda:3")
    assert says("klein", held, NOTHING, device="cpu") == ""


def test_models_and_libraries_that_are_missing_are_named(held: Settings, tmp_path: Path) -> None:
    bare = replace(H100, libraries=frozenset())
    assert "torchao" in says("klein", held, bare, quantization="int8")
    assert "bitsandbytes" not in says("klein", held, bare, quantization="int8")
    told = says("klein", held, H100, models_dir=tmp_path / "empty")
    assert "likeness models fetch --engine klein" in told
    assert "Apache-2.0" in told
    assert "LIKENESS_LORA_FILE" in says("qwen-edit", held, H100, quantization="fp8", lora_file="other.safetensors")
    assert "LIKENESS_REMOTE_URL" in says("remote", held, H100)
    assert says("remote", held, H100, remote_url="http://gpu:8000/v1") == ""


def test_this_machine_is_asked_for_what_it_is() -> None:
    import torch

    found = machine()
    assert torch.__version__.startswith(found.torch)
    assert len(found.gpus) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)
    assert found.memory_gb > 1
