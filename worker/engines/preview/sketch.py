"""The sketch: latents of the picture to be, in one pass, from the faces that were read and from the visual tokens.

Visual tokens that a language model regresses are a mean of what could be meant, and a face painted from a mean is a blur.
The attributes that were read of somebody are no mean. So everybody is drawn from their attributes, in a square of their own
that is laid where they stand; the tokens give the rest, each in its own cell. The painter begins from the sketch with noise
on it, as in Meng et al., "SDEdit", and looks at it besides. It knows numbers of attributes, not their words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.engines.preview.autoencoder import CHANNELS, STRIDE, ResidualBlock
from worker.engines.preview.faces import PEOPLE, Faces, FacesConfig
from worker.engines.preview.tokenizer import TOKENS_SIDE, WIDTH
from worker.identity.compositions import ART, COMPOSITIONS, boxes

_SIDE = ART // STRIDE  # latents to a side of a picture, and of a person's square before it is laid where they stand
_CELL = _SIDE // TOKENS_SIDE  # latents to a side of what one visual token covers


@dataclass(frozen=True)
class SketchConfig:
    """Widths: of what is known of a person, of the maps of their square at 8 × 8 and 16 × 16, of the ground, of the picture."""

    person: int = 192
    coarse: int = 64
    fine: int = 48
    ground: int = 32
    picture: int = 64


class Sketch(nn.Module):
    """Convolutions up to a square for each person, which are laid into the picture, and over the picture."""

    grids: Tensor
    there: Tensor

    def __init__(self, config: SketchConfig | None = None, faces: FacesConfig | None = None) -> None:
        super().__init__()
        config, faces = config or SketchConfig(), faces or FacesConfig()
        self.people = nn.Linear(sum(faces.values), config.person)
        self.squares = nn.Embedding(len(COMPOSITIONS) * PEOPLE, config.person)
        self.person = nn.Sequential(
            nn.SiLU(),
            nn.Linear(config.person, config.coarse * 16),
            nn.Unflatten(1, (config.coarse, 4, 4)),
            nn.Upsample(scale_factor=2),
            ResidualBlock(config.coarse),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(config.coarse, config.fine, 3, padding=1),
            ResidualBlock(config.fine),
        )
        self.ground = nn.Linear(WIDTH, config.ground * _CELL * _CELL)
        self.join = nn.Conv2d(config.fine + config.ground, config.picture, 3, padding=1)
        self.composition = nn.Embedding(len(COMPOSITIONS), config.picture)
        self.picture = nn.Sequential(
            ResidualBlock(config.picture),
            ResidualBlock(config.picture),
            nn.GroupNorm(8, config.picture),
            nn.SiLU(),
            nn.Conv2d(config.picture, CHANNELS, 3, padding=1),
        )
        nn.init.normal_(self.people.weight, std=0.3)
        nn.init.normal_(self.composition.weight, std=0.1)
        self.register_buffer("grids", torch.stack([_grids(*one) for one in COMPOSITIONS]), persistent=False)
        there = torch.tensor([[float(one < people) for one in range(PEOPLE)] for _, people in COMPOSITIONS])
        self.register_buffer("there", there[:, :, None, None, None], persistent=False)

    def forward(self, visual: Tensor, faces: Faces) -> Tensor:
        """Visual tokens (b, K, WIDTH) and the faces that were read to latents (b, 16, 16, 16), float32."""
        people, compositions = faces
        squares = self.squares(compositions[:, None] * PEOPLE + torch.arange(PEOPLE))
        drawn = self.person((self.people(people) + squares).flatten(0, 1)).float()
        laid = nn.functional.grid_sample(drawn, self.grids[compositions].flatten(0, 1), align_corners=False)
        everybody = (laid.view(-1, PEOPLE, *laid.shape[1:]) * self.there[compositions]).sum(dim=1)
        cells = self.ground(visual).transpose(1, 2).unflatten(2, (TOKENS_SIDE, TOKENS_SIDE))
        ground = nn.functional.pixel_shuffle(cells, _CELL).to(everybody.dtype)
        joined = self.join(torch.cat([everybody, ground], dim=1))
        latents: Tensor = self.picture(joined + self.composition(compositions)[:, :, None, None]).float()
        return latents


def _grids(framing: str, people: int) -> Tensor:
    """Where each latent of a picture lies in each person's square, (2, 16, 16, 2), from -1 to 1; for nobody the last person's."""
    centres = (torch.arange(_SIDE) + 0.5) * STRIDE
    found = []
    for left, top, width in (boxes(framing, people) * PEOPLE)[:PEOPLE]:
        x, y = ((centres - edge) / width * 2 - 1 for edge in (left, top))
        found.append(torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1))
    return torch.stack(found)
