"""The published models that engines are made of, and where on this machine they lie.

It knows ids, licences, sizes and speeds as their sources give them, and what an operator named instead. It loads nothing,
imports no torch and asks no network. No number here was measured by us: each has its source, and what was reckoned says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from storage.settings import Settings
from worker.engines.contract import EngineProblem

Part = Literal["reader", "painter", "lora"]
Quantization = Literal["none", "fp8", "int8", "nf4"]

SHRINKS: dict[Quantization, float] = {"none": 1.0, "fp8": 0.5, "int8": 0.5, "nf4": 0.3}
"""What is left of weights of two bytes each, reckoned from the bytes a weight takes, with the scales of nf4."""

ROOM_GB = 9.0
"""What is allowed for beside the weights, not measured: 5 GB, by which the published peak of GLM-Image is above its weights,
and 4 GB for the keys and values of fifty turns with pictures in Qwen3-VL-8B."""

LAYER_GB = 1.5
"""What is allowed for a model whose layers come to the GPU one by one. Not measured; the largest layer is a reader's table of
words, in Qwen3-VL-8B 151,936 times 4,096 numbers."""

MANIFEST = "likeness.json"
"""In a fetched folder: id, commit, licence and the hash of each file; written last, when all of them are there."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One component: its size in GB (10^9 bytes) as it is published, mostly in bfloat16, and where that was read."""

    name: str
    gigabytes: float
    source: str
    shrinks: bool = True  # whether quantization reaches it


