"""How a painter's weights come into memory: from a folder as the hub has them, in a dtype, quantized, offloaded, compiled.

It knows diffusers' ways of doing each of these and which of them go together, and nothing of how anything is painted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, GlmImagePipeline, QwenImageEditPlusPipeline
from diffusers.quantizers import PipelineQuantizationConfig
from torch import nn
from transformers import BitsAndBytesConfig, Qwen2Tokenizer, Qwen2VLProcessor, Qwen3Config, Qwen3ForCausalLM
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from storage.settings import Settings
from worker.engines.contract import EngineProblem
from worker.engines.painters import glm, klein, qwen_edit
from worker.engines.painters.glm import Glm
from worker.engines.painters.klein import Klein
from worker.engines.painters.qwen_edit import QwenEdit

BACKEND = "inductor"  # of torch.compile
UNQUANTIZED = ("visual", "vqmodel")  # parts of language models that make what is kept of pictures

_Painter = TypeVar("_Painter", Klein, QwenEdit, Glm)


class CannotLoad(EngineProblem):
    """The settings do not go together, or not with this model, or it is not whole; one plain sentence with what to change."""


@dataclass(frozen=True, slots=True)
class Loading:
    """How weights are kept and run."""

    device: str = "cpu"
    dtype: torch.dtype = torch.bfloat16
    quantization: Literal["none", "fp8", "int8", "nf4"] = "none"
    offload: Literal["none", "model", "sequential"] = "none"
    compile: bool = False
    steps: int = 0  # 0: as many as the model is made for
    lora: Path | None = None  # a file of safetensors

    def __post_init__(self) -> None:
        if self.quantization != "none" and self.offload == "sequential":
            raise CannotLoad(
                "Quantized weights cannot be moved layer by layer. Set LIKENESS_OFFLOAD to model, or LIKENESS_QUANTIZATION "
                "to none."
            )

    @classmethod
    def of(cls, settings: Settings, lora: Path | None) -> Loading:
        """As the settings say; a GPU where none is named and there is one."""
        return cls(
            device=settings.device or ("cuda" if torch.cuda.is_available() else "cpu"),
            dtype=getattr(torch, settings.dtype),
            quantization=settings.quantization,
            offload=settings.offload,
            compile=settings.compile,
            steps=settings.steps,
            lora=lora,
        )


def load_klein(folder: Path, loading: Loading, **more: Any) -> Klein:  # Any: what the painter takes beside
    """FLUX.2 klein of a folder. Raises `CannotLoad`."""
    pipe = _pipe(Flux2KleinPipeline, folder, loading, text_encoder=_first_layers(folder, loading))
    if not pipe.config.is_distilled:
        raise CannotLoad(f"{folder} is a base model of FLUX.2; klein wants one that is made for few steps.")
    return _placed(Klein(pipe, steps=loading.steps or klein.STEPS, **more), loading)


def load_qwen_edit(folder: Path, loading: Loading, **more: Any) -> QwenEdit:  # Any: what the painter takes beside
    """Qwen-Image-Edit, or a model of its class, of a folder. Raises `CannotLoad`."""
    pipe = _pipe(
        QwenImageEditPlusPipeline,
        folder,
        loading,
        processor=PictureProcessor(
            Qwen2VLImageProcessorPil.from_pretrained(folder / "processor"),
            Qwen2Tokenizer.from_pretrained(folder / "processor"),
        ),
    )
    distilled = loading.lora is not None
    if distilled:
        # As those who made the LoRA sample, by the documentation of diffusers: at a shift of 3, whatever the size.
        shift = {"base_shift": math.log(3), "max_shift": math.log(3), "shift_terminal": None}
        pipe.scheduler = FlowMatchEulerDiscreteScheduler.from_config(
            pipe.scheduler.config, **shift, use_dynamic_shifting=True, time_shift_type="exponential"
        )
    painter = QwenEdit(
        pipe,
        steps=loading.steps or (qwen_edit.STEPS_DISTILLED if distilled else qwen_edit.STEPS),
        guidance=1.0 if distilled else qwen_edit.GUIDANCE,
        **more,
    )
    return _placed(painter, loading)


def load_glm(folder: Path, loading: Loading, **more: Any) -> Glm:  # Any: what the painter takes beside
    """GLM-Image of a folder. Raises `CannotLoad`."""
    if loading.lora is not None:
        raise CannotLoad("glm takes no LoRA. Set LIKENESS_LORA to none.")
    if loading.offload == "sequential":
        raise CannotLoad("glm cannot be moved layer by layer. Set LIKENESS_OFFLOAD to model.")
    pipe = _pipe(GlmImagePipeline, folder, loading)
    return _placed(Glm(pipe, steps=loading.steps or glm.STEPS, **more), loading)


class PictureProcessor(Qwen2VLProcessor):  # type: ignore[misc]  # transformers has no types here
    """Qwen's processor without its part for videos, which needs torchvision."""

    @classmethod
    def get_attributes(cls) -> list[str]:
        """What is saved and loaded."""
        return ["image_processor", "tokenizer"]

    def __init__(self, image_processor: Any, tokenizer: Any) -> None:  # Any: transformers has no types here
        super().__init__(image_processor, tokenizer, None, chat_template=tokenizer.chat_template)


