"""Engines of published models: a reader that all of them share, and a painter of its own each, behind one engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from storage.settings import Settings
from worker.engines.models import chosen, located, lora_file

if TYPE_CHECKING:
    from worker.engines.published.engine import PublishedEngine
    from worker.engines.published.painter import Painter


def load(name: str, settings: Settings) -> PublishedEngine:
    """The engine of a name in `worker.engines.models.ENGINES`, of the models that the settings name.

    Raises `ModelMissing` for one that is not on this machine, `CannotLoad` for settings that do not go together, and whatever
    loading raises.
    """
    from worker.engines.painters.loading import Loading, load_glm, load_klein, load_qwen_edit
    from worker.engines.painters.remote import RemotePainter
    from worker.engines.published.engine import PublishedEngine
    from worker.engines.published.reader import Reader

    parts = chosen(name, settings)
    folders = {one.part: located(one, settings) for one in parts}
    lora = next((lora_file(one, folders["lora"], settings) for one in parts if one.part == "lora"), None)
    loading = Loading.of(settings, lora)
    reader = Reader.from_pretrained(
        folders["reader"], device=loading.device, dtype=loading.dtype, quantization=loading.quantization
    )
    if name == "remote":
        return PublishedEngine(reader, RemotePainter(settings))
    painters: dict[str, Callable[[Path, Loading], Painter]] = {
        "klein": load_klein,
        "qwen-edit": load_qwen_edit,
        "glm": load_glm,
    }
    return PublishedEngine(reader, painters[name](folders["painter"], loading))