@dataclass(frozen=True, slots=True)
class Speed:
    """A published time for one picture."""

    seconds: float
    of: str
    source: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the hub. `commercial` says whether its licence allows commercial use; only such a one may be a default."""

    id: str
    part: Part
    licence: str
    commercial: bool
    source: str  # of the licence
    weights: tuple[Weights, ...] = ()  # none: not known
    speeds: tuple[Speed, ...] = ()
    file: str = ""  # which one of a LoRA's files, as a pattern
    published_gb: float | None = None  # the largest memory that a source gives for one picture, without our reader
    note: str = ""

    @property
    def gigabytes(self) -> float | None:
        """All weights as published; None where that is not known."""
        return sum(one.gigabytes for one in self.weights) or None


@dataclass(frozen=True, slots=True)
class Published:
    """An engine of published models, by the models that it takes where the operator names none."""

    name: str
    reader: str
    painter: str = ""  # none: a server paints
    lora: str = ""


_HUB = "https://huggingface.co/"
_APACHE = "Apache-2.0"
_FLUX = "FLUX Non-Commercial License"
_FLUX_README = "https://github.com/black-forest-labs/flux2"
_GLM_README = "https://github.com/zai-org/GLM-Image"
_KLEIN_SPEED = "https://awesomeagents.ai/models/flux-2-klein-4b"

MODELS: dict[str, Model] = {
    one.id: one
    for one in (
        Model(
            "Qwen/Qwen3-VL-4B-Instruct",
            "reader",
            _APACHE,
            commercial=True,
            source="the licence that the hub shows for models made of it",
            weights=(Weights("all", 9.0, "reckoned from 4 to 5 billion parameters of two bytes"),),
        ),
        Model(
            "Qwen/Qwen3-VL-8B-Instruct",
            "reader",
            _APACHE,
            commercial=True,
            source=_HUB + "cdreetz/Qwen3-VL-8B-Instruct, a copy of it",
            weights=(Weights("all", 18.0, "https://ollama.com/library/qwen3-vl:8b-instruct-bf16"),),
        ),
        Model(
            "black-forest-labs/FLUX.2-klein-4B",
            "painter",
            _APACHE,
            commercial=True,
            source=_FLUX_README,
            weights=(
                Weights("transformer", 8.1, "reckoned: twice the file of black-forest-labs/FLUX.2-klein-4b-fp8"),
                Weights("text_encoder", 8.05, _HUB + "black-forest-labs/FLUX.2-klein-4B/tree/main/text_encoder"),
                Weights("vae", 0.17, _HUB + "JoyFusionAI/dt-flux2-klein-4b", shrinks=False),
            ),
            speeds=(
                Speed(0.3, "GB200, 1024², no references", _KLEIN_SPEED),
                Speed(1.2, "RTX 5090, 1024², fp8, no references", _KLEIN_SPEED),
            ),
            note="its authors write of 8 GB and of 13 GB, without our reader",
        ),
        Model(
            "black-forest-labs/FLUX.2-klein-9B",
            "painter",
            _FLUX,
            commercial=False,
            source=_FLUX_README,
        ),
        Model("black-forest-labs/FLUX.2-dev", "painter", _FLUX, commercial=False, source=_FLUX_README),
        Model(
            "Qwen/Qwen-Image-Edit-2511",
            "painter",
            _APACHE,
            commercial=True,
            source=_HUB + "Qwen/Qwen-Image-Edit",
            weights=(
                Weights("transformer", 40.9, _HUB + "Qwen/Qwen-Image-Edit/tree/main/transformer, of the same class"),
                Weights("text_encoder", 16.6, _HUB + "Qwen/Qwen-Image-Edit/tree/main/text_encoder, of the same class"),
                Weights("vae", 0.25, _HUB + "Qwen/Qwen-Image-Edit/tree/main/vae, of the same class", shrinks=False),
            ),
            note="57.7 GB in all, by the hub's list of files",
        ),
        Model(
            "FireRedTeam/FireRed-Image-Edit-1.1",
            "painter",
            _APACHE,
            commercial=True,
            source=_HUB + "FireRedTeam/FireRed-Image-Edit-1.1",
            note="loads by the same class as Qwen-Image-Edit-2511",
        ),
        Model(
            "lightx2v/Qwen-Image-Edit-2511-Lightning",
            "lora",
            _APACHE,
            commercial=True,
            source=_HUB + "lightx2v/Qwen-Image-Lightning, of the same authors",
            weights=(
                Weights("lora", 0.85, _HUB + "lightx2v/Qwen-Image-Lightning, bf16, of the same kind", shrinks=False),
            ),
            file="*-4steps-*-bf16.safetensors",
        ),
        Model(
            "Qwen/Qwen-Image-2.1",
            "painter",
            "non-commercial",
            commercial=False,
            source="not read in its own words; ask the model's page",
        ),
        Model(
            "zai-org/GLM-Image",
            "painter",
            "MIT",
            commercial=True,
            source=_GLM_README + ", and the hub's page of a copy",
            weights=(
                Weights("vision_language_encoder", 18.0, "reckoned from 9 billion parameters: " + _GLM_README),
                Weights("transformer", 14.0, "reckoned from 7 billion parameters: " + _GLM_README),
            ),
            speeds=(
                Speed(58.6, "H100, 1024², one reference", _GLM_README),
                Speed(64.3, "H100, 1024², no references", _GLM_README),
            ),
            published_gb=37.8,
            note="its authors ask for one GPU of more than 80 GB",
        ),
    )
}

ENGINES: dict[str, Published] = {
    one.name: one
    for one in (
        Published("klein", "Qwen/Qwen3-VL-4B-Instruct", "black-forest-labs/FLUX.2-klein-4B"),
        Published(
            "qwen-edit",
            "Qwen/Qwen3-VL-8B-Instruct",
            "Qwen/Qwen-Image-Edit-2511",
            "lightx2v/Qwen-Image-Edit-2511-Lightning",
        ),
        Published("glm", "Qwen/Qwen3-VL-8B-Instruct", "zai-org/GLM-Image"),
        Published("remote", "Qwen/Qwen3-VL-4B-Instruct"),
    )
}


class ModelMissing(EngineProblem):
    """A model is not on this machine; one plain sentence with what to do."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A part of an engine: a folder, or a model of the hub at a commit; without one, at that of the first fetch."""

    part: Part
    name: str  # a folder, or an id of the hub
    revision: str = ""
    folder: bool = False

    @property
    def known(self) -> Model | None:
        """What the catalogue has of it."""
        return None if self.folder else MODELS.get(self.name)

    @property
    def licence(self) -> str:
        """In words for whoever runs it."""
        if self.folder:
            return "a folder of yours; its licence is yours to check"
        model = self.known
        if model is None:
            return "not in our catalogue; see its page on the hub"
        return model.licence if model.commercial else f"{model.licence}: no commercial use"


