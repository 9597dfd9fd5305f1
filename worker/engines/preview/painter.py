"""The painter of the preview engine: visual tokens and references → latents → a picture, and pictures → visual tokens.

It holds the autoencoder, the visual tokenizer, the reader of faces, the sketch and the DiT, and knows nothing of words or
history. Whom a picture shows is told by the recognizer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from worker.engines.preview.autoencoder import Autoencoder, to_bytes, to_tensor
from worker.engines.preview.dit import DiT, sample
from worker.engines.preview.faces import FaceReader, Faces, Known, Values
from worker.engines.preview.recognition import Recognizer
from worker.engines.preview.references import Reference
from worker.engines.preview.sketch import Sketch
from worker.engines.preview.tokenizer import VisualTokenizer
from worker.identity.compositions import square_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 256  # pixels of a picture's side
PREVIEW = 128
PREVIEWS = 4  # as many parts has the way to a picture; after each but the last is a preview

OnPreview = Callable[[int, int, Image.Image | None], None]
"""Called after each step with its number from 1, the count of steps, and now and then a small picture."""


class Painter:
    """Paints pictures of SIZE × SIZE pixels, in float32, with the threads that torch was given."""

    def __init__(
        self,
        autoencoder: Autoencoder,
        tokenizer: VisualTokenizer,
        faces: FaceReader | None,
        sketch: Sketch,
        dit: DiT,
        *,
        steps: int,
    ) -> None:
        """From a sketch a picture takes so many `steps`, and from noise alone twice as many.

        Without `faces` nothing can be sketched: the visual tokens alone tell the DiT what is to be seen.
        """
        self._autoencoder = autoencoder.eval()
        self._tokenizer = tokenizer.eval()
        self._faces = faces.eval() if faces is not None else None
        self._sketch = sketch.eval()
        self._recognizer = Recognizer(autoencoder, faces, sketch) if faces is not None else None
        self._dit = dit.eval()
        self._steps = steps

    @torch.inference_mode()
    def tokens_of(self, picture: Image.Image) -> NDArray[np.float32]:
        """Visual tokens (K, WIDTH) of a picture of any size, cut to a square."""
        pixels = torch.from_numpy(np.array(_square(picture)))[None]
        tokens: NDArray[np.float32] = self._tokenizer(self._autoencoder.encode(to_tensor(pixels)))[0].numpy()
        return tokens

    def known_of(
        self,
        visual: NDArray[np.float32],
        stood: int,
        picture: Image.Image | None = None,
        told: Values | None = None,
    ) -> Known | None:
        """What is known of somebody whom a picture with visual tokens (K, WIDTH) shows, as `Recognizer.known_of` says.

        None also where nobody reads faces.
        """
        if self._recognizer is None:
            return None
        pixels = np.array(_square(picture)) if picture is not None else None
        return self._recognizer.known_of(visual, stood, pixels, told)

    def paint(
        self,
        visual: NDArray[np.float32],
        references: Sequence[Reference],
        appearances: Sequence[Reference],
        known: Sequence[Known] = (),
        *,
        seed: int,
        on_preview: OnPreview,
    ) -> tuple[Image.Image, NDArray[np.float32]]:
        """The picture of visual tokens (K, WIDTH), and its latents (16, 16, 16).

        The DiT looks at `references`, one of each known person. Who they are is read off all their `appearances` as well, as far
        as it is not `known` of the people from left to right.
        """
        sketched = self.sketched(visual, appearances, known)

        def on_estimate(step: int, steps: int, latents: Tensor) -> None:
            shown = step % math.ceil(steps / PREVIEWS) == 0 and step != steps
            on_preview(step, steps, self.picture(latents).resize((PREVIEW, PREVIEW)) if shown else None)

        latents = sample(
            self._dit,
            torch.from_numpy(visual)[None],
            **_stacked(references),
            sketch=sketched[1] if sketched is not None else None,
            steps=self._steps if sketched is not None else 2 * self._steps,
            generator=torch.Generator().manual_seed(seed % 2**63),
            on_estimate=on_estimate,
        )
        return self.picture(latents), latents[0].numpy()

    @torch.inference_mode()
    def sketched(
        self, visual: NDArray[np.float32], appearances: Sequence[Reference], known: Sequence[Known] = ()
    ) -> tuple[Faces, Tensor] | None:
        """Who is to be seen, and latents (1, 16, 16, 16) of the sketch that a picture begins from, where it begins from one."""
        if self._faces is None:
            return None
        tokens = torch.from_numpy(visual)[None]
        faces = self._faces.read(tokens, **_stacked(appearances), known=known)
        return faces, self._sketch(tokens, faces)

    @torch.inference_mode()
    def picture(self, latents: Tensor) -> Image.Image:
        """The picture of latents (1, 16, 16, 16)."""
        return Image.fromarray(to_bytes(self._autoencoder.decode(latents))[0].numpy())


def _square(picture: Image.Image) -> Image.Image:
    """What is looked at of a picture of any size, SIZE × SIZE."""
    left, top, side = square_of(*picture.size)
    square = picture.convert("RGB").crop((left, top, left + side, top + side))
    return square.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _stacked(references: Sequence[Reference]) -> dict[str, Tensor]:
    """What models are told of references: nothing, or each with a first dimension of one picture."""
    if not references:
        return {}
    return {
        "references": torch.from_numpy(np.stack([one.visual for one in references]))[None],
        "stands": torch.tensor([[one.stands for one in references]]),
        "stood": torch.tensor([[one.stood for one in references]]),
    }
