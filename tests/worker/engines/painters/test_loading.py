"""Each way of keeping weights: what it changes of a picture, what it leaves alone, and what does not go together."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import pytest
import torch
from diffusers.quantizers.bitsandbytes.bnb_quantizer import BnB4BitDiffusersQuantizer
from peft import LoraConfig
from safetensors.torch import load_file
from torch import nn
from torch._dynamo.utils import counters

from tests.worker.engines.painters.conftest import PLAIN, brief, load, picture
from tests.worker.engines.painters.test_painters import Cancelled, Told
from tests.worker.engines.painters.test_stock import nothing
from worker.engines.painters import loading
from worker.engines.painters.loading import CannotLoad, Loading
from worker.engines.painters.loop import LoopPainter


def painted(painter: LoopPainter[Any]) -> np.ndarray:
    told = brief(painter, [picture(1)])
    return np.asarray(painter.paint(told, seeds=[1], on_step=nothing)[0].picture).astype(int)


def linear(module: nn.Module) -> list[nn.Linear]:
    return [one for one in module.modules() if isinstance(one, nn.Linear)]


@pytest.mark.parametrize("quantization", ["int8", "fp8"])
def test_eight_bits_change_a_picture_little_and_no_latents_at_all(
    name: str, folders: dict[str, Path], painters: dict[str, LoopPainter[Any]], quantization: Any
) -> None:
    quantized = load(name, folders[name], replace(PLAIN, quantization=quantization))
    kinds = {type(one.weight).__name__ for one in linear(quantized.pipe.transformer)}
    assert kinds == {"Int8Tensor" if quantization == "int8" else "Float8Tensor"}
    assert quantized.fingerprint == painters[name].fingerprint
    whole, arrays = (one.encode(picture(1)) for one in (painters[name], quantized))
    assert all(np.array_equal(whole[key], arrays[key]) for key in whole)
    assert 0 < np.abs(painted(quantized) - painted(painters[name])).mean() < 40


@pytest.fixture
def four_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """bitsandbytes can do without a GPU what diffusers asks one for."""
    monkeypatch.setattr(BnB4BitDiffusersQuantizer, "validate_environment", lambda *_, **__: None)
    monkeypatch.setattr(BnB4BitDiffusersQuantizer, "update_device_map", lambda *_, **__: {"": "cpu"})


def test_four_bits_need_a_gpu(folders: dict[str, Path]) -> None:
    with pytest.raises(RuntimeError, match="No GPU found"):
        load("klein", folders["klein"], replace(PLAIN, quantization="nf4"))


@pytest.mark.usefixtures("four_bits")
@pytest.mark.parametrize("name", ["klein", "qwen-edit"])
def test_four_bits_leave_latents_alone_and_keep_a_lora_beside(
    name: str, folders: dict[str, Path], painters: dict[str, LoopPainter[Any]], lora: dict[str, Path]
) -> None:
    quantized = load(name, folders[name], replace(PLAIN, quantization="nf4", lora=lora[name]))
    for part in (quantized.pipe.transformer, quantized.pipe.text_encoder):
        assert any(type(one).__name__ == "Linear4bit" for one in part.modules())
    assert quantized.pipe.get_active_adapters() == ["default_0"]
    assert quantized.fingerprint == painters[name].fingerprint
    whole, arrays = (one.encode(picture(1)) for one in (painters[name], quantized))
    assert np.array_equal(whole["latents"], arrays["latents"])


@pytest.fixture(scope="session")
def lora(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A LoRA of random weights for each model that takes one."""
    found = {}
    for name in ("klein", "qwen-edit"):
        pipe = load(name, folders[name]).pipe
        pipe.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v"]))
        torch.manual_seed(1)
        weights = {}
        for key, parameter in pipe.transformer.named_parameters():
            if "lora_" in key:
                weights[key.replace(".default", "")] = nn.init.normal_(parameter.detach(), std=0.4)
        folder = tmp_path_factory.mktemp(f"{name}-lora")
        pipe.save_lora_weights(folder, weights)
        found[name] = folder / "pytorch_lora_weights.safetensors"
    return found


