"""The stages of the models in `worker.identity`: two meters, each on people of its own, and the attribute reader.

The `meter` judges pictures in evaluation, the `guard` while serving; they share neither weights nor people, so that what
the guard keeps is not judged by the guard.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from worker.identity.drawn import EMBEDDING, AttributeReader, DrawnEmbedding, to_crops
from worker.training.trainer import Trainer, channels_last
from worker.training.views import FAMILY, LABELS, NOBODY, Views

PEOPLE = 8000  # of a pool
MARGIN = 0.3  # radians
SCALE = 24.0


class ArcFace(nn.Module):
    """A direction for each person; the loss wants theirs nearer by a margin than all others (Deng et al., 2019)."""

    def __init__(self, people: int) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.randn(people, EMBEDDING))

    def forward(self, found: Tensor, who: Tensor) -> Tensor:
        """Embeddings (b, EMBEDDING) of the people `who` (b,) to the mean cross-entropy."""
        cosines = found @ nn.functional.normalize(self.directions, dim=1).T
        own = cosines.gather(1, who[:, None]).clamp(-1 + 1e-6, 1 - 1e-6)
        return nn.functional.cross_entropy(
            SCALE * cosines.scatter(1, who[:, None], torch.cos(torch.acos(own) + MARGIN)), who
        )


def meter(folder: Path, views: Views, minutes: float, stage: str = "meter", seed: int = 0) -> nn.ModuleDict:
    """A meter, by ArcFace over all people of a pool; each batch is of whole families, who differ in one attribute."""
    embedding = channels_last(DrawnEmbedding())
    modules = nn.ModuleDict({"embedding": embedding, "people": ArcFace(views.people)})
    squares = views.squares()
    whose = views.cast[squares[:, 0], squares[:, 1]]
    squares = squares[np.argsort(whose, kind="stable")]
    starts = np.searchsorted(np.sort(whose), np.arange(0, views.people + 1, FAMILY))
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        families = rng.integers(0, len(starts) - 1, 12)
        picked = np.concatenate(
            [
                squares[rng.integers(starts[family], starts[family + 1], 8)]
                for family in families
                if starts[family + 1] > starts[family]
            ]
        )
        who = torch.from_numpy(views.cast[picked[:, 0], picked[:, 1]].astype(np.int64))
        with torch.autocast("cpu", torch.bfloat16):
            found = embedding.encoder(roughened(to_crops(views.crops[picked[:, 0], picked[:, 1]])))
        value = modules["people"](nn.functional.normalize(found.float(), dim=1), who)
        return value, {}

    return Trainer(folder, stage, modules, loss, minutes, rate=2e-3, seed=seed, weight_decay=0.02).run()


def attributes(folder: Path, pools: tuple[Views, ...], minutes: float) -> nn.ModuleDict:
    """The attribute reader, on the views of all pools."""
    reader = channels_last(AttributeReader(LABELS))
    modules = nn.ModuleDict({"reader": reader})
    squares = [views.squares() for views in pools]
    rng = np.random.default_rng()

    def loss() -> tuple[Tensor, dict[str, float]]:
        which = rng.integers(0, len(pools))
        views = pools[which]
        whole = rng.choice(views.ready(), 32)
        picked = squares[which][rng.integers(0, len(squares[which]), 96)]
        with torch.autocast("cpu", torch.bfloat16):
            scenes = reader.scenes(roughened(to_crops(views.wholes[whole])))
            people = reader.people(roughened(to_crops(views.crops[picked[:, 0], picked[:, 1]])))
        values = {
            name: _cross_entropy(logits, answers)
            for found, labels in (
                (scenes, views.of_scenes[whole]),
                (people, views.of_people[picked[:, 0], picked[:, 1]]),
            )
            for (name, logits), answers in zip(found.items(), labels.T, strict=True)
        }
        return torch.stack(list(values.values())).sum(), {name: float(value.detach()) for name, value in values.items()}

    return Trainer(folder, "attributes", modules, loss, minutes, rate=2e-3, weight_decay=0.02).run()


def _cross_entropy(logits: Tensor, answers: np.ndarray[tuple[int], np.dtype[np.int16]]) -> Tensor:
    return nn.functional.cross_entropy(
        logits.float(), torch.from_numpy(answers.astype(np.int64)), ignore_index=NOBODY, label_smoothing=0.02
    )


def roughened(crops: Tensor) -> Tensor:
    """Crops as a painter that errs a little would have drawn them: shifted, blurred, noisy, lighter or darker."""
    count = len(crops)
    y, x = torch.randint(-3, 4, (2,)).tolist()
    crops = crops.roll((y, x), dims=(2, 3))
    soft = nn.functional.avg_pool2d(crops, 3, 1, 1)
    crops = torch.lerp(crops, soft, torch.rand(count, 1, 1, 1))
    crops = crops * (1 + 0.06 * (torch.rand(count, 1, 1, 1) - 0.5)) + 0.06 * (torch.rand(count, 1, 1, 1) - 0.5)
    return (crops + torch.rand(count, 1, 1, 1) * 0.08 * torch.randn_like(crops)).contiguous(
        memory_format=torch.channels_last
    )
