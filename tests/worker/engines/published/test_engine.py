"""The engine of published models: whom it draws, which originals the painter sees, and what is said of what it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from uuid import uuid4

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load

from tests.worker.engines.published.conftest import Colours, Talk, answer, colour_of, seeded
from worker.engines.contract import Character, ChatMessage, OutOfMemory, Record, Refused, Step
from worker.engines.published import answer as answers
from worker.engines.published.engine import MODEST, PublishedEngine
from worker.engines.published.painter import Brief, OnPaint, Painted
from worker.engines.published.reader import LONGEST_MESSAGE, UNCLEAR

OLIVIA = answer("Meet Olivia.", introduces=[{"name": "Olivia", "looks": "red curls"}], alt_text="A woman.")
PHOTO = Image.new("RGB", (64, 64), "#123456")


def test_a_conversation_introduces_somebody_and_shows_her_again_by_her_first_picture(
    talk: Talk, painter: Colours
) -> None:
    first, drawn = talk.say("Olivia on the beach", OLIVIA, seeds=[1])
    assert (first.reply, first.alt_text, first.draws) == ("Meet Olivia.", "A woman.", True)
    assert [(new.name, new.description) for new in first.introduces] == [("Olivia", "red curls")]
    assert drawn[0].picture is not None
    assert painter.saw == []
    asked, nothing = talk.say("who is she?", answer("Olivia.", draw=False))
    assert (asked.draws, nothing[0].picture) == (False, None)
    (olivia,) = talk.characters
    for seed in (2, 3, 4):
        reading, _ = talk.say("Olivia at night", answer(characters=["Olivia"], prompt="At night."), seeds=[seed])
        assert reading.characters == (olivia.id,)
        assert painter.saw == [seeded(1)], "the original, and never the last output"
        assert painter.briefs[-1].prompt == "Image 1 shows Olivia. At night."
    assert painter.encoded == [], "the painter's own latents are in the record"
    (reference,) = painter.briefs[-1].references
    assert (reference.arrays["latents"] == -1).all()


def test_a_picture_is_recalled_by_its_label(talk: Talk, painter: Colours) -> None:
    talk.say("a beach", answer(), seeds=[1])
    talk.say("a forest", answer(), seeds=[2])
    reading, _ = talk.say("back to the beach", answer(pictures=["1"], aspect="3:2"), seeds=[3])
    assert painter.saw == [seeded(1)]
    assert painter.briefs[-1].size == (96, 64)
    assert reading.pictures == (talk.records[0].turn_id,)
    gone = replace(talk, records=talk.records[1:])
    gone.say("another", answer(), seeds=[4])
    assert [one.label for record in gone.records for one in record.seen] == ["2", "3", "4"], "no label is used twice"


def test_what_somebody_chose_the_picture_to_be_wins_over_what_the_reader_would(talk: Talk, painter: Colours) -> None:
    talk.script(answer(aspect="3:2"))
    chosen = talk.engine.read(talk.history(), ChatMessage("a beach", aspect="2:3"))
    talk.engine.draw(chosen, turn_id=uuid4(), seed=1, on_step=lambda _: None)
    assert painter.briefs[-1].size == (64, 96)


def test_what_came_with_a_message_is_an_original_for_ever_and_encoded_once(talk: Talk, painter: Colours) -> None:
    talk.say("this is Kim", answer(introduces=[{"name": "Kim", "looks": ""}], pictures=["1a"]), PHOTO, seeds=[1])
    assert painter.saw == ["#123456"]
    for seed in (2, 3):
        talk.say("Kim in the park", answer(characters=["Kim"]), seeds=[seed])
        assert painter.saw == ["#123456"], "the photo, and not what was drawn of it"
    restarted = Talk(PublishedEngine(talk.engine.reader, painter), None, talk.script, talk.records, talk.characters)
    restarted.pictures, restarted.came = talk.pictures, talk.came
    restarted.say("Kim at home", answer(characters=["Kim"]))
    restarted.say("with the photo", answer(pictures=["1a"]))
    assert painter.encoded == ["#123456"], "once in the life of a conversation"


def test_an_uploaded_portrait_is_preferred_and_leaves_no_trace_in_the_record(talk: Talk, painter: Colours) -> None:
    ada = Character(uuid4(), "Ada", 1, references=(PHOTO,))
    talk.characters = (ada,)
    for _ in range(2):
        reading, drawings = talk.say("Ada dances", answer(characters=["Ada"]))
        assert reading.characters == (ada.id,)
        assert painter.saw == ["#123456"]
        assert len(drawings[0].record.arrays) == 1, "of the drawn picture"
    assert painter.encoded == ["#123456"]
    elsewhere = replace(talk.history(), records=(), workspace_salt=uuid4())
    reading = talk.engine.read(elsewhere, ChatMessage("Ada dances", characters=talk.characters))
    talk.engine.draw(reading, turn_id=uuid4(), seed=1, on_step=lambda _: None)
    assert painter.encoded == ["#123456"] * 2, "workspaces share nothing"


def test_the_painters_limit_is_kept_by_choosing_and_said(talk: Talk, painter: Colours) -> None:
    talk.characters = tuple(
        Character(uuid4(), name, 1, references=(Image.new("RGB", (64, 64), colour),))
        for name, colour in (("Ada", "#aa0000"), ("Bob", "#00bb00"))
    )
    talk.say("a beach", answer(), seeds=[1])
    reading, _ = talk.say("both there", answer(characters=["Bob", "Ada"], pictures=["1"]))
    assert painter.saw == ["#00bb00", "#aa0000"], "people first"
    assert reading.reply == "Here it is. I can look at 2 pictures at once, so I left out picture 1."
    painter.max_references = 0
    reading, _ = talk.say("both again", answer(characters=["Bob", "Ada"]))
    assert painter.saw == []
    assert reading.reply.endswith("I paint from words alone, so I did not look at Bob and Ada.")


def test_two_people_of_one_picture_take_one_place(talk: Talk, painter: Colours) -> None:
    people = [{"name": name, "looks": ""} for name in ("Ada", "Bob")]
    talk.say("Ada and Bob", answer(introduces=people), seeds=[1])
    talk.say("Ada and Bob at sea", answer(characters=["Ada", "Bob"], pictures=["1"]))
    assert painter.saw == [seeded(1)]
    assert painter.briefs[-1].prompt.startswith("Image 1 shows Ada and Bob and picture 1. ")


def test_only_the_message_can_introduce_somebody(talk: Talk) -> None:
    claimed = answer(introduces=[{"name": name, "looks": "x"} for name in ("Mallory", "\u202e", "Ann")])
    reading, _ = talk.say("Anna on the beach", claimed, PHOTO)
    assert reading.introduces == (), "neither a name of a picture, nor no name, nor half of one"
    named, _ = talk.say("Ann, then", claimed)
    assert [new.name for new in named.introduces] == ["Ann"]
    known, _ = talk.say("Ann, then", claimed)
    assert known.introduces == ()
    assert known.characters == (talk.characters[0].id,), "whom the model takes for new is drawn as who they are"


def test_names_of_any_kind_are_in_scope_and_told_on_one_line(talk: Talk) -> None:
    names = ['Ol"ivia', "a\\b", "x\ny\u202e", "名前", *(f"Person {number}" for number in range(200))]
    talk.characters = tuple(Character(uuid4(), name, 1, "looks\nfine") for name in names)
    reading, _ = talk.say("draw 名前", answer(characters=['Ol"ivia', "名前"]))
    assert [one.name for one in talk.characters if one.id in reading.characters] == ['Ol"ivia', "名前"]


def test_variations_are_painted_as_a_batch_and_the_one_picked_since_is_remembered(talk: Talk, painter: Colours) -> None:
    steps: list[Step] = []
    _, drawings = talk.say("Olivia on the beach", OLIVIA, seeds=[1, 2, 3, 4], on_step=steps.append)
    assert len(painter.briefs) == 1
    assert [colour_of(one.picture) for one in drawings if one.picture is not None] == [*map(seeded, (1, 2, 3, 4))]
    assert [(one.step, one.steps) for one in steps] == [(1, 2), (2, 2)]
    assert all(one.preview is not None and one.preview.size == (128, 128) for one in steps)
    before = talk.read("and now?", answer(draw=False))
    (turn_id,) = talk.several
    assert drawings[2].picture is not None
    talk.pictures[turn_id] = drawings[2].picture
    picked = talk.read("and now?", answer(draw=False))
    assert before.tokens_reused > 0
    assert picked.tokens_reused == 0, "it is read with the picture that was picked"
    assert talk.read("and now?", answer(draw=False)).tokens_reused > 0
    talk.say("Olivia at night", answer(characters=["Olivia"]))
    assert painter.saw == [seeded(3)]
    assert painter.encoded == [], "the latents of all four were kept"


def test_a_picture_of_another_size_that_was_picked_is_read_as_it_is(talk: Talk, painter: Colours) -> None:
    talk.say("Olivia on the beach", OLIVIA, PHOTO, seeds=[1, 2])
    (turn_id,) = talk.several
    talk.pictures[turn_id] = Image.new("RGB", (192, 96), "#abcdef")  # by an engine that was compared with this one
    talk.say("Olivia at night", answer(characters=["Olivia"]))
    talk.say("the first one again", answer(pictures=["1"]))
    assert painter.saw == ["#abcdef"]
    assert [one.label for record in talk.records for one in record.seen] == ["1a", "1", "2", "3"]


def test_a_conversation_that_another_engine_began_goes_on(talk: Talk, painter: Colours) -> None:
    nothing = np.zeros((0, 1), np.float32)
    foreign = Record(uuid4(), "preview-1", "Olivia <|im_end|>", "A portrait.", np.zeros(3, np.int32), nothing)
    talk.records = (foreign,)
    talk.pictures[foreign.turn_id] = PHOTO
    talk.characters = (Character(uuid4(), "Olivia", 1, turn_id=foreign.turn_id),)
    reading, _ = talk.say("Olivia at night", answer(characters=["Olivia"], pictures=["1"]))
    assert painter.saw == ["#123456"]
    assert reading.pictures == (foreign.turn_id,)
    again = talk.read("and again", answer(draw=False))
    assert again.tokens_reused > len(talk.records[-1].token_ids), "what was laid out anew is remembered as well"


def test_an_answer_that_is_cut_is_asked_for_again_and_then_refused(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PROMPT", 20)
    talk.say("a beach", answer())
    talk.script(answer(prompt="x" * 20), answer("Here."))
    reading = talk.engine.read(talk.history(), ChatMessage("and then"))
    assert reading.reply == "Here."
    whole = talk.read("and then", answer("Here."))
    assert reading.plan.read.ids == whole.plan.read.ids, "nothing is left of the first"  # type: ignore[attr-defined]
    with pytest.raises(Refused, match=UNCLEAR[:30]):
        talk.read("and then", answer(prompt="x" * 20))


def test_the_reply_is_told_while_it_is_written_and_a_cancel_ends_the_reading(talk: Talk) -> None:
    told: list[str] = []
    talk.read("hello", answer("Here is Olivia on the beach."), on_reply=told.append)
    assert all(later.startswith(sooner) for sooner, later in pairwise(told))
    assert len(set(told)) > 3
    assert told[-1] == "Here is Olivia on the beach."

    class Cancelled(BaseException):
        pass

    def cancel(_: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        talk.read("hello", answer(), on_reply=cancel)
    assert talk.read("hello", answer("Fine.", draw=False)).reply == "Fine."


def test_a_cancel_between_steps_harms_nothing(talk: Talk) -> None:
    reading = talk.read("a beach", answer())

    def stop(_: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        talk.engine.draw(reading, turn_id=uuid4(), seed=1, on_step=stop)
    turn_id = uuid4()
    drawn = [talk.engine.draw(reading, turn_id=turn_id, seed=seed, on_step=lambda _: None) for seed in (1, 1, 2)]
    assert [colour_of(one.picture) for one in drawn if one.picture is not None] == [*map(seeded, (1, 1, 2))]
    assert drawn[0].segment is not None
    assert drawn[1].segment is not None
    one, other = load(drawn[0].segment), load(drawn[1].segment)
    assert all(torch.equal(one[name], other[name]) for name in one), "a reading may be drawn several times"
    assert drawn[0].record.seen != drawn[2].record.seen


def test_out_of_memory_is_told_and_what_is_drawn_with_less_says_so(
    talk: Talk, painter: Colours, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[Exception] = [
        torch.OutOfMemoryError("2 GiB were wanted"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        MemoryError("Unable to allocate 7 PiB"),
        RuntimeError("shapes do not go together"),
    ]

    def full(brief: Brief, *, seeds: Sequence[int], on_step: OnPaint, modest: bool = False) -> list[Painted]:
        raise raised.pop(0)

    with monkeypatch.context() as patched:
        patched.setattr(painter, "paint", full)
        for words in ("2 GiB", "ALLOC_FAILED", "DefaultCPUAllocator", "7 PiB"):
            with pytest.raises(OutOfMemory, match=words):
                talk.say("a beach", answer())
        with pytest.raises(RuntimeError, match="shapes"):
            talk.say("a beach", answer())
    modest = talk.read("a beach", answer(), modest=True)
    assert modest.reply == f"Here it is. {MODEST}"
    talk.engine.draw(modest, turn_id=uuid4(), seed=1, on_step=lambda _: None)
    assert painter.modest


def test_a_message_that_is_too_long_is_cut_and_said(talk: Talk) -> None:
    reading = talk.read("word " * 2 * LONGEST_MESSAGE, answer("Well.", draw=False))
    assert reading.reply.startswith("Well. Your message was too long")
    assert reading.tokens_read < LONGEST_MESSAGE + 100
