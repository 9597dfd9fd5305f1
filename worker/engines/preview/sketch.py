"""The sketch: latents of the picture to be, in one pass, from the faces that were read and from the visual tokens.

Visual tokens that a language model regresses are a mean of what could be meant, and a face painted from a mean is a blur.
The attributes that were read of somebody are no mean. So everybody is drawn from their attributes, shapes in colours, in a
square of their own that is laid where they stand; the tokens give the rest, each in its own cell. The painter begins from
the sketch with noise on it, as in Meng et al., "SDEdit", and looks at it besides. It knows numbers of attributes, not their
words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.engines.preview.autoencoder import CHANNELS, STRIDE, ResidualBlock
from worker.engines.preview.faces import PEOPLE, Faces, FacesConfig
from worker.engines.preview.tokenizer import TOKENS_SIDE, WIDTH
from worker.identity.compositions import ART, COMPOSITIONS, boxes

_SIDE = ART // STRIDE  # latents to a side of a picture, and points to a side of what is kept of each shape
_CELL = _SIDE // TOKENS_SIDE  # latents to a side of what one visual token covers
_FINE = 2  # points to a side of a latent, where people are laid into a picture
_GAIN = 4.0  # of the maps: a shape is seen seldom, so its map has to learn fast


@dataclass(frozen=True)
class SketchConfig:
    """Widths: of what is known of a person; of the maps of a shape, of a person at 16 × 16 and 32 × 32, of one who is laid;
    of the ground and of the picture."""

    shapes: tuple[int, ...] = (0, 2, 5, 6)  # expression, head, glasses, beard: the other attributes are colours
    person: int = 96
    maps: int = 14
    coarse: int = 48
    fine: int = 32
    laid: int = 16
    ground: int = 32
    picture: int = 64


class Sketch(nn.Module):
    """A map for each shape, coloured by the person, laid into the picture, and convolutions over that."""

    chosen: Tensor
    grids: Tensor
    there: Tensor

    def __init__(self, config: SketchConfig | None = None, faces: FacesConfig | None = None) -> None:
        super().__init__()
        config, faces = config or SketchConfig(), faces or FacesConfig()
        shapes = [attribute in config.shapes for attribute, values in enumerate(faces.values) for _ in range(values)]
        self.maps = nn.Linear(sum(shapes), config.maps * _SIDE * _SIDE, bias=False)
        self.people = nn.Linear(len(shapes), config.person)
        self.squares = nn.Embedding(len(COMPOSITIONS) * PEOPLE, config.person)
        self.enter = nn.Conv2d(config.maps, config.coarse, 3, padding=1)
        self.colours = nn.Linear(config.person, 2 * config.coarse + config.fine)
        self.coarse = nn.Sequential(
            ResidualBlock(config.coarse), nn.SiLU(), nn.Conv2d(config.coarse, config.fine * 4, 1), nn.PixelShuffle(2)
        )
        self.fine = nn.Sequential(ResidualBlock(config.fine), nn.SiLU(), nn.Conv2d(config.fine, config.laid, 1))
        self.ground = nn.Linear(WIDTH, config.ground * _CELL * _CELL)
        self.join = nn.Conv2d(config.laid * _FINE * _FINE + config.ground, config.picture, 3, padding=1)
        self.composition = nn.Embedding(len(COMPOSITIONS), config.picture)
        self.picture = nn.Sequential(
            ResidualBlock(config.picture),
            ResidualBlock(config.picture),
            nn.GroupNorm(8, config.picture),
            nn.SiLU(),
            nn.Conv2d(config.picture, CHANNELS, 3, padding=1),
        )
        self.config = config
        nn.init.normal_(self.maps.weight, std=0.3 / _GAIN)
        nn.init.normal_(self.people.weight, std=0.3)
        nn.init.normal_(self.composition.weight, std=0.1)
        self.register_buffer("chosen", torch.tensor(shapes).nonzero()[:, 0], persistent=False)
        self.register_buffer("grids", torch.stack([_grids(*one) for one in COMPOSITIONS]), persistent=False)
        there = torch.tensor([[float(one < people) for one in range(PEOPLE)] for _, people in COMPOSITIONS])
        self.register_buffer("there", there[:, :, None, None, None], persistent=False)

    def forward(self, visual: Tensor, faces: Faces) -> Tensor:
        """Visual tokens (b, K, WIDTH) and the faces that were read to latents (b, 16, 16, 16), float32."""
        people, compositions = faces
        squares = self.squares(compositions[:, None] * PEOPLE + torch.arange(PEOPLE))
        drawn = self._drawn(people.flatten(0, 1), squares.flatten(0, 1)).float()
        laid = nn.functional.grid_sample(drawn, self.grids[compositions].flatten(0, 1), align_corners=False)
        everybody = (laid.view(-1, PEOPLE, *laid.shape[1:]) * self.there[compositions]).sum(dim=1)
        cells = self.ground(visual).transpose(1, 2).unflatten(2, (TOKENS_SIDE, TOKENS_SIDE))
        ground = nn.functional.pixel_shuffle(cells, _CELL).to(everybody.dtype)
        joined = self.join(torch.cat([nn.functional.pixel_unshuffle(everybody, _FINE), ground], dim=1))
        latents: Tensor = self.picture(joined + self.composition(compositions)[:, :, None, None]).float()
        return latents

    def _drawn(self, people: Tensor, squares: Tensor) -> Tensor:
        """People (n, values), with what is known of where they stand (n, person), to their squares (n, laid, 32, 32)."""
        known = nn.functional.silu(self.people(people) + squares)
        shift, scale, finer = self.colours(known)[:, :, None, None].split(
            [self.config.coarse, self.config.coarse, self.config.fine], dim=1
        )
        maps = (_GAIN * self.maps(people[:, self.chosen])).unflatten(1, (-1, _SIDE, _SIDE))
        drawn: Tensor = self.fine(self.coarse(self.enter(maps) * (1 + scale) + shift) * (1 + finer))
        return drawn


def _grids(framing: str, people: int) -> Tensor:
    """Where each point of a picture lies in each person's square, (2, 32, 32, 2), from -1 to 1; for nobody the last person's."""
    centres = (torch.arange(_SIDE * _FINE) + 0.5) * STRIDE / _FINE
    found = []
    for left, top, width in (boxes(framing, people) * PEOPLE)[:PEOPLE]:
        x, y = ((centres - edge) / width * 2 - 1 for edge in (left, top))
        found.append(torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1))
    return torch.stack(found)
