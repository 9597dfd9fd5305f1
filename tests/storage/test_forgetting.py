"""Forgetting somebody: nothing of theirs is in any row, and the stories of others go on."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from storage import admin, characters, deliveries, forgetting, reports, turns, votes
from storage.blobs import open_blobs
from storage.collector import collect
from storage.conversations import DIRECT
from storage.forgetting import Kept
from storage.sentences import BLOCKED
from storage.settings import Settings
from storage.tables import Audit, Base, Delivery, Kind, Person, Reference, Status, Turn, Usage, Workspace
from storage.turns import DrawnPicture, Introduced, Outcome, Receipt, Shown, StoredBlob, finish
from tests.factory import Factory

ADA, BEN = "711000001", "711000002"
WORKSPACE = UUID("00000000-0000-0000-0000-000000000001")


def everything(factory: Factory, *besides: str) -> str:
    """All rows of all tables, as text. Rows of blobs are for the collector to delete, with the blobs."""

    def read(session: Session) -> str:
        rows: list[str] = []
        for table in Base.metadata.sorted_tables:
            if table.name in besides:
                continue
            rows += session.scalars(text(f'SELECT to_jsonb(one)::text FROM "{table.name}" one'))
        return "\n".join(rows)

    return factory.database.run(read)


def blob(kind: str, name: str) -> StoredBlob:
    return StoredBlob(f"{kind}/{WORKSPACE}/{name}", 5, "image/png")


def draw(factory: Factory, name: str, *, introduces: str = "", shows: tuple[UUID, ...] = ()) -> None:
    """Draw the next turn as a worker would, with all that it keeps."""
    claim = factory.claim()
    assert claim is not None
    picture = DrawnPicture(blob("pictures", f"{name}.png"), 8, 8, f"alt {name}", tuple(Shown(one, 1) for one in shows))
    outcome = Outcome(
        Status.DONE,
        f"reply {name}",
        (picture,),
        (Introduced(introduces, f"looks {name}"),) if introduces else (),
        record=blob("records", name),
        segment=blob("segments", name),
        fingerprint="f",
    )
    assert factory.database.run(finish, claim.turn_id, claim.fencing, outcome).valid


def shown(factory: Factory, *, besides: UUID | None = None) -> None:
    """Note all replies as shown."""
    done = update(Delivery).where(Delivery.turn_id.is_distinct_from(besides)).values(delivered_at=func.now())
    factory.database.run(lambda session: session.execute(done))


def person(factory: Factory, receipt: Receipt, name: str) -> UUID:
    return factory.database.run(turns.person, receipt.workspace_id, name)


def forget(factory: Factory, who: str = ADA, workspace: str = "guild") -> Kept | None:
    return factory.database.run(forgetting.forget, "test", workspace, who)


@pytest.fixture
def story(factory: Factory) -> Receipt:
    """Ada begins with Olivia, Ben goes on, draws Ada's again, and Ada waits for another; all leave what they can leave."""
    known = Workspace(id=WORKSPACE, platform="test", external_id="guild")
    factory.database.run(lambda session: session.add(known))
    first = factory.receive("adas words of Olivia", author=ADA, author_name="Ada Secret")
    draw(factory, "ada", introduces="Olivia")
    factory.receive("at night, says Ben", author=BEN, author_name="Ben")
    (olivia,) = factory.database.run(characters.listed, first.workspace_id, first.conversation_id)
    draw(factory, "ben", shows=(olivia.id,))
    factory.receive("", author=BEN, kind=Kind.AGAIN, reply_to=first.turn_id)
    draw(factory, "adas-again")
    photo, by = blob("references", "ada.png"), person(factory, first, ADA)
    made = factory.database.run(
        characters.create,
        first.workspace_id,
        None,
        name="Secretia",
        description="adas looks",
        created_by=by,
        references=[photo],
        consent="adas consent",
    )

    def leave(session: Session) -> None:
        characters.keep_encoding(session, first.workspace_id, photo.key, "painter", blob("encodings", "made-of-her"))
        for turn_id in (first.turn_id, factory_turn(session, "at night, says Ben")):
            votes.cast(session, first.workspace_id, turn_id, ADA, "Ada Secret", likes=True)
        session.add(Reference(workspace_id=first.workspace_id, turn_id=first.turn_id, blob_key=photo.key))
        session.add(Audit(workspace_id=first.workspace_id, action="block", details={"person": ADA, "of": str(made)}))
        session.add(
            Audit(workspace_id=first.workspace_id, person_id=by, source_id="s", action="pause", details={"a": 1})
        )

    factory.database.run(leave)
    factory.receive("adas last words", author=ADA)
    return first


