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
from worker.engines.preview.shades import AS_NAMED
from worker.engines.preview.tokenizer import TOKENS_SIDE, WIDTH
from worker.identity.compositions import ART, COMPOSITIONS, Box, boxes

_SIDE = ART // STRIDE  # latents to a side of a picture
_CELL = _SIDE // TOKENS_SIDE  # latents to a side of what one visual token covers
_FINE = 4  # points to a side of a latent, where people are laid into a picture
_GAIN = 4.0  # of the maps: a shape is seen seldom, so its map has to learn fast


@dataclass(frozen=True)
class SketchConfig:
    """Widths: of what is known of a person; of the maps of a shape, `side` points to a side; of a person at as many points,
    and at twice as many; of one who is laid; of the ground and of the picture."""

    shapes: tuple[int, ...] = (0, 2, 5, 6)  # expression, head, glasses, beard: the other attributes are colours
    person: int = 96
    maps: int = 10
    side: int = 24
    coarse: int = 48
    fine: int = 32
    laid: int = 12
    ground: int = 32
    picture: int = 64


class Sketch(nn.Module):
    """A map for each shape, coloured by the person, laid into the picture, and convolutions over that."""

    chosen: Tensor
    grids: Tensor
    sides: Tensor
    there: Tensor

    def __init__(self, config: SketchConfig | None = None, faces: FacesConfig | None = None) -> None:
        super().__init__()
        config, faces = config or SketchConfig(), faces or FacesConfig()
        shapes = [attribute in config.shapes for attribute, values in enumerate(faces.values) for _ in range(values)]
        self.maps = nn.Linear(sum(shapes), config.maps * config.side * config.side, bias=False)
        self.people = nn.Linear(len(shapes), config.person)
        self.shades = nn.Linear(len(AS_NAMED), config.person, bias=False)
        self.squares = nn.Embedding(len(COMPOSITIONS) * PEOPLE, config.person)
        self.enter = nn.Conv2d(config.maps, config.coarse, 3, padding=1)
        self.colours = nn.Linear(config.person, 2 * config.coarse + config.fine)
        self.coarse = nn.Sequential(
            ResidualBlock(config.coarse), nn.SiLU(), nn.Conv2d(config.coarse, config.fine * 4, 1), nn.PixelShuffle(2)
        )
        self.fine = nn.Sequential(ResidualBlock(config.fine), nn.SiLU(), nn.Conv2d(config.fine, config.laid + 1, 1))
        self.ground = nn.Linear(WIDTH, config.ground * _CELL * _CELL)
        self.join = nn.Conv2d((config.laid + 1) * _FINE * _FINE + config.ground, config.picture, 3, padding=1)
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
        nn.init.zeros_(self.shades.weight)
        self.register_buffer("chosen", torch.tensor(shapes).nonzero()[:, 0], persistent=False)
        self.register_buffer("grids", torch.stack([_grids(*one) for one in COMPOSITIONS]), persistent=False)
        sides = [[width for _, _, width in _spots(*one)] for one in COMPOSITIONS]
        self.register_buffer("sides", torch.tensor(sides), persistent=False)
        there = torch.tensor([[float(one < people) for one in range(PEOPLE)] for _, people in COMPOSITIONS])
        self.register_buffer("there", there[:, :, None, None, None], persistent=False)

    def forward(self, visual: Tensor, faces: Faces, shifts: Tensor | None = None) -> Tensor:
        """Visual tokens (b, K, WIDTH) and the faces that were read to latents (b, 16, 16, 16), float32.

        `shifts` (b, 2) are pixels to the right by which people stand off their squares; without them, nobody does.
        """
        people, compositions, shades = faces
        squares = self.squares(compositions[:, None] * PEOPLE + torch.arange(PEOPLE)) + self.shades(shades)
        drawn = self._drawn(people.flatten(0, 1), squares.flatten(0, 1)).float()
        grids = self.grids[compositions]
        if shifts is not None:
            aside = 2 * shifts / self.sides[compositions]
            grids = grids - torch.stack([aside, torch.zeros_like(aside)], dim=-1)[:, :, None, None]
        laid = nn.functional.grid_sample(drawn, grids.flatten(0, 1), align_corners=False)
        left, right = (laid.reshape(-1, PEOPLE, *laid.shape[1:]) * self.there[compositions]).unbind(1)
        everybody = left * (1 - right[:, -1:]) + right  # who is on the right stands in front
        cells = self.ground(visual).transpose(1, 2).unflatten(2, (TOKENS_SIDE, TOKENS_SIDE))
        ground = nn.functional.pixel_shuffle(cells, _CELL).to(everybody.dtype)
        joined = self.join(torch.cat([nn.functional.pixel_unshuffle(everybody, _FINE), ground], dim=1))
        latents: Tensor = self.picture(joined + self.composition(compositions)[:, :, None, None]).float()
        return latents

    def _drawn(self, people: Tensor, squares: Tensor) -> Tensor:
        """People (n, values), with what is known of their places and shades (n, person), to squares (n, laid + 1, 48, 48).

        The last channel says where a person is, from 0 to 1; the others are 0 where nobody is.
        """
        known = nn.functional.silu(self.people(people) + squares)
        shift, scale, finer = self.colours(known)[:, :, None, None].split(
            [self.config.coarse, self.config.coarse, self.config.fine], dim=1
        )
        maps = (_GAIN * self.maps(people[:, self.chosen])).unflatten(1, (-1, self.config.side, self.config.side))
        drawn: Tensor = self.fine(self.coarse(self.enter(maps) * (1 + scale) + shift) * (1 + finer))
        covers = drawn[:, -1:].sigmoid()
        return torch.cat([drawn[:, :-1] * covers, covers], dim=1)


def _spots(framing: str, people: int) -> tuple[Box, ...]:
    """Each person's square; for nobody the last person's."""
    return (boxes(framing, people) * PEOPLE)[:PEOPLE]


def _grids(framing: str, people: int) -> Tensor:
    """Where each point of a picture lies in each person's square, (2, 64, 64, 2), from -1 to 1; for nobody the last person's."""
    centres = (torch.arange(_SIDE * _FINE) + 0.5) * STRIDE / _FINE
    found = []
    for left, top, width in _spots(framing, people):
        x, y = ((centres - edge) / width * 2 - 1 for edge in (left, top))
        found.append(torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1))
    return torch.stack(found)
