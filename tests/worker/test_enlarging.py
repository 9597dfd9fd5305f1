"""Enlarged pictures: the size, flat colours that stay, edges that are steep."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from worker.enlarging import FACTOR, LONGEST, enlarged


def half_and_half() -> Image.Image:
    picture = Image.new("RGB", (64, 48), "#f0a030")
    ImageDraw.Draw(picture).rectangle((32, 0, 63, 47), fill="#2040a0")
    return picture


def test_colours_stay_and_an_edge_is_steeper_than_a_plain_resize_leaves_it() -> None:
    picture = half_and_half()
    large = np.asarray(enlarged(picture), np.int16)
    assert large.shape == (48 * FACTOR, 64 * FACTOR, 3)
    assert tuple(large[100, 20]) == (0xF0, 0xA0, 0x30)
    assert tuple(large[100, 240]) == (0x20, 0x40, 0xA0)
    plain = np.asarray(picture.resize((64 * FACTOR, 48 * FACTOR), Image.Resampling.BICUBIC), np.int16)
    steepest = [int(np.abs(np.diff(one[100, :, 0])).max()) for one in (large, plain)]
    assert steepest[0] >= steepest[1]


def test_a_slanted_line_has_no_steps() -> None:
    picture = Image.new("L", (512, 512), 255)
    ImageDraw.Draw(picture).polygon([(0, 512), (512, 300), (512, 512)], fill=0)
    small = picture.resize((64, 64), Image.Resampling.BOX).convert("RGB")
    dark = (np.asarray(enlarged(small).convert("L")) < 128).sum(axis=0)  # the height of the slope in each column
    assert np.abs(np.diff(dark[16:-16])).max() <= 2


def test_no_side_is_longer_than_the_longest_and_the_longest_is_refused() -> None:
    assert max(enlarged(Image.new("RGB", (1024, 512))).size) == LONGEST
    with pytest.raises(ValueError, match="large"):
        enlarged(Image.new("RGB", (LONGEST, 8)))
