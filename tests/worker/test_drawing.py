"""The life of a claimed turn in one process: what is kept, what a lost lease stops, what a broken drawing leaves."""

from __future__ import annotations

import io
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from storage import admin, characters, conversations, turns, workers
from storage.blobs import open_blobs
from storage.conversations import Likeness
from storage.database import Database
from storage.sentences import OTHER_ASPECT, told
from storage.settings import Settings
from storage.tables import Appearance, Character, Kind, Picture, Record, Reference, Status, Worker, Workspace
from storage.tickets import Bell, queue
from storage.turns import Claim
from tests.factory import Factory
from tests.processes import until
from worker.drawing import OUT_OF_MEMORY, PAUSED_SECONDS, VARIATIONS, Drawer
from worker.engines.contract import (
    ChatMessage,
    Drawing,
    Engine,
    OnReply,
    OnStep,
    OutOfMemory,
    Reading,
    Step,
    no_progress,
    no_reply,
)
from worker.engines.echo import EchoEngine
from worker.history import History, record_from_bytes
from worker.identity.guard import Guard
from worker.identity.meter import Face


class Heard(Bell):
    """A bell that counts how often it was rung."""

    rung = 0

    def ring(self, engine: str, count: int = 1) -> bool:
        self.rung += count
        return super().ring(engine, count)


def drawer(
    settings: Settings,
    database: Database,
    engine: EchoEngine | None = None,
    bell: Bell | None = None,
    guard: Guard | None = None,
    worker_id: UUID | None = None,
) -> Drawer:
    return Drawer(
        settings=settings,
        database=database,
        blobs=open_blobs(settings.blobs),
        bell=bell or Bell(settings.broker_url),
        engine_name="echo",
        engine=engine or EchoEngine(),
        worker_id=worker_id or uuid7(),
        guard=guard,
    )


@pytest.fixture
def echo(settings: Settings, database: Database) -> Drawer:
    return drawer(settings, database)


def test_a_drawn_turn_leaves_a_picture_a_record_and_the_character_it_introduced(
    echo: Drawer, factory: Factory, settings: Settings
) -> None:
    receipt = factory.receive("draw Olivia")
    assert echo.draw_next()

    def rows(session: Session) -> tuple[Picture, Record, Character, Appearance]:
        return (
            session.scalars(select(Picture)).one(),
            session.scalars(select(Record)).one(),
            session.scalars(select(Character)).one(),
            session.scalars(select(Appearance)).one(),
        )

    picture, record, character, appearance = factory.database.run(rows)
    assert factory.turn(receipt.turn_id).reply == "Turn 1: draw Olivia"
    assert picture.alt_text == "The words: draw Olivia"
    assert (character.name, character.turn_id) == ("Olivia", receipt.turn_id)
    assert (appearance.picture_id, appearance.character_id) == (picture.id, character.id)
    blobs = open_blobs(settings.blobs)
    assert blobs.get(picture.blob_key).startswith(b"\x89PNG")
    assert record_from_bytes(blobs.get(record.blob_key)).turn_id == receipt.turn_id


def test_a_ticket_is_good_for_many_quick_turns(settings: Settings, database: Database, factory: Factory) -> None:
    receipts = [factory.receive("quick", thread=str(number)) for number in range(5)]
    heard = Heard(settings.broker_url)
    drawer(settings, database, bell=heard).answer()
    assert {factory.status(receipt.turn_id) for receipt in receipts} == {Status.DONE}
    assert heard.rung == 0


def test_a_slow_turn_uses_its_ticket_up_and_rings_for_the_rest(
    settings: Settings, database: Database, factory: Factory
) -> None:
    slow = factory.receive("sleep 0.7", thread="slow")
    others = [factory.receive("waits", thread=str(number)) for number in range(2)]
    heard = Heard(settings.broker_url)
    drawer(settings, database, bell=heard).answer()
    assert factory.status(slow.turn_id) is Status.DONE
    assert {factory.status(other.turn_id) for other in others} == {Status.QUEUED}
    assert heard.rung == 1


