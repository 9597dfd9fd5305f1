"""`python -m benchmarks.gpu klein`: measures an engine of published models on this machine's GPU, into benchmarks/gpu.json.

    python -m benchmarks.gpu qwen-edit --quick      # LIKENESS_* settings choose models, dtype, quantization, offload

What it measures is what `make bench` measures on tiny models, with seconds and memory that mean something. `likeness doctor`
says before whether the machine can hold the engine.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from rich.console import Console

from benchmarks import gpu_engines
from benchmarks.__main__ import table
from benchmarks.measures import Figures
from storage.settings import settings
from worker.engines import published
from worker.engines.models import ENGINES
from worker.engines.painters.loop import LoopPainter

RESULTS = Path(__file__).parent / "gpu.json"


def main() -> None:
    """Load the engine, measure, print, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("engine", choices=[name for name, one in ENGINES.items() if one.painter])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions; not for quoting")
    given = parser.parse_args()
    chosen = settings()
    start = time.perf_counter()
    engine = published.load(given.engine, chosen)
    painter = engine.painter
    assert isinstance(painter, LoopPainter)
    figures: Figures = {"load_seconds": time.perf_counter() - start}
    figures |= gpu_engines.history(engine.reader, repeats=2 if given.quick else 7)
    figures |= gpu_engines.grammar(engine.reader, repeats=2 if given.quick else 10)
    figures |= gpu_engines.batch(painter, repeats=1 if given.quick else 5)
    figures |= gpu_engines.latents(engine, painter, turns=3 if given.quick else 10)
    figures |= gpu_engines.memory(engine, turns=40 if given.quick else 200)
    if torch.cuda.is_available():
        figures["gpu_gb"] = torch.cuda.max_memory_allocated() / 1e9
    Console().print(table(figures))
    about = {
        "engine": given.engine,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "steps": painter.steps,
        "size": painter.sizes[0],
        "quick": given.quick,
        **chosen.model_dump(include={"reader", "painter", "lora", "dtype", "quantization", "offload", "compile"}),
    }
    RESULTS.write_text(json.dumps({**about, **figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
