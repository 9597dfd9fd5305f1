"""The one sampling loop of the painters: noise becomes latents by a DiT and a flow-matching scheduler of diffusers.

It knows when to ask whether the painting is still wanted, what to show of it meanwhile, and how to paint with less memory.
What a model is told and how its latents lie is the business of its painter: `klein`, `qwen_edit`, `glm`.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from worker.engines.contract import Arrays
from worker.engines.published.painter import Brief, OnPaint, Painted

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = ((1024, 1024), (1248, 832), (832, 1248), (1152, 864), (864, 1152), (1344, 768), (768, 1344))
"""(width, height) of about one megapixel in sides that each of the models can paint, the default first."""

MULTIPLE = 32  # of pixels, that the sides of pictures are: what GLM-Image needs, and the others allow
REFERENCE_PIXELS = 1024 * 1024  # that the painter sees of a picture, at most
RATIO = 3  # of a picture's sides, at most: what is longer is cut
PREVIEW = 256  # pixels of a preview's longer side
PREVIEWS = 3  # of one painting, about
MODEST = 0.75  # of a picture's sides, where memory ran out

_Told = TypeVar("_Told")


class Brake:
    """Asks before each block of a DiT whether the painting is still wanted, so that a long step can be left in its middle.

    The hooks are put on once and asked for nothing between paintings: blocks that are compiled are not compiled again.
    """

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        self._check: Callable[[], None] | None = None
        for block in blocks:
            block.register_forward_pre_hook(self._before)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # torch gives it no type
    def _before(self, *_: object) -> None:
        if self._check is not None:
            self._check()

    @contextmanager
    def watched(self, check: Callable[[], None]) -> Iterator[None]:
        """While this is entered, `check` is called before each block; what it raises ends the step."""
        self._check = check
        try:
            yield
        finally:
            self._check = None


class Progress:
    """Steps of one batch among several, as steps of the whole. `check` is what may be called as often as one likes."""

    def __init__(self, on_step: OnPaint, batch: int, batches: int) -> None:
        self.steps = 1
        self._on_step = on_step
        self._batch = batch
        self._batches = batches
        self._step = 0

    def done(self, step: int, previews: Sequence[Image.Image] = ()) -> None:
        """Tell of a step; previews only where they are of all pictures."""
        self._step = step
        self._tell(previews if self._batches == 1 else ())

    def check(self) -> None:
        """Give whoever listens the opportunity to end it."""
        self._tell(())

    def _tell(self, previews: Sequence[Image.Image]) -> None:
        step = self._batch * self.steps + self._step
        self._on_step(max(step, 1), self._batches * self.steps, previews)


class LoopPainter(ABC, Generic[_Told]):
    """A painter over a pipeline of diffusers, whose parts it calls. Satisfies `worker.engines.published.painter.Painter`.

    `_Told` is what the DiT is told in every step beside the latents. Latents are (n, …) as the DiT has them; `_spread`
    lays them out as (n, c, h, w), which is how those of a picture are kept.
    """

    max_references = 3
    cannot: tuple[str, ...] = ()

    def __init__(
        self,
        pipe: Any,  # diffusers has no types
        *,
        steps: int,
        sizes: tuple[tuple[int, int], ...] = SIZES,
        reference_pixels: int = REFERENCE_PIXELS,
    ) -> None:
        self.pipe = pipe
        self.sizes = sizes
        self.steps = steps
        self.fingerprint = _digest(self._encoders(), type(self).__name__, reference_pixels)
        self._reference_pixels = reference_pixels
        blocks = pipe.transformer._repeated_blocks
        self._brake = Brake([one for one in pipe.transformer.modules() if type(one).__name__ in blocks])

    @torch.no_grad()
    def encode(self, picture: Image.Image) -> Arrays:
        """`latents` (c, h, w) of a picture of any size, shrunk to what the painter sees of it."""
        arrays = self._encode(fitted(picture.convert("RGB"), self._reference_pixels))
        self.pipe.maybe_free_model_hooks()
        return {name: _kept(array) for name, array in arrays.items()}

    @torch.no_grad()
    def paint(self, brief: Brief, *, seeds: Sequence[int], on_step: OnPaint, modest: bool = False) -> list[Painted]:
        """A picture for each seed in one batch; if `modest`, one after the other, smaller and decoded in tiles."""
        width, height = brief.size
        if modest:
            width, height = (int(side * MODEST) // MULTIPLE * MULTIPLE for side in brief.size)
            self.pipe.vae.enable_tiling()
        brief = Brief(brief.prompt, (max(width, MULTIPLE), max(height, MULTIPLE)), brief.references)
        batches = [[seed] for seed in seeds] if modest else [list(seeds)]
        try:
            return [
                painted
                for number, batch in enumerate(batches)
                for painted in self._batch(brief, batch, Progress(on_step, number, len(batches)))
            ]
        finally:
            self.pipe.vae.disable_tiling()
            self.pipe.maybe_free_model_hooks()

    def _batch(self, brief: Brief, seeds: Sequence[int], progress: Progress) -> list[Painted]:
        before = self._steps_before(brief)
        progress.steps = before + self.steps
        # On the CPU, so that a seed gives the same noise on every device, and one of its own for each picture of a batch.
        generators = [torch.Generator().manual_seed(seed % 2**63) for seed in seeds]
        told = self._tell(brief, generators, progress)
        latents = self._noise(told, generators)
        scheduler = self.pipe.scheduler
        self._schedule(latents)
        every = -(-self.steps // (PREVIEWS + 1))
        with self._brake.watched(progress.check):
            for number, timestep in enumerate(scheduler.timesteps):
                velocity = self._velocity(latents, timestep, told)
                estimate = latents - scheduler.sigmas[number] * velocity
                latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
                step = number + 1
                shown = step % every == 0 and step != self.steps
                progress.done(before + step, self._previews(estimate, told) if shown else ())
        spread = self._spread(latents, told)
        pictures = self._pictures(self._raw(spread))
        kept = self._keep(told, spread)
        return [Painted(picture, arrays) for picture, arrays in zip(pictures, kept, strict=True)]

    def _previews(self, estimate: Tensor, told: _Told) -> list[Image.Image]:
        """Small pictures of the estimate, decoded at a half of the size: a quarter of the work."""
        pictures = self._pictures(functional.avg_pool2d(self._raw(self._spread(estimate, told)), 2, ceil_mode=True))
        for picture in pictures:
            picture.thumbnail((PREVIEW, PREVIEW))
        return pictures

    def _pictures(self, raw: Tensor) -> list[Image.Image]:
        """Pictures of latents as the VAE decodes them (n, c, h, w), one at a time: the most memory is needed here."""
        pictures: list[Image.Image] = []
        for one in raw.to(self.pipe.vae.dtype).chunk(len(raw)):
            pictures += self.pipe.image_processor.postprocess(self._decode(one), output_type="pil")
        return pictures

    def _keep(self, told: _Told, spread: Tensor) -> list[Arrays]:
        """What is kept of each picture of a batch: the latents that it was decoded from."""
        return [{"latents": _kept(one)} for one in spread]

    def _references(self, brief: Brief, name: str) -> list[Tensor]:
        """Arrays of this name of the brief's references, with a batch axis, where the DiT computes."""
        device, dtype = self.pipe._execution_device, self.pipe.transformer.dtype
        tensors = [
            torch.from_numpy(np.ascontiguousarray(one.arrays[name]))[None].to(device) for one in brief.references
        ]
        return [one.to(dtype) if one.is_floating_point() else one for one in tensors]

    def _steps_before(self, brief: Brief) -> int:
        """Steps that `_tell` reports before the loop begins."""
        return 0

    @abstractmethod
    def _encoders(self) -> Sequence[nn.Module]:
        """The modules that make what `encode` returns."""

    @abstractmethod
    def _encode(self, picture: Image.Image) -> dict[str, Tensor]:
        """Arrays of a picture whose sides are multiples of `MULTIPLE`, without a batch axis."""

    @abstractmethod
    def _tell(self, brief: Brief, generators: Sequence[torch.Generator], progress: Progress) -> _Told:
        """What the DiT is told of a brief, for as many pictures as there are generators."""

    @abstractmethod
    def _noise(self, told: _Told, generators: list[torch.Generator]) -> Tensor:
        """The latents to begin with."""

    @abstractmethod
    def _schedule(self, latents: Tensor) -> None:
        """Set the scheduler's timesteps."""

    @abstractmethod
    def _velocity(self, latents: Tensor, timestep: Tensor, told: _Told) -> Tensor:
        """What the DiT makes of the latents."""

    @abstractmethod
    def _spread(self, latents: Tensor, told: _Told) -> Tensor:
        """Latents laid out as (n, c, h, w)."""

    @abstractmethod
    def _raw(self, spread: Tensor) -> Tensor:
        """Latents (n, c, h, w) as the VAE has them."""

    @abstractmethod
    def _decode(self, raw: Tensor) -> Tensor:
        """Pixels (1, 3, h, w) in -1…1."""