def test_turns_that_can_run_side_by_side_are_offered_to_other_workers(
    settings: Settings, database: Database, factory: Factory
) -> None:
    first = factory.receive("the root")
    branches = [factory.receive(f"branch {number}", reply_to=first.turn_id) for number in range(3)]
    heard = Heard(settings.broker_url)
    drawer(settings, database, bell=heard).answer()
    assert {factory.status(branch.turn_id) for branch in branches} == {Status.DONE}
    assert heard.rung == 2, "one of the three was this worker's own"


def test_a_paused_worker_passes_its_ticket_on_and_draws_when_it_is_resumed(
    settings: Settings, database: Database, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr("worker.drawing.time", SimpleNamespace(monotonic=time.monotonic, sleep=rests.append))
    waiting = factory.receive("waits")
    worker_id = uuid7()
    row = Worker(id=worker_id, engine="echo", fingerprint="echo-1", abilities={}, host="machine:1", paused=True)
    database.run(lambda session: session.add(row))
    heard = Heard(settings.broker_url)
    resting = drawer(settings, database, bell=heard, worker_id=worker_id)
    resting.answer()
    assert factory.status(waiting.turn_id) is Status.QUEUED
    assert heard.waiting("echo") == 1
    assert PAUSED_SECONDS in rests, "it leaves the ticket to others for a while"
    resting.answer()
    assert heard.rung == 1, "one ticket is enough"
    database.run(workers.set_paused, worker_id, paused=False)
    resting.answer()
    assert factory.status(waiting.turn_id) is Status.DONE


def test_history_is_the_line_of_done_turns_and_nothing_beside_it(echo: Drawer, factory: Factory) -> None:
    first = factory.receive("one")
    echo.draw_next()
    factory.receive("two, fail")
    echo.draw_next()
    third = factory.receive("three")
    echo.draw_next()
    branch = factory.receive("beside", reply_to=first.turn_id)
    echo.draw_next()
    assert factory.turn(third.turn_id).reply == "Turn 2: three", "a turn that failed is no part of the history"
    assert factory.turn(branch.turn_id).reply == "Turn 2: beside", "nor is a turn on another branch"


def test_a_character_is_in_scope_of_its_own_branch_only(echo: Drawer, factory: Factory) -> None:
    first = factory.receive("nobody yet")
    echo.draw_next()
    factory.receive("draw Olivia")
    echo.draw_next()
    factory.receive("draw Olivia", reply_to=first.turn_id)
    echo.draw_next()

    def characters(session: Session) -> list[UUID | None]:
        return [character.turn_id for character in session.scalars(select(Character))]

    assert len(factory.database.run(characters)) == 2, "each branch has an Olivia of its own"


def test_a_drawing_that_breaks_ends_in_a_sentence_with_a_reference(echo: Drawer, factory: Factory) -> None:
    receipt = factory.receive("please fail")
    assert echo.draw_next()
    turn = factory.turn(receipt.turn_id)
    assert turn.status == "failed"
    assert receipt.turn_id.hex[-8:] in turn.reply
    assert "RuntimeError" not in turn.reply


def test_what_the_worker_says_is_in_the_language_of_whoever_asked(echo: Drawer, factory: Factory) -> None:
    failing = factory.receive("please fail", thread="one", language="fr-FR")
    shaped = factory.receive("draw Olivia", thread="two", language="ja", aspect="16:9")
    for _ in range(2):
        echo.draw_next()
    assert factory.turn(failing.turn_id).reply.startswith("Quelque chose a échoué pendant que je dessinais. Réessaie")
    assert factory.turn(shaped.turn_id).reply == "Turn 1: draw Olivia " + told(OTHER_ASPECT.given(aspect="16:9"), "ja")


def test_an_engine_may_refuse(echo: Drawer, factory: Factory) -> None:
    receipt = factory.receive("please refuse")
    echo.draw_next()
    turn = factory.turn(receipt.turn_id)
    assert (turn.status, turn.reply) == ("refused", "I was asked to refuse, so I do.")


def test_a_cancel_stops_the_drawing_at_the_next_step(settings: Settings, database: Database, factory: Factory) -> None:
    receipt = factory.receive("sleep 30")
    quick = drawer(settings.model_copy(update={"lease_seconds": 0.4}), database)
    working = threading.Thread(target=quick.draw_next)
    working.start()
    until(lambda: factory.status(receipt.turn_id) is Status.RUNNING)
    factory.database.run(turns.cancel, receipt.workspace_id, receipt.turn_id)
    working.join(5)
    assert not working.is_alive()
    assert factory.status(receipt.turn_id) is Status.CANCELLED


def test_a_cancel_between_the_last_step_and_the_commit_leaves_no_picture(echo: Drawer, factory: Factory) -> None:
    receipt = factory.receive("draw Olivia")

    def cancel(claim: Claim) -> None:
        assert factory.database.run(turns.cancel, claim.workspace_id, claim.turn_id)

    assert echo.draw_next(before_finish=cancel)
    assert factory.status(receipt.turn_id) is Status.CANCELLED

    def pictures(session: Session) -> int:
        return len(session.scalars(select(Picture)).all()) + len(session.scalars(select(Character)).all())

    assert factory.database.run(pictures) == 0


def test_a_database_that_restarts_between_drawing_and_finishing_loses_nothing(echo: Drawer, factory: Factory) -> None:
    """Every connection is cut at the worst moment; the finish is tried again and counts once."""
    receipt = factory.receive("draw Olivia")

    def cut(_: Claim) -> None:
        def terminate(session: Session) -> None:
            session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

        Database(factory.database.url).run(terminate)

    assert echo.draw_next(before_finish=cut)
    assert factory.status(receipt.turn_id) is Status.DONE


def test_a_full_disk_fails_the_turn_with_a_sentence_and_the_worker_goes_on(
    settings: Settings, database: Database, factory: Factory, tmp_path: Path
) -> None:
    home = tmp_path / "blobs"
    broken = drawer(settings, database)
    home.mkdir(exist_ok=True)
    (home / "pictures").write_text("a file where a folder is needed")
    first = factory.receive("draw Olivia")
    assert broken.draw_next()
    assert factory.status(first.turn_id) is Status.FAILED
    assert "could not be stored" in factory.turn(first.turn_id).reply
    (home / "pictures").unlink()
    second = factory.receive("draw Max")
    assert broken.draw_next()
    assert factory.status(second.turn_id) is Status.DONE


def test_without_its_record_a_turn_is_remembered_by_its_words_and_picture(
    echo: Drawer, factory: Factory, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    first = factory.receive("first")
    assert echo.draw_next()
    record = next((settings.data_dir / "blobs" / "records").rglob("*.safetensors"))
    data = bytearray(record.read_bytes())
    data[-1] ^= 1
    record.chmod(0o644)
    record.write_bytes(data)
    seen: list[History] = []

    class Watching(EchoEngine):
        fingerprint = "another-1"

        def read(self, history: History, message: ChatMessage, *, on_reply: OnReply = no_reply) -> Reading:
            seen.append(history)
            return super().read(history, message, on_reply=on_reply)

    second = factory.receive("second")
    assert drawer(settings, factory.database, Watching()).draw_next()
    assert factory.status(second.turn_id) is Status.DONE
    (remembered,) = seen[0].records
    assert (remembered.text, remembered.fingerprint) == ("first", "")
    assert seen[0].picture is not None
    assert seen[0].picture(first.turn_id) is not None
    assert "lost" in caplog.text


def test_in_scope_the_nearest_of_one_name_counts(factory: Factory, echo: Drawer) -> None:
    receipt = factory.receive("draw Olivia")
    echo.draw_next()

    def add(session: Session) -> None:
        session.add(Character(workspace_id=receipt.workspace_id, name="olivia", description="the workspace's"))

    factory.database.run(add)

    def scope(session: Session) -> list[UUID | None]:
        found = conversations.in_scope(session, receipt.workspace_id, receipt.conversation_id, [receipt.turn_id])
        return [character.turn_id for character in found]

    assert factory.database.run(scope) == [receipt.turn_id]


class ByColour:
    """A meter that sees one face in each picture: its colour, which with `echo` is the seed's."""

    looked = 0

    def faces(self, picture: Image.Image) -> tuple[Face, ...]:
        self.looked += 1
        colour = np.array(picture.getpixel((0, 0)), np.float32) - 127.5
        return (Face((1, 2, 30, 40), colour / np.linalg.norm(colour)),)


def seen(database: Database) -> list[Appearance]:
    return database.run(
        lambda session: list(session.scalars(select(Appearance).join(Picture).order_by(Picture.turn_id)))
    )


def test_the_guard_draws_again_keeps_the_best_and_says_how_like_it_is(
    settings: Settings, database: Database, factory: Factory
) -> None:
    meter = ByColour()
    again = settings.model_copy(update={"guard_redraws": 3})
    guarded = drawer(again, database, guard=Guard(meter, 1.0))  # which nobody reaches
    factory.receive("draw Olivia", seed=7)
    assert guarded.draw_next()
    assert meter.looked == 1, "nothing shows yet what she looks like"
    receipt = factory.receive("draw Olivia", seed=20)
    assert guarded.draw_next()
    assert meter.looked == 2 + 4, "her first picture, and four drawings"
    alone = EchoEngine().draw(Reading("", True), turn_id=uuid7(), seed=7, on_step=no_progress).picture
    assert alone is not None
    (known,) = meter.faces(alone)
    alike = [
        known.similarity(*meter.faces(drawing.picture))
        for seed in range(20, 24)
        if (drawing := EchoEngine().draw(Reading("", True), turn_id=uuid7(), seed=seed, on_step=no_progress)).picture
    ]
    first, second = seen(database)
    assert (first.similarity, first.box) == (None, [1, 2, 30, 40])
    assert second.similarity == pytest.approx(max(alike), abs=1e-6)
    (view,) = (
        view
        for view in database.run(conversations.turns_of, receipt.workspace_id, receipt.conversation_id)
        if view.id == receipt.turn_id
    )
    assert view.pictures[0].characters == (Likeness("Olivia", second.similarity),)


def test_an_upload_without_consent_is_never_embedded(settings: Settings, database: Database, factory: Factory) -> None:
    receipt = factory.receive("hello")
    meter = ByColour()
    guarded = drawer(settings, database, guard=Guard(meter, -1.0))
    assert guarded.draw_next()
    looked = meter.looked
    photo = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(photo, "PNG")
    for name, consent in (("Olivia", ""), ("Ada", characters.CONSENT)):
        key = f"{receipt.workspace_id}/references/{name.lower()}.png"
        open_blobs(settings.blobs).put(key, photo.getvalue(), content_type="image/png")
        database.run(
            characters.create,
            receipt.workspace_id,
            receipt.conversation_id,
            name=name,
            references=[turns.StoredBlob(key, len(photo.getvalue()), "image/png")],
            consent=consent,
        )
    factory.receive("draw Olivia")
    assert guarded.draw_next()
    assert meter.looked == looked + 1, "the picture that was drawn, and not the one that was uploaded"
    factory.receive("draw Ada")
    assert guarded.draw_next()
    assert meter.looked == looked + 3
    assert [one.similarity is None for one in seen(database)] == [True, False]


def test_a_reference_that_is_gone_costs_the_comparison_and_not_the_picture(
    settings: Settings, database: Database, factory: Factory
) -> None:
    factory.receive("draw Olivia")
    guarded = drawer(settings, database, guard=Guard(ByColour(), -1.0))
    assert guarded.draw_next()
    picture = database.run(lambda session: session.scalars(select(Picture)).one())
    (Path(settings.blobs.removeprefix("file://")) / picture.blob_key).unlink()
    receipt = factory.receive("draw Olivia")
    assert guarded.draw_next()
    assert factory.status(receipt.turn_id) is Status.DONE
    assert [one.similarity for one in seen(database)] == [None, None]


def pictures_of(database: Database, turn_id: UUID) -> list[Picture]:
    query = select(Picture).where(Picture.turn_id == turn_id).order_by(Picture.position)
    return database.run(lambda session: list(session.scalars(query)))


def test_variations_are_several_pictures_of_one_reading(echo: Drawer, database: Database, factory: Factory) -> None:
    first = factory.receive("draw Olivia")
    echo.draw_next()
    varied = factory.receive("", kind=Kind.VARIATIONS, reply_to=first.turn_id)
    echo.draw_next()
    pictures = pictures_of(database, varied.turn_id)
    assert len({one.blob_key for one in pictures}) == VARIATIONS
    assert [one.chosen for one in pictures] == [True, *[False] * (VARIATIONS - 1)]
    factory.receive("and then")
    echo.draw_next()
    assert factory.status(varied.turn_id) is Status.DONE


def test_the_progress_of_variations_is_one_and_shows_them_side_by_side() -> None:
    told: list[Step] = []
    preview = Image.new("RGB", (8, 6), "red")

    class Previewing(EchoEngine):
        def draw(self, reading: Reading, *, turn_id: UUID, seed: int, on_step: OnStep) -> Drawing:
            on_step(Step(2, 2, preview))
            return super().draw(reading, turn_id=turn_id, seed=seed, on_step=no_progress)

    Previewing().draw_several(Reading("", True), turn_id=uuid7(), seeds=range(4), on_step=told.append)
    assert [(one.step, one.steps) for one in told] == [(2, 8), (4, 8), (6, 8), (8, 8)]
    assert all(one.preview is not None and one.preview.size == (16, 12) for one in told)
    assert told[0].preview is not None
    assert told[0].preview.getpixel((12, 3)) != (255, 0, 0), "what is not drawn yet is empty"


def test_an_enlarged_picture_is_the_one_before_and_no_history(
    settings: Settings, echo: Drawer, database: Database, factory: Factory
) -> None:
    first = factory.receive("draw Olivia")
    echo.draw_next()
    large = factory.receive("", kind=Kind.ENLARGE, reply_to=first.turn_id)
    echo.draw_next()
    (before,), (after,) = (pictures_of(database, one.turn_id) for one in (first, large))
    assert (after.width, after.height) == (before.width * 4, before.height * 4)
    with Image.open(io.BytesIO(open_blobs(settings.blobs).get(after.blob_key))) as picture:
        assert picture.size == (after.width, after.height)
    records = database.run(lambda session: list(session.scalars(select(Record.turn_id))))
    assert records == [first.turn_id]
    assert str(after.width) in factory.turn(large.turn_id).reply


def comparing_with(other: Engine, name: str, settings: Settings, database: Database, factory: Factory) -> Drawer:
    """A drawer that compares the echo engine with another, in a workspace that wants it of every turn from its second on."""
    comparing = drawer(settings, database)
    comparing._compared, comparing._compared_name = other, name
    workspace_id = factory.receive("draw Olivia").workspace_id
    comparing.draw_next()

    def compare(session: Session) -> None:
        session.get_one(Workspace, workspace_id).settings = {admin.COMPARE: 100}

    database.run(compare)
    return comparing


@pytest.mark.parametrize("seed", [4, 5])
def test_two_configurations_draw_a_turn_side_by_side_in_random_order(
    settings: Settings, database: Database, factory: Factory, seed: int
) -> None:
    class Other(EchoEngine):
        def draw(self, reading: Reading, *, turn_id: UUID, seed: int, on_step: OnStep) -> Drawing:
            drawing = super().draw(reading, turn_id=turn_id, seed=seed, on_step=on_step)
            return replace(drawing, picture=Image.new("RGB", (8, 8), "red"))

    comparing = comparing_with(Other(), "echo:plain", settings, database, factory)
    turn = factory.receive("at night", seed=seed)
    comparing.draw_next()
    pictures = pictures_of(database, turn.turn_id)
    assert {one.configuration for one in pictures} == {"echo", "echo:plain"}
    assert [one.configuration for one in pictures if one.chosen] == ["echo"], "history keeps the worker's own"
    assert pictures[seed % 2].chosen


def test_a_picture_is_as_somebody_chose_and_is_so_again(echo: Drawer, database: Database, factory: Factory) -> None:
    first = factory.receive("draw Olivia", aspect="1:1")
    repeats = [factory.receive("", kind=kind, reply_to=first.turn_id) for kind in (Kind.AGAIN, Kind.VARIATIONS)]
    free = factory.receive("at night")
    for _ in range(4):
        echo.draw_next()
    for turn in (first, *repeats):
        assert {(one.width, one.height) for one in pictures_of(database, turn.turn_id)} == {(256, 256)}
    assert [(one.width, one.height) for one in pictures_of(database, free.turn_id)] == [(256, 64)]


def test_what_an_engine_that_took_over_cannot_draw_is_drawn_as_it_can_and_said(echo: Drawer, factory: Factory) -> None:
    turn = factory.receive("draw Olivia", aspect="16:9")
    echo.draw_next()
    assert factory.status(turn.turn_id) is Status.DONE
    assert factory.turn(turn.turn_id).reply == "Turn 1: draw Olivia " + OTHER_ASPECT.given(aspect="16:9")


def test_only_engines_that_can_draw_what_was_chosen_are_compared(
    settings: Settings, database: Database, factory: Factory
) -> None:
    class Wide(EchoEngine):
        abilities = replace(EchoEngine.abilities, sizes=((256, 64),))

    comparing = comparing_with(Wide(), "echo:wide", settings, database, factory)
    chosen = [factory.receive("at night", aspect=aspect) for aspect in ("1:1", "4:1")]
    for _ in chosen:
        comparing.draw_next()
    assert [len(pictures_of(database, one.turn_id)) for one in chosen] == [1, 2]


def test_a_comparison_that_breaks_costs_no_picture(settings: Settings, database: Database, factory: Factory) -> None:
    class Broken(EchoEngine):
        def read(self, history: History, message: ChatMessage, *, on_reply: OnReply = no_reply) -> Reading:
            raise RuntimeError("no weights")

    comparing = comparing_with(Broken(), "echo:plain", settings, database, factory)
    turn = factory.receive("at night")
    comparing.draw_next()
    (picture,) = pictures_of(database, turn.turn_id)
    assert (factory.status(turn.turn_id), picture.configuration) == (Status.DONE, "")


class Small(EchoEngine):
    """An engine whose memory holds modest pictures only, or none at all."""

    holds_modest = True

    def read(self, history: History, message: ChatMessage, *, on_reply: OnReply = no_reply) -> Reading:
        if not (message.modest and self.holds_modest):
            raise OutOfMemory("2 GiB were wanted")
        return super().read(history, message, on_reply=on_reply)


def test_out_of_memory_ends_the_process_and_the_turn_is_drawn_again_with_less(
    settings: Settings, database: Database, factory: Factory
) -> None:
    receipt = factory.receive("draw Olivia")
    with pytest.raises(SystemExit) as ended:
        drawer(settings, database, Small()).draw_next()
    assert ended.value.code == OUT_OF_MEMORY
    turn = factory.turn(receipt.turn_id)
    assert (turn.status, turn.strikes) == (Status.QUEUED, 0)
    assert drawer(settings, database, Small()).draw_next()
    assert factory.status(receipt.turn_id) is Status.DONE


def test_what_no_memory_holds_fails_with_a_sentence_and_ends_that_process_too(
    settings: Settings, database: Database, factory: Factory
) -> None:
    """Twice without memory, the process is suspect. What waits for the turn is not forgotten with its ticket."""
    engine = Small()
    engine.holds_modest = False
    receipt = factory.receive("draw Olivia")
    following = factory.receive("and then")
    heard = Heard(settings.broker_url)
    for rung in (1, 2):
        with pytest.raises(SystemExit) as ended:
            drawer(settings, database, engine, bell=heard).answer()
        assert ended.value.code == OUT_OF_MEMORY
        assert heard.rung == rung
        heard._redis.delete(queue("echo"))  # whoever comes next takes the ticket
    assert factory.status(receipt.turn_id) is Status.FAILED
    assert factory.status(following.turn_id) is Status.QUEUED
    assert "more than my memory holds" in factory.turn(receipt.turn_id).reply


def test_the_reply_is_told_as_it_is_written_and_a_cancel_reaches_the_reading(
    settings: Settings, database: Database, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = factory.receive("draw Olivia")
    told: list[str] = []
    drawing = drawer(settings, database)
    monkeypatch.setattr(drawing._progress, "send", lambda _, progress: told.append(progress.text))

    class Writing(EchoEngine):
        def read(self, history: History, message: ChatMessage, *, on_reply: OnReply = no_reply) -> Reading:
            on_reply("Here")
            on_reply("Here is Olivia")
            database.run(turns.cancel, receipt.workspace_id, receipt.turn_id)
            until = time.monotonic() + 10
            while time.monotonic() < until:
                on_reply("Here is Olivia")
                time.sleep(0.01)
            raise AssertionError("the reading went on")

    drawing._engine = Writing()
    settled = drawing.draw_next()
    assert settled is not None
    assert not settled.valid
    assert told[:3] == ["", "Here", "Here is Olivia"]
    assert told.count("Here is Olivia") == 1, "what is said already is not said again"


def test_an_engine_can_ask_for_the_pictures_that_came_with_earlier_messages(
    settings: Settings, database: Database, factory: Factory
) -> None:
    first = factory.receive("this is Ada")
    photo = io.BytesIO()
    Image.new("RGB", (64, 32), "red").save(photo, "PNG")
    key = f"{first.workspace_id}/references/ada.png"
    open_blobs(settings.blobs).put(key, photo.getvalue(), content_type="image/png")

    def add(session: Session) -> None:
        blob = {
            "workspace_id": first.workspace_id,
            "key": key,
            "bytes": len(photo.getvalue()),
            "content_type": "image/png",
        }
        session.execute(
            text(
                "INSERT INTO blobs (workspace_id, key, bytes, content_type) VALUES (:workspace_id, :key, :bytes, :content_type)"
            ),
            blob,
        )
        session.add(Reference(workspace_id=first.workspace_id, turn_id=first.turn_id, blob_key=key, position=0))

    database.run(add)
    seen: list[History] = []

    class Watching(EchoEngine):
        def read(self, history: History, message: ChatMessage, *, on_reply: OnReply = no_reply) -> Reading:
            seen.append(history)
            return super().read(history, message, on_reply=on_reply)

    watching = drawer(settings, database, Watching())
    assert watching.draw_next()
    second = factory.receive("draw Olivia")
    assert watching.draw_next()
    varied = factory.receive("", kind=Kind.VARIATIONS, reply_to=second.turn_id)
    assert watching.draw_next()
    factory.receive("and then")
    assert watching.draw_next()
    history = seen[-1]
    assert history.attached is not None
    (picture,) = history.attached(first.turn_id)
    assert picture.size == (64, 32)
    assert history.attached(varied.turn_id) == ()
    assert history.several == {varied.turn_id}
