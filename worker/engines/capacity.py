"""Whether a machine can hold an engine of published models: sentences about its GPU, its memory, its driver, its models.

`shortages` is a pure function of facts, so that it can be asked about machines that are not here; `machine` gathers the facts
of this one. It loads no weights.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import get_args

from storage.settings import Settings
from worker.engines import models
from worker.engines.models import ENGINES, ModelMissing, Quantization

DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # of drivers, one of which there is where there is a GPU
BFLOAT16 = (8, 0)  # compute capabilities from which GPUs compute in these types
FP8 = (8, 9)

LIBRARIES: dict[str, Callable[[Settings], bool]] = {  # by what asks for them; all are in the extra `gpu`
    "accelerate": lambda settings: settings.device != "cpu" or settings.offload != "none",
    "bitsandbytes": lambda settings: settings.quantization == "nf4",
    "llguidance": lambda _: True,
    "peft": lambda settings: bool(settings.lora) and settings.lora != "none",
    "torchao": lambda settings: settings.quantization in ("fp8", "int8"),
}


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as torch sees it; memory in GB (10^9 bytes)."""

    name: str
    total_gb: float
    free_gb: float
    capability: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts about a machine."""

    gpus: tuple[Gpu, ...] = ()
    torch: str = ""  # its version; empty where it is not installed
    cuda: str = ""  # that torch was built for; empty for a build for CPUs
    driver: str = ""  # of NVIDIA; empty where there is none
    memory_gb: float = 0.0  # of the machine itself
    libraries: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Shortage:
    """What does not suffice, and what to do about it."""

    part: str  # "gpu", "models" or "libraries"
    says: str
    mend: str


def shortages(engine: str, settings: Settings, machine: Machine) -> list[Shortage]:
    """All that keeps a machine from holding an engine of published models; empty where it suffices."""
    return [
        *_models(engine, settings),
        *_libraries(settings, machine),
        *_gpu(engine, settings, machine),
    ]


def summary(engine: str, settings: Settings, machine: Machine) -> str:
    """What a machine that suffices has, in one sentence."""
    if settings.device == "cpu":
        return "on the CPU, as LIKENESS_DEVICE says, which is meant for tests"
    gpu = machine.gpus[_number(settings)]
    needed = models.needed_gb(models.chosen(engine, settings), settings)
    wants = f"about {needed:.0f} GB are reckoned" if needed is not None else "what it needs is not known"
    return f"{gpu.name}, {gpu.total_gb:.0f} GB of which {wants}, driver {machine.driver or 'not known'}"


def _models(engine: str, settings: Settings) -> Iterator[Shortage]:
    for one in models.chosen(engine, settings):
        try:
            folder = models.located(one, settings)
            if one.part == "lora":
                models.lora_file(one, folder, settings)
        except ModelMissing as error:
            yield Shortage(
                "models", str(error), f"Run likeness models fetch --engine {engine}; licence: {one.licence}."
            )
    if engine == "glm" and settings.lora not in ("", "none"):
        yield Shortage("models", "glm takes no LoRA", "Set LIKENESS_LORA=none.")
    if engine == "remote" and not settings.remote_url:
        yield Shortage(
            "models", "no server is named that paints", "Set LIKENESS_REMOTE_URL, such as http://host:8000/v1."
        )


def _libraries(settings: Settings, machine: Machine) -> Iterator[Shortage]:
    missing = [name for name, asked in LIBRARIES.items() if asked(settings) and name not in machine.libraries]
    if missing:
        yield Shortage(
            "libraries", f"not installed here: {', '.join(missing)}", "Run pip install 'likeness[worker,gpu]'."
        )


def _gpu(engine: str, settings: Settings, machine: Machine) -> Iterator[Shortage]:
    if settings.device == "cpu":
        return
    if not machine.gpus:
        yield _no_gpu(machine)
        return
    number = _number(settings)
    if number >= len(machine.gpus):
        yield Shortage(
            "gpu",
            f"LIKENESS_DEVICE says {settings.device}, and there are {len(machine.gpus)}",
            "The first one is cuda:0.",
        )
        return
    gpu = machine.gpus[number]
    if settings.quantization != "none" and settings.offload == "sequential":
        yield Shortage(
            "gpu", "quantized weights cannot be moved layer by layer", "Set LIKENESS_OFFLOAD=model, or no quantization."
        )
    if engine == "glm" and settings.offload == "sequential":
        yield Shortage("gpu", "glm cannot be moved layer by layer", "Set LIKENESS_OFFLOAD=model.")
    if settings.dtype == "bfloat16" and gpu.capability < BFLOAT16:
        yield Shortage("gpu", f"the {gpu.name} does not compute in bfloat16", "Set LIKENESS_DTYPE=float16.")
    if settings.quantization == "fp8" and gpu.capability < FP8:
        yield Shortage("gpu", f"the {gpu.name} does not compute in fp8", "Set LIKENESS_QUANTIZATION=int8.")
    parts = models.chosen(engine, settings)
    needed = models.needed_gb(parts, settings)
    if needed is None:
        return  # of a model that is neither here nor known; that it is not here is said already
    if needed > gpu.total_gb:
        yield Shortage(
            "gpu",
            f"{engine} needs about {needed:.0f} GB as it is set, reckoned from its weights, and the {gpu.name} has "
            f"{gpu.total_gb:.0f}",
            _what_fits(engine, settings, gpu),
        )
    elif needed > gpu.free_gb:
        yield Shortage(
            "gpu",
            f"{engine} needs about {needed:.0f} GB, and of the {gpu.total_gb:.0f} of the {gpu.name} only "
            f"{gpu.free_gb:.0f} are free",
            "nvidia-smi tells what else runs on it; where that is this engine's own worker, all is well.",
        )
    held = needed_in_memory(engine, settings)
    if held > machine.memory_gb:
        yield Shortage(
            "gpu",
            f"with LIKENESS_OFFLOAD={settings.offload} about {held:.0f} GB lie in the machine's memory, which has "
            f"{machine.memory_gb:.0f}",
            "Choose a smaller model or a stronger quantization, or no offload.",
        )


def needed_in_memory(engine: str, settings: Settings) -> float:
    """GB of the machine's own memory that offloading asks for; 0 without it. Weights that are not known do not count."""
    if settings.offload == "none":
        return 0.0
    sizes = [models.gigabytes(one, settings) for one in models.chosen(engine, settings) if one.part != "lora"]
    return models.SHRINKS[settings.quantization] * sum(size for size in sizes if size is not None)