def factory_turn(session: Session, words: str) -> UUID:
    return session.scalars(select(Turn.id).where(Turn.text == words)).one()


def test_it_says_what_is_kept_before_it_goes(factory: Factory, story: Receipt) -> None:
    told = factory.database.run(forgetting.kept, "test", "guild", ADA)
    assert told == Kept(turns=2, pictures=2, characters=2, photos=2, votes=2)
    assert factory.database.run(forgetting.kept, "test", "guild", "nobody") is None
    assert factory.database.run(forgetting.kept, "other", "guild", ADA) is None


def test_no_row_has_anything_of_a_person_who_was_forgotten(factory: Factory, story: Receipt) -> None:
    by = person(factory, story, ADA)
    before = everything(factory)
    hers = ["adas", "Secret", ADA, "Olivia", "looks ada", "/ada.png", "/adas-again.png", "made-of-her", "reply ada"]
    hers.append("records/")
    assert all(one in before for one in hers)
    assert forget(factory) == Kept(turns=2, pictures=2, characters=2, photos=2, votes=2)
    left = everything(factory, "blobs")
    assert not [one for one in hers if one in left and one != "records/"]
    assert f"records/{WORKSPACE}/ben" in left, "what is Ben's stays"
    assert f"records/{WORKSPACE}/ada" not in left
    assert "segments/" not in left, "what was computed from her words goes, even where it is Ben's"
    audited = factory.database.run(lambda session: session.scalars(select(Audit).order_by(Audit.id)).all())
    assert [one.action for one in audited] == ["block", "pause", "forget"]
    assert [one.person_id for one in audited] == [None] * 3
    assert by not in [one.person_id for one in audited]
    assert audited[2].details == {"turns": 2, "pictures": 2, "characters": 2, "photos": 2, "votes": 2}


def test_what_nothing_refers_to_any_more_is_collected(factory: Factory, story: Receipt, settings: Settings) -> None:
    blobs = open_blobs(settings.blobs)
    hers, his = blob("pictures", "ada.png"), blob("pictures", "ben.png")
    for one in (hers, his):
        blobs.put(one.key, b"bytes", content_type="image/png")
        os.utime(Path(settings.data_dir) / "blobs" / one.key, (0, 0))
    assert collect(factory.database, blobs, grace_seconds=0) == 0
    forget(factory)
    assert collect(factory.database, blobs, grace_seconds=0) == 1
    assert [stored.key for stored in blobs.list()] == [his.key]


def test_what_waits_is_cancelled_and_answered(factory: Factory, story: Receipt) -> None:
    forget(factory)
    assert factory.count(Status.CANCELLED) == 1
    assert factory.count(Status.QUEUED, Status.RUNNING, Status.RECEIVED) == 0
    due = factory.database.run(deliveries.lease, "test", story.turn_id, seconds=9)
    assert [one.text for one in due if one.status is Status.CANCELLED] == ["Cancelled."]
    counted = factory.database.run(lambda session: session.scalars(select(Person.ready_turns)).all())
    assert set(counted) == {0}


def test_a_worker_that_draws_for_them_just_then_finishes_nothing(factory: Factory, story: Receipt) -> None:
    claim = factory.claim()
    assert claim is not None
    forget(factory)
    assert not factory.finish(claim, "adas picture").valid
    assert "adas" not in everything(factory, "blobs")


def test_the_story_of_others_goes_on_without_them(factory: Factory, story: Receipt) -> None:
    forget(factory)
    factory.receive("and laughing", author=BEN)
    claim = factory.claim()
    assert claim is not None
    with_records = [one.record_key for one in claim.line.past if one.record_key is not None]
    assert all("ada" not in key for key in with_records)
    assert claim.line.characters == ()
    assert factory.finish(claim).valid


def test_what_others_said_and_draw_just_then_stays(factory: Factory, story: Receipt) -> None:
    factory.receive("Olivia laughs, says Ben", author=BEN)
    factory.database.run(turns.cancel, story.workspace_id, factory.claim().turn_id)  # type: ignore[union-attr]
    claim = factory.claim()
    assert claim is not None
    assert claim.text == "Olivia laughs, says Ben"
    ids = [one.id for one in claim.line.characters]
    forget(factory)
    picture = DrawnPicture(blob("pictures", "late.png"), 8, 8, "", tuple(Shown(one, 1) for one in ids))
    outcome = Outcome(Status.DONE, "Here.", (picture,))
    assert factory.database.run(finish, claim.turn_id, claim.fencing, outcome).valid


