"""Recognition: whom an uploaded picture shows, by the package's weights."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from PIL import Image

from tests.worker.engines.conftest import TINY
from tests.worker.engines.test_shades import Doubtful
from worker.engines.preview import recognition
from worker.engines.preview.engine import Likeness, PreviewEngine
from worker.engines.preview.faces import GLASSES, HAIR, HEAD, SKIN, FaceReader, FacesConfig, Values
from worker.engines.preview.painter import Painter
from worker.engines.preview.references import ALONE
from worker.engines.preview.replies import Look
from worker.engines.preview.tokenizer import TOKENS, WIDTH
from worker.identity.compositions import COMPOSITIONS, FRAMINGS
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
    assert known.values[GLASSES] == other
    assert (known.values[HEAD], known.values[SKIN]) == (seen.values[HEAD], seen.values[SKIN])


def test_whoever_does_and_wears_something_else_is_the_same_person() -> None:
    engine = PreviewEngine.from_pretrained()
    assert engine.vocabulary is not None
    expressions, clothes = engine.vocabulary.worn()
    for number in range(8):
        likeness = Likeness(engine.painter.tokens_of(picture := draw_shot(shot_of(number))), ALONE, picture)
        first, *others = (
            engine._seen_as(likeness, Look(expressions[one], clothes[one], glasses), "")
            for one, glasses in enumerate(("", "", ", with sunglasses", ", without glasses"))
        )
        lasting = [value for attribute, value in enumerate(first.values) if attribute >= HEAD and attribute != GLASSES]
        for other in others:
            assert [v for a, v in enumerate(other.values) if a >= HEAD and a != GLASSES] == lasting
            assert other.shades == first.shades
        worn = [engine.vocabulary.described([value or 0 for value in one.values]) for one in others]
        assert "sunglasses" in worn[1]
        assert "glasses" not in worn[2]
        assert [one.values[:HEAD] for one in others] == [(one, one) for one in (1, 2, 3)]


def test_colours_are_of_the_person_by_what_their_pixels_are(painter: Painter) -> None:
    assert painter._faces is not None
    doubtful = Doubtful(painter._faces.config)
    recognizer = recognition.Recognizer(painter._autoencoder, doubtful, painter._sketch)
    right = []
    for number in range(24):
        shot = shot_of(number)
        (labels,) = labels_of(shot)[1]
        picture = np.array(draw_shot(shot))
        doubtful.composition = COMPOSITIONS.index((shot.framing, 1))
        told = tuple(None if one in (HAIR, SKIN) else label for one, label in enumerate(labels))
        known = recognizer.known_of(painter.tokens_of(Image.fromarray(picture)), ALONE, picture, told)
        assert known is not None
        right += [known.values[one] == labels[one] for one in (HAIR, SKIN) if labels[one] != NOBODY]
    assert np.mean(right) > 0.9, "though no reader says anything, and clothes and ground may have the same colours"


def test_a_reader_without_colours_reads_tokens_only() -> None:
    parts = TINY.build()
    faces = FaceReader(FacesConfig(values=(2, 3, 4)))
    recognizer = recognition.Recognizer(parts["autoencoder"], faces, parts["sketch"])  # type: ignore[arg-type]  # ModuleDict forgets the types
    visual, told = np.zeros((TOKENS, WIDTH), np.float32), (None, 1, None)
    with torch.no_grad():
        faces.head[-1].bias.zero_()[-len(COMPOSITIONS)] = 10  # type: ignore[operator]  # as above
    read, seen = (recognizer.known_of(visual, ALONE, one, told) for one in (None, np.zeros((256, 256, 3), np.uint8)))
    assert read == seen
    assert seen is not None
    assert seen.values[1] == 1


def test_nobody_knows_which_of_two_it_is(painter: Painter) -> None:
    picture = draw_shot(shot_of(3, count=2))
    assert painter.known_of(painter.tokens_of(picture), ALONE, picture) is None


def test_who_comes_again_is_not_looked_at_again(painter: Painter, monkeypatch: pytest.MonkeyPatch) -> None:
    assert painter._faces is not None
    recognizer = recognition.Recognizer(painter._autoencoder, painter._faces, painter._sketch)
    sought: list[Values] = []
    recognized = recognizer._recognized
    monkeypatch.setattr(recognizer, "_recognized", lambda *given: sought.append(given[2]) or recognized(*given))
    monkeypatch.setattr(recognition, "_LATELY", 2)
    pictures = [np.array(draw_shot(shot_of(number))) for number in (1, 2, 3)]
    visual = [painter.tokens_of(Image.fromarray(one)) for one in pictures]
    told = (*NOTHING[:HEAD], *(0 for _ in NOTHING[HEAD:]))

    def look(one: int, told: Values = NOTHING) -> int:
        recognizer.known_of(visual[one], ALONE, pictures[one], told)
        return len(sought)

    assert [look(one) for one in (0, 1, 0, 1, 0)] == [1, 2, 2, 2, 2]
    assert [look(2), look(0)] == [3, 3], "the one longest ago is forgotten"
    assert look(1) == 4
    assert look(1, told) == 5
    assert sought[-1] == told, "of whom words tell other things"