def _no_gpu(machine: Machine) -> Shortage:
    mend = "Run this worker where there is a GPU, or use the engine preview, which draws on a CPU."
    if not machine.torch:
        return Shortage("gpu", "torch is not installed here", "Run pip install 'likeness[worker,gpu]'.")
    if not machine.driver:
        return Shortage("gpu", "there is no GPU here: no driver of NVIDIA answers", mend)
    if not machine.cuda:
        says = f"the driver {machine.driver} is here, but torch {machine.torch} is a build for CPUs"
        return Shortage("gpu", says, "Install a build of torch for CUDA.")
    says = f"the driver {machine.driver} is here, but torch {machine.torch} for CUDA {machine.cuda} sees no GPU"
    return Shortage("gpu", says, "Update the driver, or give the container its GPU (--gpus all).")


def _number(settings: Settings) -> int:
    return int(settings.device.rpartition(":")[2]) if ":" in settings.device else 0


def _what_fits(engine: str, settings: Settings, gpu: Gpu) -> str:
    """The gentlest settings with which it would fit."""
    quantizations: Sequence[Quantization] = get_args(Quantization)
    for offload in dict.fromkeys((settings.offload, "none", "model", "sequential")):
        for quantization in quantizations:
            layers = offload == "sequential"
            if (quantization == "fp8" and gpu.capability < FP8) or (
                layers and (quantization != "none" or engine == "glm")
            ):
                continue
            other = settings.model_copy(update={"quantization": quantization, "offload": offload})
            needed = models.needed_gb(models.chosen(engine, other), other)
            if needed is not None and needed <= gpu.total_gb:
                changed = {
                    name: value
                    for name, value in (("QUANTIZATION", quantization), ("OFFLOAD", offload))
                    if value != getattr(settings, name.lower())
                }
                named = " and ".join(f"LIKENESS_{name}={value}" for name, value in changed.items())
                return f"With {named} it needs about {needed:.0f} GB."
    others = [
        name
        for name in ENGINES
        if (needed := models.needed_gb(models.chosen(name, settings), settings)) is not None and needed <= gpu.total_gb
    ]
    return f"These would fit: {', '.join(others)}." if others else "No engine of published models fits; preview does."


# -- this machine -----------------------------------------------------------------------------------------------------


def machine() -> Machine:
    """The facts of this machine."""
    found = Machine(
        driver=_driver(),
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        libraries=frozenset(name for name in LIBRARIES if importlib.util.find_spec(name)),
    )
    if importlib.util.find_spec("torch") is None:
        return found
    if not any(Path(device).exists() for device in DEVICES):  # which spares a machine without a GPU the import of torch
        return replace(found, torch=version("torch"))
    import torch

    gpus = []
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(number)
        capability = torch.cuda.get_device_capability(number)
        gpus.append(Gpu(torch.cuda.get_device_name(number), total / 1e9, free / 1e9, capability))
    return replace(found, gpus=tuple(gpus), torch=str(torch.__version__), cuda=torch.version.cuda or "")


def _driver() -> str:
    if shutil.which("nvidia-smi") is None:
        return ""
    asked = subprocess.run(
        ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return asked.stdout.strip().splitlines()[0] if asked.returncode == 0 and asked.stdout.strip() else ""
