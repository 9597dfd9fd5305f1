"""The models of illustrated people, with the package's weights, on pictures that they never saw."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import insightface
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from worker.identity.compositions import FRAMINGS
from worker.identity.drawn import WEIGHTS, CompositionReader, DrawnMeter, guard_threshold
from worker.training.foreign import foreign
from worker.training.people import Person
from worker.training.scenes import Shot, draw_shot
from worker.training.views import member, some_look

PHOTO = Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"


@pytest.fixture(scope="module")
def meter() -> DrawnMeter:
    return DrawnMeter.from_pretrained()


@pytest.fixture(scope="module")
def compositions() -> CompositionReader:
    return CompositionReader.from_pretrained()


def shot(people: Sequence[Person], seed: int, framing: str = "portrait") -> Image.Image:
    rng = random.Random(seed)
    place = rng.choice(["beach", "park", "kitchen"])
    return draw_shot(Shot(tuple((one, some_look(rng)) for one in people), place, rng.random() < 0.5, framing, seed))


def people(count: int) -> list[Person]:
    return [member("a test of the guard", 4 * number, "test") for number in range(count)]


def test_everybody_is_found_in_every_framing_and_is_like_themselves(meter: DrawnMeter) -> None:
    pairs = list(zip(people(24)[::2], people(24)[1::2], strict=True))
    right = []
    for number, pair in enumerate(pairs):
        for framing in FRAMINGS:
            together = meter.faces(shot(pair, number, framing))
            assert len(together) == 2
            assert together[0].box[0] < together[1].box[0]
            for who, one in enumerate(pair):
                (alone,) = meter.faces(shot([one], 100 + number, framing))
                right.append(alone.similarity(together[who]) > alone.similarity(together[1 - who]))
    assert np.mean(right) >= 0.97


def test_one_other_attribute_makes_somebody_less_alike(meter: DrawnMeter) -> None:
    same, different = [], []
    for number, person in enumerate(people(30)):
        other = replace(person, glasses=None if person.glasses else "glasses")
        (first,), (second,), (third,) = (
            meter.faces(shot([one], seed))
            for one, seed in ((person, number), (person, 50 + number), (other, 90 + number))
        )
        same.append(first.similarity(second))
        different.append(first.similarity(third))
    assert np.mean([a > b for a, b in zip(same, different, strict=True)]) >= 0.9
    assert np.mean(np.array(same) < guard_threshold()) <= 0.1, "real pictures are good ones"


def test_a_picture_of_another_size_has_its_boxes_in_its_own_pixels(meter: DrawnMeter) -> None:
    picture = shot(people(1), 5)
    wide = Image.new("RGB", (900, 600), "white")
    wide.paste(picture.resize((600, 600), Image.Resampling.LANCZOS), (150, 0))
    (small,), (large,) = meter.faces(picture), meter.faces(wide)
    scale = 600 / 256
    expected = [round(edge * scale) + shift for edge, shift in zip(small.box, (150, 0, 150, 0), strict=True)]
    assert np.abs(np.subtract(large.box, expected)).max() <= 2
    assert large.similarity(small) > 0.95


def test_photos_are_none_of_this_art_and_have_nobody_in_them(
    meter: DrawnMeter, compositions: CompositionReader
) -> None:
    with Image.open(PHOTO) as photo:
        assert compositions.read(photo.convert("RGB")) is None
        assert meter.faces(photo.convert("RGB")) == ()
    rng = np.random.default_rng(99)
    others = [Image.fromarray(foreign(rng, 256)) for _ in range(40)]
    assert sum(compositions.read(other) is None for other in others) >= 38


def test_a_picture_that_was_compressed_is_still_of_this_art(compositions: CompositionReader) -> None:
    read = []
    for number, person in enumerate(people(20)):
        squeezed = io.BytesIO()
        shot([person], number, "wide").resize((700, 700)).save(squeezed, "JPEG", quality=40)
        with Image.open(squeezed) as picture:
            read.append(compositions.read(picture.convert("RGB")))
    assert read.count(("wide", 1)) >= 19


def test_the_guard_has_weights_of_its_own() -> None:
    """Else what it keeps would be judged by itself."""
    judge, guard = (load_file(WEIGHTS / f"{name}.safetensors") for name in ("meter", "guard"))
    assert judge.keys() == guard.keys()
    assert not any(torch.equal(judge[name], guard[name]) for name in judge if judge[name].numel() > 1000)
