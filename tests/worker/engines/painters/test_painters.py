"""What every painter does with a brief: progress, cancelling, sizes, what it keeps, and how it does with less memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.worker.engines.painters.conftest import CODES, PLAIN, SIZE, STEPS, brief, load, picture
from tests.worker.engines.painters.test_stock import PICTURES, nothing
from worker.engines.painters.loop import MULTIPLE, PREVIEW, SIZES, LoopPainter
from worker.engines.published.painter import Brief, Reference

LATENTS = {"klein": (16, 4, 6), "qwen-edit": (4, 8, 12), "glm": (4, 8, 12)}


class Cancelled(Exception):
    """What a test cancels with."""


class Told:
    """Listens to a painting, and ends it at a call."""

    def __init__(self, end: int | None = None) -> None:
        self.calls: list[tuple[int, int, Sequence[Image.Image]]] = []
        self._end = end

    def __call__(self, step: int, steps: int, previews: Sequence[Image.Image]) -> None:
        self.calls.append((step, steps, previews))
        if len(self.calls) == self._end:
            raise Cancelled


def same(one: Image.Image, other: Image.Image) -> bool:
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


def test_no_picture_is_encoded_twice_and_none_that_was_drawn(
    name: str, painter: LoopPainter[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = painter.pipe.vae.encode
    monkeypatch.setattr(painter.pipe.vae, "encode", lambda *one, **more: encoded.append(1) or encode(*one, **more))
    known = Reference(PICTURES[0], painter.encode(PICTURES[0]))
    assert known.arrays["latents"].shape == LATENTS[name]
    references: tuple[Reference, ...] = (known,)
    for turn in range(3):
        (painted,) = painter.paint(Brief("Olivia", SIZE, references), seeds=[turn], on_step=nothing)
        assert {key: (array.shape, array.dtype) for key, array in painted.arrays.items()} == {
            key: (array.shape, array.dtype) for key, array in known.arrays.items()
        }
        references = (known, Reference(painted.picture, painted.arrays))
    assert len(encoded) == 1


def test_what_is_kept_of_a_picture_is_what_it_was_decoded_from(painter: LoopPainter[Any]) -> None:
    (painted,) = painter.paint(brief(painter, PICTURES[:1]), seeds=[1], on_step=nothing)
    raw = painter._raw(torch.from_numpy(painted.arrays["latents"])[None])
    with torch.no_grad():
        assert same(painter._pictures(raw)[0], painted.picture)


def test_progress_goes_up_to_the_last_step_with_a_preview_for_each_seed(painter: LoopPainter[Any]) -> None:
    told = Told()
    painter.paint(brief(painter, PICTURES[:1]), seeds=[1, 2], on_step=told)
    assert all(one[0] <= other[0] for one, other in pairwise(told.calls))
    last, steps, _ = told.calls[-1]
    assert last == steps
    assert steps >= STEPS
    previews = [shown for _, _, shown in told.calls if shown]
    assert [len(shown) for shown in previews] == [2, 2, 2]
    assert all(max(one.size) <= PREVIEW for shown in previews for one in shown)


def test_a_preview_is_the_estimate_of_the_finished_picture(painters: dict[str, LoopPainter[Any]]) -> None:
    painter = painters["klein"]
    goal = torch.full((1, 24, 16), 0.5)

    class Straight(type(painter)):  # type: ignore[misc]  # the class of a fixture
        def _velocity(self, latents: torch.Tensor, timestep: torch.Tensor, told: object) -> torch.Tensor:
            return (latents - goal) / (timestep / 1000)  # straight to the goal, from wherever it is

    straight = Straight(painter.pipe, steps=STEPS)
    told = Told()
    (painted,) = straight.paint(brief(painter), seeds=[1], on_step=told)
    assert np.allclose(painted.arrays["latents"], 0.5, atol=1e-5)
    first, *others = [shown[0] for _, _, shown in told.calls if shown]
    assert all(np.abs(np.asarray(first).astype(int) - np.asarray(one)).max() <= 1 for one in others)


@pytest.mark.parametrize("inside", [False, True])
def test_a_painting_can_be_ended_between_steps_and_inside_one_and_the_next_is_not_harmed(
    painter: LoopPainter[Any], inside: bool
) -> None:
    told = brief(painter, PICTURES[:1])
    whole = Told()
    (before,) = painter.paint(told, seeds=[1], on_step=whole)
    ends = [number for number, (one, other) in enumerate(pairwise(whole.calls), 1) if (one[0] == other[0]) == inside]
    for end in (ends[-1], ends[len(ends) // 2]):
        cancelled = Told(end)
        with pytest.raises(Cancelled):
            painter.paint(told, seeds=[1], on_step=cancelled)
        assert len(cancelled.calls) == end
    (after,) = painter.paint(told, seeds=[1], on_step=nothing)
    assert same(before.picture, after.picture)


def test_pictures_have_the_size_that_is_asked_for(painter: LoopPainter[Any]) -> None:
    told = brief(painter, PICTURES[:1])
    for size in ((64, 96), (128, 64)):
        (painted,) = painter.paint(replace(told, size=size), seeds=[1], on_step=nothing)
        assert painted.picture.size == size
    assert painter.sizes == SIZES
    assert all(side % MULTIPLE == 0 for size in SIZES for side in size)
    assert all(0.9 < width * height / 2**20 < 1.1 for width, height in SIZES)
    assert len({width / height for width, height in SIZES}) == len(SIZES)


@pytest.mark.parametrize(
    ("size", "seen"), [((33, 31), (32, 32)), ((1500, 40), (96, 32)), ((200, 600), (64, 192)), ((64, 32), (64, 32))]
)
def test_a_reference_of_any_size_and_mode_can_be_looked_at(
    name: str, painters: dict[str, LoopPainter[Any]], size: tuple[int, int], seen: tuple[int, int]
) -> None:
    painter = type(painters[name])(painters[name].pipe, steps=2, reference_pixels=128 * 96, **more(name))
    for mode in ("RGB", "L", "RGBA"):
        one = picture(3, size).convert(mode)
        arrays = painter.encode(one)
        _, height, width = arrays["latents"].shape
        cell = SIZE[0] // LATENTS[name][2]
        assert (width * cell, height * cell) == seen
    painter.paint(Brief("Olivia", SIZE, (Reference(one, arrays),)), seeds=[1], on_step=nothing)


def more(name: str) -> dict[str, Any]:
    return {"guidance": 4.0, "glance": 56 * 56} if name == "qwen-edit" else {}


def test_a_modest_picture_is_smaller_and_painted_alone(painter: LoopPainter[Any]) -> None:
    seen: list[int] = []
    velocity = painter._velocity

    def watched(latents: torch.Tensor, timestep: torch.Tensor, told: Any) -> torch.Tensor:
        seen.append(len(latents))
        assert painter.pipe.vae.use_tiling
        return velocity(latents, timestep, told)

    told = Told()
    painter._velocity = watched  # type: ignore[method-assign]
    try:
        asked = replace(brief(painter, PICTURES[:1]), size=(128, 96))
        painted = painter.paint(asked, seeds=[1, 2], on_step=told, modest=True)
    finally:
        del painter._velocity
    assert [one.picture.size for one in painted] == [(96, 64)] * 2
    assert set(seen) == {1}
    assert not painter.pipe.vae.use_tiling
    assert told.calls[-1][0] == told.calls[-1][1]
    assert not any(previews for _, _, previews in told.calls)


def test_memory_that_runs_out_is_told_as_torch_tells_it(
    painter: LoopPainter[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(painter.pipe.transformer, "forward", no_memory)
    with pytest.raises(torch.OutOfMemoryError):
        painter.paint(brief(painter), seeds=[1], on_step=nothing)


def test_the_fingerprint_is_of_what_makes_latents(
    name: str, folders: dict[str, Path], painter: LoopPainter[Any]
) -> None:
    again = load(name, folders[name])
    assert again.fingerprint == painter.fingerprint
    with torch.no_grad():
        next(again.pipe.transformer.parameters()).add_(1)
    assert type(again)(again.pipe, steps=9, **more(name)).fingerprint == painter.fingerprint
    assert type(again)(again.pipe, steps=9, reference_pixels=99, **more(name)).fingerprint != painter.fingerprint
    own = again.pipe.vae.config
    scale = {"batch_norm_eps": 0.5} if name == "klein" else {"latents_std": [2 * one for one in own["latents_std"]]}
    again.pipe.vae.register_to_config(**scale)
    assert type(again)(again.pipe, steps=9, **more(name)).fingerprint != painter.fingerprint, "latents of another scale"
    again.pipe.vae.register_to_config(**{one: own[one] for one in scale})
    assert type(again)(again.pipe, steps=9, **more(name)).fingerprint == painter.fingerprint
    with torch.no_grad():
        next(again.pipe.vae.parameters()).add_(1)
    assert type(again)(again.pipe, steps=9, **more(name)).fingerprint != painter.fingerprint
    halved = load(name, folders[name], replace(PLAIN, dtype=torch.bfloat16))
    assert halved.fingerprint != painter.fingerprint


def test_codes_of_glm_are_kept_as_they_were_drawn_and_are_codes(painters: dict[str, LoopPainter[Any]]) -> None:
    painter = painters["glm"]
    painted = painter.paint(brief(painter, PICTURES[:1]), seeds=[1, 2, 3, 4], on_step=nothing)
    for one in painted:
        assert one.arrays["codes"].shape == (SIZE[1] // 32, SIZE[0] // 32)
        assert 0 <= one.arrays["codes"].min() <= one.arrays["codes"].max() < CODES
    assert len({one.arrays["codes"].tobytes() for one in painted}) > 1
