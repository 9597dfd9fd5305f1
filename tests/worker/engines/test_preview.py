"""The preview engine, tiny but whole: what it reads, remembers and draws, and what bad input gets."""

from __future__ import annotations

import logging
import random
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image, ImageChops

from tests.worker.engines.conftest import DIALOGUE, PICTURES, SALT, Talk
from worker.engines.contract import Character, ChatMessage, Record, Step, no_progress
from worker.engines.preview import NoWeights, PreviewEngine, meanings, replies
from worker.engines.preview.engine import APPEARANCES, Likeness, picture_tokens
from worker.engines.preview.faces import Known
from worker.engines.preview.looks import Vocabulary
from worker.engines.preview.mllm import Special
from worker.engines.preview.references import ALONE, LEFT, RIGHT
from worker.engines.preview.shades import AS_NAMED, Shades
from worker.engines.preview.spelling import Spelling
from worker.engines.preview.tokenizer import TOKENS, WIDTH
from worker.history import History, record_from_bytes, record_to_bytes
from worker.history.segments import SegmentStore
from worker.identity.drawn import OF_PEOPLE
from worker.training.dialogues import words_of_looks
from worker.training.scenes import Shot, draw_shot
from worker.training.views import LABELS, member, some_look


def tell(talk: Talk, turns: int = len(DIALOGUE)) -> None:
    for said in DIALOGUE[:turns]:
        talk.say(said.message)


def test_a_conversation_introduces_people_by_name_and_shows_them_again(talk: Talk) -> None:
    first, drawn = talk.say(DIALOGUE[0].message)
    assert first.draws
    assert [(new.name, new.description) for new in first.introduces] == [("Olivia", "red curls and fair skin")]
    assert first.alt_text.startswith("Olivia has red curls and fair skin. A portrait of Olivia")
    assert drawn.picture is not None
    assert drawn.picture.size == (256, 256)

    asked, nothing = talk.say(DIALOGUE[1].message)
    assert not asked.draws
    assert nothing.picture is None
    assert asked.reply == DIALOGUE[1].reply
    assert picture_tokens(nothing.record) is None

    both, _ = talk.say(DIALOGUE[2].message)
    olivia, max_ = talk.characters
    assert both.characters == (olivia.id,), "Max is new, so he has no id yet"
    assert [new.name for new in both.introduces] == ["Max"]

    alone, drawn = talk.say(DIALOGUE[3].message)
    assert alone.characters == (max_.id,)
    assert alone.introduces == ()
    assert drawn.record.characters == (max_.id,)


def test_the_picture_tokens_are_regressed_and_stay_in_the_history_as_they_are(talk: Talk) -> None:
    _, drawing = talk.say(DIALOGUE[0].message)
    regressed = picture_tokens(drawing.record)
    assert regressed is not None
    assert np.abs(regressed - PICTURES[0, 0]).mean() < 0.5, "it learned this picture by heart"
    restored = record_from_bytes(record_to_bytes(drawing.record))
    assert np.array_equal(restored.visual_tokens, drawing.record.visual_tokens)
    assert (restored.token_ids == Special.VISUAL).sum() == len(restored.visual_tokens)


def test_reading_from_segments_equals_reading_everything(talk: Talk) -> None:
    tell(talk, 3)
    warm = talk.read(DIALOGUE[3].message)
    cold = Talk(talk.engine, None, talk.records, talk.characters).read(DIALOGUE[3].message)
    assert warm.tokens_reused == sum(len(record.token_ids) for record in talk.records)
    assert (cold.tokens_reused, cold.tokens_read) == (0, warm.tokens_read + warm.tokens_reused)
    assert warm.reply == cold.reply
    assert np.allclose(warm.plan.read.picture, cold.plan.read.picture, atol=1e-4)  # type: ignore[attr-defined]
    for one, other in zip(warm.plan.read.keys, cold.plan.read.keys, strict=True):  # type: ignore[attr-defined]
        assert np.allclose(one, other, atol=1e-4)