def chosen(engine: str, settings: Settings) -> tuple[Chosen, ...]:
    """The parts of an engine, as the settings name them or by default. Raises `KeyError` for an engine of another kind."""
    published = ENGINES[engine]
    named: tuple[tuple[Part, str], ...] = (
        ("reader", settings.reader or published.reader),
        ("painter", (settings.painter or published.painter) if published.painter else ""),
        ("lora", (settings.lora or published.lora) if published.painter and settings.lora != "none" else ""),
    )
    return tuple(_chosen(part, name) for part, name in named if name)


def _chosen(part: Part, name: str) -> Chosen:
    if Path(name).expanduser().is_dir() or name.startswith(("/", ".", "~")):
        return Chosen(part, str(Path(name).expanduser()), folder=True)
    identity, _, revision = name.partition("@")
    return Chosen(part, identity, revision)


def home_of(one: Chosen, models: Path) -> Path:
    """Where the versions of a model of the hub are: a folder for each commit, and `pinned`, which names one of them."""
    return models / one.name.replace("/", "--")


def pinned(one: Chosen, models: Path) -> str:
    """The commit that a model is held at: as the operator named it, or as the first fetch found it; empty before."""
    if one.revision:
        return one.revision
    file = home_of(one, models) / "pinned"
    return file.read_text().strip() if file.exists() else ""


def located(one: Chosen, settings: Settings) -> Path:
    """The folder of a part, for `from_pretrained`. Raises `ModelMissing` where it is not there, or not all of it."""
    if one.folder:
        folder = Path(one.name)
        if not folder.is_dir():
            raise ModelMissing(f"There is no folder {folder}, which LIKENESS_{one.part.upper()} names.")
        return folder
    commit = pinned(one, settings.models_folder)
    home = home_of(one, settings.models_folder)
    if not commit or not (home / commit / MANIFEST).exists():
        raise ModelMissing(
            f"{one.name}{f' at {commit}' if commit else ''} is not in {settings.models_folder}. "
            "`likeness models fetch` gets it."
        )
    return home / commit


def lora_file(one: Chosen, folder: Path, settings: Settings) -> Path:
    """The file of a LoRA that is loaded, of those in its folder. Raises `ModelMissing` where it is not one."""
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*.safetensors")}
    right = loras(one, files, settings)
    if len(right) != 1:
        there = ", ".join(sorted(files)) or "no safetensors"
        raise ModelMissing(
            f"LIKENESS_LORA_FILE has to name one file of {one.name}. There: {there}. `likeness models fetch` gets another."
        )
    return files[right[0]]


def loras(one: Chosen, names: Iterable[str], settings: Settings) -> list[str]:
    """Which of the files of a LoRA are meant, by setting or by the catalogue; all where neither says anything."""
    pattern = settings.lora_file or (one.known.file if one.known else "") or "*"
    return sorted(name for name in names if name == pattern or fnmatch(name, pattern))


def gigabytes(one: Chosen, settings: Settings) -> float | None:
    """The weights of a part as they lie on the disk, else as the catalogue has them; None where neither is known."""
    try:
        folder = located(one, settings)
    except ModelMissing:
        return one.known.gigabytes if one.known else None
    return sum(_sizes(folder)) / 1e9


def _sizes(folder: Path) -> Iterator[int]:
    manifest = folder / MANIFEST
    if manifest.exists():
        yield from (one["size"] for one in json.loads(manifest.read_text())["files"].values())
    else:
        yield from (file.stat().st_size for file in folder.rglob("*.safetensors"))


def needed_gb(parts: tuple[Chosen, ...], settings: Settings) -> float | None:
    """Memory of a GPU for all parts in GB, as reckoned from their weights and `ROOM_GB`; None where weights are not known."""
    kept = SHRINKS[settings.quantization]
    total = ROOM_GB
    moved = [0.0]  # what is on the GPU only while it is needed, one after the other
    for one in parts:
        size = gigabytes(one, settings)
        if size is None:
            return None
        known = one.known.weights if one.known else ()
        fixed = sum(weights.gigabytes for weights in known if not weights.shrinks)
        if one.part == "lora":
            total += size
        elif settings.offload == "sequential":
            moved.append(LAYER_GB)
        elif settings.offload == "model":
            moved.append(kept * max((weights.gigabytes for weights in known), default=size))
        else:
            total += kept * max(size - fixed, 0) + fixed
    return total + max(moved)
