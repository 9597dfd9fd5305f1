"""What a page reads of a conversation, while turns go on."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from storage import conversations, turns
from storage.database import Database
from storage.tables import Status
from storage.turns import DrawnPicture, Outcome, StoredBlob
from tests.factory import Factory


@pytest.mark.parametrize("statement", range(5))
def test_a_turn_that_ends_while_a_page_is_read_is_never_done_without_its_picture(
    factory: Factory, database: Database, statement: int
) -> None:
    receipt = factory.receive()
    claim = factory.claim()
    assert claim is not None
    blob = StoredBlob("pictures/a.png", 1, "image/png")
    outcome = Outcome(Status.DONE, "Here it is.", (DrawnPicture(blob, 256, 256, "Olivia"),))
    worker = Database(database.url)
    sent = 0

    def meanwhile(*_: Any) -> None:
        nonlocal sent
        if sent == statement:
            worker.run(turns.finish, claim.turn_id, claim.fencing, outcome)
        sent += 1

    event.listen(database.engine, "before_cursor_execute", meanwhile)
    try:
        (seen,) = database.run(conversations.turns_of, receipt.workspace_id, receipt.conversation_id)
    finally:
        event.remove(database.engine, "before_cursor_execute", meanwhile)
        worker.close()
    assert sent > statement
    assert seen.status is not Status.DONE or seen.pictures


def test_a_person_finds_the_conversations_of_their_own_and_no_others(factory: Factory, database: Database) -> None:
    here = factory.receive(author="ada", thread="one").workspace_id
    factory.receive(author="ben", thread="two")
    latest = factory.receive("at night", author="ada", thread="three")
    factory.receive(author="ada", thread="four", workspace="elsewhere")
    found = database.run(conversations.taken_part, here, "ada", limit=5)
    assert [(one.thread, one.title, one.turns) for one in found] == [
        ("three", "at night", 1),
        ("one", "draw Olivia", 1),
    ]
    part = database.run(conversations.takes_part, here, "ada", "general", "three")
    assert part == latest.conversation_id
    assert database.run(conversations.takes_part, here, "ben", "general", "three") is None
