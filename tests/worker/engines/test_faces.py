"""Faces: what is read off visual tokens and references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from worker.engines.preview.faces import FaceReader, Faces, FacesConfig, Known
from worker.engines.preview.references import ALONE, LEFT, RIGHT
from worker.engines.preview.shades import AS_NAMED
from worker.engines.preview.tokenizer import TOKENS, WIDTH
from worker.identity.drawn import OF_PEOPLE
from worker.training.views import LABELS

CONFIG = FacesConfig(values=(2, 3), stays=(1,), reader=8)  # say, expression and head


class Literal(FaceReader):
    """Reads what stands in the first token: logits of the person on the left, of the one on the right, and the composition."""

    def forward(self, visual: Tensor) -> tuple[Tensor, Tensor]:
        return visual[:, 0, :10].unflatten(1, (2, 5)), visual[:, 0, 10:16]


def tokens(
    left: tuple[int, int], right: tuple[int, int] = (0, 0), *, sure: float = 5.0, composition: int = 0
) -> Tensor:
    """Visual tokens (1, K, WIDTH) that show two people's values of both attributes."""
    found = torch.zeros(1, TOKENS, WIDTH)
    for side, (expression, head) in enumerate((left, right)):
        found[0, 0, 5 * side + expression] = found[0, 0, 5 * side + 2 + head] = sure
    found[0, 0, 10 + composition] = 1.0
    return found


def values(faces: Faces, side: int) -> tuple[int, ...]:
    return tuple(int(one.argmax()) for one in faces.people[0, side].split([2, 3]))


def test_what_the_tokens_say_is_read_for_both() -> None:
    faces = Literal(CONFIG).read(tokens((1, 2), (0, 1), composition=3))
    assert (values(faces, 0), values(faces, 1)) == ((1, 2), (0, 1))
    assert faces.compositions.tolist() == [3]
    assert faces.people.sum() == 4


@pytest.mark.parametrize(("stood", "reference"), [(ALONE, tokens((0, 1), (0, 2))), (RIGHT, tokens((0, 2), (0, 1)))])
def test_a_surer_reference_says_what_stays_and_nothing_else(stood: int, reference: Tensor) -> None:
    picture = tokens((1, 0), (1, 2), sure=2.0)
    for stands, side in ((LEFT, 0), (RIGHT, 1)):
        faces = Literal(CONFIG).read(picture, 1.5 * reference[None], torch.tensor([[stands]]), torch.tensor([[stood]]))
        assert values(faces, side) == (1, 1)
        assert values(faces, 1 - side) == values(Literal(CONFIG).read(picture), 1 - side)


def test_a_doubtful_reference_changes_nobody() -> None:
    faces = Literal(CONFIG).read(
        tokens((1, 0)), tokens((0, 1), sure=1.0)[None], torch.tensor([[ALONE]]), torch.tensor([[ALONE]])
    )
    assert values(faces, 0) == (1, 0)


def test_what_several_pictures_show_of_somebody_counts_for_more_than_one() -> None:
    before = tokens((0, 1), sure=1.5).repeat(2, 1, 1)
    for count, head in ((1, 0), (2, 1)):
        alone = torch.full((1, count), ALONE)
        assert values(Literal(CONFIG).read(tokens((1, 0), sure=2.0), before[None, :count], alone, alone), 0) == (
            1,
            head,
        )


def test_the_numbers_are_those_of_the_attributes_that_training_names() -> None:
    config = FacesConfig()
    assert config.values == tuple(len(LABELS[name]) for name in OF_PEOPLE)
    assert [OF_PEOPLE[one] for one in config.stays] == ["head", "hair", "skin", "beard"]


def test_what_was_told_of_somebody_is_not_read_off_tokens() -> None:
    shades = (0.5,) * 6
    told = Literal(CONFIG).read(tokens((1, 0), (0, 1)), known=(Known((None, 2)), Known((1, None), shades)))
    assert (values(told, 0), values(told, 1)) == ((1, 2), (1, 1))
    assert told.shades is not None
    assert told.shades.tolist() == [[list(AS_NAMED), list(shades)]]
    likely, composition = Literal(CONFIG).likely(tokens((1, 2), (0, 1), composition=4)[0], RIGHT)
    assert ([int(one.argmax()) for one in likely], composition) == ([0, 1], 4)
    assert [round(float(np.exp(one).sum()), 5) for one in likely] == [1, 1]
