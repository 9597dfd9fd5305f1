"""The stages of the models in `worker.identity`: the attribute reader, and two meters, each on people of its own.

The `meter` judges pictures in evaluation, the `guard` while serving; they share neither weights nor people, so that what
the guard keeps is not judged by the guard.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from worker.identity.compositions import COMPOSITIONS
from worker.identity.drawn import (
    OF_SCENES,
    SIDE,
    AttributeReader,
    CompositionReader,
    DrawnEmbedding,
    to_crops,
)
from worker.training.foreign import foreign
from worker.training.trainer import Trainer, channels_last, save_weights
from worker.training.views import FAMILY, LABELS, NOBODY, Views

PEOPLE = 8000  # of a pool
POOLS = ("meter", "guard")
FAMILIES = 14  # of a batch
MARGIN = 0.2  # radians
SCALE = 24.0
GROWS = 300  # steps until the margin has its full size


def arcface(found: Tensor, other: Tensor, margin: float) -> Tensor:
    """The loss of ArcFace (Deng et al., 2019): each embedding is to be nearer to its own direction, by an angle, than to all.

    The directions are the embeddings `other` of the same people in other pictures, both (b, EMBEDDING) of length 1, row by
    row. Directions of their own, learned for each of thousands of people, would be visited too rarely to settle here.
    """
    cosines = found @ other.T
    own = torch.cos(torch.acos(cosines.diagonal().clamp(-1 + 1e-6, 1 - 1e-6)) + margin)
    return nn.functional.cross_entropy(SCALE * cosines.diagonal_scatter(own), torch.arange(len(found)))


Pools = tuple[Views, ...]
"""Of the meter and of the guard."""


def meter(folder: Path, pools: Pools, minutes: float) -> nn.ModuleDict:
    """The meter that judges in evaluation. It begins with what the attribute reader sees: thin glasses, and moustaches."""
    embedding = DrawnEmbedding()
    reader = nn.ModuleDict({"reader": AttributeReader(LABELS)})
    reader.load_state_dict(torch.load(folder / "attributes.pt", weights_only=True)["average"])
    embedding.encoder.maps.load_state_dict(reader["reader"].person.maps.state_dict())  # type: ignore[union-attr]  # ModuleDict forgets the types
    return _embedding(folder, embedding, pools[0], minutes, "meter", seed=0)


def guard(folder: Path, pools: Pools, minutes: float) -> nn.ModuleDict:
    """The meter that guards while serving, from nothing: it shares no weights with those that judge."""
    return _embedding(folder, DrawnEmbedding(), pools[1], minutes, "guard", seed=1)


def compositions(folder: Path, pools: Pools, minutes: float) -> nn.ModuleDict:
    """Where people stand, for the guard, and what is no picture of this art at all."""
    reader = channels_last(CompositionReader())
    modules = nn.ModuleDict({"compositions": reader})
    views, rng = pools[1], np.random.default_rng()
    ready = views.ready()
    others = np.stack([foreign(rng, SIDE) for _ in range(min(4000, 4 * len(ready)))])

    def loss() -> tuple[Tensor, dict[str, float]]:
        some = rng.choice(ready, 64)
        pictures = np.concatenate([views.wholes[some], others[rng.choice(len(others), 32)]])
        answers = np.concatenate(
            [views.of_scenes[some, OF_SCENES.index("composition")], np.full(32, len(COMPOSITIONS), np.int16)]
        )
        with torch.autocast("cpu", torch.bfloat16):
            logits = reader(roughened(to_crops(pictures)))
        return _cross_entropy(logits, answers), {}

    return Trainer(folder, "compositions", modules, loss, minutes, rate=2e-3, weight_decay=0.02).run()


def _embedding(
    folder: Path, embedding: DrawnEmbedding, views: Views, minutes: float, stage: str, seed: int
) -> nn.ModuleDict:
    """A meter, by ArcFace over batches of whole families, who differ in one attribute."""
    embedding = channels_last(embedding)
    modules = nn.ModuleDict({"embedding": embedding})
    squares = views.squares()
    whose = views.cast[squares[:, 0], squares[:, 1]]
    squares = squares[np.argsort(whose, kind="stable")]
    starts = np.searchsorted(np.sort(whose), np.arange(views.people + 1))
    rng = np.random.default_rng(seed)
    steps = 0

    def loss() -> tuple[Tensor, dict[str, float]]:
        nonlocal steps
        steps += 1
        first = FAMILY * rng.choice(views.people // FAMILY, min(FAMILIES, views.people // FAMILY), replace=False)
        people = (first[:, None] + np.arange(FAMILY)).ravel()
        two = np.stack([rng.choice(squares[starts[who] : starts[who + 1]], 2, replace=False) for who in people], 1)
        picked = two.reshape(-1, 2)  # one picture of everybody, then another of everybody
        with torch.autocast("cpu", torch.bfloat16):
            found = embedding.encoder(roughened(to_crops(views.crops[picked[:, 0], picked[:, 1]])))
        one, another = nn.functional.normalize(found.float(), dim=1).chunk(2)
        margin = MARGIN * min(1.0, steps / GROWS)
        return (arcface(one, another, margin) + arcface(another, one, margin)) / 2, {}

    return Trainer(folder, stage, modules, loss, minutes, rate=2e-3, seed=seed, weight_decay=0.02).run()


def attributes(folder: Path, pools: Pools, minutes: float) -> nn.ModuleDict:
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


def export(folder: Path, into: Path) -> None:
    """Write the averaged weights of all stages as bfloat16 safetensors, with the reader's labels."""
    into.mkdir(parents=True, exist_ok=True)
    models: dict[str, tuple[str, nn.Module]] = {  # by stage: the model, and its name there
        "meter": ("embedding", DrawnEmbedding()),
        "guard": ("embedding", DrawnEmbedding()),
        "compositions": ("compositions", CompositionReader()),
        "attributes": ("reader", AttributeReader(LABELS)),
    }
    for stage, (name, model) in models.items():
        nn.ModuleDict({name: model}).load_state_dict(torch.load(folder / f"{stage}.pt", weights_only=True)["average"])
        save_weights(model, into / f"{'reader' if stage == 'attributes' else stage}.safetensors")
    (into / "labels.json").write_text(json.dumps(LABELS, indent=1, ensure_ascii=False) + "\n")


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