def test_repeating_it_changes_nothing_and_coming_back_begins_anew(factory: Factory, story: Receipt) -> None:
    old = person(factory, story, ADA)
    forget(factory)
    before = everything(factory)
    assert forget(factory) is None
    assert everything(factory) == before
    factory.receive("here I am again", author=ADA)
    assert person(factory, story, ADA) != old


def test_another_workspace_keeps_what_is_said_there(factory: Factory, story: Receipt) -> None:
    elsewhere = factory.receive("adas words elsewhere", author=ADA, workspace="another guild")
    forget(factory)
    assert factory.turn(elsewhere.turn_id).text == "adas words elsewhere"
    assert factory.status(elsewhere.turn_id) is Status.QUEUED


def test_somebody_who_is_blocked_does_not_get_rid_of_that(factory: Factory, story: Receipt) -> None:
    block = update(Person).where(Person.external_id == ADA).values(blocked_at=func.now())
    factory.database.run(lambda session: session.execute(block))
    forget(factory)
    row = factory.database.run(lambda session: session.scalars(select(Person).where(Person.external_id == ADA)).one())
    assert row.blocked_at is not None
    assert row.name == ""
    assert "adas" not in everything(factory, "blobs")


def test_an_agreement_for_somebody_elses_character_is_taken_back(factory: Factory, story: Receipt) -> None:
    ada, ben = person(factory, story, ADA), person(factory, story, BEN)
    made = factory.database.run(characters.create, story.workspace_id, None, name="Max", created_by=ben)
    photo = [blob("references", "max.png")]
    factory.database.run(
        characters.add_references, story.workspace_id, made, photo, agreed_by=ada, consent=characters.CONSENT
    )
    forget(factory)
    (max_,) = factory.database.run(characters.listed, story.workspace_id)
    assert (max_.name, max_.consent) == ("Max", None)


def test_what_arrives_just_while_somebody_is_forgotten_is_found_later(factory: Factory, story: Receipt) -> None:
    old = person(factory, story, ADA)
    forget(factory)
    late = factory.receive("adas late words", author=BEN)
    moved = update(Turn).where(Turn.id == late.turn_id).values(person_id=old)
    factory.database.run(lambda session: session.execute(moved))
    factory.database.run(turns.mend_counts)
    assert factory.database.run(forgetting.finish) == 1
    assert "adas late words" not in everything(factory)
    assert factory.database.run(forgetting.finish) == 0


def test_what_a_button_repeats_is_whose_words_it_has_even_when_these_were_deleted(
    factory: Factory, story: Receipt
) -> None:
    hers, his = (factory.receive("the same words", author=who, reply_to=story.turn_id) for who in (ADA, BEN))
    repeated = [factory.receive("", author=BEN, kind=Kind.AGAIN, reply_to=one.turn_id) for one in (hers, his)]
    twice = [factory.receive("", author=BEN, kind=Kind.VARIATIONS, reply_to=one.turn_id) for one in repeated]
    factory.receive("", author=ADA, kind=Kind.AGAIN, reply_to=his.turn_id)
    factory.database.run(turns.delete_turn, story.workspace_id, hers.turn_id)
    forget(factory)
    assert [factory.turn(one.turn_id).text for one in (repeated[0], twice[0])] == ["", ""]
    assert [factory.turn(one.turn_id).text for one in (his, repeated[1], twice[1])] == ["the same words"] * 3
    assert "at night, says Ben" in factory.texts()


def test_a_picture_that_was_enlarged_goes_with_whoever_asked_for_it(factory: Factory, story: Receipt) -> None:
    (again,) = factory.database.run(lambda session: session.scalars(select(Turn.id).where(Turn.kind == "again")).all())
    larger = factory.receive("", author="carl", kind=Kind.ENLARGE, reply_to=again)
    forget(factory, BEN)
    assert factory.turn(larger.turn_id).text == ""
    assert factory.turn(story.turn_id).text == "adas words of Olivia"


def yesterday(factory: Factory) -> None:
    """All that was counted or noted is a day older."""

    def age(session: Session) -> None:
        session.execute(update(Usage).values(day=Usage.day - 1))
        session.execute(update(Audit).values(at=Audit.at - timedelta(days=1)))

    factory.database.run(age)


def test_a_quota_is_not_begun_anew_by_being_forgotten(factory: Factory, story: Receipt) -> None:
    factory.database.run(admin.set_quota, story.workspace_id, 2)
    gone = forget(factory)
    assert gone is not None
    assert gone.counted == 1
    assert "adas" not in everything(factory, "blobs")
    assert factory.receive("back again", author=ADA).status is Status.QUEUED
    assert factory.receive("once more", author=ADA).status is Status.REFUSED
    yesterday(factory)
    assert factory.database.run(forgetting.finish) == 1
    assert "back again" in factory.texts()
    used = factory.database.run(lambda session: session.scalars(select(Usage.person_id)).all())
    assert used == [person(factory, story, BEN)], "what Ada used before is gone"


