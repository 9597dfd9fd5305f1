"""Recognition: whom a picture shows, told by sketching who it may be.

A reader of faces sees visual tokens only, and now and then takes one head, beard or colour for another. A sketch draws any of
them in milliseconds. So whatever is likely enough is sketched, and what lies nearest to the picture is what it shows: analysis
by synthesis, as in Yuille and Kersten, "Vision as Bayesian inference". It knows numbers of attributes, not their words.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from worker.engines.preview.autoencoder import STRIDE, Autoencoder, to_tensor
from worker.engines.preview.faces import BEARD, GLASSES, HAIR, HEAD, NONE, SKIN, FaceReader, Known, Values
from worker.engines.preview.references import ALONE
from worker.engines.preview.shades import AS_NAMED, near, shade_in
from worker.engines.preview.sketch import Sketch
from worker.identity.compositions import COMPOSITIONS, Box, boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SKETCHED = (HEAD, BEARD, GLASSES, HAIR, SKIN)
_LIKELY = math.log(1e-4)  # a value that is less likely than this, beside the likeliest, is not sketched
_UNLIKE = 1600.0  # how much less likely somebody is, as a logarithm, for each unit of the mean square error of latents
_ASIDE = range(-4, 5, 2)  # pixels to the right by which people may stand off their squares
_LATELY = 32  # people who are not told anew when they come again
_ROUNDS = 2  # of sketching each attribute: one that was mistaken may mislead about another


class Recognizer:
    """Tells who stands alone in a picture."""

    def __init__(self, autoencoder: Autoencoder, faces: FaceReader, sketch: Sketch) -> None:
        self._autoencoder, self._faces, self._sketch = autoencoder, faces, sketch
        self._lately: OrderedDict[tuple[bytes, Values], Known | None] = OrderedDict()

    def known_of(self, picture: NDArray[np.uint8], visual: NDArray[np.float32], told: Values) -> Known | None:
        """What is known of somebody of whom words `told` something, with the shades that a picture shows.

        The picture (256, 256, 3) has the visual tokens (K, WIDTH). None where it shows two people.
        """
        asked = hashlib.sha256(picture.tobytes()).digest(), told
        if asked not in self._lately:
            self._lately[asked] = self._recognized(picture, visual, told)
        self._lately.move_to_end(asked)
        if len(self._lately) > _LATELY:
            self._lately.popitem(last=False)
        return self._lately[asked]

    @torch.inference_mode()
    def _recognized(self, picture: NDArray[np.uint8], visual: NDArray[np.float32], told: Values) -> Known | None:
        likely, composition = self._faces.likely(torch.from_numpy(visual), ALONE)
        framing, people = COMPOSITIONS[composition]
        if people > 1:
            return None
        box = boxes(framing, people)[0]
        person = picture[_slices(box)]
        for attribute, named in zip((HAIR, SKIN), self._faces.config.colours, strict=False):
            likely[attribute] = likely[attribute] + np.log1p([near(person.reshape(-1, 3), one) for one in named])
        values = [int(one.argmax()) if value is None else value for one, value in zip(likely, told, strict=True)]
        unsure = {
            attribute: candidates
            for attribute in _SKETCHED
            if told[attribute] is None
            and len(candidates := np.flatnonzero(likely[attribute] >= likely[attribute].max() + _LIKELY)) > 1
        }
        if not unsure:
            return self._shaded(values, picture, box)
        latents = self._autoencoder.encode(to_tensor(torch.from_numpy(picture)[None]))
        down, across = _slices(box, STRIDE)

        def unlike(some: Sequence[Known], aside: Sequence[int]) -> NDArray[np.float32]:
            """The mean square errors of the sketches of some, who stand so far aside, where the person is."""
            tokens = torch.from_numpy(visual).expand(len(some), -1, -1)
            shifts = torch.tensor([[float(one), 0.0] for one in aside])
            off = self._sketch(tokens, self._faces.alone(some, composition), shifts) - latents
            errors: NDArray[np.float32] = (off[..., down, across] ** 2).mean(dim=(1, 2, 3)).numpy()
            return errors

        now = self._shaded(values, picture, box)
        aside = _ASIDE[int(unlike([now] * len(_ASIDE), _ASIDE).argmin())]
        for _ in range(_ROUNDS):
            before = list(values)
            for attribute, candidates in unsure.items():
                some = [
                    self._shaded([*values[:attribute], int(one), *values[attribute + 1 :]], picture, box)
                    for one in candidates
                ]
                scores = likely[attribute][candidates] - _UNLIKE * unlike(some, [aside] * len(some))
                values[attribute] = int(candidates[scores.argmax()])
            if values == before:
                break
        return self._shaded(values, picture, box)

    def _shaded(self, values: Sequence[int], picture: NDArray[np.uint8], box: Box) -> Known:
        """Somebody of the values, with the shades that their square of a picture shows."""
        if not self._faces.config.colours:
            return Known(tuple(values))
        hairless = values[HEAD] in self._faces.config.hairless
        shades: list[float] = []
        for attribute, named in zip((HAIR, SKIN), self._faces.config.colours, strict=True):
            if attribute == HAIR and hairless and values[BEARD] == NONE:
                shades += AS_NAMED[:3]
                continue
            shown = _face(box) if attribute == HAIR and hairless else box
            shades += shade_in(picture[_slices(shown)].reshape(-1, 3), named[values[attribute]])
        return Known(tuple(values), tuple(shades))


def _face(box: Box) -> Box:
    """Where the face is in a person's square."""
    left, top, side = box
    return left + int(0.3 * side), top + int(0.35 * side), int(0.4 * side)


def _slices(box: Box, stride: int = 1) -> tuple[slice, slice]:
    """What of a square lies in a picture, down and across, in points that are so many pixels apart."""
    left, top, side = box
    down, across = (slice(max(0, edge) // stride, math.ceil((edge + side) / stride)) for edge in (top, left))
    return down, across
