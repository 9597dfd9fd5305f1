"""Shades: read off the pixels of a picture, and told to the sketch."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor

from tests.worker.engines.conftest import TINY
from tests.worker.engines.test_faces import CONFIG, Literal, tokens
from worker.engines.preview.faces import HAIR, PEOPLE, FaceReader, FacesConfig, Known
from worker.engines.preview.painter import Painter
from worker.engines.preview.references import ALONE, RIGHT
from worker.engines.preview.shades import AS_NAMED, UNIT, shade_in
from worker.engines.preview.sketch import Sketch
from worker.engines.preview.tokenizer import TOKENS, WIDTH
from worker.identity.compositions import COMPOSITIONS
from worker.identity.drawn import OF_PEOPLE
from worker.training.people import COLOURLESS, HAIR_COLOURS, SKINS, as_named, shades
from worker.training.scenes import Shot, draw_shot
from worker.training.views import LABELS, NOBODY, labels_of, member, some_look


class Doubtful(FaceReader):
    """Reads the composition rightly, and of people nothing at all."""

    composition = 0

    def forward(self, visual: Tensor) -> tuple[Tensor, Tensor]:
        standing = torch.nn.functional.one_hot(torch.tensor([self.composition]), len(COMPOSITIONS))
        return torch.zeros(len(visual), PEOPLE, sum(self.config.values)), standing


def test_shades_are_read_off_pictures_of_people() -> None:
    parts = TINY.build()
    faces = Doubtful(
        FacesConfig(
            colours=(tuple(HAIR_COLOURS.values()), tuple(SKINS.values())),
            hairless=tuple(LABELS["head"].index(head) for head in COLOURLESS),
        )
    )
    painter = Painter(parts["autoencoder"], parts["tokenizer"], faces, parts["sketch"], parts["dit"], steps=1)  # type: ignore[arg-type]  # ModuleDict forgets the types
    visual = np.zeros((TOKENS, WIDTH), np.float32)
    far, sure = [], []
    for number in range(40):
        rng = random.Random(number)
        person = member("preview", number)
        shot = Shot(((person, some_look(rng)),), "park", False, ("close-up", "portrait", "wide")[number % 3], number)
        faces.composition = COMPOSITIONS.index((shot.framing, 1))
        (labels,) = labels_of(shot)[1]
        seen = painter.known_of(visual, ALONE, draw_shot(shot), tuple(labels))
        assert seen is not None
        assert seen.values == tuple(labels), "as told"
        assert labels[HAIR] != NOBODY or seen.shades[:3] == AS_NAMED[:3], "of hair that cannot be seen nothing is known"
        far.append(float(np.abs(np.array(seen.shades) - shades(person)).max()))
        sure.append(float(np.abs(np.array(seen.shades)).max()))
    assert np.mean(sure) > 0.4, "people differ"
    assert np.quantile(far, 0.9) * UNIT < 2, "in red, green or blue, of 255"
    faces.composition = COMPOSITIONS.index(("wide", 2))
    assert painter.known_of(visual, RIGHT) == Known((0,) * len(OF_PEOPLE), AS_NAMED), "there is no picture"
    assert painter.known_of(visual, ALONE, draw_shot(shot)) is None, "nobody knows who of the two it is"


def test_a_colour_that_hardly_shows_is_as_its_name() -> None:
    red = (200, 10, 10)
    few, many = np.array([(205, 10, 10)] * 5, np.uint8), np.array([(205, 12, 10)] * 90 + [(195, 5, 5)] * 30, np.uint8)
    assert shade_in(few, red) == shade_in(many, (100, 100, 100)) == (0.0, 0.0, 0.0)
    assert shade_in(many, red) == (0.5, 0.2, 0.0)
    noise = np.random.default_rng(0).integers(0, 256, (65_536, 3)).astype(np.uint8)
    assert 0 < max(map(abs, shade_in(noise, (200, 100, 100)))) * UNIT <= 14, (
        "of a picture of all colours at once something"
    )


def test_shades_change_how_somebody_is_sketched_and_nobody_else() -> None:
    torch.manual_seed(0)
    sketch, visual = Sketch(TINY.sketch, CONFIG).eval(), torch.randn(1, TOKENS, WIDTH)
    torch.nn.init.normal_(sketch.shades.weight)
    two = tokens((1, 2), (0, 1), composition=COMPOSITIONS.index(("wide", 2)))
    as_named, shaded = (
        sketch(visual, Literal(CONFIG).read(two, known=known))
        for known in ([], [Known((None, None), (0.5,) * 6), Known((None, None))])
    )
    left, right = ((shaded - as_named).abs()[..., columns].mean() for columns in (slice(0, 5), slice(11, 16)))
    assert left > 4 * right


def test_a_person_in_the_colours_that_words_name_has_no_shades() -> None:
    person = member("preview", 3)
    assert any(shades(person))
    assert shades(as_named(person)) == AS_NAMED
