"""`likeness train`: renders the pictures, runs the stages in order, draws their curves, writes the weights.

Everything is kept in one folder, so that a run that was killed, or a machine that was changed, goes on where it was.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import nn

from worker.engines.preview.autoencoder import AutoencoderConfig
from worker.engines.preview.dit import DiTConfig
from worker.engines.preview.engine import Configuration
from worker.engines.preview.mllm import MLLMConfig
from worker.engines.preview.tokenizer import TokenizerConfig
from worker.training import stages
from worker.training.cache import PictureCache
from worker.training.trainer import Trainer

STORIES = 6000
STAGES = {  # in order, each with its minutes on two cores
    "autoencoder": (stages.autoencoder, 60.0),
    "reconstruction": (stages.reconstruction, 60.0),
    "reader": (stages.reader, 45.0),
    "personalization": (stages.personalization, 30.0),
}


def train(folder: Path, stage: str | None = None, minutes: float | None = None, *, stories: int = STORIES) -> Path:
    """Run one stage, or all of them; a stage that had its minutes is passed over. Returns the folder of the weights.

    `minutes` are a stage's in all, earlier runs included. Raises `KeyError` for a stage that does not exist.
    """
    chosen = {stage: STAGES[stage]} if stage else STAGES
    torch.set_num_threads(os.cpu_count() or 1)
    folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    cache = PictureCache(folder, stories)
    render(folder, cache, console)
    for name, (run, usual) in chosen.items():
        run(folder, cache, minutes or usual)
        draw_curve(folder / f"{name}.csv")
    weights = folder / "weights"
    if all((folder / f"{name}.pt").exists() for name in STAGES):
        export(folder, weights)
        console.print(f"The weights are in {weights}. To use them, set LIKENESS_PREVIEW_WEIGHTS to that folder.")
    return weights


def render(folder: Path, cache: PictureCache, console: Console) -> None:
    """Render what is missing of the pictures, on all cores."""
    if len(cache.ready()) == cache.stories:
        return
    parts = os.cpu_count() or 1
    arguments = [sys.executable, "-m", "worker.training.cache", str(folder), str(cache.stories)]
    workers = [subprocess.Popen([*arguments, str(part), str(parts)]) for part in range(parts)]
    try:
        columns = (TextColumn("stories"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("render", total=cache.stories)
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
    into.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        state = {
            key: value.to(torch.bfloat16) if value.is_floating_point() else value
            for key, value in part.state_dict().items()
        }
        file = into / f"{name}.safetensors"
        save_file({key: value.contiguous() for key, value in state.items()}, file)
        file.chmod(0o644)
    configuration = Configuration(AutoencoderConfig(), TokenizerConfig(), MLLMConfig(), DiTConfig())
    assert {one.name for one in fields(configuration)} == set(parts)
    (into / "config.json").write_text(configuration.to_json() + "\n")
    (into / "text.json").write_text((folder / "text.json").read_text())
    records = [json.loads((folder / f"{name}.json").read_text()) for name in STAGES]
    (into / "training.json").write_text(json.dumps(records, indent=1) + "\n")


def begin_from(weights: Path, folder: Path) -> None:
    """Give exported weights to every stage that has not begun, to go on from. Raises `FileNotFoundError`."""
    records = {record["stage"]: record for record in json.loads((weights / "training.json").read_text())}
    folder.mkdir(parents=True, exist_ok=True)
    for stage, modules in stages.untrained().items():
        if (folder / f"{stage}.pt").exists():
            continue
        for name, part in modules.items():
            part.load_state_dict(load_file(weights / f"{name}.safetensors"))
        earlier = records[stage].pop("continued_from", [])
        (folder / f"{stage}.json").write_text(json.dumps({"continued_from": [*earlier, records[stage]]}))
        Trainer(folder, stage, modules, lambda: (torch.zeros(()), {}), 0.0, 0.0).save()
    text = folder / "text.json"
    if not text.exists():
        text.write_text((weights / "text.json").read_text())


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
