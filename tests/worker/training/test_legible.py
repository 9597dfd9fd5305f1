"""What training looks through: people are cut out of pictures as the meters cut them out, and told apart."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from worker.engines.preview.autoencoder import to_tensor
from worker.identity.compositions import COMPOSITIONS, boxes, person_of
from worker.identity.drawn import SIDE, to_crops
from worker.training.legible import Likeness
from worker.training.people import one_apart
from worker.training.scenes import Shot, draw_shot
from worker.training.stories import story


def a_shot(people: int) -> Shot:
    return next(
        shot
        for seed in range(99)
        for turn in range(12)
        if len((shot := story(seed).shot(turn)).people) == people and shot.framing == "portrait"
    )


def tensor_of(*pictures: Image.Image) -> Tensor:
    return to_tensor(torch.from_numpy(np.stack([np.asarray(one) for one in pictures])))


def composition_of(shot: Shot) -> Tensor:
    return torch.tensor([COMPOSITIONS.index((shot.framing, len(shot.people)))])


@pytest.mark.parametrize("people", [1, 2])
def test_people_are_cut_out_as_the_meter_does(people: int) -> None:
    shot = a_shot(people)
    picture = draw_shot(shot)
    found = Likeness()._people(tensor_of(picture), composition_of(shot))
    expected = to_crops([person_of(picture, box, SIDE) for box in boxes(shot.framing, people)])
    assert found.shape == (2, 3, SIDE, SIDE)
    assert (found[:people] - expected).abs().mean() < 0.03
    if people == 1:
        assert torch.equal(found[0], found[1]), "who is not there is the other again"


def test_the_same_people_are_alike_and_others_are_not() -> None:
    shot = a_shot(1)
    ((person, look),) = shot.people
    elsewhere = replace(shot, place="space" if shot.place != "space" else "beach")
    rng = random.Random(1)
    others = [replace(shot, people=((one_apart(rng, person), look),)) for _ in range(6)]
    likeness, real = Likeness(), tensor_of(draw_shot(shot))
    lost = [
        float(likeness.lost(tensor_of(draw_shot(one)), real, composition_of(shot)))
        for one in (shot, elsewhere, *others)
    ]
    assert lost[0] == pytest.approx(0.0, abs=1e-3)
    assert lost[1] < min(lost[2:])


def test_a_picture_can_be_made_more_like_somebody() -> None:
    shot = a_shot(2)
    real = tensor_of(draw_shot(shot))
    grey = torch.zeros_like(real).requires_grad_(True)
    lost = Likeness().lost(grey, real, composition_of(shot))
    (gradient,) = torch.autograd.grad(lost, grey)
    after = Likeness().lost(grey.detach() - 0.02 * gradient / gradient.abs().max(), real, composition_of(shot))
    assert after < lost
