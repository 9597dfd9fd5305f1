"""The training stages of the preview engine, in order: autoencoder, reconstruction, reader, personalization."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from worker.engines.preview.autoencoder import Autoencoder, to_tensor
from worker.training.cache import PictureCache
from worker.training.stories import TURNS
from worker.training.trainer import Trainer

CROP = 128


def autoencoder(folder: Path, cache: PictureCache, minutes: float) -> nn.ModuleDict:
    """Stage 1. Crops of pictures, encoded and decoded; lines count more than areas, since the art lives by its lines."""
    modules = nn.ModuleDict({"autoencoder": Autoencoder()}).to(memory_format=torch.channels_last)
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        crops = to_tensor(_crops(cache, rng, 24)).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            drawn = modules["autoencoder"](crops)
        drawn = drawn.float()
        pixels = (drawn - crops).abs()
        lines = (_slopes(drawn) - _slopes(crops)).abs()
        return pixels.mean() + (pixels**2).mean() + 0.5 * lines.mean(), {"l1": float(pixels.mean())}

    return Trainer(folder, "autoencoder", modules, loss, minutes, rate=1.5e-3).run()


def _crops(cache: PictureCache, rng: np.random.Generator, count: int) -> Tensor:
    ready = cache.ready()
    pictures = cache.pictures(rng.choice(ready, count), rng.integers(0, TURNS, count))
    size = pictures.shape[1]
    crops = []
    for picture in pictures:
        y, x = rng.integers(0, size - CROP + 1, 2)
        crops.append(picture[y : y + CROP, x : x + CROP])
    return torch.from_numpy(np.stack(crops))


def _slopes(pictures: Tensor) -> Tensor:
    """Differences of neighbouring pixels, across and down, (b, 6, h - 1, w - 1)."""
    here = pictures[..., :-1, :-1]
    return torch.cat([pictures[..., :-1, 1:] - here, pictures[..., 1:, :-1] - here], dim=1)
