"""The life of a turn, step by step, with the interleavings that could break it written out."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from storage import deliveries, sentences, turns
from storage.sentences import told
from storage.tables import Conversation, Delivery, Kind, Person, Status, Turn
from storage.turns import Request
from tests.factory import LIMITS, Factory


def head(factory: Factory, conversation_id: UUID) -> UUID | None:
    def get(session: Session) -> UUID | None:
        return session.scalar(select(Conversation.head_id).where(Conversation.id == conversation_id))

    return factory.database.run(get)


def due(factory: Factory, turn_id: UUID) -> bool:
    def get(session: Session) -> bool:
        return session.scalar(select(Delivery.due_at).where(Delivery.turn_id == turn_id)) is not None

    return factory.database.run(get)


def counts_agree(factory: Factory) -> bool:
    """Whether `persons.ready_turns` is what the turns say."""

    def get(session: Session) -> bool:
        actual = (
            select(func.count())
            .where(Turn.person_id == Person.id, Turn.status == Status.QUEUED, Turn.ready_at.is_not(None))
            .scalar_subquery()
        )
        return session.execute(select(Person.id).where(Person.ready_turns != actual)).first() is None

    return factory.database.run(get)


# -- receive


def test_a_message_becomes_a_queued_turn_at_the_head(factory: Factory) -> None:
    receipt = factory.receive("Olivia on a beach")
    turn = factory.turn(receipt.turn_id)
    assert (turn.status, turn.text, turn.parent_id) == ("queued", "Olivia on a beach", None)
    assert receipt.ring
    assert head(factory, receipt.conversation_id) == receipt.turn_id
    assert not due(factory, receipt.turn_id)


def test_a_message_that_arrives_twice_is_one_turn(factory: Factory) -> None:
    request = factory.request()
    first = factory.database.run(turns.receive, request, engine="echo", limits=LIMITS)
    second = factory.database.run(turns.receive, request, engine="echo", limits=LIMITS)
    assert second.duplicate
    assert second.turn_id == first.turn_id
    assert counts_agree(factory)


def test_a_message_that_arrives_many_times_at_once_is_one_turn(factory: Factory) -> None:
    request = factory.request()

    def receive(_: int) -> UUID:
        return factory.database.run(turns.receive, request, engine="echo", limits=LIMITS).turn_id

    with ThreadPoolExecutor(5) as pool:
        assert len(set(pool.map(receive, range(20)))) == 1
    assert counts_agree(factory)


def test_messages_at_once_form_one_line(factory: Factory) -> None:
    requests = [factory.request(f"message {number}") for number in range(20)]

    def receive(request: Request) -> UUID:
        return factory.database.run(turns.receive, request, engine="echo", limits=LIMITS).turn_id

    with ThreadPoolExecutor(5) as pool:
        ids = list(pool.map(receive, requests))
    parents = [factory.turn(turn_id).parent_id for turn_id in ids]
    assert len(set(parents)) == 20, "every turn but the first has a parent of its own"
    assert parents.count(None) == 1


def test_a_reply_to_an_older_turn_branches(factory: Factory) -> None:
    first, second = factory.receive(), factory.receive()
    branch = factory.receive(reply_to=first.turn_id)
    assert factory.turn(branch.turn_id).parent_id == first.turn_id
    assert factory.turn(second.turn_id).parent_id == first.turn_id
    assert head(factory, first.conversation_id) == branch.turn_id


def test_a_reply_to_a_turn_of_another_workspace_is_refused_with_a_sentence(factory: Factory) -> None:
    elsewhere = factory.receive(workspace="another guild")
    receipt = factory.receive(reply_to=elsewhere.turn_id)
    assert receipt.status is Status.REFUSED
    assert "cannot find" in factory.turn(receipt.turn_id).reply
    assert due(factory, receipt.turn_id)


@pytest.mark.parametrize(
    ("words", "sentence"), [("", "no words"), ("  \n ", "no words"), ("x" * 20_000, "20,000 characters")]
)
def test_a_message_that_cannot_be_drawn_is_refused_and_kept(factory: Factory, words: str, sentence: str) -> None:
    receipt = factory.receive(words)
    turn = factory.turn(receipt.turn_id)
    assert turn.status == "refused"
    assert sentence in turn.reply
    assert turn.text == words
    assert due(factory, receipt.turn_id)


def test_a_turn_is_answered_in_the_language_of_whoever_asked(factory: Factory) -> None:
    refused = factory.receive(" ", language="es-MX")
    assert factory.turn(refused.turn_id).reply == told(sentences.NO_WORDS, "es")
    asked = [factory.receive("Olivia", thread=one, language=one) for one in ("de", "ja", "nl")]
    here = asked[0].workspace_id
    assert factory.database.run(turns.cancel_all, here, [one.turn_id for one in asked]) == 3
    assert [factory.turn(one.turn_id).reply for one in asked] == ["Abgebrochen.", "中止しました。", "Cancelled."]
    (place, *_) = (factory.database.run(turns.place, one.turn_id, heartbeat_seconds=5) for one in asked)
    assert place.language == "de"
    due = {one.turn_id: one.language for one in factory.database.run(deliveries.lease, "test", uuid4(), seconds=9)}
    assert [due[one.turn_id] for one in (refused, *asked)] == ["es", "de", "ja", "en"]
    again = factory.receive("", thread="de", kind=Kind.AGAIN, reply_to=refused.turn_id, language="fr")
    assert factory.turn(again.turn_id).reply == told(sentences.NOT_FOUND, "fr"), "it is in another thread"


def test_what_found_nothing_to_draw_is_not_drawn_again_in_any_language(factory: Factory) -> None:
    first = factory.receive("", kind=Kind.AGAIN, reply_to=uuid4(), language="de")
    again = factory.receive("", kind=Kind.AGAIN, reply_to=first.turn_id, language="fr")
    assert factory.turn(again.turn_id).reply == told(sentences.NOTHING_AGAIN, "fr")


def test_again_draws_the_same_words_at_the_same_place_with_another_seed(factory: Factory) -> None:
    first = factory.receive("a first one", seed=1)
    second = factory.receive("draw Olivia", seed=2)
    again = factory.receive("", kind=Kind.AGAIN, reply_to=second.turn_id)
    turn = factory.turn(again.turn_id)
    assert (turn.parent_id, turn.text) == (first.turn_id, "draw Olivia")
    assert turn.seed != 2


def test_the_words_may_hold_anything_that_a_person_can_type(factory: Factory) -> None:
    words = "🦊👩🏽‍🎤 '; DROP TABLE turns; -- \u202e reversed \u200b"
    assert factory.turn(factory.receive(words).turn_id).text == words


def test_a_null_character_does_not_lose_the_message(factory: Factory) -> None:
    receipt = factory.receive("Olivia\x00 on a beach")
    assert factory.turn(receipt.turn_id).text == "Olivia on a beach"


# -- claim


def test_a_turn_waits_for_its_parent(factory: Factory) -> None:
    first, second = factory.receive(), factory.receive()
    claim = factory.claim()
    assert claim is not None
    assert claim.turn_id == first.turn_id
    assert factory.claim() is None
    assert factory.finish(claim).woken == 1
    following = factory.claim()
    assert following is not None
    assert following.turn_id == second.turn_id


@pytest.mark.parametrize("status", [Status.REFUSED, Status.FAILED])
def test_the_child_of_a_turn_that_was_not_drawn_is_still_drawn(factory: Factory, status: Status) -> None:
    factory.receive()
    second = factory.receive()
    claim = factory.claim()
    assert claim is not None
    factory.finish(claim, status=status)
    following = factory.claim()
    assert following is not None
    assert following.turn_id == second.turn_id


@pytest.mark.parametrize("how", ["refused at the door", "cancelled", "refused when admitted"])
def test_a_turn_that_ends_before_its_turn_comes_does_not_let_its_child_overtake(factory: Factory, how: str) -> None:
    """A runs, B ends early, C stands on B: C is drawn after A and knows A."""
    first = factory.receive("A")
    claim = factory.claim()
    assert claim is not None
    if how == "refused at the door":
        factory.receive("   ")
    else:
        second = factory.receive("B", attachments=() if how == "cancelled" else ("link",))
    waiting = factory.receive("C")
    if how == "cancelled":
        assert factory.database.run(turns.cancel, second.workspace_id, second.turn_id)
    elif how == "refused when admitted":
        factory.database.run(turns.admit, second.turn_id, (), problem="This is no picture.")
    later = factory.receive("D")
    assert not waiting.ring
    assert factory.claim() is None
    assert factory.finish(claim).woken == 1
    following = factory.claim()
    assert following is not None
    assert following.turn_id == waiting.turn_id
    assert [past.turn_id for past in following.line.past] == [first.turn_id]
    factory.finish(following)
    last = factory.claim()
    assert last is not None
    assert last.turn_id == later.turn_id
    assert counts_agree(factory)


def test_a_cancel_while_the_parent_finishes_never_strands_the_grandchild(factory: Factory) -> None:
    """A finishes, B (on A) is cancelled, C (on B) arrives, all at once: C can be claimed, after A has ended."""
    for number in range(30):
        factory.receive("A", thread=f"race-{number}")
        claim = factory.claim()
        assert claim is not None
        second = factory.receive("B", thread=f"race-{number}")
        request = factory.request("C", thread=f"race-{number}")
        with ThreadPoolExecutor(3) as pool:
            third = pool.submit(factory.database.run, turns.receive, request, engine="echo", limits=LIMITS)
            pool.submit(factory.database.run, turns.cancel, second.workspace_id, second.turn_id)
            pool.submit(factory.finish, claim).result()
        assert factory.turn(third.result().turn_id).ready_at is not None
        following = factory.claim()
        assert following is not None
        assert following.turn_id == third.result().turn_id
        factory.finish(following)
    assert counts_agree(factory)


def test_two_workers_and_one_conversation_never_draw_at_once(factory: Factory) -> None:
    """Four claimers race over five conversations of ten turns: in none do two turns run at one time."""
    for conversation in range(5):
        for _ in range(10):
            factory.receive(thread=str(conversation), author=str(conversation % 2))
    drawn: list[UUID] = []
    overlaps: list[UUID] = []

    def work(_: int) -> None:
        while (claim := factory.claim()) is not None:

            def running(session: Session, conversation_id: UUID) -> int:
                return (
                    session.scalar(
                        select(func.count()).where(
                            Turn.conversation_id == conversation_id, Turn.status == Status.RUNNING
                        )
                    )
                    or 0
                )

            if factory.database.run(running, claim.conversation_id) != 1:
                overlaps.append(claim.turn_id)
            drawn.append(claim.turn_id)
            factory.finish(claim)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    work(0)  # what the last finishes woke after the others had found nothing
    assert not overlaps
    assert len(drawn) == len(set(drawn)) == 50
    assert counts_agree(factory)


def test_branches_may_be_drawn_side_by_side(factory: Factory) -> None:
    first = factory.receive()
    claim = factory.claim()
    assert claim is not None
    factory.finish(claim)
    factory.receive(reply_to=first.turn_id)
    factory.receive(reply_to=first.turn_id)
    assert factory.claim() is not None
    assert factory.claim() is not None


def test_the_person_served_least_recently_comes_first(factory: Factory) -> None:
    for number in range(5):
        factory.receive(author="eager", thread=f"eager-{number}")
    factory.receive(author="patient", thread="patient")
    order = []
    while (claim := factory.claim()) is not None:
        order.append(factory.turn(claim.turn_id).person_id)
        factory.finish(claim)
    assert len(order) == 6
    assert order[0] != order[1], "the patient person is served second, not last"


def test_the_workspace_served_least_recently_comes_before_the_person(factory: Factory) -> None:
    for number in range(6):
        factory.receive(workspace="large", author=f"person-{number}", thread=str(number))
    factory.receive(workspace="small", author="only", thread="only")
    order = []
    while (claim := factory.claim()) is not None:
        order.append(claim.workspace_id)
        factory.finish(claim)
    assert order[0] != order[1], "the small workspace does not wait for all persons of the large one"


def test_a_turn_whose_history_is_at_hand_may_come_first_but_not_for_ever(factory: Factory) -> None:
    factory.receive(author="a", thread="cold")
    warm = factory.receive(author="b", thread="warm")
    claim = factory.claim(warm=[warm.conversation_id], warm_patience=60)
    assert claim is not None
    assert claim.conversation_id == warm.conversation_id
    other = factory.receive(author="c", thread="warm too")
    claim = factory.claim(warm=[other.conversation_id], warm_patience=0)
    assert claim is not None
    assert claim.conversation_id != other.conversation_id, "the first in line has waited long enough"


def test_a_worker_of_another_engine_finds_nothing(factory: Factory) -> None:
    factory.receive(engine="echo")
    assert factory.claim(engine="preview") is None


# -- renew, finish, cancel, undo


def test_a_worker_that_lost_its_lease_changes_nothing(factory: Factory) -> None:
    receipt = factory.receive()
    slow = factory.claim(lease=0)
    assert slow is not None
    sweep(factory)
    quick = factory.claim()
    assert quick is not None
    assert not factory.database.run(turns.renew, slow.turn_id, slow.fencing, lease_seconds=10)
    assert not factory.finish(slow, "from the slow one").valid
    assert factory.finish(quick, "from the quick one").valid
    assert factory.turn(receipt.turn_id).reply == "from the quick one"


def test_a_finish_whose_answer_was_lost_may_be_repeated(factory: Factory) -> None:
    factory.receive()
    claim = factory.claim()
    assert claim is not None
    assert factory.finish(claim).valid
    assert factory.finish(claim).valid
    assert counts_agree(factory)


def test_no_lease_goes_past_the_deadline(factory: Factory) -> None:
    factory.receive()
    claim = factory.claim(lease=1, deadline=3)
    assert claim is not None
    assert factory.database.run(turns.renew, claim.turn_id, claim.fencing, lease_seconds=100)
    turn = factory.turn(claim.turn_id)
    assert turn.lease_until == turn.deadline_at


def test_a_cancel_between_the_last_step_and_the_commit_wins(factory: Factory) -> None:
    receipt = factory.receive()
    claim = factory.claim()
    assert claim is not None
    assert factory.database.run(turns.cancel, receipt.workspace_id, receipt.turn_id)
    assert not factory.finish(claim).valid
    assert factory.status(receipt.turn_id) is Status.CANCELLED
    assert due(factory, receipt.turn_id)


def test_a_cancel_after_the_commit_loses(factory: Factory) -> None:
    receipt = factory.receive()
    claim = factory.claim()
    assert claim is not None
    factory.finish(claim)
    assert not factory.database.run(turns.cancel, receipt.workspace_id, receipt.turn_id)
    assert factory.status(receipt.turn_id) is Status.DONE


def test_nobody_cancels_another_workspaces_turn(factory: Factory) -> None:
    receipt, other = factory.receive(), factory.receive(workspace="another")
    assert not factory.database.run(turns.cancel, other.workspace_id, receipt.turn_id)


def test_undo_while_the_child_runs_cancels_the_child_only(factory: Factory) -> None:
    first = factory.receive()
    claim = factory.claim()
    assert claim is not None
    factory.finish(claim)
    second = factory.receive()
    running = factory.claim()
    assert running is not None
    undone = factory.database.run(turns.undo, first.workspace_id, first.conversation_id)
    assert undone == second.turn_id
    assert head(factory, first.conversation_id) == first.turn_id
    assert factory.status(first.turn_id) is Status.DONE
    assert factory.status(second.turn_id) is Status.CANCELLED
    assert not factory.finish(running).valid
    assert head(factory, first.conversation_id) == first.turn_id


def test_undo_of_a_parent_lets_a_waiting_child_run(factory: Factory) -> None:
    """first (queued) ← second (queued): undo takes the second; cancelling the first then frees nobody twice."""
    first, second = factory.receive(), factory.receive()
    factory.database.run(turns.cancel, first.workspace_id, first.turn_id)
    claim = factory.claim()
    assert claim is not None
    assert claim.turn_id == second.turn_id
    assert counts_agree(factory)


def test_undo_steps_over_turns_that_showed_nothing(factory: Factory) -> None:
    first = factory.receive()
    claim = factory.claim()
    assert claim is not None
    factory.finish(claim)
    factory.receive("")
    assert factory.database.run(turns.undo, first.workspace_id, first.conversation_id) == first.turn_id
    assert factory.database.run(turns.undo, first.workspace_id, first.conversation_id) is None


def test_receive_and_finish_at_the_same_moment_never_strand_the_child(factory: Factory) -> None:
    """The child reads its parent's state while the parent ends: whichever is first, the child can be claimed."""
    for number in range(30):
        factory.receive(thread=f"race-{number}")
        claim = factory.claim()
        assert claim is not None
        request = factory.request(thread=f"race-{number}")
        with ThreadPoolExecutor(2) as pool:
            child = pool.submit(factory.database.run, turns.receive, request, engine="echo", limits=LIMITS)
            pool.submit(factory.finish, claim).result()
        assert factory.turn(child.result().turn_id).ready_at is not None
        following = factory.claim()
        assert following is not None
        factory.finish(following)
    assert counts_agree(factory)


