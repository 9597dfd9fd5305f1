"""Faces: what visual tokens say of each person, attribute by attribute.

A face is a few patches of a picture and a small part of its visual tokens; those that a language model regresses are a
mean of what could be meant, which the painter blurs. So who is to be seen is read off them first, with what the references
of known people say of what stays with a person. It knows numbers of attributes, not their words, and nothing of how a
picture is painted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from worker.engines.preview.references import RIGHT
from worker.engines.preview.shades import AS_NAMED, Colour, Shades
from worker.engines.preview.tokenizer import TOKENS, WIDTH
from worker.identity.compositions import COMPOSITIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PEOPLE = 2
EXPRESSION, CLOTHES, HEAD, HAIR, SKIN, GLASSES, BEARD = range(7)  # `worker.identity.drawn.OF_PEOPLE`
NONE = 0  # the value of glasses and beards that are not there

Values = tuple[int | None, ...]
"""The value of each attribute of a person; None where it is not known."""


class Known(NamedTuple):
    """What is known of a person before tokens are read."""

    values: Values
    shades: Shades = AS_NAMED


@dataclass(frozen=True)
class FacesConfig:
    """How many values each attribute of a person has, which of them stay with a person, the reader's width, what the values of
    each attribute are called in replies (of heads with a place for the hair's colour; "" for none), the colours of which the
    values of hair and of skin are shades, and heads that show no hair, so that only a beard does."""

    values: tuple[int, ...] = (18, 12, 47, 13, 7, 6, 10)  # `worker.identity.drawn.OF_PEOPLE`
    stays: tuple[int, ...] = (2, 3, 4, 6)  # head, hair, skin, beard
    reader: int = 112
    words: tuple[tuple[str, ...], ...] = ()
    colours: tuple[tuple[Colour, ...], ...] = ()
    hairless: tuple[int, ...] = ()


class Faces(NamedTuple):
    """Who is to be seen, from left to right: `people` (b, 2, values) of 0 and 1, `compositions` (b,) of `COMPOSITIONS`, and
    `shades` (b, 2, 6) of hair and skin."""

    people: Tensor
    compositions: Tensor
    shades: Tensor


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
        *,
        known: Sequence[Known] = (),
    ) -> Faces:
        """The likeliest faces of visual tokens (b, K, WIDTH).

        Of what stays with a person, every reference of theirs has a say as well: `references` (b, n, K, WIDTH) with `stands`
        and `stood`, (b, n) of ALONE, LEFT, RIGHT. What is `known` of the people of one picture, from left to right, is so.
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
        shades = torch.zeros(len(people), PEOPLE, len(AS_NAMED))
        for person, (values, own_shades) in enumerate(known[:PEOPLE]):
            shades[:, person] = torch.tensor(own_shades)
            for attribute, value in zip(likeliest, values, strict=True):
                if value is not None:
                    attribute[:, person] = nn.functional.one_hot(torch.tensor(value), attribute.shape[-1]).float()
        return Faces(torch.cat(likeliest, dim=-1), compositions.argmax(dim=1), shades)

    @torch.no_grad()
    def likely(self, visual: Tensor, stood: int) -> tuple[list[NDArray[np.float32]], int]:
        """How likely each value of each attribute of somebody is, as logarithms, and the composition of a picture.

        The picture is told by its visual tokens (K, WIDTH); where they stood there, by ALONE, LEFT or RIGHT.
        """
        people, compositions = self(visual[None])
        likely = self._sure(people)[0, int(stood == RIGHT)].split_with_sizes(self.config.values)
        return [one.numpy() for one in likely], int(compositions.argmax())

    def alone(self, some: Sequence[Known], composition: int) -> Faces:
        """Pictures of one person each, of whom all is known, in one composition."""
        people = torch.cat(
            [
                nn.functional.one_hot(torch.tensor(values), count)
                for values, count in zip(
                    zip(*(one.values for one in some), strict=True), self.config.values, strict=True
                )
            ],
            dim=-1,
        )
        shades = torch.tensor([one.shades for one in some])
        both = [one.float()[:, None].expand(-1, PEOPLE, -1) for one in (people, shades)]
        return Faces(both[0], torch.full((len(some),), composition), both[1])

    def _sure(self, people: Tensor) -> Tensor:
        """Logits (…, values) as logarithms of probabilities, attribute by attribute."""
        return torch.cat(
            [one.log_softmax(dim=-1) for one in people.split_with_sizes(self.config.values, dim=-1)], dim=-1
        )