def fitted(picture: Image.Image, pixels: int) -> Image.Image:
    """The middle of a picture, with sides that are multiples of `MULTIPLE`, and not more pixels than these."""
    longest = RATIO * min(picture.size)
    seen = [min(side, longest) for side in picture.size]
    scale = min(1.0, (pixels / (seen[0] * seen[1])) ** 0.5)
    width, height = (max(round(side * scale) // MULTIPLE * MULTIPLE, MULTIPLE) for side in seen)
    if picture.size == (width, height):
        return picture
    cover = max(width / picture.width, height / picture.height)
    left, top = (picture.width - width / cover) / 2, (picture.height - height / cover) / 2
    box = (left, top, left + width / cover, top + height / cover)
    return picture.resize((width, height), Image.Resampling.LANCZOS, box=box)


def _kept(tensor: Tensor) -> NDArray[Any]:  # Any: floats or integers
    array: NDArray[Any] = (tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy()
    return array


def _digest(modules: Sequence[nn.Module], name: str, reference_pixels: int) -> str:
    """A digest of the weights of modules, and of what else says what their output means."""
    digest = hashlib.sha256(json.dumps([name, reference_pixels, MULTIPLE, RATIO]).encode())
    for module in modules:
        config = getattr(module, "config", None)
        if isinstance(config, Mapping):  # of a VAE of diffusers: it has the scale of latents, which is no weight
            told = {key: value for key, value in config.items() if not key.startswith("_")}
            digest.update(json.dumps(told, sort_keys=True, default=str).encode())
        for key, tensor in sorted(module.state_dict().items()):
            digest.update(f"{key} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return f"{name.lower()}-{digest.hexdigest()[:16]}"
