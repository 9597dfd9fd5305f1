"""What the likeness guard buys and costs, and the threshold that it needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from worker.engines.contract import Engine
from worker.evaluation.measures import Judges, Observed, dialogues
from worker.identity.drawn import DrawnMeter
from worker.identity.guard import Guard

VALIDATION = "validation"
REDRAWN = 0.05  # of good pictures, at most


def chosen_threshold(engine: Engine, judges: Judges, file: Path, seeds: Sequence[int]) -> float:
    """Choose the guard's threshold on dialogues of the validation split, and write it to a file of JSON.

    Below it lie `REDRAWN` of the good pictures: those in which the judges' meter sees the right people.
    """
    looking = Guard(DrawnMeter.from_pretrained(), -1.0)  # which is content with everything
    good = dialogues(engine, judges, seeds, guard=looking, split=VALIDATION).likeness_of_right
    threshold = float(np.quantile(good, REDRAWN))
    told = {"threshold": round(threshold, 4), "redrawn_of_good": REDRAWN, "pictures": len(good)}
    file.write_text(json.dumps(told, indent=1) + "\n")
    return threshold


def guarded(engine: Engine, judges: Judges, seeds: Sequence[int], threshold: float) -> tuple[Observed, Observed]:
    """The same dialogues with the guard off, and on."""
    off = dialogues(engine, judges, seeds)
    return off, dialogues(engine, judges, seeds, guard=Guard(DrawnMeter.from_pretrained(), threshold))