# -- sweep


def sweep(factory: Factory, **options: float) -> turns.Swept:
    swept = factory.database.run(
        turns.sweep,
        strikes=int(options.get("strikes", 3)),
        admit_seconds=options.get("admit_seconds", 30),
        heartbeat_seconds=5,
    )
    assert swept is not None
    return swept


def test_a_turn_of_a_lost_worker_is_taken_back_and_fails_after_three_strikes(factory: Factory) -> None:
    receipt = factory.receive()
    for _ in range(2):
        assert factory.claim(lease=0) is not None
        assert sweep(factory).taken_back == 1
        assert factory.status(receipt.turn_id) is Status.QUEUED
    assert factory.claim(lease=0) is not None
    assert sweep(factory).failed == 1
    turn = factory.turn(receipt.turn_id)
    assert turn.status == "failed"
    assert receipt.turn_id.hex[-8:] in turn.reply
    assert due(factory, receipt.turn_id)
    assert counts_agree(factory)


def test_a_turn_past_its_deadline_fails(factory: Factory) -> None:
    receipt = factory.receive()
    assert factory.claim(lease=0, deadline=0) is not None
    assert sweep(factory).failed == 1
    assert "too long" in factory.turn(receipt.turn_id).reply


def test_a_worker_that_shuts_down_costs_no_strike(factory: Factory) -> None:
    receipt = factory.receive()
    claim = factory.claim()
    assert claim is not None
    assert factory.database.run(turns.release, claim.turn_id, claim.fencing)
    turn = factory.turn(receipt.turn_id)
    assert (turn.status, turn.strikes) == ("queued", 0)
    assert counts_agree(factory)