def test_segments_lost_in_the_middle_are_computed_again(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tell(talk, 3)
    warm = talk.read(DIALOGUE[3].message)
    store = talk.segments
    assert store is not None
    keys = list(store._memory)
    del store._memory[keys[1]]
    again = talk.read(DIALOGUE[3].message)
    assert "1 turns of the history were read anew" in caplog.text
    assert again.tokens_reused == warm.tokens_reused - len(talk.records[1].token_ids)
    assert np.allclose(again.plan.read.picture, warm.plan.read.picture, atol=1e-4)  # type: ignore[attr-defined]
    assert talk.read(DIALOGUE[3].message).tokens_reused == warm.tokens_reused, "and are kept again"


def test_damaged_segments_on_disk_are_not_used(engine: PreviewEngine, tmp_path: Path) -> None:
    first = Talk(engine, SegmentStore(memory_bytes=0, disk_folder=tmp_path, disk_bytes=2**24))
    tell(first, 3)
    whole = first.read(DIALOGUE[3].message)
    assert whole.tokens_reused > 0
    for file in tmp_path.iterdir():
        broken = bytearray(file.read_bytes())
        broken[-3] ^= 4
        file.write_bytes(broken)
    again = first.read(DIALOGUE[3].message)
    assert again.tokens_reused == 0
    assert again.reply == whole.reply
    assert np.allclose(again.plan.read.picture, whole.plan.read.picture, atol=1e-4)  # type: ignore[attr-defined]


def test_another_workspace_shares_no_segment(talk: Talk) -> None:
    tell(talk, 2)
    stranger = History(talk.records, uuid4(), talk.segments)
    reading = talk.engine.read(stranger, ChatMessage(DIALOGUE[2].message, characters=talk.characters))
    assert reading.tokens_reused == 0


def test_a_branch_reuses_what_it_has_in_common(talk: Talk) -> None:
    tell(talk, 3)
    branch = Talk(talk.engine, talk.segments, talk.records[:1], talk.characters)
    assert branch.read(DIALOGUE[3].message).tokens_reused == len(talk.records[0].token_ids)


def test_segments_from_the_blob_store_serve_another_process(talk: Talk) -> None:
    _, drawing = talk.say(DIALOGUE[0].message)
    data = drawing.segment
    assert data is not None
    other = History(talk.records, SALT, SegmentStore(memory_bytes=2**24), {drawing.record.turn_id: lambda: data})
    reading = talk.engine.read(other, ChatMessage(DIALOGUE[1].message, characters=talk.characters))
    assert reading.tokens_reused == len(drawing.record.token_ids)


def test_a_conversation_that_another_engine_began_goes_on(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tell(talk, 1)
    foreign = replace(
        talk.records[0], fingerprint="another", token_ids=np.arange(5, dtype=np.int32), visual_tokens=np.zeros((0, 1))
    )
    picture = Image.new("RGB", (300, 200), "red")
    message = ChatMessage(DIALOGUE[1].message, characters=talk.characters)
    seen = talk.engine.read(History((foreign,), SALT, picture=lambda _: picture), message)
    assert "its words and picture are encoded anew" in caplog.text
    assert seen.tokens_read > len(talk.records[0].token_ids), "its picture is read too"
    talk.engine.read(History((foreign,), SALT), message)
    assert "its words are encoded anew" in caplog.text


def test_equal_seeds_give_equal_pictures_and_others_do_not(talk: Talk) -> None:
    reading = talk.read(DIALOGUE[0].message)
    one, same, other = (
        talk.engine.draw(reading, turn_id=uuid4(), seed=seed, on_step=no_progress).picture for seed in (5, 5, 6)
    )
    assert one is not None
    assert same is not None
    assert other is not None
    assert ImageChops.difference(one, same).getbbox() is None
    assert ImageChops.difference(one, other).getbbox() is not None


def test_progress_counts_the_steps_and_a_caller_can_stop_between_them(tiny_weights: Path) -> None:
    engine = PreviewEngine.from_pretrained(tiny_weights, steps=8)
    reading = engine.read(History((), SALT), ChatMessage(DIALOGUE[0].message))
    steps: list[Step] = []
    engine.draw(reading, turn_id=uuid4(), seed=1, on_step=steps.append)
    assert [step.step for step in steps] == list(range(1, 9))
    assert [step.step for step in steps if step.preview is not None] == [2, 4, 6]
    assert steps[3].preview is not None
    assert steps[3].preview.size == (128, 128)
    plain, from_noise = PreviewEngine.from_pretrained(tiny_weights, steps=8, personalized=False), list[Step]()
    reading_anew = plain.read(History((), SALT), ChatMessage(DIALOGUE[0].message))
    plain.draw(reading_anew, turn_id=uuid4(), seed=1, on_step=from_noise.append)
    assert [step.step for step in from_noise if step.preview is not None] == [4, 8, 12], "from noise the way is longer"
    assert len(from_noise) == 16

    class Stop(BaseException):
        pass

    def stop(_: Step) -> None:
        raise Stop

    with pytest.raises(Stop):
        engine.draw(reading, turn_id=uuid4(), seed=1, on_step=stop)


@pytest.mark.parametrize("text", ["", "   ", "🦊🦊", "?!", "123 456"])
def test_a_message_without_words_gets_a_clear_sentence(talk: Talk, text: str) -> None:
    reading, drawing = talk.say(text)
    assert reading.reply == replies.UNCLEAR
    assert drawing.picture is None


def test_another_script_gets_an_honest_answer(talk: Talk) -> None:
    for text in ("画一张在海滩上的画", "Нарисуй Ольгу на пляже", "ارسم على الشاطئ"):
        assert talk.read(text).reply == replies.FOREIGN


def test_twenty_thousand_characters_are_read_as_far_as_possible_and_that_is_said(talk: Talk) -> None:
    reading, drawing = talk.say("draw Olivia on the beach " * 800)
    assert reading.reply.startswith(replies.CUT)
    assert len(drawing.record.token_ids) < 400


def test_a_long_conversation_leaves_its_oldest_turns_in_large_steps(talk: Talk) -> None:
    tell(talk, 1)
    records = talk.records * 40
    kept = [len(talk.engine.reader.kept(records[:size])) for size in range(1, 41)]
    assert max(kept) < 20
    drops = [one - other for one, other in pairwise(kept) if one >= other]
    assert drops
    assert min(drops) >= 3, "it leaves room for several turns at once"


def in_this_art(number: int) -> Image.Image:
    rng = random.Random(number)
    return draw_shot(Shot(((member("preview", number), some_look(rng)),), "park", False, "portrait", number))


def test_a_described_character_is_described_to_the_model_once(talk: Talk) -> None:
    ada = Character(uuid4(), "Ada", 1, "a green mohawk")
    text, pictures = talk.engine._newcomers("draw ada here", [], ChatMessage("", characters=(ada,)), (), ())
    assert (text, pictures) == ("draw ada (a green mohawk) here", [])


def test_an_uploaded_reference_is_seen_by_reader_and_painter(talk: Talk) -> None:
    picture = in_this_art(1)
    ada = Character(uuid4(), "Ada", 1, references=(picture,))
    _, pictures = talk.engine._newcomers("draw Ada", [], ChatMessage("", characters=(ada,)), (), ())
    assert len(pictures) == 1
    references = talk.engine._shown_before("A portrait of Ada, calm, in red, in the park by day.", (), [ada], 9)
    assert np.array_equal(references[0].visual, pictures[0].visual)
    reading = talk.engine.read(History((), SALT), ChatMessage("draw Ada", characters=(ada,)))
    assert (reading.plan.read.token_ids == Special.PICTURE).sum() == 1  # type: ignore[attr-defined]


def test_who_is_named_is_looked_at_before_the_next_picture_is_regressed(talk: Talk) -> None:
    """The reference is that of the first picture, and another face there gives another next picture."""
    tell(talk, 3)
    reading = talk.read(DIALOGUE[3].message)
    (reference,) = reading.plan.read.references  # type: ignore[attr-defined]
    assert (reference.stands, reference.stood) == (ALONE, RIGHT)
    assert np.array_equal(reference.visual, talk.records[2].visual_tokens[-TOKENS:])
    other = in_this_art(2)
    talk.characters = tuple(replace(one, references=(other,)) for one in talk.characters)
    changed = talk.read(DIALOGUE[3].message)
    assert changed.reply == reading.reply
    assert not np.allclose(changed.plan.read.picture, reading.plan.read.picture, atol=0.01)  # type: ignore[attr-defined]


def test_every_picture_of_somebody_has_a_say_in_who_they_are(talk: Talk) -> None:
    tell(talk)
    picture = in_this_art(2)
    drawn = [(talk.records[number].visual_tokens[-TOKENS:], stood) for number, stood in ((2, RIGHT), (3, ALONE))]
    for uploaded, wanted in ((), drawn), ((picture,), [(talk.engine.painter.tokens_of(picture), ALONE), drawn[1]]):
        known = [replace(one, references=uploaded) for one in talk.characters]
        for most in (1, 9):
            found = talk.engine._shown_before(DIALOGUE[3].reply, talk.records, known, most)
            assert [(one.stood, one.stands) for one in found] == [(stood, ALONE) for _, stood in wanted[:most]]
            assert all(np.array_equal(one.visual, seen) for one, (seen, _) in zip(found, wanted, strict=False))
    elsewhere = [talk.records[2], replace(talk.records[3], latents=None)]  # which another engine drew
    assert len(talk.engine._shown_before(DIALOGUE[3].reply, elsewhere, talk.characters, 9)) == 1
    anew = [replace(one, version=2, references=(picture,)) for one in talk.characters]
    assert len(talk.engine._shown_before(DIALOGUE[3].reply, talk.records, anew, 9)) == 1, (
        "a new likeness is the only one"
    )


def test_the_painter_is_given_the_first_appearance_to_look_at_and_all_to_read(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(talk, 3)
    reading = talk.read(DIALOGUE[3].message)
    plan = reading.plan
    asked: list[int] = []
    monkeypatch.setattr(PreviewEngine, "_shown_before", lambda *_, most, **__: asked.append(most) or ())
    talk.read(DIALOGUE[3].message)
    assert asked == [1, APPEARANCES]
    given: list[tuple[object, ...]] = []
    paint = talk.engine.painter.paint
    monkeypatch.setattr(
        talk.engine.painter, "paint", lambda *seen, **options: given.append(seen) or paint(*seen, **options)
    )
    twice = replace(plan, appearances=plan.appearances * 2)  # type: ignore[type-var,attr-defined]
    talk.engine.draw(replace(reading, plan=twice), turn_id=uuid4(), seed=1, on_step=no_progress)
    assert given == [(plan.read.picture, plan.read.references, twice.appearances, plan.known)]  # type: ignore[attr-defined]


def test_people_are_drawn_as_words_tell_of_them(talk: Talk) -> None:
    talk.engine.vocabulary = Vocabulary(words_of_looks())
    both = OLIVIA.replace("blue,", "blue and Ada, sad, in red,")
    said = replies.understood(f"Ada has a pink short bob and fair skin. {both}")
    olivia = Character(uuid4(), "Olivia", 1, "short curls, pink; a beard and fair skin")
    one, other = talk.engine._known(said, [olivia, None], (), None)
    understood = [name for name, value in zip(OF_PEOPLE, one.values, strict=True) if value is not None]
    assert understood == ["expression", "clothes", "skin"], "of a person's own words"
    assert None not in other.values
    assert one.shades == other.shades == AS_NAMED
    talk.engine.vocabulary = None
    assert talk.engine._known(said, [olivia, None], (), None) == ()


def test_what_was_settled_of_somebody_wins_over_what_a_reply_makes_of_it(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.engine.vocabulary = Vocabulary(words_of_looks())
    said = replies.understood(f"Olivia has a blue fade, tan skin and a goatee. {OLIVIA}")
    monkeypatch.setattr(talk.engine.painter, "known_of", lambda *_: Known(PINK_CURLS))
    described = Character(uuid4(), "Olivia", 1, "a red round afro and fair skin")
    pictured = replace(described, description="", references=(in_this_art(1),))

    def look(who: Character) -> dict[str, str]:
        (known,) = talk.engine._known(said, [who], (), None)
        return {
            name: LABELS[name][value] for name, value in zip(OF_PEOPLE, known.values, strict=True) if value is not None
        }

    look_of_reply = {"head": "shaved2", "hair": "blue", "skin": "tan", "beard": "goatee1"}
    assert look(described).items() >= {"head": "afro", "hair": "red", "skin": "fair", "beard": "none"}.items()
    assert look(pictured).items() >= {"head": "short3", "hair": "pink", "skin": "fair", "beard": "full"}.items()
    assert look(replace(described, description="somebody tall")).items() >= look_of_reply.items(), (
        "nothing else is known"
    )


def test_whom_a_picture_shows_keeps_the_shades_that_it_shows(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    talk.engine.vocabulary = Vocabulary(words_of_looks())
    seen, other, shades = in_this_art(1), in_this_art(2), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    monkeypatch.setattr(
        talk.engine.painter,
        "known_of",
        lambda _, __, picture, told: Known(told, shades if picture is seen else (1.0,) * 6),
    )
    ada = f"Ada has a pink short bob and fair skin. {OLIVIA.replace('Olivia', 'Ada')}"
    monkeypatch.setattr(talk.engine, "_corrected", lambda *_, **__: ada)
    reading = talk.engine.read(talk.history(), ChatMessage(DIALOGUE[0].message, references=(seen,)))
    reading.plan = replace(reading.plan, known=())  # type: ignore[type-var]  # the tiny painter knows fewer attributes
    drawing = talk.engine.draw(reading, turn_id=uuid4(), seed=1, on_step=no_progress)
    record = record_from_bytes(record_to_bytes(drawing.record))
    character = Character(uuid4(), "Ada", 1, turn_id=record.turn_id)
    said = replies.understood(OLIVIA.replace("Olivia", "Ada"))

    def known(*own: Record, who: Character = character) -> Shades:
        return talk.engine._known(said, [who], own, None)[0].shades

    assert np.allclose(known(record), shades)
    assert known() == known(replace(record, turn_id=uuid4())) == AS_NAMED, "nobody knows of the picture"
    assert known(record, who=replace(character, references=(other,))) == (1.0,) * 6, "what was uploaded for good counts"
    first = next(talk.engine._appearances(character, [record]))
    assert np.array_equal(first.visual, talk.engine.painter.tokens_of(seen))
    assert first.stood == ALONE


def test_names_are_spelt_as_the_person_spelt_them() -> None:
    reply = "Olivea has a red bun. A portrait of Olivea, calm, in red and Maks, sad, in blue, in the park by day."
    mended = replies.with_true_names(reply, "draw Olivia with a red bun next to max", ["Max"])
    assert (
        mended == "Olivia has a red bun. A portrait of Olivia, calm, in red and Max, sad, in blue, in the park by day."
    )
    assert replies.understood(mended).shown == ("Olivia", "Max")
    reply = "A portrait of Can, calm, in red, in the park by day."
    assert replies.with_true_names(reply, "next: can we have him in red?", ["Hans"]) == reply.replace("Can", "Hans")
    assert replies.with_true_names(reply, "next: can we have him in red?", []) == reply
    assert replies.with_true_names(reply, "this is can, in red", ["Hans"], attached=True) == reply
    for near, message, known in (
        ("Anna", "draw anna in red", ["Hannah"]),
        ("Can", "can Hans be in red?", ["Hans", "Can"]),
    ):
        named = reply.replace("Can", near)
        assert replies.with_true_names(named, message, known) == named
    assert replies.with_true_names(reply.replace("Can", "Hans's"), "hans's in red", ["Hans"]) == reply.replace(
        "Can", "Hans"
    )


@pytest.mark.parametrize(
    ("described", "shown", "known", "whose"),
    [
        ("Dark", "Pol", [], "Pol"),  # the nearest word to a name that the model made up
        ("Dark", "Pol and Ann", ["Ann"], "Pol"),
        ("Dark", "Pol", ["Pol"], "Dark"),
        ("Pol", "Pol", [], "Pol"),
    ],
)
def test_whom_a_reply_describes_is_whom_it_shows(described: str, shown: str, known: list[str], whose: str) -> None:
    people = " and ".join(f"{name}, calm, in red" for name in shown.split(" and "))
    reply = f"{described} has a green bald crown. A portrait of {people}, in the park by day."
    message = "Pol with a green bald crown, in the dark, and Ann"
    assert replies.with_true_names(reply, message, known) == reply.replace(f"{described} has", f"{whose} has")


@pytest.mark.parametrize(
    ("described", "known", "attached", "stays"),
    [
        ("Wa", ["Pol"], False, False),
        ("Wa", ["Pol"], True, True),
        ("Wa", ["Ann"], False, True),
        ("Pola", ["Pol"], False, True),
        ("J", ["Pol"], False, True),
        ("Mary J", ["Pol"], False, True),
    ],
)
def test_nobody_is_described_whom_no_message_names(
    described: str, known: list[str], attached: bool, stays: bool
) -> None:
    shown = "A portrait of Pol, calm, in red, in the park by day."
    message = "a portrait of Pol with Mary J"
    named = replies.with_true_names(f"{described} has red hair. {shown}", message, known, attached=attached)
    assert (named != shown) is stays
    assert named.endswith(shown)


def test_names_with_initials_stay_whole() -> None:
    for name in ("Mary J", "J"):
        reply = f"{name} has red hair. A portrait of {name}, calm, in red, in the park by day."
        assert replies.with_true_names(reply, f"draw {name} with red hair", ["Jo"]) == reply


@pytest.mark.parametrize(
    ("reply", "message", "known", "mistaken"),
    [
        ("I do not know he yet. Tell me what he looks like.", "he is sleepy in the bedroom", ["Yusuf"], True),
        ("I do not knowhe yet. Tell me what to draw next.", "he is sleepy in the bedroom", ["Yusuf"], True),
        ("I do not know Bob yet. Tell me what Bob looks like.", "who is bob?", [], False),
        ("I do not know Bob yet. Tell me what Bob looks like.", "a close-up of Bob", ["Bob"], True),
        ("I do not know Zed yet. Tell me what Zed looks like.", "he sleeps", ["Bob"], True),
        ("A portrait of Bob, calm, in red, in the park by day.", "draw Bob", ["Bob"], False),
    ],
)
def test_a_reply_that_asks_about_somebody_known_is_mistaken(
    reply: str, message: str, known: list[str], mistaken: bool
) -> None:
    assert replies.mistaken(reply, message, known) is mistaken


def test_the_model_is_asked_again_when_it_is_mistaken(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    tell(talk, 1)
    assert talk.read(DIALOGUE[1].message).reply == DIALOGUE[1].reply
    bob = Character(uuid4(), "Bob", 1)
    talk.characters += (bob,)
    with caplog.at_level(logging.INFO):
        reading, _ = talk.say(DIALOGUE[1].message)
    assert "another reply" in caplog.text
    assert not reading.reply.startswith("I do not know")
    again = talk.engine.read(History(talk.records, SALT), ChatMessage("go on", characters=talk.characters))
    assert again.reply == talk.read("go on").reply, "the rejected reply left no trace in the segment"


def test_a_model_that_is_mistaken_again_says_that_it_did_not_understand(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(talk, 1)
    monkeypatch.setattr(PreviewEngine, "_corrected", lambda *_, **__: None)
    reading, drawing = talk.say(DIALOGUE[2].message)
    assert reading.reply == replies.UNCLEAR
    assert drawing.picture is None


OLIVIA = "A portrait of Olivia, smiling, in blue, on the beach by day."
PINK_CURLS = tuple(
    LABELS[name].index(value)
    for name, value in zip(OF_PEOPLE, ("calm", "blue", "short3", "pink", "fair", "none", "full"), strict=True)
)
MAX = "A wide shot of Max, calm, in green, with sunglasses, in a café by night."
BOTH = "A portrait of Olivia, angry, in red and Max, calm, in green, in the park by day."
NONE, LOOK, ALL = (False, False, False), (True, True, False), (True, True, True)


@pytest.mark.parametrize(
    ("reply", "pictures", "seen", "doubtful"),
    [
        ("A close-up of Olivia, calm, in green, with sunglasses, in space by day.", [OLIVIA, MAX], 2, {"Olivia": ALL}),
        (
            "A close-up of Olivia, smiling, in green, in space by day.",
            [OLIVIA, MAX],
            2,
            {"Olivia": (False, True, False)},
        ),
        ("A portrait of Olivia, smiling, in blue, on the beach by night.", [OLIVIA, BOTH, MAX], 3, {"Olivia": NONE}),
        ("A portrait of Olivia, smiling, in blue, in space by day.", [OLIVIA, BOTH, MAX], 3, {"Olivia": NONE}),
        ("A wide shot of Olivia, smiling, in blue, in space by night.", [OLIVIA, BOTH, MAX], 3, {"Olivia": LOOK}),
        ("A close-up of Max, sad, in red, in the park by day.", [BOTH], 1, {"Max": (False, True, False)}),
        ("A portrait of Olivia, sad, in red, in space by day.", [OLIVIA], 1, {"Olivia": NONE}),
        (BOTH.replace("angry", "calm"), [BOTH], 1, {"Olivia": (True, False, False), "Max": NONE}),
        ("A portrait of Olivia, sad, in blue, in space by day.", [OLIVIA, MAX], 1, {"Olivia": (True, False, False)}),
        (f"Olivia has a bun. {OLIVIA.replace('blue', 'red')}", [OLIVIA, MAX], 2, {}),
        ("A portrait of Kim, calm, in green, in space by day.", [OLIVIA, MAX], 2, {}),
        ("A portrait of Max, sad, in red and Max, calm, in blue, in space by day.", [OLIVIA, MAX], 2, {}),
        ("I did not understand that.", [OLIVIA], 1, {}),
    ],
)
def test_a_look_is_in_doubt_where_it_may_be_anothers(
    reply: str, pictures: list[str], seen: int, doubtful: dict[str, tuple[bool, bool, bool]]
) -> None:
    found = meanings.doubts(replies.understood(reply), [replies.understood(one) for one in pictures], seen)
    assert {name: doubt.parts for name, doubt in found.items()} == doubtful


def test_people_take_others_places_with_all_they_wear() -> None:
    (look,) = replies.understood(MAX).looks
    assert look == ("calm", "green", ", with sunglasses")
    assert replies.understood(MAX).setting == ("A wide shot", "in a café", "night.")
    assert replies.with_people(f"Kim has a bun. {BOTH}", [("Kim", look)]) == (
        "Kim has a bun. A portrait of Kim, calm, in green, with sunglasses, in the park by day."
    )
    assert replies.understood(BOTH.replace("green,", "green, without glasses,")).looks[1].glasses == ", without glasses"
    assert replies.understood("A portrait of  , calm, in red, in the park by day.").shown == ()


@pytest.mark.parametrize(
    ("message", "likelier", "reply"),
    [
        ("a close-up of Max at night", "Max, calm, in red", "Max, calm, in red"),
        ("a close-up of Max at night", "Max, angry, in red", "Max, angry, in red"),
        ("a close-up of Max as Olivia", "", "Max, calm, in green"),
    ],
)
def test_whom_a_conversation_comes_back_to_keeps_their_own_look(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, message: str, likelier: str, reply: str
) -> None:
    tell(talk, 3)
    said = ("A portrait of Max, angry, in red, in space by day.", DIALOGUE[1].reply, OLIVIA.replace("blue", "green"))
    own = tuple(replace(one, reply=reply) for one, reply in zip(talk.records, said, strict=True))
    written = "A close-up of Max, calm, in green, on the beach by night."
    ways = [
        written.replace("calm, in green", look)
        for look in ("calm, in green", "calm, in red", "angry, in green", "angry, in red")
    ]
    asked: list[tuple[object, ...]] = []

    def likeliest(*given: object) -> int:
        asked.append(given)
        return next(number for number, way in enumerate(ways) if likelier in way)

    monkeypatch.setattr(talk.engine.reader, "likeliest", likeliest)
    corrected = talk.engine._corrected(written, message, ["Max", "Olivia"], own, own, pictures=())
    assert corrected == written.replace("Max, calm, in green", reply)
    asked_of = [("Max", "A portrait of Max, angry, in red, on the beach by day.")]
    assert asked == [(asked_of, message, ways)] * bool(likelier)


SPACE = "A portrait of Max, calm, in red, in space by day."
STAGE = "A close-up of Max, calm, in red, on stage by night."


@pytest.mark.parametrize(
    ("message", "there"),
    [
        ("back to the first picture, but asleep", 0),
        ("Picture one again, asleep", 0),
        ("as it was in the BEGINNING, asleep", 0),
        ("the cafe picture again, asleep", 1),
        ("Max asleep", None),
        ("one more, asleep", None),
        ("in the cafe, asleep", None),
        ("a picture of Max in the cafe", None),
        ("the one in the café again", 1),
        ("start laughing, Max", None),
        ("let's start over", 0),
        ("where we started", 0),
        ("go back to picture 2, asleep", 1),
        ("image number #3", 2),
        ("the Third one, asleep", 2),
        ("the 2nd drawing", 1),
        ("picture 4", None),
        ("the ninth picture", None),
        ("undo that", 2),
        ("no, the one before!", 2),
        ("one step back", 2),
        ("zoom out, step back", None),
        ("put it back on", None),
        ("I want to go back to the café", 1),
        ("like the first time, asleep", 0),
        ("picture two, asleep", 1),
        ("draw two pictures of Max", None),
        ("Max in a two shot", None),
        ("back to the original", 0),
        ("how it was at first, but asleep", 0),
        ("undo", 2),
        ("the previous one", 2),
        ("put her in the first row of the theatre", None),
        ("first, zoom out", None),
        ("undo her top button", None),
        ("the second one should smile", None),
        ("picture 2 people on the beach", None),
        ("take a step back, I want to see more", None),
        ("the stage picture, asleep", None),
        ("the theatre picture, asleep", None),
    ],
)
def test_a_message_may_go_back_to_a_picture_by_its_number_or_its_place(message: str, there: int | None) -> None:
    pictures = [replies.understood(one) for one in (SPACE, MAX, OLIVIA, STAGE)]
    assert meanings.gone_back_to(message, pictures) == there
    assert meanings.gone_back_to(message, pictures[:1]) is None


def test_a_picture_in_other_words_has_no_place_to_go_back_to() -> None:
    pictures = [replies.understood(one) for one in ("A picture of Max, calm, in red.", SPACE)]
    assert meanings.gone_back_to("one more, and make one sad, in a long shot", pictures) is None
    assert meanings.gone_back_to("picture 1", pictures) == 0, "it counts all the same"


def test_a_conversation_that_goes_back_to_a_picture_is_asked_what_is_still_as_there(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(talk, 3)
    own = tuple(replace(one, reply=said) for one, said in zip(talk.records, (SPACE, "Hello.", STAGE), strict=True))
    written = "A close-up of Max, sleepy, in red, in space by night."
    ways = [
        written.replace("sleepy", look).replace("A close-up", framing).replace("night", time)
        for look in ("sleepy", "calm")
        for framing in ("A close-up", "A portrait")
        for time in ("night", "day")
    ]
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(talk.engine, "_with_own_looks", lambda reply, *_: reply)
    monkeypatch.setattr(talk.engine.reader, "likeliest", lambda *given: asked.append(given) or 3)
    message = "back to the first picture, but asleep"
    assert talk.engine._corrected(written, message, ["Max"], own, own[2:], pictures=()) == ways[3]
    assert asked == [([(own[0].text, SPACE), (own[2].text, STAGE)], message, ways)]


def test_going_back_brings_back_whom_the_picture_shows() -> None:
    there = replies.understood(SPACE)
    written = "A portrait of Olivia, sad, in red, in space by night."
    assert meanings.ways_back(written, there) == [
        one.replace("night", time)
        for one in (written, written.replace("Olivia", "Max"), written.replace("Olivia, sad", "Max, calm"))
        for time in ("night", "day")
    ]
    two = BOTH.replace("in the park", "in space")
    assert meanings.ways_back(two, there) == [two, "A portrait of Max, calm, in red, in space by day."]
    assert meanings.ways_back(f"Olivia has a bun. {written}", there) == [f"Olivia has a bun. {written}"]
    everything = BOTH.replace("portrait", "wide shot").replace("park by day", "snow by night")
    others = "A close-up of Olivia, sad, in blue, with sunglasses and Max, sad, in red, in space by day."
    assert meanings.ways_back(everything, replies.understood(others)) == [everything], "it is another picture"
    odd = "A picture of Max, calm, in red."
    assert meanings.ways_back(odd, there) == [odd]


@pytest.mark.parametrize(
    ("reply", "message", "ways"),
    [
        ("A portrait of Max, sad, in red, in space by day.", "Max sad", []),
        (SPACE, "Max calm", []),
        (
            "A portrait of Max, sad, in blue, in space by day.",
            "Max sad",
            ["A portrait of Max, sad, in red, in space by day.", "A portrait of Max, calm, in blue, in space by day."],
        ),
        ("A wide shot of Olivia, sad, in blue, in space by day.", "zoom out", [SPACE.replace("portrait", "wide shot")]),
        ("A wide shot of Olivia, sad, in blue, in space by day.", "zoom out, with Olivia", []),
        (
            "A wide shot of Olivia, sad, in blue, in space by day.",
            "Max from far away",
            [SPACE.replace("portrait", "wide shot")],
        ),
        (
            "A wide shot of Kim, sad, in blue, in space by day.",
            "Ada from far away",
            [SPACE.replace("portrait", "wide shot")],
        ),
        (
            "A wide shot of Kim, sad, in blue, in space by day.",
            "zoom out, with Olivia",
            ["A wide shot of Olivia, smiling, in blue, in space by day."],
        ),
        ("Olivia has a bun. A wide shot of Olivia, sad, in blue, in space by day.", "a new one", []),
        ("A portrait of Olivia, sad, in blue, in space by day.", "Olivia's face, sad", []),
        ("A portrait of Max, sad, in blue, in space by day and night.", "sad", []),
        ("A portrait of Max, sad, in blue.", "sad", []),
        ("A portrait of Ada, sad, in blue and Bo, sad, in blue and Max, sad, in blue, in space by day.", "sad", []),
    ],
)
def test_a_message_that_goes_on_may_mean_less_than_the_reply_says(reply: str, message: str, ways: list[str]) -> None:
    pictures = [replies.understood(one) for one in (OLIVIA, SPACE)]
    assert meanings.ways_on(reply, pictures, message) == [reply, *ways]


@pytest.mark.parametrize(
    ("message", "moved"),
    [
        ("make Max sad", True),
        ("MAX has to be sad", True),
        ("make Olivia sad", False),
        ("Max and Olivia sad", False),
        ("Max tells a story and she is sad", False),
        ("Max makes her sad", False),
        ("the woman next to Max is sad", False),
        ("let Max's eyes be sad", True),
    ],
)
def test_of_two_people_who_alone_is_named_changes(message: str, moved: bool) -> None:
    written = BOTH.replace("angry", "sad")
    meant = BOTH.replace("calm", "sad") if moved else written
    assert meanings.with_change_of(written, replies.understood(BOTH), message) == meant
    first = meanings.with_change_of(BOTH.replace("calm", "sad"), replies.understood(BOTH), "let Olivia be sad")
    assert first == written
    assert meanings.with_change_of(written, replies.understood(MAX), "make Max sad") == written
    changed = BOTH.replace("calm", "sad")
    assert meanings.with_change_of(changed, replies.understood(BOTH), "make Max sad") == changed
    sad = changed.replace("angry", "sad")
    assert meanings.with_change_of(sad, replies.understood(BOTH), "make Max sad") == changed, "and not Olivia with him"
    for theirs in ("make Max sad too", "both sad, Max and all", "Max, and everybody, sad"):
        assert meanings.with_change_of(sad, replies.understood(BOTH), theirs) == sad
    worried = changed.replace("angry", "worried")
    assert meanings.with_change_of(worried, replies.understood(BOTH), "make Max sad") == worried, "it is not Max's"


@pytest.mark.parametrize("message", ["both sad", "make everybody sad", "the two of them have to be SAD"])
def test_a_message_about_both_changes_both(message: str) -> None:
    before, both_sad = replies.understood(BOTH), BOTH.replace("calm", "sad").replace("angry", "sad")
    for written in (BOTH.replace("calm", "sad"), BOTH.replace("angry", "sad"), both_sad):
        assert meanings.with_change_of(written, before, message) == both_sad
    assert meanings.with_change_of(BOTH, before, message) == BOTH, "nobody changed"
    worried = both_sad.replace("sad", "worried", 1)
    assert meanings.with_change_of(worried, before, message) == worried, "each changed otherwise"
    assert meanings.ways_on(both_sad, [before], message) == [both_sad], "and not one of them"
    assert len(meanings.ways_on(both_sad, [before], "sad")) == 3
    assert not meanings.about_both(f"{message}, Max too", before)
    assert not meanings.about_both(message, replies.understood(MAX))


def test_everybody_is_described_and_shown_once() -> None:
    described = "Max has a bun. "
    assert replies.without_repetition(described * 2 + MAX) == described + MAX
    assert replies.without_repetition(SPACE.replace("red", "red and Max, calm, in red")) == SPACE
    two = f"Mary Anna has a bun. Anna has a bun. {MAX}"
    assert replies.without_repetition(two) == two
    assert replies.without_repetition(f"{described}Max has red hair. {MAX}") == described + MAX
    assert replies.without_repetition(f"Max has a bun.{MAX}") == f"Max has a bun.{MAX}"
    assert replies.without_repetition(f"Olivia has a bun. {described}{BOTH}") == f"Olivia has a bun. {described}{BOTH}"


@pytest.mark.parametrize(
    ("reply", "message", "worn"),
    [
        ("A portrait of Max, sad, in red, in space by day.", "Max sad, in red", True),
        ("A portrait of Max, sad, in red, in space by day.", "Max sad, without his shades", False),
        ("A portrait of Max, sad, in red, in space by day.", "with round glasses again", False),
        ("A portrait of Max, sad, in red, in space by day.", "take them off", False),
        ("A portrait of Max, sad, in red, without glasses, in space by day.", "Max sad", False),
        ("Max has a bun. A portrait of Max, sad, in red, in space by day.", "a new Max", False),
        ("A portrait of Olivia, sad, in red, in space by day.", "Olivia sad", False),
    ],
)
def test_glasses_stay_as_they_last_were_where_nobody_tells_of_them(reply: str, message: str, worn: bool) -> None:
    looks = {"Max": replies.Look("calm", "green", ", with sunglasses"), "Olivia": replies.Look("calm", "red", "")}
    meant = reply.replace("in red", "in red, with sunglasses") if worn else reply
    assert meanings.with_glasses_of(reply, looks, message) == meant


def test_whom_nobody_knows_is_the_only_one_who_may_be_meant() -> None:
    shown = "A portrait of Kus, calm, in red and Won, calm, in red, in space by day."
    assert replies.with_true_names(shown, "add her", ["Kus", "Del"]) == shown.replace("Won", "Del")
    assert replies.with_true_names(shown, "add Del", ["Kus", "Del", "Max"]) == shown.replace("Won", "Del")
    assert replies.with_true_names(shown, "add her", ["Kus", "Del", "Max"]) == shown


@pytest.mark.parametrize(
    ("message", "answers", "name"),
    [
        ("cool, keben, with a bun", ["Cool", "Keben"], "Keben"),
        ("cool, Keben’s hair in a bun", ["Cool", "Keben"], "Keben"),
        ("McKeben, with a bun", ["McKeben"], "McKeben"),
        ("keben and wovu with a bun", ["Keben", "Wovu"], "Wovu"),
        ("Keben with a bun, keben with hair", ["Keben"], "Keben"),
        ("cool, with a bun", [], "Cool"),
        ("cool, Max Ito with a bun", [], "Cool"),
        ("don't draw hills, I'm for a bun", [], "Cool"),
    ],
)
def test_a_newcomer_has_the_name_that_the_message_gives_them(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, message: str, answers: list[str], name: str
) -> None:
    tell(talk, 1)
    asked: list[list[str]] = []
    monkeypatch.setattr(talk.engine, "spelling", Spelling(["cool", "and", "with", "hair", "bun"]))
    monkeypatch.setattr(talk.engine.reader, "likeliest", lambda *given: asked.append(given[2]) or 1)
    written = f"Cool has a bun. {SPACE.replace('Max', 'Cool')}"
    found = talk.engine._with_names_as_written(written, message, ["Max Ito"])
    assert found == written.replace("Cool", name)
    assert asked == [[written.replace("Cool", one) for one in answers]] * (len(answers) > 1)


def test_two_newcomers_have_two_names(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(talk, 1)
    monkeypatch.setattr(talk.engine, "spelling", Spelling(["with", "bun"]))
    monkeypatch.setattr(talk.engine.reader, "likeliest", lambda *_: 0)
    written = f"Olivia has a bun. Max has a bun. {BOTH}"
    named = talk.engine._with_names_as_written(written, "Kob and Dun, with a bun", [])
    assert named == written.replace("Olivia", "Kob").replace("Max", "Dun")
    anna = written.replace("Olivia", "Anna Lee")
    assert talk.engine._with_names_as_written(anna, "Anna Lee and Max, with a bun", []) == anna


@pytest.mark.parametrize("alone", [False, True])
def test_a_newcomer_whom_a_reply_describes_is_shown(talk: Talk, monkeypatch: pytest.MonkeyPatch, alone: bool) -> None:
    tell(talk, 1)
    monkeypatch.setattr(talk.engine, "vocabulary", vocabulary := Vocabulary(words_of_looks()))
    asked: list[list[str]] = []
    monkeypatch.setattr(talk.engine.reader, "likeliest", lambda *given: asked.append(given[2]) or (-1 if alone else 0))
    written = f"Tom has a blue fade and tan skin. {OLIVIA}"
    told = "with Tom, a blue fade, tan skin", ["Olivia"], talk.records
    expression, clothes = (words[-1 if alone else 0] for words in vocabulary.worn())
    look = replies.Look(expression, clothes, "")
    cast = [*([] if alone else replies.understood(OLIVIA).people), ("Tom", look)]
    assert talk.engine._with_newcomer_shown(written, *told) == replies.with_people(written, cast)
    assert [len(one) for one in asked] == [len(LABELS["expression"]), len(LABELS["clothes"]), 2]
    for other in (OLIVIA, written.replace("Tom", "Olivia"), f"Tom has a bun. {BOTH}", written.replace("Olivia", "Tom")):
        assert talk.engine._with_newcomer_shown(other, *told) == other
    assert talk.engine._with_newcomer_shown(written, told[0], ["Olivia", "Tom"], talk.records) == written
    assert len(asked) == 3


def test_a_message_is_read_with_its_slips_mended_and_kept_as_it_is(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(talk, 1)
    monkeypatch.setattr(talk.engine, "spelling", Spelling(["beard"]))
    slip = DIALOGUE[2].message.replace("beard", "baerd")
    meant, read = (talk.read(one).plan for one in (DIALOGUE[2].message, slip))
    assert np.array_equal(read.read.token_ids, meant.read.token_ids)  # type: ignore[attr-defined]
    assert (read.text, meant.text) == (slip, DIALOGUE[2].message)  # type: ignore[attr-defined]


def test_a_corrected_look_is_what_is_said_and_drawn(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(talk, 3)
    talk.segments = None
    plain = talk.read(DIALOGUE[3].message)
    doubt = meanings.Doubt(replies.Look("calm", "red", ""), (False, True, False))
    monkeypatch.setattr(meanings, "doubts", lambda *_: {"Max": doubt})
    monkeypatch.setattr(talk.engine.reader, "likeliest", lambda *_: 1)
    changed = talk.read(DIALOGUE[3].message)
    assert changed.reply == "A close-up of Max, calm, in red, on the beach by night."
    assert changed.draws
    assert not np.allclose(changed.plan.read.picture, plain.plan.read.picture, atol=0.01)  # type: ignore[attr-defined]
    assert changed.tokens_read > plain.tokens_read, "what was written first was computed as well"


@pytest.mark.parametrize("turns", [1, 2])
def test_the_likeliest_answer_is_what_the_model_would_write_after_the_words_of_some_turns(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    tell(talk, 1)
    monkeypatch.setattr(replies, "mistaken", lambda *_: False)  # whatever it would write
    monkeypatch.setattr(PreviewEngine, "_with_own_looks", lambda _, reply, *__: reply)
    (record,) = talk.records
    ids = [int(one) for one in record.token_ids if one != Special.VISUAL]
    words = replace(record, token_ids=np.array(ids, np.int32), visual_tokens=record.visual_tokens[:0])
    for message in (DIALOGUE[1].message, DIALOGUE[3].message):
        written = Talk(talk.engine, None, (words,) * turns).read(message).reply
        answers = ["I do not know.", written.replace("Max", "Kim").replace("Bob", "Kim"), written, written + " by"]
        told = [(DIALOGUE[0].message, record.reply)] * turns
        assert talk.engine.reader.likeliest(told, message, answers) == 2
        assert talk.engine.reader.likeliest(told, message, answers[::-1]) == 1
        assert talk.engine.reader.likeliest(told, message, [written, written]) == 0


def test_a_folder_without_weights_says_what_to_do(tmp_path: Path, tiny_weights: Path) -> None:
    with pytest.raises(NoWeights, match="likeness train"):
        PreviewEngine.from_pretrained(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(tiny_weights, broken)
    (broken / "dit.safetensors").write_bytes((broken / "dit.safetensors").read_bytes()[:-9])
    with pytest.raises(NoWeights, match="likeness train"):
        PreviewEngine.from_pretrained(broken)


def test_the_fingerprint_is_that_of_the_weights(tmp_path: Path, tiny_weights: Path, engine: PreviewEngine) -> None:
    assert PreviewEngine.from_pretrained(tiny_weights).fingerprint == engine.fingerprint
    other = tmp_path / "other"
    shutil.copytree(tiny_weights, other)
    data = bytearray((other / "mllm.safetensors").read_bytes())
    data[-1] ^= 1
    (other / "mllm.safetensors").write_bytes(data)
    assert PreviewEngine.from_pretrained(other).fingerprint != engine.fingerprint


def test_a_reply_that_comes_to_no_end_gives_way_to_an_honest_one(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(talk, 1)
    monkeypatch.setattr("worker.engines.preview.reader.LONGEST_REPLY", 5)
    reading, drawing = talk.say(DIALOGUE[2].message)
    assert (reading.reply, reading.draws, drawing.picture) == (replies.UNCLEAR, False, None)
    monkeypatch.undo()
    warm = talk.read(DIALOGUE[3].message)
    cold = Talk(talk.engine, None, talk.records, talk.characters).read(DIALOGUE[3].message)
    assert warm.tokens_reused > 0
    assert warm.reply == cold.reply, "nothing of what was given up is remembered"
    for one, other in zip(warm.plan.read.keys, cold.plan.read.keys, strict=True):  # type: ignore[attr-defined]
        assert np.allclose(one, other, atol=1e-4)


def test_whom_a_picture_introduces_has_the_face_that_is_read_off_it(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk.engine.painter, "known_of", lambda *_: Known(PINK_CURLS))
    monkeypatch.setattr(talk.engine, "vocabulary", Vocabulary(words_of_looks()))
    written = f"Ada has a red afro, olive skin and sunglasses. {OLIVIA.replace('Olivia', 'Ada')}"
    picture = Likeness(np.zeros((TOKENS, WIDTH), np.float32), ALONE)

    def corrected(message: str, *pictures: Likeness) -> str | None:
        return talk.engine._corrected(written, message, [], (), (), pictures=pictures)

    seen = written.replace("a red afro, olive skin and sunglasses", "pink short curls, fair skin and a short beard")
    assert corrected("this is Ada, in a red dress", picture) == seen
    assert corrected("this is Ada, in a red dress") == written, "there is no picture"
    assert corrected("this is Ada, with an afro", picture) == written, "the message says it itself"
    bald = written.replace("a red afro, olive skin and sunglasses", "a turban, tan skin and a moustache")
    heard = talk.engine._corrected(bald, "with a red hat? no: Ada, a red moustache, a turban", [], (), (), pictures=())
    assert heard == bald.replace("a moustache", "a red moustache"), "it shows no other hair"
    asked: list[list[str]] = []
    with monkeypatch.context() as patched:
        patched.setattr(talk.engine.reader, "likeliest", lambda *given: asked.append(given[2]) or 1)
        settled = talk.engine._corrected(bald, "Ada, a moustache, a turban", [], (), (), pictures=())
    assert settled == asked[0][1], "of the colours that nobody told"
    assert settled != bald
    both = f"Olivia has a blue fade and tan skin. {written}"
    among = talk.engine._corrected(
        both, "Olivia and Ada", ["Olivia"], (), (), (picture,), "Olivia (a blue fade) and Ada"
    )
    assert among == f"Olivia has a blue fade and tan skin. {seen}", "who is known is not who came by the picture"
    monkeypatch.setattr(talk.engine.painter, "known_of", lambda *_: None)
    assert corrected("this is Ada, in a red dress", picture) == written, "nobody reads faces"


def test_a_newcomer_is_drawn_after_the_picture_that_came_with_them(talk: Talk) -> None:
    tell(talk, 1)
    uploaded = [Likeness(np.ones((TOKENS, WIDTH), np.float32), ALONE)]
    both = OLIVIA.replace("blue,", "blue and Ada, calm, in green,")

    def shown(reply: str, *characters: Character) -> list[tuple[int, bool]]:
        found = talk.engine._shown_before(reply, talk.records, characters, 1, uploaded)
        return [(one.stands, one.visual is uploaded[0].visual) for one in found]

    assert shown(both, *talk.characters) == [(LEFT, False), (RIGHT, True)]
    assert shown(OLIVIA, *talk.characters) == [(ALONE, False)], "who is known is no newcomer"
    assert shown(both) == [], "of two newcomers nobody knows whose it is"


@pytest.mark.parametrize(
    "reply",
    [
        "I do not understand that. Tell me what Olivia looks like, and I will draw them.",
        "I cannot draw a Olivia. I draw people, one or two in a picture. Tell me whom to draw and where.",
        "I cannot draw a Olivia looks like. I draw people, one or two in a picture. Tell me whom to draw and where.",
        "Olivia has red curls and fair skin.",
        replies.UNCLEAR,
    ],
)
def test_a_reply_of_two_halves_and_one_that_does_not_know_whom_it_knows_are_mistaken(reply: str) -> None:
    assert replies.mistaken(reply, "Olivia at night", ["Olivia"])


@pytest.mark.parametrize(
    "reply",
    [
        *(replies.UNCLEAR, replies.FOREIGN, replies.TOO_MANY, replies.ABOUT, replies.WELCOME),
        replies.CANNOT.format(thing="a dragon"),
        replies.CANNOT.format(thing="Olivia's dog"),
        replies.UNKNOWN.format(name="Bob"),
        replies.LEFT_OUT.format(thing="the cat") + OLIVIA,
    ],
)
def test_a_whole_sentence_is_not_mistaken(reply: str) -> None:
    assert not replies.mistaken(f" {reply} ".strip(), "draw Bob and a dragon", ["Olivia"])
