"""The weights in the package: small enough, safe to load, and good for two pictures of one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import insightface
import numpy as np
import pytest
from PIL import Image

from worker.engines.contract import Character, ChatMessage, Reading, no_progress
from worker.engines.preview.engine import WEIGHTS, PreviewEngine
from worker.engines.preview.replies import NOT_MY_ART
from worker.history import History
from worker.history.segments import SegmentStore
from worker.training.people import CLOTHES, HAIR_COLOURS, SKINS, Look, Person
from worker.training.scenes import Shot, draw_shot

LIMIT = 40_000_000


@pytest.fixture(scope="module")
def engine() -> PreviewEngine:
    return PreviewEngine.from_pretrained()


@dataclass
class Told:
    """What came of one message."""

    reading: Reading
    picture: Image.Image | None

    def part(self, left: float, top: float, right: float, bottom: float) -> np.ndarray:
        """Mean colour (red, green, blue) of a part of the picture; the corners of the part in shares of its side."""
        assert self.picture is not None
        size = self.picture.width
        box = (round(left * size), round(top * size), round(right * size), round(bottom * size))
        return np.asarray(self.picture.crop(box), np.float32).reshape(-1, 3).mean(axis=0)

    @property
    def red(self) -> float:
        """The share of the upper half that has the red of hair."""
        assert self.picture is not None
        upper = np.asarray(self.picture, np.float32)[: self.picture.height // 2]
        red, green, blue = upper[..., 0], upper[..., 1], upper[..., 2]
        return float(((red > 120) & (red > 1.8 * green) & (red > 1.8 * blue)).mean())


def tell(engine: PreviewEngine, messages: Sequence[str], *, seed: int = 1) -> list[Told]:
    """A conversation with the engine, as a worker would have it."""
    store = SegmentStore(memory_bytes=2**26)
    history, told = History((), UUID(int=seed), store), []
    cast: tuple[Character, ...] = ()
    for message in messages:
        reading = engine.read(history, ChatMessage(message, characters=cast, seed=seed))
        drawing = engine.draw(reading, turn_id=uuid4(), seed=seed, on_step=no_progress)
        history = History((*history.records, drawing.record), history.workspace_salt, store)
        cast = (
            *cast,
            *(
                Character(uuid4(), new.name, 1, new.description, turn_id=drawing.record.turn_id)
                for new in reading.introduces
            ),
        )
        told.append(Told(reading, drawing.picture))
    return told


def test_they_are_small_and_hold_no_code() -> None:
    files = [file for file in WEIGHTS.iterdir() if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= LIMIT
    assert {file.suffix for file in files} <= {".safetensors", ".json", ".md"}


def test_the_second_picture_shows_the_same_person_where_the_words_say(engine: PreviewEngine) -> None:
    first, second = tell(
        engine, ["Olivia, red curly hair and round glasses, on the beach by day", "a close-up of Olivia at night"]
    )
    assert [new.name for new in first.reading.introduces] == ["Olivia"]
    assert "red" in first.reading.reply
    assert "round glasses" in first.reading.reply
    assert "Olivia" in second.reading.reply
    assert not second.reading.introduces, "she is known"
    assert len(second.reading.characters) == 1
    assert first.red > 0.05
    assert second.red > 0.05
    day, night = first.part(0, 0, 0.2, 0.1), second.part(0, 0, 0.2, 0.1)
    assert day.mean() > 150
    assert night.mean() < 100


def test_what_is_not_said_of_a_person_does_not_change(engine: PreviewEngine) -> None:
    told = tell(engine, ["Ben, blue mohawk, dark skin, in the snow", "now in the kitchen", "Ben on the beach"])
    assert [one.reading.characters for one in told[1:]] == [told[1].reading.characters] * 2
    for one in told:
        face = one.part(0.45, 0.5, 0.6, 0.6)
        assert face.mean() < 130, "his skin is dark in every picture"


def test_a_clothes_colour_follows_the_words(engine: PreviewEngine) -> None:
    green, red = tell(engine, ["a portrait of Tom, short black hair, in green, in the snow", "Tom in red"])
    shoulder = (0.2, 0.94, 0.35, 1.0)
    assert green.part(*shoulder).argmax() == 1
    assert red.part(*shoulder).argmax() == 0


def test_an_expression_is_named_in_the_reply(engine: PreviewEngine) -> None:
    told = tell(engine, ["Ben, blue mohawk, dark skin, in the snow", "make him angry", "now Ben is laughing"])
    assert "Ben, angry," in told[1].reading.reply
    assert "Ben, laughing," in told[2].reading.reply


def test_a_photo_gets_an_honest_answer_and_words_are_drawn_all_the_same(engine: PreviewEngine) -> None:
    with Image.open(Path(insightface.__file__).parent / "data" / "images" / "t1.jpg") as file:
        photo = file.convert("RGB")
    history = History((), UUID(int=1))
    alone = engine.read(history, ChatMessage("this is Kim", (photo,)))
    assert alone.reply.startswith(NOT_MY_ART)
    described = engine.read(history, ChatMessage("Kim, red curly hair and round glasses, on the beach", (photo,)))
    assert described.reply.startswith(NOT_MY_ART)
    assert described.draws
    assert [new.name for new in described.introduces] == ["Kim"]
    kim = Character(uuid4(), "Kim", 1, references=(photo,))
    known = engine.read(history, ChatMessage("Kim on the beach", characters=(kim,)))
    assert known.reply.startswith(NOT_MY_ART)


def test_a_reference_in_its_own_art_is_looked_at(engine: PreviewEngine) -> None:
    (first,) = tell(engine, ["Olivia, red curly hair and round glasses, on the beach by day"])
    assert first.picture is not None
    olivia = Character(uuid4(), "Olivia", 1, references=(first.picture,))
    again = engine.read(History((), UUID(int=1)), ChatMessage("Olivia in the park", characters=(olivia,)))
    assert not again.reply.startswith(NOT_MY_ART)
    assert again.characters == (olivia.id,)


def test_somebody_new_whom_a_picture_shows_in_the_middle_is_described_and_drawn(engine: PreviewEngine) -> None:
    look = Look("calm", "white", CLOTHES["white"])
    person = Person("longCurly", "red", HAIR_COLOURS["red"], "pale", SKINS["pale"], "sunglasses", None)
    shown = draw_shot(Shot(((person, look),), "beach", night=False, framing="portrait", seed=5))
    store = SegmentStore(memory_bytes=2**26)
    first = engine.read(
        History((), UUID(int=4), store), ChatMessage("Olivia, black afro, dark skin and a hijab, in the forest")
    )
    record = engine.draw(first, turn_id=uuid4(), seed=1, on_step=no_progress).record
    known = (Character(uuid4(), "Olivia", 1, turn_id=record.turn_id),)
    second = engine.read(
        History((record,), UUID(int=4), store),
        ChatMessage("now draw Kim, smiling, in green", characters=known, references=(shown,)),
    )
    assert second.reply.startswith("Kim has red long curly hair, pale skin and sunglasses. ")
    picture = engine.draw(second, turn_id=uuid4(), seed=1, on_step=no_progress).picture
    assert Told(second, picture).red > 0.5 * Told(second, shown).red > 0.05


def test_what_cannot_be_drawn_is_said_and_not_drawn(engine: PreviewEngine) -> None:
    (dragon,) = tell(engine, ["draw a dragon"])
    assert dragon.reading.reply.startswith("I cannot draw a dragon")
    assert dragon.picture is None


def test_glasses_come_off_and_the_reply_says_so(engine: PreviewEngine) -> None:
    first, second = tell(
        engine, ["Olivia, red curly hair and round glasses, on the beach by day", "Olivia without her glasses"]
    )
    assert "round glasses" in first.reading.reply
    assert "without glasses" in second.reading.reply
    assert second.reading.characters