class FirstLayers(Qwen3ForCausalLM):  # type: ignore[misc]  # transformers has no types here
    """A text encoder that is not surprised by layers of the folder that it does not have."""

    _keys_to_ignore_on_load_unexpected = (r"model\.layers\.\d+\.",)


def _first_layers(folder: Path, loading: Loading) -> nn.Module:
    """klein's text encoder up to the last layer that anything is taken from, which spares a quarter of its memory."""
    folder = folder / "text_encoder"
    config = Qwen3Config.from_pretrained(folder)
    config.num_hidden_layers = max(klein.LAYERS)
    config.layer_types = config.layer_types[: max(klein.LAYERS)]
    nf4 = {"quantization_config": BitsAndBytesConfig(**_nf4(loading))} if loading.quantization == "nf4" else {}
    model: Any = FirstLayers.from_pretrained(
        folder, config=config, dtype=loading.dtype, use_safetensors=True, local_files_only=True, **nf4
    )
    model.model.norm = nn.Identity()  # comes after the last layer of all
    model.lm_head = nn.Identity()
    encoder: nn.Module = model
    return encoder


def _pipe(kind: Any, folder: Path, loading: Loading, **parts: Any) -> Any:  # Any: diffusers has no types
    """A pipeline on the CPU, its LoRA within its weights, quantized."""
    nf4 = {}
    if loading.quantization == "nf4":
        names = [name for name in _large(kind) if name not in parts]
        nf4["quantization_config"] = PipelineQuantizationConfig(
            quant_backend="bitsandbytes_4bit", quant_kwargs=_nf4(loading), components_to_quantize=names
        )
    pipe = kind.from_pretrained(
        folder, dtype=loading.dtype, use_safetensors=True, local_files_only=True, **parts, **nf4
    )
    pipe.set_progress_bar_config(disable=True)
    if loading.lora is not None:
        pipe.load_lora_weights(
            loading.lora.parent, weight_name=loading.lora.name, use_safetensors=True, local_files_only=True
        )
        if not nf4:  # four bits cannot take it in, and keep it beside
            pipe.fuse_lora()
            pipe.unload_lora_weights()
    if loading.quantization in ("fp8", "int8"):
        for name in _large(kind):
            _quantize(getattr(pipe, name), loading)
    return pipe


def _large(kind: Any) -> list[str]:
    """Names of the parts that quantization reaches: all but the VAE, whose latents are kept."""
    names: list[str] = [name for name in kind.model_cpu_offload_seq.split("->") if name != "vae"]
    return names


def _nf4(loading: Loading) -> dict[str, Any]:
    return {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_compute_dtype": loading.dtype,
        "llm_int8_skip_modules": list(UNQUANTIZED),
    }


def _quantize(module: nn.Module, loading: Loading) -> None:
    """Weights in eight bits, computed with in the dtype; on the device, if they are to stay there."""
    from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig, quantize_

    def reached(part: nn.Module, name: str) -> bool:
        return isinstance(part, nn.Linear) and not any(one in name.split(".") for one in UNQUANTIZED)

    config = Float8WeightOnlyConfig() if loading.quantization == "fp8" else Int8WeightOnlyConfig(version=2)
    quantize_(module, config, filter_fn=reached, device=loading.device if loading.offload == "none" else None)


def _placed(painter: _Painter, loading: Loading) -> _Painter:
    """The painter, its weights where they are to be, its blocks compiled if they are to be."""
    pipe = painter.pipe
    if loading.offload == "model":
        pipe.enable_model_cpu_offload(device=loading.device)
    elif loading.offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=loading.device)
    else:
        pipe.to(loading.device)
    if loading.compile:
        pipe.transformer.compile_repeated_blocks(backend=BACKEND)
    return painter
