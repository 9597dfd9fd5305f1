"""Engines of published models: a reader that all of them share, and a painter of its own each, behind one engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from storage.settings import Settings
from worker.engines.contract import EngineProblem, OutOfMemory
from worker.engines.models import Part, chosen, located, lora_file

if TYPE_CHECKING:
    from worker.engines.published.engine import PublishedEngine
    from worker.engines.published.painter import Painter


def load(name: str, settings: Settings) -> PublishedEngine:
    """The engine of a name in `worker.engines.models.ENGINES`, of the models that the settings name.

    Raises `ModelMissing` for one that is not on this machine, `CannotLoad` for one that is not whole and for settings that do
    not go together, `RemoteProblem` where no server is named, and `OutOfMemory`.
    """
    from worker.engines.painters.loading import Loading, load_glm, load_klein, load_qwen_edit
    from worker.engines.painters.remote import RemotePainter
    from worker.engines.published.engine import PublishedEngine
    from worker.engines.published.reader import Reader

    parts = chosen(name, settings)
    folders = {one.part: located(one, settings) for one in parts}
    lora = next((lora_file(one, folders["lora"], settings) for one in parts if one.part == "lora"), None)
    loading = Loading.of(settings, lora)
    with _loading("reader", folders["reader"]):
        reader = Reader.from_pretrained(
            folders["reader"],
            device=loading.device,
            dtype=loading.dtype,
            quantization=loading.quantization,
            offload=loading.offload,
        )
    if name == "remote":
        return PublishedEngine(reader, RemotePainter(settings))
    painters: dict[str, Callable[[Path, Loading], Painter]] = {
        "klein": load_klein,
        "qwen-edit": load_qwen_edit,
        "glm": load_glm,
    }
    with _loading("painter", folders["painter"]):
        return PublishedEngine(reader, painters[name](folders["painter"], loading))


@contextmanager
def _loading(part: Part, folder: Path) -> Iterator[None]:
    """Whatever a library raises about a folder, as a sentence."""
    from worker.engines.painters.loading import CannotLoad
    from worker.engines.published.engine import memory_watched

    try:
        with memory_watched():
            yield
    except (EngineProblem, OutOfMemory, ModuleNotFoundError):
        raise
    except Exception as error:  # whatever is wrong with the folder, its operator has to mend the same thing
        says = (str(error).splitlines() or [""])[0].rstrip(".:")
        raise CannotLoad(
            f"The {part} in {folder} cannot be loaded ({type(error).__name__}: {says}). Name a whole folder of the class that "
            "this engine takes; `likeness models fetch` compares one that it fetched with its hashes."
        ) from error