@pytest.mark.parametrize("name", ["klein", "qwen-edit"])
def test_a_lora_is_taken_into_the_weights(
    name: str, folders: dict[str, Path], painters: dict[str, LoopPainter[Any]], lora: dict[str, Path]
) -> None:
    plain = painters[name]
    with_lora = load(name, folders[name], replace(PLAIN, lora=lora[name]))
    assert {type(one) for one in linear(with_lora.pipe.transformer)} == {nn.Linear}, "no slower than without"
    changed = [
        key
        for key, weight in with_lora.pipe.transformer.state_dict().items()
        if not torch.equal(weight, plain.pipe.transformer.state_dict()[key])
    ]
    assert changed
    assert all(key.split(".")[-2] in ("to_q", "to_k", "to_v") for key in changed)
    assert with_lora.fingerprint == plain.fingerprint
    assert np.abs(painted(with_lora) - painted(plain)).mean() > 0


def test_a_lora_for_few_steps_comes_with_its_way_of_sampling(folders: dict[str, Path], lora: dict[str, Path]) -> None:
    painter = load("qwen-edit", folders["qwen-edit"], replace(PLAIN, steps=0, lora=lora["qwen-edit"]))
    assert painter.steps == 4
    scheduler = painter.pipe.scheduler.config
    assert (scheduler.base_shift, scheduler.max_shift, scheduler.shift_terminal) == (math.log(3), math.log(3), None)
    asked: list[int] = []
    painter.pipe.transformer.register_forward_pre_hook(lambda *_: asked.append(1))
    painted(painter)
    assert len(asked) == 4, "once a step, for what guides it is within"


def test_a_lora_goes_with_eight_bits(folders: dict[str, Path], lora: dict[str, Path]) -> None:
    told = replace(PLAIN, quantization="int8", lora=lora["klein"])
    assert painted(load("klein", folders["klein"], told)).any()


@pytest.mark.parametrize(
    ("name", "offload"), [("klein", "model"), ("qwen-edit", "model"), ("qwen-edit", "sequential"), ("glm", "model")]
)
def test_offloaded_weights_paint_the_same(
    name: str,
    folders: dict[str, Path],
    painters: dict[str, LoopPainter[Any]],
    offload: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu_offload = accelerate.cpu_offload  # diffusers calls the one CPU cpu:0, which accelerate takes for another one
    monkeypatch.setattr(accelerate, "cpu_offload", lambda one, _, **more: cpu_offload(one, torch.device("cpu"), **more))
    offloaded = load(name, folders[name], replace(PLAIN, offload=offload))
    assert offloaded.fingerprint == painters[name].fingerprint
    assert hasattr(offloaded.pipe.transformer, "_hf_hook")
    assert np.abs(painted(offloaded) - painted(painters[name])).max() <= 1


@pytest.mark.parametrize("name", ["klein"])
def test_compiled_blocks_paint_the_same_are_compiled_once_and_can_be_ended(
    name: str, folders: dict[str, Path], painters: dict[str, LoopPainter[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "BACKEND", "eager")  # without a C++ compiler's minute; Dynamo's part is what we touch
    torch._dynamo.reset()
    counters.clear()
    compiled = load(name, folders[name], replace(PLAIN, compile=True))
    first = painted(compiled)
    frames = counters["frames"]["ok"]
    assert frames > 0
    assert np.abs(first - painted(painters[name])).max() <= 1
    with pytest.raises(Cancelled):
        compiled.paint(brief(compiled, [picture(1)]), seeds=[1], on_step=Told(4))
    assert np.array_equal(painted(compiled), first)
    assert counters["frames"]["ok"] == frames


def test_what_does_not_go_together_is_said(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match="LIKENESS_OFFLOAD"):
        Loading(quantization="int8", offload="sequential")
    with pytest.raises(CannotLoad, match="LIKENESS_LORA"):
        load("glm", folders["glm"], replace(PLAIN, lora=tmp_path))
    with pytest.raises(CannotLoad, match="LIKENESS_OFFLOAD"):
        load("glm", folders["glm"], replace(PLAIN, offload="sequential"))
    base = shutil.copytree(folders["klein"], tmp_path / "base")
    index = json.loads((base / "model_index.json").read_text())
    (base / "model_index.json").write_text(json.dumps(index | {"is_distilled": False}))
    with pytest.raises(CannotLoad, match="base model"):
        load("klein", base)


def test_a_pickle_is_not_loaded(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["klein"], tmp_path / "klein")
    weights = folder / "text_encoder" / "model.safetensors"
    torch.save(load_file(weights), folder / "text_encoder" / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(OSError, match="safetensors"):
        load("klein", folder)


def test_steps_are_the_models_own_unless_they_are_set(folders: dict[str, Path]) -> None:
    assert [load(name, folder, replace(PLAIN, steps=0)).steps for name, folder in folders.items()] == [4, 40, 30]
