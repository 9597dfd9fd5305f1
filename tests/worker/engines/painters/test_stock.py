"""What our loop paints is what the pipelines of diffusers paint, of the same folder, prompt, pictures and seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus as qwen_edit_plus
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Qwen3ForCausalLM

from tests.worker.engines.painters.conftest import CODES, GLANCE, SIZE, STEPS, brief, load, picture
from worker.engines.painters.loading import Loading
from worker.engines.painters.loop import LoopPainter
from worker.engines.painters.qwen_edit import QwenEdit
from worker.engines.published.painter import OnPaint


def nothing(step: int, steps: int, previews: Sequence[Image.Image]) -> None:
    """Shows nothing."""


silent: OnPaint = nothing
PICTURES = (picture(1), picture(2))


def stock(painter: LoopPainter[Any], pictures: Sequence[Image.Image], seed: int) -> Image.Image:
    """What the pipeline itself makes of it."""
    asked = {
        "prompt": 'Olivia says "hello"',
        "width": SIZE[0],
        "height": SIZE[1],
        "num_inference_steps": STEPS,
        "generator": torch.Generator().manual_seed(seed),
    }
    if isinstance(painter, QwenEdit):
        asked |= {"negative_prompt": " ", "true_cfg_scale": 4.0}
        if not pictures:
            return painter._without(**asked).images[0]
    pipe = painter.pipe
    pipe.scheduler.set_begin_index(None)
    return pipe(image=list(pictures) or None, **asked).images[0]


def whole(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture)


def mend(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is broken of stock GLM-Image with transformers 5.23, and what a model of random weights makes wrong."""
    tokens, scores = model.get_image_tokens, model.lm_head.forward
    monkeypatch.setattr(  # it gives one tensor where a list is expected
        model, "get_image_tokens", lambda of, grids: tokens(of.split(of.shape[0] // len(grids)), grids)
    )
    no_codes = torch.arange(CODES, model.lm_head.out_features)  # a trained one does not end a picture before its end
    monkeypatch.setattr(model.lm_head, "forward", lambda of: scores(of).index_fill(-1, no_codes, -torch.inf))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_picture_is_the_pipelines_own(
    name: str, painter: LoopPainter[Any], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qwen_edit_plus, "VAE_IMAGE_SIZE", SIZE[0] * SIZE[1])  # what the stock pipeline enlarges to
    monkeypatch.setattr(qwen_edit_plus, "CONDITION_IMAGE_SIZE", GLANCE)
    if name == "glm":
        mend(painter.pipe.vision_language_encoder, monkeypatch)
    pictures = PICTURES[:count]
    theirs = stock(painter, pictures, seed=7)
    monkeypatch.undo()
    ours = painter.paint(brief(painter, pictures), seeds=[7], on_step=silent)[0].picture
    assert np.array_equal(whole(ours), whole(theirs))


def test_stock_glm_cannot_look_at_a_picture(painters: dict[str, LoopPainter[Any]]) -> None:
    with pytest.raises(RuntimeError, match="channels"):
        stock(painters["glm"], PICTURES[:1], seed=7)


def test_kleins_text_encoder_says_the_same_without_its_last_layers(
    painters: dict[str, LoopPainter[Any]], folders: dict[str, Path]
) -> None:
    pipe = painters["klein"].pipe
    cut, _ = pipe.encode_prompt("a dog on the beach")
    ours = pipe.text_encoder
    whole = Qwen3ForCausalLM.from_pretrained(folders["klein"] / "text_encoder", dtype=torch.float32)
    assert len(ours.model.layers) < len(whole.model.layers)
    pipe.text_encoder = whole
    try:
        uncut, _ = pipe.encode_prompt("a dog on the beach")
    finally:
        pipe.text_encoder = ours
    assert torch.equal(cut, uncut)


def test_pictures_of_one_batch_are_those_of_their_seeds(painter: LoopPainter[Any]) -> None:
    told = brief(painter, PICTURES[:1])
    together = painter.paint(told, seeds=[3, 4, 5], on_step=silent)
    for seed, one in zip([3, 4, 5], together, strict=True):
        (alone,) = painter.paint(told, seeds=[seed], on_step=silent)
        assert np.allclose(one.arrays["latents"], alone.arrays["latents"], atol=1e-4)
        assert np.abs(whole(one.picture).astype(int) - whole(alone.picture)).max() <= 1
    assert len({one.picture.tobytes() for one in together}) == 3


def test_in_bfloat16_too(name: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    painter = load(name, folders[name], Loading(dtype=torch.bfloat16, steps=STEPS))
    ours = painter.paint(brief(painter), seeds=[7], on_step=silent)[0].picture
    if name == "glm":
        mend(painter.pipe.vision_language_encoder, monkeypatch)
    assert np.array_equal(whole(ours), whole(stock(painter, (), seed=7)))
