"""The generator of people, pictures and words: deterministic, whole, and split so that the test is never trained on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from worker.engines.preview.replies import understood
from worker.training.cache import PictureCache
from worker.training.dialogues import Teller, scene_in_words
from worker.training.people import (
    CLOTHES,
    EXPRESSIONS,
    HAIR_COLOURS,
    HEADS,
    SKINS,
    Look,
    as_named,
    draw_person,
    shows_hair,
    some_person,
    split_of,
    worn,
)
from worker.training.scenes import PLACES, SHIFT, SIZE, draw_shot, shifts
from worker.training.stories import TURNS, Scene, Story, restless, story


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
    first, again = (np.asarray(draw_shot(told.shot(0))) for told in (one, other))
    assert np.array_equal(first, again)
    assert first.shape == (SIZE, SIZE, 3)


def test_pictures_follow_place_and_time() -> None:
    shot = next(story(seed).shot(0) for seed in range(99) if len(story(seed).turns[0].scene.cast) == 1)
    shots = [replace(shot, place=place, night=night) for place in PLACES for night in (False, True)]
    assert len({np.asarray(draw_shot(one)).tobytes() for one in shots}) == 2 * len(PLACES)


def test_people_stand_as_far_off_their_squares_as_is_told() -> None:
    shot = next(story(seed).shot(0) for seed in range(99) if len(story(seed).turns[0].scene.cast) == 1)
    shots = {shifts(one)[0]: one for one in (replace(shot, framing="close-up", seed=seed * 8) for seed in range(99))}
    assert sorted(shots) == list(range(-SHIFT, SHIFT + 1))
    middle = np.asarray(draw_shot(shots[0]))[120:160, 100:156]
    for shift, one in shots.items():
        assert np.array_equal(np.asarray(draw_shot(one))[120:160, 100 + shift : 156 + shift], middle)


def test_whose_hair_has_no_words_has_no_colour() -> None:
    rng, look = random.Random(2), Look("calm", "blue", CLOTHES["blue"])
    for head in HEADS:
        for beard in (None, "full"):
            person = replace(some_person(rng), head=head, beard=beard, hair="black", hair_colour=HAIR_COLOURS["black"])
            other = replace(person, hair="pink", hair_colour=HAIR_COLOURS["pink"])
            alike = draw_person(person, look).tobytes() == draw_person(other, look).tobytes()
            assert alike != shows_hair(person), head


def test_somebody_as_named_has_the_colours_of_the_names() -> None:
    person = some_person(random.Random(3))
    named = as_named(person)
    assert named.hair_colour == HAIR_COLOURS[person.hair]
    assert named.skin_colour == SKINS[person.skin]
    assert replace(named, hair_colour=person.hair_colour, skin_colour=person.skin_colour) == person


def test_restless_stories_go_back_and_call_people_back_more_than_others() -> None:
    def kinds(stories: list[Story]) -> Counter[str]:
        return Counter(turn.kind for one in stories for turn in one.turns)

    restless_ones, others = [restless(seed) for seed in range(50)], [story(seed) for seed in range(50)]
    assert restless(4) == restless_ones[4]
    assert kinds(restless_ones)["back"] > 1.3 * kinds(others)["back"]
    for one in restless_ones:
        assert len(one.turns) == TURNS
        assert all(split_of(person) == "train" for person in one.people)
        known: set[int] = set()
        for turn in one.turns:
            assert set(turn.new) == set(turn.scene.cast) - known
            known |= set(turn.scene.cast)
        assert [said.turn for said in Teller(one, 1).tell() if said.turn is not None] == list(range(TURNS))


def test_so_many_messages_have_a_slip_as_is_said() -> None:
    def differ(mistyped: float) -> int:
        told = [Teller(story(seed), 1, mistyped=mistyped).tell()[0].message for seed in range(60)]
        return sum(one != Teller(story(seed), 1, mistyped=0.0).tell()[0].message for seed, one in enumerate(told))

    assert differ(0.0) == 0
    assert differ(0.1) < differ(1.0)
    assert differ(1.0) > 40


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


def test_glasses_that_are_taken_off_are_neither_drawn_nor_said_to_be_worn() -> None:
    rng = random.Random(1)
    person = next(one for one in iter(lambda: some_person(rng), None) if one.glasses == "sunglasses")
    look = Look("calm", "red", (214, 58, 54))
    bare = replace(look, glasses=None)
    assert worn(person, look) == "sunglasses"
    assert worn(person, bare) is None
    wearing, without, never = (
        np.asarray(draw_person(*one)).astype(int)
        for one in ((person, look), (person, bare), (replace(person, glasses=None), look))
    )
    assert np.array_equal(without, never)
    assert not np.array_equal(wearing, without)
    scene = Scene((0,), (bare,), "park", False, "portrait")
    assert scene_in_words(scene, [("Ada", person)]) == (
        "A portrait of Ada, calm, in red, without sunglasses, in the park by day."
    )


def test_stories_have_glasses_taken_off_and_messages_say_so() -> None:
    said = [
        (one.message.lower(), one.reply)
        for seed in range(80)
        for one in Teller(story(seed), seed).tell()
        if one.turn is not None and story(seed).turns[one.turn].changed == ("glasses",)
    ]
    assert any("without" in message and "without glasses" in reply for message, reply in said)
    assert any("again" in message or "back" in message for message, _ in said)


@pytest.mark.parametrize("first", range(0, TURNS, 3))
def test_an_excerpt_is_a_conversation_of_its_own_about_the_same_pictures(first: int) -> None:
    whole = story(7)
    told = [one for one in Teller(whole, 1, first=first, rounds=3).tell() if one.turn is not None]
    assert 1 <= len(told) <= 3
    assert [one.turn for one in told] == list(range(first, first + len(told)))
    for one in told:
        assert one.turn is not None
        names = understood(one.reply).shown
        assert len(names) == len(whole.turns[one.turn].scene.cast)
        assert all(first <= seen.turn < one.turn for seen in one.seen if seen.turn != one.attached_from)
    introduced = {name for name, _ in understood(told[0].reply).introduced}
    assert introduced == set(understood(told[0].reply).shown), "nobody is known when it begins"


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
