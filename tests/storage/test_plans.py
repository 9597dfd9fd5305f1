"""Postgres reads none of the large tables as a whole, whatever step of a turn's life it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import ForeignKeyConstraint, event, text
from sqlalchemy.orm import Session

from benchmarks.measures import fill
from bot.sweeper import COLLECT_SECONDS
from ops.stack import Stack
from storage import admin, characters, conversations, deliveries, turns, workers
from storage.blobs import open_blobs
from storage.collector import collect
from storage.database import Database
from storage.tables import Base, Status
from storage.turns import Claim, Outcome
from tests.conftest import address, create_database
from tests.factory import Factory

LARGE = {"turns", "persons", "conversations", "deliveries", "pictures", "records", "blobs", "segments"}

_FOLLOWING = (
    "INSERT INTO blobs (workspace_id, key, bytes, content_type) SELECT workspace_id, id::text, 1, 'image/png' FROM turns",
    """INSERT INTO pictures (id, workspace_id, turn_id, blob_key, width, height, alt_text)
       SELECT gen_random_uuid(), workspace_id, id, id::text, 256, 256, '' FROM turns WHERE status = 'done'""",
    """INSERT INTO records (turn_id, workspace_id, fingerprint, blob_key)
       SELECT id, workspace_id, 'echo-1', id::text FROM turns WHERE status = 'done'""",
    """INSERT INTO segments (turn_id, workspace_id, fingerprint, blob_key)
       SELECT id, workspace_id, 'echo-1', id::text FROM turns WHERE status = 'done'""",
    """INSERT INTO deliveries (turn_id, workspace_id, platform, message_id, due_at, delivered_at)
       SELECT id, workspace_id, 'test', id::text, finished_at, finished_at FROM turns""",
)


@pytest.fixture(scope="module")
def large(stack: Stack, migrated: str) -> Iterator[Database]:
    """50,000 finished turns with all that they left, and 10,000 that wait."""

    def follow(session: Session) -> None:
        for statement in _FOLLOWING:
            session.execute(text(statement))

    create_database(stack, "plans", migrated)
    database = Database(address(stack, "plans"))
    database.run(fill, old=50_000)
    database.run(follow)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    yield database
    database.close()


@contextmanager
def scanned(database: Database) -> Iterator[dict[str, str]]:
    """Large tables that a statement sent meanwhile reads as a whole, with the statement."""
    found: dict[str, str] = {}

    def explain(connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if many or not statement.lstrip().startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
            return
        with connection.connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", values)
            answer = cursor.fetchone()[0]
        plan = answer if isinstance(answer, list) else json.loads(answer)
        for table in _read_whole(plan[0]["Plan"]):
            found[table] = statement

    event.listen(database.engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(database.engine, "before_cursor_execute", explain)


def _read_whole(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE:
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from _read_whole(child)


def test_a_statement_that_reads_a_whole_table_is_noticed(large: Database) -> None:
    with scanned(large) as found:
        large.run(lambda session: session.execute(text("SELECT count(*) FROM turns WHERE text = 'nothing'")).one())
    assert set(found) == {"turns"}


def test_the_life_of_a_turn(large: Database) -> None:
    factory = Factory(large)
    with scanned(large) as found:
        first = factory.receive("first")
        second = factory.receive("second")
        claim = factory.claim()
        assert claim is not None
        assert large.run(turns.renew, claim.turn_id, claim.fencing, lease_seconds=10)
        assert factory.finish(claim).valid
        large.run(turns.places, [first.turn_id, second.turn_id], heartbeat_seconds=5)
        assert large.run(turns.cancel, second.workspace_id, second.turn_id)
        due = large.run(deliveries.lease, "test", uuid4(), seconds=30)
        large.run(deliveries.postpone, due[0].turn_id, uuid4(), "later")
        large.run(deliveries.delivered, due[0].turn_id, uuid4(), "message")
        large.run(deliveries.lease_placeholder, first.turn_id, uuid4(), seconds=30)
        large.run(deliveries.turn_of_message, "test", "workspace", "message")
        assert large.run(turns.undo, first.workspace_id, first.conversation_id)
    assert not found


def test_a_turn_within_a_quota_and_what_admins_see(large: Database) -> None:
    factory = Factory(large)
    workspace_id = factory.receive().workspace_id
    large.run(admin.set_quota, workspace_id, 100)
    with scanned(large) as found:
        factory.receive()
        large.run(admin.standing, workspace_id)
        large.run(workers.listed, heartbeat_seconds=5, workspace_id=workspace_id)
    large.run(admin.set_quota, workspace_id, 0)
    assert not found


def test_a_sweep(large: Database) -> None:
    factory = Factory(large)
    for _ in range(3):
        assert factory.claim(lease=0.001)
    with scanned(large) as found:
        swept = large.run(turns.sweep, strikes=3, admit_seconds=30, heartbeat_seconds=5)
    assert swept is not None
    assert swept.taken_back == 3
    assert not found


@pytest.mark.parametrize("ask", [conversations.turns_of, characters.listed])
def test_what_a_page_asks_for(large: Database, ask: Callable[[Session, UUID, UUID], object]) -> None:
    claim = _one_done(Factory(large))
    with scanned(large) as found:
        large.run(ask, claim.workspace_id, claim.conversation_id)
        large.run(conversations.recent, claim.workspace_id)
    assert not found


def test_collecting_blobs(large: Database, tmp_path: Path) -> None:
    blobs = open_blobs(tmp_path.as_uri())
    blobs.put(f"pictures/{uuid4()}/{'a' * 64}.png", b"picture", content_type="image/png")
    with scanned(large) as found:
        assert collect(large, blobs, grace_seconds=-COLLECT_SECONDS) == 1
    assert not found


def _one_done(factory: Factory) -> Claim:
    claim = factory.claim()
    assert claim is not None
    factory.database.run(turns.finish, claim.turn_id, claim.fencing, Outcome(Status.DONE, "Here it is."))
    return claim


def test_a_foreign_key_finds_its_row_by_the_whole_key_before_postgres_has_counted_anything(
    stack: Stack, migrated: str
) -> None:
    """Postgres plans these checks once a connection, with a new table's first row, and keeps to it as the table grows."""
    create_database(stack, "uncounted", migrated)
    with psycopg.connect(address(stack, "uncounted").replace("+psycopg", "")) as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        plans = {key: _check_of(connection, key) for key in _foreign_keys()}
    assert plans
    assert {str(key.name): plan for key, plan in plans.items() if "Filter" in plan or "Seq Scan" in plan} == {}


def _foreign_keys() -> Iterator[ForeignKeyConstraint]:
    for table in Base.metadata.sorted_tables:
        yield from table.foreign_key_constraints


def _check_of(connection: psycopg.Connection, key: ForeignKeyConstraint) -> str:
    """The plan by which Postgres looks whether the row is there that a foreign key means."""
    where = " AND ".join(f"{one.column.name} = ${number}" for number, one in enumerate(key.elements, 1))
    connection.execute(f'PREPARE looked AS SELECT 1 FROM ONLY "{key.referred_table.name}" WHERE {where} FOR KEY SHARE')
    rows = connection.execute(f"EXPLAIN EXECUTE looked ({', '.join(['NULL'] * len(key.elements))})").fetchall()
    connection.execute("DEALLOCATE looked")
    return "\n".join(line for (line,) in rows)
