"""Readers of faces that training looks through: what a stage makes has to be legible, and not only near in squares.

A face is a small part of a picture, and of the squared error of its latents or tokens. So two small readers name what can
be seen of the people in it (expression, clothes, head, hair, skin, glasses, beard), and a stage is taught by what they miss.
They are thrown away after the stage. Pictures that are decoded have to be like the people in them, too, for which training
looks through the guard's embedding. The models that judge in evaluation are others, which no stage sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from worker.engines.preview.autoencoder import CHANNELS, STRIDE, ResidualBlock
from worker.engines.preview.dit import LATENT_SIDE
from worker.engines.preview.shades import AS_NAMED
from worker.engines.preview.tokenizer import TOKENS, WIDTH
from worker.identity.compositions import ART, COMPOSITIONS, boxes
from worker.identity.drawn import OF_PEOPLE, SIDE, DrawnMeter
from worker.training.people import shades
from worker.training.scenes import shifts
from worker.training.stories import TURNS, story
from worker.training.views import LABELS, NOBODY, labels_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = [len(LABELS[name]) for name in OF_PEOPLE]
SQUARE = 12  # latents to a side of a person's square, however large the person stands there

Pictures = Iterable[tuple[int, int]]
"""Pictures by story and turn."""


def missed(logits: Tensor, shown: Tensor) -> dict[str, Tensor]:
    """Cross-entropies by attribute, of logits (…, sum of SIZES) against labels (…, attributes)."""
    found = {}
    for number, (name, one) in enumerate(zip(OF_PEOPLE, torch.split(logits.float(), SIZES, dim=-1), strict=True)):
        labels = shown[..., number].flatten()
        wrong = nn.functional.cross_entropy(one.flatten(0, -2), labels, ignore_index=NOBODY, reduction="sum")
        found[name] = wrong / (labels != NOBODY).sum().clamp(min=1)
    return found


def shown_in(pictures: Pictures) -> Tensor:
    """Labels of the people in pictures, from left to right, (n, 2, attributes)."""
    nobody = [NOBODY] * len(OF_PEOPLE)
    return torch.tensor([[*labels_of(story(int(one)).shot(turn))[1], nobody][:2] for one, turn in pictures])


def compositions_of(pictures: Pictures) -> Tensor:
    """Numbers of pictures' compositions (n,), in `COMPOSITIONS`."""
    scenes = [story(int(one)).turns[turn].scene for one, turn in pictures]
    return torch.tensor([COMPOSITIONS.index((scene.framing, len(scene.cast))) for scene in scenes])


def shifts_of(pictures: Pictures) -> Tensor:
    """Pixels to the right by which the people in pictures stand off their squares (n, 2)."""
    return torch.tensor([[*shifts(story(int(one)).shot(turn)), 0][:2] for one, turn in pictures])


def shades_of(pictures: Pictures) -> Tensor:
    """Shades of the people in pictures (n, 2, 6), as far as they are to be seen."""
    shots = [story(int(one)).shot(turn) for one, turn in pictures]
    return torch.tensor([[*(shades(person) for person, _ in shot.people), AS_NAMED][:2] for shot in shots])


class LegibleTokens(nn.Module):
    """Reads the one or two people in a picture off its visual tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(TOKENS * WIDTH, 512), nn.GELU(), nn.Dropout(0.2), nn.Linear(512, 2 * sum(SIZES))
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Visual tokens (n, K, WIDTH) to logits (n, 2, sum of SIZES), from left to right."""
        logits: Tensor = self.head(tokens).unflatten(1, (2, -1))
        return logits


