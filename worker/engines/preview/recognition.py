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
from torch import Tensor

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
_MOST = 12  # values of an attribute that are sketched
_LATELY = 32  # pictures that are not looked at again
_ROUNDS = 2  # of sketching each attribute: one that was mistaken may mislead about another


class Recognizer:
    """Tells whom a picture shows. One picture at a time."""

    def __init__(self, autoencoder: Autoencoder, faces: FaceReader, sketch: Sketch) -> None:
        self._autoencoder, self._faces, self._sketch = autoencoder, faces, sketch
        self._lately: OrderedDict[tuple[bytes, Values], Known] = OrderedDict()

    @torch.inference_mode()
    def known_of(
        self, visual: NDArray[np.float32], stood: int, picture: NDArray[np.uint8] | None, told: Values | None
    ) -> Known | None:
        """What is known of somebody whom a picture with visual tokens (K, WIDTH) shows; `stood` is one of ALONE, LEFT, RIGHT.

        What was not `told` of them is read off the tokens; off the picture (256, 256, 3) itself, if it is given and shows nobody
        else, with the shades of hair and skin. None where nobody knows who of two it is.
        """
        likely, composition = self._faces.likely(torch.from_numpy(visual), stood)
        framing, people = COMPOSITIONS[composition]
        told = told or (None,) * len(likely)
        if people > 1 and stood == ALONE:
            return None
        if picture is None or people > 1 or not self._faces.config.colours:
            return Known(_likeliest(likely, told))
        asked = hashlib.sha256(picture.tobytes()).digest(), told
        if asked not in self._lately:
            box = boxes(framing, people)[0]
            hair = _face(box) if likely[HEAD].argmax() in self._faces.config.hairless else box
            for attribute, where, named in zip((HAIR, SKIN), (hair, box), self._faces.config.colours, strict=True):
                pixels = picture[_slices(where)].reshape(-1, 3)
                likely[attribute] = likely[attribute] + np.log1p([near(pixels, one) for one in named])
            self._lately[asked] = self._recognized(likely, composition, told, torch.from_numpy(visual), picture)
        self._lately.move_to_end(asked)
        if len(self._lately) > _LATELY:
            self._lately.popitem(last=False)
        return self._lately[asked]

    def _recognized(
        self,
        likely: Sequence[NDArray[np.float32]],
        composition: int,
        told: Values,
        visual: Tensor,
        picture: NDArray[np.uint8],
    ) -> Known:
        """Somebody of whom a little is told: of what else is likely enough, what looks most like the picture."""
        (box,) = boxes(*COMPOSITIONS[composition])
        values = list(_likeliest(likely, told))
        unsure = {
            attribute: candidates
            for attribute in _SKETCHED
            if told[attribute] is None and len(candidates := _likely_enough(likely[attribute])) > 1
        }
        if not unsure:
            return self._shaded(values, picture, box)
        latents = self._autoencoder.encode(to_tensor(torch.from_numpy(picture)[None]))
        down, across = _slices(box, STRIDE)

        def unlike(some: Sequence[Known], aside: Sequence[int]) -> NDArray[np.float32]:
            """The mean square errors of the sketches of some, who stand so far aside, where the person is."""
            shifts = torch.tensor([[float(one), 0.0] for one in aside])
            faces = self._faces.alone(some, composition)
            off = self._sketch(visual.expand(len(some), -1, -1), faces, shifts) - latents
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
        hairless = values[HEAD] in self._faces.config.hairless
        shades: list[float] = []
        for attribute, named in zip((HAIR, SKIN), self._faces.config.colours, strict=True):
            if attribute == HAIR and hairless and values[BEARD] == NONE:
                shades += AS_NAMED[:3]
                continue
            shown = _face(box) if attribute == HAIR and hairless else box
            shades += shade_in(picture[_slices(shown)].reshape(-1, 3), named[values[attribute]])
        return Known(tuple(values), tuple(shades))


def _likeliest(likely: Sequence[NDArray[np.float32]], told: Values) -> tuple[int, ...]:
    return tuple(int(one.argmax()) if value is None else value for one, value in zip(likely, told, strict=True))


def _likely_enough(likely: NDArray[np.float32]) -> NDArray[np.int64]:
    """The values that are worth a sketch, the likeliest first."""
    order = (-likely).argsort(kind="stable")[:_MOST]
    enough: NDArray[np.int64] = order[likely[order] >= likely.max() + _LIKELY]
    return enough


def _face(box: Box) -> Box:
    """Where the face is in a person's square."""
    left, top, side = box
    return left + int(0.3 * side), top + int(0.35 * side), int(0.4 * side)


def _slices(box: Box, stride: int = 1) -> tuple[slice, slice]:
    """What of a square lies in a picture, down and across, in points that are so many pixels apart."""
    left, top, side = box
    down, across = (slice(max(0, edge) // stride, math.ceil((edge + side) / stride)) for edge in (top, left))
    return down, across
