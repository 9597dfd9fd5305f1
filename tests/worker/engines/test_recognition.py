"""Recognition: whom an uploaded picture shows, by the package's weights."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from worker.engines.preview import recognition
from worker.engines.preview.engine import PreviewEngine
from worker.engines.preview.faces import GLASSES, HEAD, SKIN, Values
from worker.engines.preview.painter import Painter
from worker.engines.preview.references import ALONE
from worker.identity.compositions import FRAMINGS
from worker.training.scenes import PLACES, Shot, draw_shot
from worker.training.views import FAMILY, NOBODY, labels_of, member, some_look

NOTHING: Values = (None,) * 7


@pytest.fixture(scope="module")
def painter() -> Painter:
    return PreviewEngine.from_pretrained().painter


def shot_of(number: int, count: int = 1) -> Shot:
    """Somebody whom training never saw, somewhere."""
    rng = random.Random(f"recognition {number}")
    people = [(member("recognition", (number + one) * FAMILY, "validation"), some_look(rng)) for one in range(count)]
    return Shot(tuple(people), rng.choice(list(PLACES)), rng.random() < 0.5, rng.choice(list(FRAMINGS)), number)


def test_people_whom_a_picture_shows_are_recognized(painter: Painter) -> None:
    recognized: list[bool] = []
    read: list[bool] = []
    for number in range(24):
        picture = draw_shot(shot_of(number))
        (labels,) = labels_of(shot_of(number))[1]
        visual = painter.tokens_of(picture)
        for found, seen in ((recognized, picture), (read, None)):
            known = painter.known_of(visual, ALONE, seen)
            assert known is not None
            stays = zip(known.values[HEAD:], labels[HEAD:], strict=True)
            found.append(all(label in (value, NOBODY) for value, label in stays))
    assert sum(recognized) >= 23
    assert sum(recognized) > sum(read), "visual tokens alone mistake some"


def test_a_picture_of_any_size_shows_the_same_person(painter: Painter) -> None:
    picture = draw_shot(shot_of(1))
    larger = Image.new("RGB", (700, 512), "white")
    larger.paste(picture.resize((512, 512), Image.Resampling.BICUBIC), (94, 0))
    known, known_of_larger = (painter.known_of(painter.tokens_of(one), ALONE, one) for one in (picture, larger))
    assert known is not None
    assert known_of_larger is not None
    assert known.values[HEAD:] == known_of_larger.values[HEAD:]


def test_what_was_told_is_so(painter: Painter) -> None:
    picture = draw_shot(shot_of(2))
    visual = painter.tokens_of(picture)
    seen = painter.known_of(visual, ALONE, picture)
    assert seen is not None
    other = 1 if seen.values[GLASSES] != 1 else 2
    told = (*NOTHING[:GLASSES], other, None)
    known = painter.known_of(visual, ALONE, picture, told)
    assert known is not None
    assert known.values[GLASSES] == other, "they may have put on others since"
    assert (known.values[HEAD], known.values[SKIN]) == (seen.values[HEAD], seen.values[SKIN])


def test_nobody_knows_which_of_two_it_is(painter: Painter) -> None:
    picture = draw_shot(shot_of(3, count=2))
    assert painter.known_of(painter.tokens_of(picture), ALONE, picture) is None


def test_who_comes_again_is_not_recognized_anew(painter: Painter, monkeypatch: pytest.MonkeyPatch) -> None:
    assert painter._faces is not None
    recognizer = recognition.Recognizer(painter._autoencoder, painter._faces, painter._sketch)
    sought: list[Values] = []
    recognized = recognizer._recognized
    monkeypatch.setattr(recognizer, "_recognized", lambda *given: sought.append(given[2]) or recognized(*given))
    monkeypatch.setattr(recognition, "_LATELY", 2)
    pictures = [np.array(draw_shot(shot_of(number))) for number in (104, 105)]
    visual = [painter.tokens_of(Image.fromarray(one)) for one in pictures]
    told = (*NOTHING[:HEAD], *(0 for _ in NOTHING[HEAD:]))
    first = [recognizer.known_of(pictures[one], visual[one], NOTHING) for one in (0, 1, 0, 1)]
    assert first[:2] == first[2:]
    assert len(sought) == 2
    recognizer.known_of(pictures[0], visual[0], told)
    assert sought[2:] == [told], "of whom words tell other things"
    recognizer.known_of(pictures[0], visual[0], NOTHING)
    assert len(sought) == 4, "only the latest are kept"
