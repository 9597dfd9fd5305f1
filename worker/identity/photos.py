"""A meter of people in photographs: insightface's own `FaceAnalysis`, with a folder of models that the operator chose.

insightface's packs are for non-commercial research; an operator decides which models to use. It needs the `faces` extra.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from worker.identity.meter import Face


class PhotoMeter:
    """Detects and embeds faces in photographs, on the CPU."""

    def __init__(self, models: Path, *, detect_at: int = 640) -> None:
        """Load the detector and the recognizer of a folder. Raises `ValueError` when it has not both."""
        from insightface.app import FaceAnalysis

        if not models.is_dir():
            raise ValueError(f"There is no folder of face models at {models}.")
        try:
            self._analysis = FaceAnalysis(
                name=str(models.resolve()),
                allowed_modules=["detection", "recognition"],
                providers=["CPUExecutionProvider"],
            )
        except AssertionError:  # how insightface says that no detector was found
            raise ValueError(f"The folder {models} has no model that detects faces.") from None
        if "recognition" not in self._analysis.models:
            raise ValueError(f"The folder {models} has no model that recognizes faces.")
        self._analysis.prepare(ctx_id=-1, det_size=(detect_at, detect_at))

    def faces(self, picture: Image.Image) -> tuple[Face, ...]:
        """Everybody who is found in an RGB picture, from left to right."""
        found = self._analysis.get(np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1]))
        faces = []
        for face in sorted(found, key=lambda one: float(one.bbox[0])):
            left, top, right, bottom = (round(float(edge)) for edge in face.bbox)
            faces.append(Face((left, top, right, bottom), np.asarray(face.normed_embedding, np.float32)))
        return tuple(faces)
