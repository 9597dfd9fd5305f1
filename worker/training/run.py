"""`likeness train`: renders the pictures, runs the stages in order, draws their curves, writes the weights.

Everything is kept in one folder, so that a run that was killed, or a machine that was changed, goes on where it was.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file
from torch import nn

from storage.settings import settings
from worker.engines.preview.autoencoder import Autoencoder, AutoencoderConfig
from worker.engines.preview.dit import DiTConfig
from worker.engines.preview.engine import Configuration
from worker.engines.preview.faces import FacesConfig
from worker.engines.preview.mllm import MLLMConfig
from worker.engines.preview.sketch import SketchConfig
from worker.engines.preview.spelling import LEARNED
from worker.engines.preview.tokenizer import TokenizerConfig
from worker.training import likeness, stages
from worker.training.cache import PictureCache
from worker.training.dialogues import words_of_looks
from worker.training.people import COLOURLESS, HAIR_COLOURS, HEADS, SKINS
from worker.training.trainer import Trainer, save_weights
from worker.training.views import Views

STORIES = 4000
ENGINE = {  # the stages of the preview engine, in order, each with its minutes on two cores
    "autoencoder": (stages.autoencoder, 60.0),
    "reconstruction": (stages.reconstruction, 60.0),
    "single_round": (stages.single_round, 60.0),
    "multi_round": (stages.multi_round, 60.0),
    "faces": (stages.faces, 3.0),
    "sketch": (stages.sketch, 26.0),
    "decoder": (stages.decoder, 20.0),
    "personalization": (stages.personalization, 45.0),
}
IDENTITY = {  # the stages of the models that look at its pictures
    "attributes": (likeness.attributes, 20.0),
    "meter": (likeness.meter, 20.0),
    "guard": (likeness.guard, 20.0),
    "compositions": (likeness.compositions, 2.0),
}
STAGES = (*ENGINE, *IDENTITY)
PARTS = {part.name for part in fields(Configuration)}  # of the engine, a file of weights each


def train(
    folder: Path,
    stage: str | None = None,
    minutes: float | None = None,
    *,
    stories: int = STORIES,
    people: int = likeness.PEOPLE,
) -> Path:
    """Run one stage, or all of them; a stage that had its minutes is passed over. Returns the folder of the weights.

    `minutes` are a stage's in all, earlier runs included. Raises `ValueError` for a stage that does not exist.
    """
    if stage is not None and stage not in STAGES:
        raise ValueError(f"There is no stage {stage}.")
    torch.set_num_threads(settings().threads)
    folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    chosen = STAGES if stage is None else (stage,)
    if not ENGINE.keys().isdisjoint(chosen):
        cache = PictureCache(folder, stories)
        render("stories", cache, [str(folder), str(stories)], console)
        for name, (run, usual) in ENGINE.items():
            if name in chosen:
                run(folder, cache, minutes or usual)
    if not IDENTITY.keys().isdisjoint(chosen):
        pools = tuple(Views(folder, pool, people) for pool in likeness.POOLS)
        for views in pools:
            render(f"views of the {views.pool}", views, [str(folder), views.pool, str(people)], console)
        for name, (learn, usual) in IDENTITY.items():
            if name in chosen:
                learn(folder, pools, minutes or usual)
    for name in chosen:
        draw_curve(folder / f"{name}.csv")
    weights = folder / "weights"
    if _trained(folder, ENGINE):
        export(folder, weights)
        console.print(f"The weights are in {weights}. To use them, set LIKENESS_PREVIEW_WEIGHTS to that folder.")
    if _trained(folder, IDENTITY):
        likeness.export(folder, folder / "identity")
        _export_records(folder, IDENTITY, folder / "identity")
    return weights


def _trained(folder: Path, names: Iterable[str]) -> bool:
    return all((folder / f"{name}.pt").exists() for name in names)


def render(what: str, cache: PictureCache | Views, arguments: Sequence[str], console: Console) -> None:
    """Render what is missing, on all cores, by the module that the cache is of."""
    if len(cache.ready()) == cache.count:
        return
    parts = os.cpu_count() or 1
    command = [sys.executable, "-m", type(cache).__module__, *arguments]
    workers = [subprocess.Popen([*command, str(part), str(parts)]) for part in range(parts)]
    try:
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("render", total=cache.count)
            while any(worker.poll() is None for worker in workers):
                bar.update(task, completed=len(cache.ready()))
                time.sleep(0.5)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def export(folder: Path, into: Path) -> None:
    """Write the averaged weights of all stages as bfloat16 safetensors, with their configuration and their record."""
    parts: dict[str, nn.Module] = {}
    for stage, modules in stages.untrained().items():
        parts |= stages.averaged(folder, stage, modules).items()
    parts["autoencoder"].decoder = parts.pop("decoder")
    into.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        save_weights(parts[name], into / f"{name}.safetensors")
    configuration = Configuration(
        AutoencoderConfig(),
        TokenizerConfig(),
        MLLMConfig(),
        FacesConfig(
            words=words_of_looks(),
            colours=(tuple(HAIR_COLOURS.values()), tuple(SKINS.values())),
            hairless=tuple(number for number, head in enumerate(HEADS) if head in COLOURLESS),
        ),
        SketchConfig(),
        DiTConfig(),
    )
    (into / "config.json").write_text(configuration.to_json() + "\n")
    shutil.copyfile(folder / "text.json", into / "text.json")
    shutil.copyfile(stages.learned_words(folder), into / LEARNED)
    _export_records(folder, ENGINE, into)


def _export_records(folder: Path, names: Iterable[str], into: Path) -> None:
    records = [json.loads((folder / f"{name}.json").read_text()) for name in names]
    (into / "training.json").write_text(json.dumps(records, indent=1) + "\n")


def begin_from(weights: Path, folder: Path) -> None:
    """Give exported weights to every stage that has not begun, to go on from.

    Raises `FileNotFoundError`, and `ValueError` for weights that were made in other stages.
    """
    records = {record["stage"]: record for record in json.loads((weights / "training.json").read_text())}
    if missing := ENGINE.keys() - records.keys():
        raise ValueError(f"The weights in {weights} are of a version without the stage {min(missing)}.")
    folder.mkdir(parents=True, exist_ok=True)
    for stage, modules in stages.untrained().items():
        if (folder / f"{stage}.pt").exists():
            continue
        for name in PARTS & modules.keys():
            modules[name].load_state_dict(load_file(weights / f"{name}.safetensors"))
        if "decoder" in modules:  # which has no file of its own
            coder = Autoencoder()
            coder.load_state_dict(load_file(weights / "autoencoder.safetensors"))
            modules["decoder"].load_state_dict(coder.decoder.state_dict())
        earlier = records[stage].pop("continued_from", [])
        (folder / f"{stage}.json").write_text(json.dumps({"continued_from": [*earlier, records[stage]]}))
        Trainer(folder, stage, modules, lambda: (torch.zeros(()), {}), 0.0, 0.0).save()
    if not (folder / "text.json").exists():
        shutil.copyfile(weights / "text.json", folder / "text.json")


def draw_curve(file: Path) -> None:
    """The figures of a stage over its minutes, as a picture beside the file."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    if not file.exists():
        return
    with file.open(newline="") as handle:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(handle)]
    figure, axes = plt.subplots(figsize=(7, 4))
    for name in [name for name in rows[0] if name not in ("step", "minutes")]:
        axes.plot([row["minutes"] for row in rows], [row[name] for row in rows], label=name, linewidth=1)
    axes.set(xlabel="minutes", yscale="log", title=file.stem)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(file.with_suffix(".png"), dpi=110, bbox_inches="tight")
    plt.close(figure)
