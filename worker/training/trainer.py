"""The loop that every training stage runs in: steps, an average of the weights, checkpoints, a curve, a record.

A stage that is killed goes on from its last checkpoint. It knows nothing of what is trained.
"""

from __future__ import annotations

import copy
import csv
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor, nn

from worker.training.cache import VERSION

CHECKPOINT_SECONDS = 60.0
LONGEST_STEP = 30.0  # seconds: a machine that slept has not trained
HIDDEN = 128  # the least width of a matrix that is neither an entrance nor an exit
AVERAGE = 0.999  # of the weights, the larger the slower

Module = TypeVar("Module", bound=nn.Module)

Loss = Callable[[], tuple[Tensor, dict[str, float]]]
"""Draws a batch by itself and returns its loss, with figures for the curve."""


@dataclass
class Trainer:
    """Trains `modules` until `minutes` of work are done in all, over however many runs.

    The learning rate warms up over 200 steps and falls with a cosine over the minutes.
    """

    folder: Path
    stage: str
    modules: nn.ModuleDict
    loss: Loss
    minutes: float
    rate: float
    seed: int = 0
    weight_decay: float = 0.01
    muon: bool = False  # worth it where a step is much more work than the matrices that it changes
    average: nn.ModuleDict = field(init=False)
    steps: int = field(init=False, default=0)
    seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        """Take up the last checkpoint, when there is one."""
        self.average = copy.deepcopy(self.modules).requires_grad_(False).eval()
        self._optimisers = _optimisers(self.modules, self.rate, self.weight_decay, muon=self.muon)
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._checkpoint.exists():
            saved: dict[str, Any] = torch.load(self._checkpoint, weights_only=True)
            self.modules.load_state_dict(saved["modules"])
            self.average.load_state_dict(saved["average"])
            if saved["steps"]:  # weights that were only given to the stage have none
                for optimiser, state in zip(self._optimisers, saved["optimisers"], strict=True):
                    optimiser.load_state_dict(state)
            self.steps, self.seconds = saved["steps"], saved["seconds"]

    @property
    def _checkpoint(self) -> Path:
        return self.folder / f"{self.stage}.pt"

    def run(self) -> nn.ModuleDict:
        """Train, and return the averaged modules."""
        torch.manual_seed(self.seed + self.steps)
        console = Console()
        columns = (
            TextColumn(self.stage),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            self._train(bar, console)
        self.save()
        return self.average

    def _train(self, bar: Progress, console: Console) -> None:
        task = bar.add_task("", total=self.minutes * 60)
        last = saved = said = time.monotonic()
        self.modules.train()
        while (progress := self.seconds / (self.minutes * 60)) < 1:
            for group in (group for optimiser in self._optimisers for group in optimiser.param_groups):
                warm = min(1.0, (self.steps + 1) / 200)
                group["lr"] = self.rate * warm * (0.02 + 0.98 * 0.5 * (1 + _cosine(progress)))
            loss, figures = self.loss()
            self.modules.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(self.modules.parameters(), 1.0)
            if torch.isfinite(norm):
                for optimiser in self._optimisers:
                    optimiser.step()
            self._follow()
            self.steps += 1
            now = time.monotonic()
            self.seconds += min(now - last, LONGEST_STEP)
            last = now
            bar.update(task, completed=self.seconds)
            if now - said > 10:
                said = now
                noted = self._note({"loss": float(loss.detach()), **figures})
                bar.update(task, description=noted)
                if not console.is_terminal:
                    console.print(f"{self.stage} {progress:.0%}: {noted}", highlight=False, soft_wrap=True)
            if now - saved > CHECKPOINT_SECONDS:
                saved = now
                self.save()

    def _follow(self) -> None:
        slow = min(AVERAGE, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for mean, current in zip(self.average.parameters(), self.modules.parameters(), strict=True):
                mean.lerp_(current, 1 - slow)
            for kept, fresh in zip(self.average.buffers(), self.modules.buffers(), strict=True):
                kept.copy_(fresh)

    def _note(self, figures: dict[str, float]) -> str:
        """Add a row to the curve; returns it in words."""
        row = {
            "step": self.steps,
            "minutes": round(self.seconds / 60, 2),
            **{k: round(v, 5) for k, v in figures.items()},
        }
        file = self.folder / f"{self.stage}.csv"
        header = ",".join(row)
        if file.exists():
            with file.open() as handle:
                if handle.readline().strip() != header:
                    file.replace(file.with_suffix(".before.csv"))  # of a code that noted other figures
        new = not file.exists()
        with file.open("a", newline="") as handle:
            writer = csv.DictWriter(handle, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
        return " ".join(f"{name} {value:.4g}" for name, value in row.items())

    def save(self) -> None:
        """Write the checkpoint, whole or not at all, and the record beside it."""
        state = {
            "modules": self.modules.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "steps": self.steps,
            "seconds": self.seconds,
        }
        part = self._checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self._checkpoint)
        file = self.folder / f"{self.stage}.json"
        before = json.loads(file.read_text()) if file.exists() else {}
        record = {
            "stage": self.stage,
            "seed": self.seed,
            "data_version": VERSION,
            "code_version": _code_version(),
            "steps": self.steps,
            "minutes": round(self.seconds / 60, 1),
            "threads": torch.get_num_threads(),
            "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
            **{name: value for name, value in before.items() if name == "continued_from"},
        }
        file.write_text(json.dumps(record, indent=1))


def _optimisers(modules: nn.Module, rate: float, weight_decay: float, *, muon: bool) -> list[torch.optim.Optimizer]:
    """AdamW; with `muon`, Muon (Jordan et al., 2024) for the matrices inside, with AdamW's size of steps."""
    matrices = [
        one.weight
        for one in modules.modules()
        if muon and isinstance(one, nn.Linear) and min(one.weight.shape) >= HIDDEN
    ]
    taken = {id(one) for one in matrices}
    others = [one for one in modules.parameters() if id(one) not in taken]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(others, rate, betas=(0.9, 0.98), weight_decay=weight_decay)
    ]
    if matrices:
        optimisers.append(torch.optim.Muon(matrices, rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"))
    return optimisers


def channels_last(model: Module) -> Module:
    """The layout in which convolutions are fast on a CPU."""
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


def save_weights(part: nn.Module, file: Path) -> None:
    """Write a part as bfloat16 safetensors."""
    state = {
        name: value.to(torch.bfloat16) if value.is_floating_point() else value
        for name, value in part.state_dict().items()
    }
    save_file({name: value.contiguous() for name, value in state.items()}, file)
    file.chmod(0o644)


def _cosine(progress: float) -> float:
    return float(torch.cos(torch.tensor(torch.pi * min(progress, 1.0))))


def _code_version() -> str:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    return asked.stdout.strip() or "unknown"
