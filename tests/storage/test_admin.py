"""The rules of a workspace at the one door: who is blocked, what is paused, how many turns a person has a day."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import event, select, update

from storage import admin, turns
from storage.admin import Rules, Standing
from storage.sentences import BLOCKED, PAUSED
from storage.tables import Delivery, Kind, Status, Usage
from tests.factory import Factory


def workspace(factory: Factory, name: str = "guild") -> UUID:
    return factory.database.run(turns.workspace, "test", name)


def pause(factory: Factory, name: str = "guild", *, paused: bool = True) -> bool:
    return factory.database.run(admin.set_paused, workspace(factory, name), paused=paused)


def quota(factory: Factory, count: int, name: str = "guild") -> None:
    factory.database.run(admin.set_quota, workspace(factory, name), count)


def block(factory: Factory, person: str, name: str = "guild", *, blocked: bool = True) -> bool:
    where = workspace(factory, name)
    person_id = factory.database.run(turns.person, where, person)
    return factory.database.run(admin.set_blocked, where, person_id, blocked=blocked)


def refused(factory: Factory, text: str = "draw Olivia", **fields: str) -> str:
    """The sentence that a request is refused with, which is a reply that is due; or nothing."""
    turn = factory.turn(factory.receive(text, **fields).turn_id)
    if turn.status != Status.REFUSED:
        return ""
    due = factory.database.run(lambda session: session.scalar(select(Delivery.due_at).filter_by(turn_id=turn.id)))
    assert due is not None
    return turn.reply


def draw(factory: Factory) -> None:
    claim = factory.claim()
    assert claim is not None
    factory.finish(claim)


def standing(factory: Factory, name: str = "guild") -> Standing:
    return factory.database.run(admin.standing, workspace(factory, name))


def test_a_blocked_person_gets_one_sentence_and_others_a_picture(factory: Factory) -> None:
    assert block(factory, "ada")
    assert not block(factory, "ada"), "it was so already"
    assert refused(factory) == BLOCKED
    assert refused(factory, author="ben") == ""
    assert refused(factory, workspace="other") == "", "another workspace has rules of its own"
    assert block(factory, "ada", blocked=False)
    assert refused(factory) == ""


def test_a_paused_workspace_takes_nothing_in_and_draws_what_waits(factory: Factory) -> None:
    waiting = factory.receive()
    assert pause(factory)
    assert refused(factory, author="ben") == PAUSED
    assert refused(factory, workspace="other") == ""
    claim = factory.claim()
    assert claim is not None
    assert claim.turn_id == waiting.turn_id
    assert pause(factory, paused=False)
    assert refused(factory) == ""


def test_the_rules_of_a_workspace_are_set_one_by_one(factory: Factory) -> None:
    pause(factory)
    quota(factory, 3)
    assert standing(factory).rules == Rules(paused=True, quota=3)
    pause(factory, paused=False)
    assert standing(factory).rules == Rules(paused=False, quota=3)


def test_what_was_refused_while_paused_can_be_drawn_again_afterwards(factory: Factory) -> None:
    first = factory.receive("Olivia")
    draw(factory)
    pause(factory)
    again = factory.receive("again", kind=Kind.AGAIN, reply_to=first.turn_id)
    assert factory.turn(again.turn_id).reply == PAUSED
    pause(factory, paused=False)
    anew = factory.receive("again", kind=Kind.AGAIN, reply_to=again.turn_id)
    assert (factory.status(anew.turn_id), factory.turn(anew.turn_id).text) == (Status.QUEUED, "Olivia")


def test_a_quota_counts_turns_from_when_they_are_taken_in(factory: Factory) -> None:
    quota(factory, 3)
    for _ in range(3):
        assert refused(factory) == ""
    assert "3 turns" in refused(factory), "three wait already"
    assert refused(factory, author="ben") == "", "everybody has a quota of their own"
    draw(factory)
    assert "3 turns" in refused(factory), "one was drawn, and two wait"
    for _ in range(3):
        draw(factory)
    assert "3 turns" in refused(factory)


def test_a_turn_that_was_refused_or_cancelled_does_not_count(factory: Factory) -> None:
    quota(factory, 1)
    assert "no words" in refused(factory, " ")
    cancelled = factory.receive()
    assert "1 turn here" in refused(factory)
    factory.database.run(turns.cancel, cancelled.workspace_id, cancelled.turn_id)
    assert refused(factory) == ""


def test_what_was_drawn_yesterday_does_not_count(factory: Factory) -> None:
    quota(factory, 1)
    factory.receive()
    draw(factory)
    assert refused(factory)
    factory.database.run(lambda session: session.execute(update(Usage).values(day=Usage.day - 1)))
    assert refused(factory) == ""


def test_quotas_of_two_workspaces_are_counted_apart(factory: Factory) -> None:
    for name in ("guild", "other"):
        quota(factory, 1, name)
    assert refused(factory) == ""
    assert refused(factory, workspace="other") == ""
    assert refused(factory, workspace="other")


def test_a_message_within_the_quota_that_arrives_twice_is_still_one_turn(factory: Factory) -> None:
    quota(factory, 1)
    first = factory.receive(source_id="message")
    second = factory.receive(source_id="message")
    assert (second.turn_id, second.status, second.duplicate) == (first.turn_id, Status.QUEUED, True)


def test_many_messages_at_once_do_not_slip_past_the_quota(factory: Factory) -> None:
    quota(factory, 5)
    factory.receive(thread="first")  # so that the person is known
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: factory.receive(thread=f"thread {number}"), range(20)))
    assert factory.count(Status.QUEUED) == 5
    assert factory.count(Status.REFUSED) == 16


@pytest.mark.parametrize(("has_quota", "statements"), [(False, 2), (True, 4)])
def test_only_a_quota_costs_statements(factory: Factory, *, has_quota: bool, statements: int) -> None:
    factory.receive()
    if has_quota:
        quota(factory, 100)
    sent: list[str] = []
    event.listen(
        factory.database.engine, "before_cursor_execute", lambda _, __, statement, *___: sent.append(statement)
    )
    factory.receive()
    assert len(sent) == statements


def test_a_standing_is_of_its_workspace_alone(factory: Factory) -> None:
    for author in ("ada", "ada", "ben"):
        factory.receive(author=author, author_name=author.title(), thread=author)
        draw(factory)
    factory.receive("is drawn", thread="new")
    assert factory.claim()
    factory.receive("waits", thread="new")
    factory.receive("waits", thread="other", attachments=("https://example.com/picture.png",))
    block(factory, "ben")
    factory.receive(workspace="other", author="cleo")
    assert standing(factory) == Standing(Rules(), 2, 1, 3, [("Ada", 2), ("Ben", 1)], ["Ben"])
    assert standing(factory, "other") == Standing(Rules(), 1, 0, 0, [], [])


def test_what_is_noted_twice_is_noted_once(factory: Factory) -> None:
    where = workspace(factory)
    person = factory.database.run(turns.person, where, "ada")

    def note(source: str) -> bool:
        return factory.database.run(admin.note, where, person, source, "pause", {})

    assert [note("one"), note("one"), note("two")] == [True, False, True]


def test_what_somebody_used_today_and_who_is_blocked_is_of_one_workspace(factory: Factory) -> None:
    factory.receive()
    draw(factory)
    factory.receive()
    factory.receive(workspace="elsewhere")
    block(factory, "ben")
    here = workspace(factory)
    assert factory.database.run(admin.used_today, here, "ada") == 2
    assert factory.database.run(admin.used_today, here, "nobody") == 0
    assert factory.database.run(admin.blocked_persons, here) == [("ben", "ben")]
    assert factory.database.run(admin.blocked_persons, workspace(factory, "elsewhere")) == []