def test_the_id_that_a_quota_needed_goes_on_the_next_day(factory: Factory, story: Receipt) -> None:
    factory.database.run(admin.set_quota, story.workspace_id, 2)
    forget(factory)
    forget(factory)
    assert factory.database.run(forgetting.finish) == 0
    assert ADA in everything(factory)
    yesterday(factory)
    assert factory.database.run(forgetting.finish) == 1
    assert ADA not in everything(factory)
    assert factory.database.run(forgetting.finish) == 0


def test_somebody_who_is_blocked_just_then_does_not_get_rid_of_that(
    factory: Factory, story: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    by, erase = person(factory, story, ADA), forgetting._erase

    def blocked_meanwhile(session: Session, who: Person, **how: bool) -> None:
        factory.database.run(admin.set_blocked, story.workspace_id, by, blocked=True)
        erase(session, who, **how)

    monkeypatch.setattr(forgetting, "_erase", blocked_meanwhile)
    forget(factory)
    assert factory.database.run(admin.barred, story.workspace_id, ADA) == BLOCKED


def test_all_that_waits_is_locked_before_its_person(factory: Factory, story: Receipt) -> None:
    """As everywhere: whoever ends a turn meanwhile locks the turn first and then counts it off."""
    factory.claim()
    waiting = [factory.receive("adas words", author=ADA, thread=f"thread {n}") for n in range(2)]
    by, held = person(factory, story, ADA), Session(factory.database.engine)
    with ThreadPoolExecutor() as pool, held, held.begin():
        held.execute(select(Turn.id).where(Turn.id == waiting[1].turn_id).with_for_update())
        forgotten = pool.submit(forget, factory)
        while not factory.database.run(lambda session: session.scalar(text(_WAITING))):
            assert not forgotten.done()
        held.execute(select(Person.id).where(Person.id == by).with_for_update(nowait=True))
        held.commit()
        assert forgotten.result() is not None


_WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"


def test_a_report_keeps_which_picture_it_is_about(factory: Factory, story: Receipt) -> None:
    told = {"source_id": "report", "author": BEN, "author_name": "Ben", "reason": ADA}
    factory.database.run(reports.report, story.workspace_id, story.turn_id, **told)
    forget(factory)
    (left,) = factory.database.run(reports.listed)
    assert (left.turn_id, left.reporter, left.reason) == (story.turn_id, BEN, "")


def test_what_was_shown_of_theirs_is_taken_away_once(factory: Factory, story: Receipt) -> None:
    shown(factory)
    forget(factory)
    due = factory.database.run(deliveries.lease, "test", story.turn_id, seconds=9)
    assert len(due) == 3
    assert all(one.deleted for one in due)
    shown(factory)
    block = update(Person).where(Person.name == "").values(external_id=ADA)
    factory.database.run(lambda session: session.execute(block))
    forget(factory)
    assert factory.database.run(deliveries.lease, "test", story.turn_id, seconds=9) == []


def test_direct_messages_go_as_a_whole_when_the_last_reply_is_shown(factory: Factory) -> None:
    here = {"workspace": f"{DIRECT}{ADA}", "channel": "dm-channel", "thread": "dm-channel"}
    factory.receive("adas words", author=ADA, author_name="Ada", workspace_name="Ada's messages", **here)
    draw(factory, "ada", introduces="Olivia")
    waiting = factory.receive("adas last words", author=ADA, **here)
    shown(factory, besides=waiting.turn_id)
    assert forget(factory, workspace=here["workspace"]) is not None
    assert "Ada" not in everything(factory)
    assert ADA not in everything(factory)
    assert factory.status(waiting.turn_id) is Status.CANCELLED
    assert factory.database.run(forgetting.finish) == 0, "it owes a reply"
    again = factory.receive("back again", author=ADA, **here)
    shown(factory)
    assert factory.database.run(forgetting.finish) == 1
    assert "dm-channel" in everything(factory)
    assert again.workspace_id != waiting.workspace_id
    factory.database.run(lambda session: session.execute(update(Workspace).values(settings={"engine": "other"})))
    assert forget(factory, workspace=here["workspace"]) is not None
    factory.database.run(lambda session: session.execute(delete(Delivery)))
    factory.database.run(forgetting.finish)
    assert everything(factory) == ""
