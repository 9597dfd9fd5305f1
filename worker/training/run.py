"""Runs the training stages in order, each for its minutes; a stage that was killed goes on where it was."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from worker.training import stages
from worker.training.cache import PictureCache

STORIES = 6000
STAGES = {  # in order, with the minutes of two cores that the shipped weights were trained for
    "autoencoder": (stages.autoencoder, 35.0),
    "reconstruction": (stages.reconstruction, 35.0),
    "reader": (stages.reader, 25.0),
    "personalization": (stages.personalization, 15.0),
}


def train(folder: Path, stage: str | None = None, minutes: float | None = None) -> None:
    """Run one stage, or all that are not done yet. Raises `KeyError` for a stage that does not exist."""
    torch.set_num_threads(os.cpu_count() or 1)
    cache = PictureCache(folder, STORIES)
    for name in [stage] if stage else list(STAGES):
        run, usual = STAGES[name]
        run(folder, cache, minutes or usual)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stage")
    parser.add_argument("--minutes", type=float)
    given = parser.parse_args()
    train(given.folder, given.stage, given.minutes)
