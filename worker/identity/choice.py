"""Which guard looks at an engine's pictures: drawn people are told apart by our own models, photographs by faces."""

from __future__ import annotations

import logging
from pathlib import Path

from storage.settings import Settings
from worker.engines.models import ENGINES
from worker.identity import open_faces
from worker.identity.guard import Guard

log = logging.getLogger(__name__)

CONTENT = -1.0  # a threshold below every similarity: people are compared, and nothing is drawn again


def guard_for(engine: str, settings: Settings) -> Guard | None:
    """The guard of an engine; None where the operator wants none, where it draws nobody, or where there is no meter."""
    if engine == "echo" or not settings.guard:
        return None
    if engine not in ENGINES:
        from worker.identity.drawn import DrawnMeter, guard_threshold

        own = guard_threshold() if settings.guard_threshold is None else settings.guard_threshold
        return Guard(DrawnMeter.from_pretrained(), own)
    try:
        from worker.identity.photos import PhotoMeter

        meter = PhotoMeter(settings.faces_folder)
    except (ValueError, ModuleNotFoundError) as error:
        log.warning("Nobody is compared: %s `likeness models fetch --faces` gets face models.", error)
        return None
    threshold = settings.guard_threshold
    if threshold is None and settings.face_models is not None:
        log.warning(
            "People are compared, and nothing is drawn again: LIKENESS_GUARD_THRESHOLD is not set for these models."
        )
        threshold = CONTENT
    return Guard(meter, open_faces.THRESHOLD if threshold is None else threshold)


def licence_of(models: Path, settings: Settings) -> str:
    """In words, of a folder of face models."""
    if models == settings.models_folder / open_faces.FOLDER:
        return open_faces.LICENCE
    return (
        "a folder of yours, whose licence is yours to check (insightface's own packs are for non-commercial research)"
    )