class LegibleLatents(nn.Module):
    """Reads people off the latents of a picture, each in the square where their composition puts them."""

    places: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Conv2d(CHANNELS, 64, 3, padding=1),
            ResidualBlock(64),
            nn.Conv2d(64, 128, 3, stride=2, padding=1),
            ResidualBlock(128),
            nn.SiLU(),
            nn.Conv2d(128, 64, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(64 * (SQUARE // 4) ** 2, sum(SIZES)),
        )
        self.register_buffer("places", torch.stack([_squares(*one, SQUARE) for one in COMPOSITIONS]))

    def forward(self, latents: Tensor, compositions: Tensor) -> Tensor:
        """Latents (n, 16, 16, 16) of pictures of `compositions` (n,) to logits (n, 2, sum of SIZES)."""
        places = self.places[compositions].flatten(0, 1)
        squares = nn.functional.grid_sample(latents.float().repeat_interleave(2, 0), places, align_corners=False)
        logits: Tensor = self.head(squares).unflatten(0, (-1, 2))
        return logits


def _squares(framing: str, people: int, points: int) -> Tensor:
    """Where the points of each person's square are, (2, points, points, 2), from -1 to 1; the last person's again for nobody."""
    cells = (torch.arange(points) + 0.5) / points
    found = []
    for left, top, width in (boxes(framing, people) * 2)[:2]:
        x, y = ((edge + cells * width) / ART * 2 - 1 for edge in (left, top))
        found.append(torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1))
    return torch.stack(found)


class Likeness:
    """How like themselves people are in what is decoded, by the embedding that the guard looks through."""

    def __init__(self) -> None:
        self._embedding = DrawnMeter.from_pretrained().embedding.requires_grad_(False)
        self._squares = torch.stack([_squares(*one, 2 * SIDE) for one in COMPOSITIONS])

    def lost(self, drawn: Tensor, pictures: Tensor, compositions: Tensor) -> Tensor:
        """The mean cosine distance of the people in pictures (n, 3, 256, 256) of `compositions` (n,), drawn and as they are."""
        one, another = (self._embedding(self._people(these, compositions)) for these in (drawn, pictures))
        alike: Tensor = (one * another).sum(dim=1).float().mean()
        return 1 - alike

    def _people(self, pictures: Tensor, compositions: Tensor) -> Tensor:
        """Everybody's square (2 n, 3, SIDE, SIDE); for who is not there, the other's again. Black beyond the picture."""
        squares = self._squares[compositions].flatten(0, 1)
        found = nn.functional.grid_sample(1 + pictures.repeat_interleave(2, 0), squares, align_corners=False)
        return nn.functional.avg_pool2d(found, 2) - 1


def weights_of_cells(face: float) -> Tensor:
    """Weights (COMPOSITIONS, 1, 16, 16) of mean 1 for an error of latents: `face` times as much where heads are."""
    cells = (np.arange(LATENT_SIDE) + 0.5) * STRIDE
    weights = np.ones((len(COMPOSITIONS), 1, LATENT_SIDE, LATENT_SIDE), np.float32)
    for number, one in enumerate(COMPOSITIONS):
        for left, top, width in boxes(*one):
            across = (cells > left + 0.1 * width) & (cells < left + 0.9 * width)
            down = (cells > top) & (cells < top + 0.85 * width)
            weights[number, 0][np.ix_(down, across)] = face
    return torch.from_numpy(weights / weights.mean(axis=(2, 3), keepdims=True))


def _learned(model: nn.Module, steps: int, batch: Callable[[], tuple[Tensor, Tensor]]) -> None:
    """Train a reader for so many steps on logits and the labels for them; then it is fixed."""
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    for _ in range(steps):
        logits, shown = batch()
        optimiser.zero_grad()
        torch.stack(list(missed(logits, shown).values())).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    model.requires_grad_(False).eval()


def _some(
    rng: np.random.Generator, ready: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return rng.choice(ready, count), rng.integers(0, TURNS, count)


def legible_tokens(visual: np.memmap[tuple[int, ...], np.dtype[np.float16]], ready: NDArray[np.int64]) -> LegibleTokens:
    """A reader of the visual tokens of all pictures, trained within a minute or two."""
    model, rng = LegibleTokens(), np.random.default_rng()

    def batch() -> tuple[Tensor, Tensor]:
        stories, turns = _some(rng, ready, 128)
        tokens = torch.from_numpy(visual[stories, turns].astype(np.float32))
        return model(tokens + 0.5 * torch.randn_like(tokens)), shown_in(zip(stories, turns, strict=True))

    _learned(model, min(2000, 20 * len(ready)), batch)
    return model


def legible_latents(
    folder: Path, latents: np.memmap[tuple[int, ...], np.dtype[np.float16]], ready: NDArray[np.int64]
) -> LegibleLatents:
    """A reader of the latents of all pictures, sharp or rough: that of the folder, or trained within a few minutes."""
    model, rng, file = LegibleLatents(), np.random.default_rng(), folder / "legible.pt"
    if file.exists():
        model.load_state_dict(torch.load(file, weights_only=True))
        return model.requires_grad_(False).eval()

    def batch() -> tuple[Tensor, Tensor]:
        stories, turns = _some(rng, ready, 64)
        some = [(int(one), int(turn)) for one, turn in zip(stories, turns, strict=True)]
        clean = torch.from_numpy(latents[stories, turns].astype(np.float32))
        rough = clean + 0.5 * torch.rand(len(some), 1, 1, 1) * torch.randn_like(clean)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(rough, compositions_of(some))
        return logits, shown_in(some)

    _learned(model, min(2500, 20 * len(ready)), batch)
    torch.save(model.state_dict(), file)
    return model
