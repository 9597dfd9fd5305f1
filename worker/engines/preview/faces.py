"""Faces: what visual tokens say of each person, in words, and what each patch of the picture to be has to know of it.

A face is a few patches of a picture and a small part of its visual tokens; those that a language model regresses are a
mean of what could be meant, which the painter blurs. So who is to be seen is read off them first, attribute by attribute,
with what the references of known people say of what stays with a person, and told to the patches where they stand.
It knows numbers of attributes, not their words, and nothing of how a picture is painted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from worker.engines.preview.references import RIGHT
from worker.engines.preview.tokenizer import TOKENS, WIDTH
from worker.identity.compositions import ART, COMPOSITIONS, boxes

PEOPLE = 2
_WAVES = 4  # of each coordinate of a patch in somebody's square
_LOUD = 16.0  # what patches are told, beside a DiT that learned to do without: at its rate it would be heard after hours only


@dataclass(frozen=True)
class FacesConfig:
    """How many values each attribute of a person has, which of them stay with a person, and widths."""

    values: tuple[int, ...] = (18, 12, 47, 13, 7, 6, 10)  # `worker.identity.drawn.OF_PEOPLE`
    stays: tuple[int, ...] = (2, 3, 4, 6)  # head, hair, skin, beard
    reader: int = 112
    map: int = 192


class Faces(NamedTuple):
    """Who is to be seen: `people` (b, 2, values) of 0 and 1, from left to right, and `compositions` (b,) of `COMPOSITIONS`."""

    people: Tensor
    compositions: Tensor


class FaceReader(nn.Module):
    """Reads the one or two people of a picture, and how they stand there, off its visual tokens."""

    stays: Tensor

    def __init__(self, config: FacesConfig | None = None) -> None:
        super().__init__()
        self.config = config or FacesConfig()
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(TOKENS * WIDTH, self.config.reader),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(self.config.reader, PEOPLE * sum(self.config.values) + len(COMPOSITIONS)),
        )
        stays = [
            float(attribute in self.config.stays)
            for attribute, values in enumerate(self.config.values)
            for _ in range(values)
        ]
        self.register_buffer("stays", torch.tensor(stays), persistent=False)

    def forward(self, visual: Tensor) -> tuple[Tensor, Tensor]:
        """Visual tokens (n, K, WIDTH) to logits of people (n, 2, values), from left to right, and of compositions (n, 6)."""
        people, compositions = self.head(visual).split([PEOPLE * sum(self.config.values), len(COMPOSITIONS)], dim=1)
        return people.unflatten(1, (PEOPLE, -1)), compositions

    @torch.no_grad()
    def read(
        self,
        visual: Tensor,
        references: Tensor | None = None,
        stands: Tensor | None = None,
        stood: Tensor | None = None,
    ) -> Faces:
        """The likeliest faces of visual tokens (b, K, WIDTH).

        Of what stays with a person, their reference has a say as well: `references` (b, people, K, WIDTH) with `stands` and
        `stood`, (b, people) of ALONE, LEFT, RIGHT.
        """
        people, compositions = self(visual)
        people = self._sure(people)
        if references is not None and stands is not None and stood is not None:
            rows = torch.arange(len(people))
            for one in range(references.shape[1]):
                shown = self._sure(self(references[:, one])[0])[rows, (stood[:, one] == RIGHT).long()]
                people[rows, (stands[:, one] == RIGHT).long()] += shown * self.stays
        likeliest = [
            nn.functional.one_hot(one.argmax(dim=-1), one.shape[-1]).float()
            for one in people.split_with_sizes(self.config.values, dim=-1)
        ]
        return Faces(torch.cat(likeliest, dim=-1), compositions.argmax(dim=1))

    def _sure(self, people: Tensor) -> Tensor:
        """Logits (…, values) as logarithms of probabilities, attribute by attribute."""
        return torch.cat(
            [one.log_softmax(dim=-1) for one in people.split_with_sizes(self.config.values, dim=-1)], dim=-1
        )


class FaceMap(nn.Module):
    """What each patch of a picture is told of the people who stand there."""

    places: Tensor
    there: Tensor

    def __init__(self, config: FacesConfig, width: int, side: int) -> None:
        """`width` of a patch's answer; `side`, how many patches a picture has to a side."""
        super().__init__()
        self.people = nn.Linear(sum(config.values), config.map)
        self.place = nn.Linear(4 * _WAVES + 1, config.map, bias=False)
        self.both = nn.Linear(config.map, config.map)
        self.out = nn.Linear(config.map, width)
        nn.init.normal_(self.people.weight, std=0.3)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        squares = [[_in_square(box, side) for box in (boxes(*one) * PEOPLE)[:PEOPLE]] for one in COMPOSITIONS]
        places = torch.stack([torch.stack([place for place, _ in both]) for both in squares])
        there = torch.stack([torch.stack([there for _, there in both]) for both in squares])
        there[[people == 1 for _, people in COMPOSITIONS], 1] = 0
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("there", there, persistent=False)

    def forward(self, people: Tensor, compositions: Tensor) -> Tensor:
        """`Faces` to what is added to each patch, (b, patches, width)."""
        told = self.people(people)[:, :, None] + self.place(self.places[compositions])
        told = _LOUD * self.out(nn.functional.gelu(self.both(nn.functional.gelu(told))))
        everybody: Tensor = (told * self.there[compositions][..., None]).sum(dim=1)
        return everybody


def _in_square(box: tuple[int, int, int], side: int) -> tuple[Tensor, Tensor]:
    """Where the patches are in somebody's square, as waves (patches, 4 · _WAVES + 1), and which of them touch it (patches,)."""
    left, top, width = box
    step = ART / side
    centres = (torch.arange(side) + 0.5) * step
    y, x = torch.meshgrid((centres - top) / width, (centres - left) / width, indexing="ij")
    margin = 0.5 * step / width
    there = ((x > -margin) & (x < 1 + margin) & (y > -margin) & (y < 1 + margin)).float().flatten()
    angles = torch.stack([y.flatten(), x.flatten()], dim=1)[..., None] * math.pi * 2.0 ** torch.arange(_WAVES)
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return torch.cat([waves, torch.full((side * side, 1), width / ART)], dim=1), there
