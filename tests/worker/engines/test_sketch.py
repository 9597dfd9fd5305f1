"""Sketches: people are laid where they stand, the right one in front, and a picture begins from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.worker.engines.conftest import TINY
from tests.worker.engines.test_faces import CONFIG, Literal, tokens, values
from worker.engines.preview.autoencoder import STRIDE
from worker.engines.preview.dit import DiT, DiTConfig, sample
from worker.engines.preview.faces import PEOPLE, FaceReader, Faces
from worker.engines.preview.painter import Painter
from worker.engines.preview.references import LEFT, RIGHT, Reference
from worker.engines.preview.sketch import Sketch
from worker.engines.preview.tokenizer import TOKENS, WIDTH
from worker.identity.compositions import COMPOSITIONS, boxes


def a_sketch() -> Sketch:
    torch.manual_seed(0)
    return Sketch(TINY.sketch, CONFIG).eval()


def a_dit() -> DiT:
    dit = DiT(DiTConfig(width=32, blocks=1, heads=2)).eval()
    for layer in (dit.out, dit.sketch):
        torch.nn.init.normal_(layer.weight, std=0.1)
    return dit


def painted(dit: DiT, visual: Tensor, sketch: Tensor | None, *, steps: int = 2, seed: int = 0) -> Tensor:
    return sample(dit, visual, sketch=sketch, steps=steps, generator=torch.Generator().manual_seed(seed))


def test_a_square_is_laid_where_somebody_stands() -> None:
    grids = a_sketch().grids
    for number, (framing, count) in enumerate(COMPOSITIONS):
        for side, (left, top, width) in enumerate(boxes(framing, count)):
            inside = (grids[number, side].abs() <= 1).all(dim=-1)
            points = grids.shape[2]
            for point in range(points**2):
                y, x = ((one + 0.5) * 256 / points for one in divmod(point, points))
                there = left <= x <= left + width and top <= y <= top + width
                assert bool(inside[point // points, point % points]) == there, (framing, count, point)


@pytest.mark.parametrize("who", range(PEOPLE))
def test_people_stand_as_far_to_the_right_as_is_told(who: int) -> None:
    sketch, visual = a_sketch(), torch.zeros(1, TOKENS, WIDTH)
    torch.nn.init.zeros_(sketch.ground.bias)
    drawn = torch.zeros(PEOPLE, TINY.sketch.laid + 1, 48, 48)
    drawn[who, :, 10:40, 10:40] = 1.0
    sketch._drawn = lambda *_: drawn  # type: ignore[method-assign]  # a plain square
    faces = Literal(CONFIG).read(tokens((1, 2), (0, 1), composition=COMPOSITIONS.index(("wide", PEOPLE))))
    shifts = torch.zeros(1, PEOPLE)
    there = sketch(visual, faces, shifts)
    assert torch.equal(there, sketch(visual, faces))
    shifts[0, who] = STRIDE
    aside = sketch(visual, faces, shifts)
    inner = slice(2, 13) if who == 0 else slice(6, 13)
    moved = (aside[..., inner.start + 1 : inner.stop + 1] - there[..., inner]).square().mean()
    assert moved < 0.05 * (aside[..., inner] - there[..., inner]).square().mean()


def test_who_stands_on_the_right_hides_who_is_behind() -> None:
    sketch, visual = a_sketch(), torch.zeros(1, TOKENS, WIDTH)
    faces = Literal(CONFIG).read(tokens((1, 2), (0, 1), composition=COMPOSITIONS.index(("close-up", PEOPLE))))
    joined: list[Tensor] = []
    sketch.join.register_forward_pre_hook(lambda _, given: joined.append(given[0]))
    drawn = torch.ones(PEOPLE, TINY.sketch.laid + 1, 48, 48)
    for behind, in_front in ((1.0, 1.0), (5.0, 1.0), (5.0, 2.0)):
        drawn[0, :-1], drawn[1, :-1] = behind, in_front
        sketch._drawn = lambda *_: drawn  # type: ignore[method-assign]  # plain squares
        sketch(visual, faces)
    middle = slice(5, 14), slice(7, 9)  # of the latents: both squares are there
    before, behind_changed, front_changed = (one[0, :, *middle] for one in joined)
    assert torch.allclose(before, behind_changed, atol=1e-4)
    assert not torch.allclose(behind_changed, front_changed, atol=0.1)


def test_where_one_stands_alone_nobody_else_is_sketched() -> None:
    sketch, visual = a_sketch(), torch.randn(1, TOKENS, WIDTH)
    for number, (_, count) in enumerate(COMPOSITIONS):
        someone, other = (Literal(CONFIG).read(tokens((1, 2), who, composition=number)) for who in ((0, 1), (1, 0)))
        assert torch.equal(sketch(visual, someone), sketch(visual, other)) == (count == 1)


def test_who_is_read_and_what_the_tokens_say_change_the_sketch() -> None:
    sketch, visual = a_sketch(), torch.randn(2, TOKENS, WIDTH)
    one, other = (Literal(CONFIG).read(tokens(who)) for who in ((1, 2), (1, 1)))
    assert not torch.allclose(sketch(visual[:1], one), sketch(visual[:1], other))
    assert not torch.allclose(sketch(visual[:1], one), sketch(visual[1:], one))


def test_a_picture_begins_from_its_sketch() -> None:
    silent = DiT(DiTConfig(width=32, blocks=1, heads=2)).eval()  # born so: what it begins from is what it paints
    drawn, visual = 50 * torch.ones(1, 16, 16, 16), torch.randn(1, TOKENS, WIDTH)
    assert painted(silent, visual, drawn).mean() > 10
    assert abs(float(painted(silent, visual, None).mean())) < 1


def test_a_sketch_is_looked_at_and_seeds_still_differ() -> None:
    dit, visual = a_dit(), torch.randn(1, TOKENS, WIDTH)
    one, other = torch.randn(2, 1, 16, 16, 16)
    noisy, times = torch.randn(1, 16, 16, 16), torch.tensor([0.5])
    assert not torch.allclose(dit(noisy, times, visual, sketch=one), dit(noisy, times, visual, sketch=other))
    assert torch.equal(painted(dit, visual, one), painted(dit, visual, one))
    assert not torch.allclose(painted(dit, visual, one), painted(dit, visual, one, seed=1))


def test_the_painter_sketches_whom_it_reads_with_all_appearances() -> None:
    parts, sketch, dit = replace(TINY, faces=CONFIG).build(), a_sketch(), a_dit()
    read: list[Faces] = []
    sketched: list[bool] = []

    def note_faces(_: object, given: tuple[Tensor, Faces]) -> None:
        read.append(given[1])

    def note_sketch(_: object, __: tuple[Any, ...], given: dict[str, Any]) -> None:  # Any: whatever a module is given
        sketched.append(given["sketch"] is not None)

    sketch.register_forward_pre_hook(note_faces)
    dit.register_forward_pre_hook(note_sketch, with_kwargs=True)
    visual = tokens((1, 0), (0, 0), sure=2.0, composition=1)[0].numpy()
    seen = Reference(tokens((0, 1), (0, 2), sure=9.0)[0].numpy(), stands=LEFT, stood=RIGHT)
    ways: list[tuple[FaceReader | None, list[Reference]]] = [
        (Literal(CONFIG), [seen]),
        (Literal(CONFIG), []),
        (None, [seen]),
    ]
    for faces, appearances in ways:
        painter = Painter(parts["autoencoder"], parts["tokenizer"], faces, sketch, dit, steps=1)  # type: ignore[arg-type]  # ModuleDict forgets the types
        painter.paint(visual, (), appearances, seed=1, on_preview=lambda *_: None)
    with_appearance, without = read
    assert (values(with_appearance, 0), values(without, 0)) == ((1, 2), (1, 0))
    assert with_appearance.compositions.tolist() == [1]
    assert sketched == [True, True, False, False], "from noise alone it takes two steps"
