"""Engines: a reader (the MLLM) and a painter (the DiT) behind one contract, `worker.engines.contract`."""

from __future__ import annotations

from storage.settings import Settings
from worker.engines.contract import Engine, EngineProblem
from worker.engines.models import ENGINES

NAMES = ("preview", *ENGINES, "echo")


class UnknownEngine(EngineProblem):
    """The settings name an engine that does not exist."""


def load(name: str, settings: Settings) -> Engine:
    """Load an engine by its name; its libraries are imported only now.

    Raises `EngineProblem` for what its operator has to mend, and `OutOfMemory`.
    """
    name, _, configuration = name.partition(":")
    if name == "preview" and configuration in ("", "plain"):  # plain: it looks at no references, as the paper's base
        from worker.engines.preview import PreviewEngine

        return PreviewEngine.from_pretrained(
            settings.preview_weights, steps=settings.preview_steps, personalized=not configuration
        )
    if name in ENGINES and not configuration:
        from worker.engines import published

        return published.load(name, settings)
    if name == "echo" and configuration in ("", "plain"):
        from worker.engines.echo import EchoEngine

        return EchoEngine()
    raise UnknownEngine(
        f"There is no engine named {':'.join(filter(None, (name, configuration)))}. There are: {', '.join(NAMES)}."
    )
