"""The generator of people, pictures and words: deterministic, whole, and split so that the test is never trained on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from worker.engines.preview.replies import understood
from worker.training.cache import PictureCache
from worker.training.dialogues import Teller
from worker.training.people import EXPRESSIONS, HEADS, some_person, split_of
from worker.training.scenes import PLACES, SIZE, draw_shot
from worker.training.stories import TURNS, story


def test_there_is_enough_to_tell_people_and_scenes_apart() -> None:
    assert len(HEADS) >= 40
    assert len(set(HEADS.values())) == len(HEADS), "each head has words of its own"
    assert len(EXPRESSIONS) >= 12
    assert len(PLACES) >= 10


def test_equal_seeds_tell_and_draw_the_same() -> None:
    one, other = story(5), story.__wrapped__(5)
    assert one == other
    assert Teller(one, 3).tell() == Teller(other, 3).tell()
    assert Teller(one, 3).tell() != Teller(one, 4).tell()
    pictures = [np.asarray(draw_shot(told.shot(0))) for told in (one, other)]
    assert np.array_equal(*pictures)
    assert pictures[0].shape == (SIZE, SIZE, 3)


def test_pictures_follow_place_and_time() -> None:
    shot = next(story(seed).shot(0) for seed in range(99) if len(story(seed).turns[0].scene.cast) == 1)
    shots = [replace(shot, place=place, night=night) for place in PLACES for night in (False, True)]
    assert len({np.asarray(draw_shot(one)).tobytes() for one in shots}) == 2 * len(PLACES)


def test_nobody_is_in_two_splits() -> None:
    rng = random.Random(1)
    people = [some_person(rng) for _ in range(500)]
    shares = {split: sum(split_of(one) == split for one in people) for split in ("train", "validation", "test")}
    assert sum(shares.values()) == 500
    assert min(shares.values()) > 5
    for split in ("train", "validation", "test"):
        assert all(split_of(person) == split for person in story(1, split).people)


def test_the_test_split_is_worded_in_ways_that_training_never_saw() -> None:
    told = story(2, "test")
    trained = {said.message for seed in range(40) for said in Teller(told, seed, "train").tell()}
    tested = {said.message for seed in range(40) for said in Teller(told, seed, "test").tell()}
    assert len(tested - trained) > len(tested) / 2


@pytest.mark.parametrize("seed", range(40))
def test_the_engine_reads_back_from_every_reply_whom_it_shows(seed: int) -> None:
    told = story(seed)
    teller = Teller(told, seed)
    met: set[str] = set()
    for said in teller.tell():
        heard = understood(said.reply)
        if said.turn is None:
            assert heard.shown == ()
            continue
        turn = told.turns[said.turn]
        assert heard.shown == tuple(teller.names[who] for who in turn.scene.cast)
        assert tuple(name for name, _ in heard.introduced) == tuple(teller.names[who] for who in turn.new)
        met |= {name for name, _ in heard.introduced}
        assert set(heard.shown) <= met, "everybody is described before they are only named"


def test_rendering_that_was_killed_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "worker.training.cache", str(tmp_path), "40", "0", "1"]
    first = subprocess.Popen(command)
    cache = PictureCache(tmp_path, 40)
    deadline = time.monotonic() + 60
    while not len(cache.ready()) and time.monotonic() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = len(cache.ready())
    assert 0 < done < 40
    again = cache.render()
    assert next(again) == done, "what is done is not done again"
    stories, turns = np.array([0, 0, done]), np.array([0, TURNS - 1, 2])
    for picture, number, turn in zip(cache.pictures(stories, turns), stories, turns, strict=True):
        assert np.array_equal(picture, np.asarray(draw_shot(story(int(number)).shot(int(turn)))))
