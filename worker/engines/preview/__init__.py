"""The preview engine: the paper's system at small scale, trained by this project, for any CPU."""

from __future__ import annotations

from worker.engines.preview.engine import NoWeights, PreviewEngine

__all__ = ["NoWeights", "PreviewEngine"]