def test_time_in_the_queue_counts_for_no_deadline(factory: Factory) -> None:
    """A worker shuts down, and the turn waits for the next one longer than a drawing may take."""
    factory.receive()
    first = factory.claim(deadline=0.2)
    assert first is not None
    assert factory.database.run(turns.release, first.turn_id, first.fencing)
    time.sleep(0.3)
    again = factory.claim(deadline=5)
    assert again is not None
    assert factory.database.run(turns.renew, again.turn_id, again.fencing, lease_seconds=1)


def test_a_received_turn_that_nobody_admitted_is_found(factory: Factory) -> None:
    receipt = factory.receive(attachments=("blob:x",))
    assert receipt.status is Status.RECEIVED
    assert not receipt.ring
    assert sweep(factory).admit == []
    assert sweep(factory, admit_seconds=0).admit == [receipt.turn_id]


def test_two_sweeps_do_not_work_at_once(factory: Factory) -> None:
    with factory.database.begin() as session:
        assert turns.sweep(session, strikes=3, admit_seconds=30, heartbeat_seconds=5) is not None
        assert factory.database.run(turns.sweep, strikes=3, admit_seconds=30, heartbeat_seconds=5) is None, (
            "the other holds the lock until its transaction ends"
        )


def test_a_wrong_count_is_mended(factory: Factory) -> None:
    factory.receive()

    def spoil(session: Session) -> None:
        session.execute(text("UPDATE persons SET ready_turns = 7"))

    factory.database.run(spoil)
    assert factory.database.run(turns.mend_counts) == 1
    assert counts_agree(factory)
