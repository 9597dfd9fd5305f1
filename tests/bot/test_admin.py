"""What admins and operators are told and may change, on any platform."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.admin import DONE_BEFORE, NOT_ADMIN, NOT_OPERATOR, Admin, Administration
from bot.characters import Author, Characters
from bot.services import Services
from bot.turns import Turns, Who
from storage import characters, reports, turns, votes
from storage.characters import CharacterProblem
from storage.sentences import BLOCKED, PAUSED
from storage.settings import Settings
from storage.tables import Audit, Person, Status, Worker
from storage.tickets import bell
from storage.turns import DrawnPicture, Outcome, StoredBlob
from tests.factory import Factory

BEN = Author("ben", "Ben")
_numbers = itertools.count(1)


def admin(author: str = "boss", workspace: str = "guild", *, manages: bool = True) -> Admin:
    """Somebody who gives a command."""
    who = Author(author, author.title())
    return Admin("test", workspace, who, f"command-{next(_numbers)}", manages=manages, workspace_name=workspace)


@pytest.fixture
def administration(services: Services) -> Administration:
    operators = services.settings.model_copy(update={"operators": "test:operator, discord:1"})
    return Administration(replace(services, settings=operators))


def audit(factory: Factory) -> list[tuple[str, str, dict[str, object]]]:
    """Who did what, in order."""

    def noted(session: Session) -> list[tuple[str, str, dict[str, object]]]:
        rows = select(Person.name, Audit.action, Audit.details).join(Person, Person.id == Audit.person_id)
        return [tuple(row) for row in session.execute(rows.order_by(Audit.id))]

    return factory.database.run(noted)


def worker(factory: Factory, host: str = "machine-7:1") -> UUID:
    """A worker that just gave a sign of life."""
    worker_id = uuid4()
    row = Worker(id=worker_id, engine="echo", fingerprint="echo-1", abilities={}, host=host)
    factory.database.run(lambda session: session.add(row))
    return worker_id


def draw(factory: Factory, worker_id: UUID | None = None) -> UUID:
    """Draw the next turn as a worker would, with a picture."""
    claim = factory.database.run(
        turns.claim, engine="echo", worker_id=worker_id or uuid4(), lease_seconds=10, turn_seconds=60
    )
    assert claim is not None
    picture = DrawnPicture(StoredBlob(f"pictures/{claim.turn_id}", 1, "image/png"), 8, 8, "")
    factory.database.run(turns.finish, claim.turn_id, claim.fencing, Outcome(Status.DONE, "Here.", (picture,)))
    return claim.turn_id


Ask = Callable[[Administration, Admin], Awaitable[str]]


@pytest.mark.parametrize(
    "ask",
    [
        Administration.status,
        Administration.pause,
        Administration.resume,
        Administration.votes,
        Administration.workers,
        lambda service, by: service.quota(by, 1),
        lambda service, by: service.block(by, BEN),
        lambda service, by: service.block(by, by.author),
        lambda service, by: service.unblock(by, BEN),
        lambda service, by: service.pause_worker(by, "1"),
        lambda service, by: service.resume_worker(by, "1"),
    ],
)
async def test_who_is_no_admin_sees_and_changes_nothing(
    administration: Administration, factory: Factory, ask: Ask
) -> None:
    assert await ask(administration, admin("ada", manages=False)) == NOT_ADMIN
    assert audit(factory) == []
    assert factory.receive().status is Status.QUEUED


async def test_pause_and_resume_are_noted_with_who_did_it(administration: Administration, factory: Factory) -> None:
    assert "Paused" in await administration.pause(admin())
    assert factory.turn(factory.receive().turn_id).reply == PAUSED
    assert "already" in await administration.pause(admin("other"))
    assert "Resumed" in await administration.resume(admin("other"))
    assert "not paused" in await administration.resume(admin("other"))
    assert factory.receive().status is Status.QUEUED
    assert audit(factory) == [
        ("Boss", "pause", {}),
        ("Other", "pause", {}),
        ("Other", "resume", {}),
        ("Other", "resume", {}),
    ]


async def test_a_command_that_arrives_twice_is_obeyed_once(administration: Administration, factory: Factory) -> None:
    first = admin()
    await administration.pause(first)
    await administration.resume(admin())
    assert await administration.pause(first) == DONE_BEFORE
    assert factory.receive().status is Status.QUEUED
    assert [action for _, action, _ in audit(factory)] == ["pause", "resume"]


async def test_a_blocked_person_is_named_until_they_are_unblocked(
    administration: Administration, factory: Factory
) -> None:
    assert "Ben is blocked" in await administration.block(admin(), BEN)
    assert "already" in await administration.block(admin(), BEN)
    assert factory.turn(factory.receive(author="ben").turn_id).reply == BLOCKED
    assert "Blocked: Ben." in await administration.status(admin())
    assert "not blocked any more" in await administration.unblock(admin(), BEN)
    assert "is not blocked" in await administration.unblock(admin(), BEN)
    assert "Blocked" not in await administration.status(admin())
    assert factory.receive(author="ben").status is Status.QUEUED
    assert audit(factory)[0] == ("Boss", "block", {"person": "ben"})


async def test_a_blocked_person_changes_nothing(
    administration: Administration, services: Services, factory: Factory
) -> None:
    receipt = factory.receive(author="ben")
    draw(factory)
    here, conversation, ben = receipt.workspace_id, receipt.conversation_id, Who("ben")
    door, people = Turns(services, "test"), Characters(services)
    known = await door.known("test", "guild", receipt.turn_id)
    assert known is not None
    await people.create(here, None, name="Max", description="", author=BEN)
    (max_,) = factory.database.run(characters.listed, here)
    await administration.block(admin(), BEN)
    told = {"source_id": "report", "author": "ben", "author_name": "Ben", "reason": "me"}
    assert [
        await door.undo(here, conversation, "undo", ben),
        await door.pick(here, receipt.turn_id, 0, ben),
        await door.delete(here, receipt.turn_id, "delete", ben),
        await door.vote(known, "ben", "Ben", likes=True),
        await door.prefer(known, "ben", "Ben", 0),
        factory.database.run(reports.report, here, receipt.turn_id, **told),
    ] == [BLOCKED] * 6
    with pytest.raises(CharacterProblem, match=BLOCKED):
        await people.create(here, None, name="Zoe", description="", author=BEN)
    with pytest.raises(CharacterProblem, match=BLOCKED):
        await people.add_photos(here, max_.id, [], ben, BEN, consent=False)
    assert factory.turn(receipt.turn_id).deleted_at is None
    assert factory.votes() == []
    assert factory.database.run(reports.listed) == []
    assert await door.vote(known, "ada", "Ada", likes=True) is None


async def test_nobody_blocks_themselves(administration: Administration, factory: Factory) -> None:
    assert "yourself" in await administration.block(admin(), Author("boss", "Boss"))
    assert factory.receive(author="boss").status is Status.QUEUED


async def test_a_quota_is_set_and_taken_away(administration: Administration, factory: Factory) -> None:
    assert "1 turn a day" in await administration.quota(admin(), 1)
    assert factory.receive().status is Status.QUEUED
    assert factory.receive().status is Status.REFUSED
    assert "Quota: 1 turn a person" in await administration.status(admin())
    assert "no quota" in await administration.quota(admin(), 0)
    assert factory.receive().status is Status.QUEUED
    assert "Quota: none" in await administration.status(admin())


async def test_an_admin_sees_and_changes_their_own_workspace_alone(
    administration: Administration, factory: Factory
) -> None:
    for _ in range(3):
        factory.receive(author_name="Ada")
        turn_id = draw(factory, worker(factory))
    where = factory.turn(turn_id).workspace_id
    factory.database.run(votes.cast, where, turn_id, "ada", "Ada", likes=True)
    elsewhere = admin(workspace="other")
    await administration.pause(elsewhere)
    await administration.quota(elsewhere, 1)
    await administration.block(elsewhere, Author("ada", "Ada"))
    assert factory.receive().status is Status.QUEUED
    here, there = await administration.status(admin()), await administration.status(elsewhere)
    assert "1 waiting, 0 being drawn, 3 finished" in here
    assert "Most active today: Ada (3)" in here
    assert "0 waiting, 0 being drawn, 0 finished" in there
    assert "Most active" not in there
    assert "1 up, 0 down" in await administration.votes(admin())
    assert "0 up, 0 down" in await administration.votes(elsewhere)
    assert "1 turn of yours" in await administration.workers(admin())
    assert "1 turn of yours" not in await administration.workers(elsewhere)


async def test_only_operators_see_hosts_and_all_that_a_worker_does(
    administration: Administration, factory: Factory
) -> None:
    worker_id = worker(factory)
    factory.receive()
    draw(factory, worker_id)
    told = await administration.workers(admin(workspace="other"))
    assert told.startswith(f"{worker_id.hex[-8:]} echo (echo-1): live, 0 turns of yours in the last hour, heard of")
    assert "machine-7" not in told
    told = await administration.workers(admin("operator", "other", manages=False))
    assert "1 turn in the last hour" in told
    assert "on machine-7:1" in told


async def test_only_operators_pause_workers(administration: Administration, factory: Factory) -> None:
    worker_id = worker(factory)
    assert await administration.pause_worker(admin(), worker_id.hex[-8:]) == NOT_OPERATOR
    assert await administration.worker_choices(admin(), "") == []
    assert factory.database.run(turns.live_workers, 5) == {"echo": 1}
    assert audit(factory) == []


async def test_an_operator_pauses_a_worker_and_resuming_rings(
    administration: Administration, factory: Factory, settings: Settings
) -> None:
    worker_id, operator = worker(factory), admin("operator", manages=False)
    said = await administration.pause_worker(operator, str(worker_id))
    assert f"Worker {worker_id.hex[-8:]} is paused" in said
    assert "Nobody draws with echo now" in said
    assert await administration.pause_worker(operator, str(worker_id)) == DONE_BEFORE
    factory.receive()
    assert "paused" in await administration.workers(operator)
    assert "none is live" in await administration.status(admin())
    assert bell(settings.broker_url).waiting("echo") == 0
    resume = admin("operator", manages=False)
    assert "takes turns again" in await administration.resume_worker(resume, worker_id.hex[-8:].upper())
    assert bell(settings.broker_url).waiting("echo") == 1
    assert [(who, action) for who, action, _ in audit(factory)] == [
        ("Operator", "pause worker"),
        ("Operator", "resume worker"),
    ]
    assert "no such worker" in await administration.pause_worker(admin("operator"), "nonsense")


async def test_an_operator_is_offered_the_workers_that_match(administration: Administration, factory: Factory) -> None:
    first, second = worker(factory, "east:1"), worker(factory, "west:1")
    operator = admin("operator")
    offered = await administration.worker_choices(operator, "")
    assert [worker_id for _, worker_id in offered] == sorted([str(first), str(second)])
    ((line, worker_id),) = await administration.worker_choices(operator, "East")
    assert worker_id == str(first)
    assert line == f"{first.hex[-8:]} echo, live, east:1"


async def test_without_workers_it_says_so(administration: Administration) -> None:
    assert "No worker" in await administration.workers(admin())


def test_operators_are_persons_of_platforms() -> None:
    assert Settings(_env_file=None, operators=" discord:1 , slack:U2,").is_operator("slack", "U2")
    assert not Settings(_env_file=None).is_operator("discord", "1")
    assert not Settings(_env_file=None, operators="discord:12").is_operator("discord", "1")
    with pytest.raises(ValidationError, match="discord:123"):
        Settings(_env_file=None, operators="12345")
