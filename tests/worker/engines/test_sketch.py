"""The sketch of the preview engine: where people are laid, and who stands in front."""

from __future__ import annotations

import torch
from torch import Tensor

from worker.engines.preview.faces import Faces, FacesConfig
from worker.engines.preview.sketch import Sketch
from worker.engines.preview.tokenizer import TOKENS, WIDTH
from worker.identity.compositions import COMPOSITIONS

LATENT = 16  # pixels


def sketched(composition: tuple[str, int], shifts: Tensor | None = None, *, same: bool = False) -> Tensor:
    """Latents (16, 16, 16) of two people, with `same` of one twice, by an untrained sketch on an even ground."""
    torch.manual_seed(1)
    sketch = Sketch().eval()
    torch.nn.init.zeros_(sketch.ground.bias)
    people = torch.randint(2, (1, 2, sum(FacesConfig().values))).float()
    if same:
        people[:, 1] = people[:, 0]
    faces = Faces(people, torch.tensor([COMPOSITIONS.index(composition)]))
    with torch.inference_mode():
        latents: Tensor = sketch(torch.zeros(1, TOKENS, WIDTH), faces, shifts)[0]
    return latents


def test_people_stand_as_far_to_the_right_as_is_said() -> None:
    there = sketched(("wide", 1))
    aside = sketched(("wide", 1), torch.tensor([[LATENT, 0]]))
    inner = slice(3, 12)
    moved = (aside[..., 4:13] - there[..., inner]).square().mean()
    assert moved < 0.02 * (aside[..., inner] - there[..., inner]).square().mean()


def test_nobody_stands_aside_when_nothing_is_said() -> None:
    assert torch.equal(sketched(("portrait", 2)), sketched(("portrait", 2), torch.zeros(1, 2)))


def test_one_alone_is_sketched_without_the_other() -> None:
    assert torch.equal(sketched(("portrait", 1)), sketched(("portrait", 1), same=True))
    assert not torch.equal(sketched(("portrait", 2)), sketched(("portrait", 2), same=True))
