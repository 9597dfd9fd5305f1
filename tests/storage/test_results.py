"""What people do with a picture: have it varied and pick, have it enlarged, compare two, delete it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage import admin, conversations, deliveries, turns, votes
from storage.tables import Conversation, Kind, Picture, Record, Reference, Segment, Status, Workspace
from storage.turns import Claim, DrawnPicture, Introduced, Outcome, Shown, StoredBlob
from tests.factory import Factory


def drawn(count: int = 1, configurations: Sequence[str] = ("", "", "", "")) -> tuple[DrawnPicture, ...]:
    return tuple(
        DrawnPicture(StoredBlob(f"picture-{number}", 1, "image/png"), 8, 8, f"Olivia {number}", configuration=name)
        for number, name in zip(range(count), configurations, strict=False)
    )


def finish(
    factory: Factory, claim: Claim | None, pictures: tuple[DrawnPicture, ...] = drawn(), chosen: int = 0
) -> UUID:
    assert claim is not None
    record = StoredBlob(f"record-{claim.turn_id}", 1, "application/octet-stream")
    outcome = Outcome(Status.DONE, "Here it is.", pictures, chosen=chosen, record=record, fingerprint="one")
    assert factory.database.run(turns.finish, claim.turn_id, claim.fencing, outcome).valid
    return claim.turn_id


def chosen(factory: Factory, turn_id: UUID) -> list[int]:
    query = select(Picture.position).where(Picture.turn_id == turn_id, Picture.chosen)
    return factory.database.run(lambda session: list(session.scalars(query)))


def head(factory: Factory) -> UUID | None:
    return factory.database.run(lambda session: session.scalar(select(Conversation.head_id)))


def past(factory: Factory) -> list[str | None]:
    """Pictures of the history that the next turn would be drawn on."""
    factory.receive("and now")
    claim = factory.claim()
    assert claim is not None
    return [turn.picture_key for turn in claim.line.past]


def test_variations_are_drawn_of_the_same_words_and_the_one_that_is_picked_goes_on(factory: Factory) -> None:
    first = factory.receive("Olivia")
    finish(factory, factory.claim())
    varied = factory.receive("", kind=Kind.VARIATIONS, reply_to=first.turn_id)
    claim = factory.claim()
    assert claim is not None
    assert (claim.kind, claim.text, claim.parent_id) == (Kind.VARIATIONS, "Olivia", None)
    finish(factory, claim, drawn(4))
    assert chosen(factory, varied.turn_id) == [0]
    for position in (2, 3):
        assert factory.database.run(turns.pick, varied.workspace_id, varied.turn_id, position)
        assert chosen(factory, varied.turn_id) == [position]
    assert past(factory) == ["picture-3"]


@pytest.mark.parametrize("position", [4, -1])
def test_what_was_not_drawn_cannot_be_picked(factory: Factory, position: int) -> None:
    first = factory.receive("Olivia")
    finish(factory, factory.claim())
    varied = factory.receive("", kind=Kind.VARIATIONS, reply_to=first.turn_id)
    finish(factory, factory.claim(), drawn(4))
    assert not factory.database.run(turns.pick, varied.workspace_id, varied.turn_id, position)
    assert not factory.database.run(turns.pick, varied.workspace_id, first.turn_id, 0), "one picture is no choice"
    assert chosen(factory, varied.turn_id) == [0]


def test_an_enlarged_picture_is_beside_the_conversation_and_stands_for_the_one_it_shows(factory: Factory) -> None:
    first = factory.receive("Olivia")
    finish(factory, factory.claim())
    large = factory.receive("", kind=Kind.ENLARGE, reply_to=first.turn_id)
    assert head(factory) == first.turn_id
    finish(factory, factory.claim())
    branch = factory.receive("at night", reply_to=large.turn_id)
    assert factory.turn(branch.turn_id).parent_id == first.turn_id
    finish(factory, factory.claim())
    twice = factory.receive("", kind=Kind.ENLARGE, reply_to=large.turn_id)
    assert factory.turn(twice.turn_id).parent_id == first.turn_id


def test_what_has_no_picture_is_not_enlarged(factory: Factory) -> None:
    first = factory.receive("Olivia")
    large = factory.receive("", kind=Kind.ENLARGE, reply_to=first.turn_id)
    assert (large.status, head(factory)) == (Status.REFUSED, first.turn_id)
    assert "no picture" in factory.turn(large.turn_id).reply


def test_nothing_of_a_deleted_turn_is_kept_and_the_conversation_goes_on_without_it(factory: Factory) -> None:
    first = factory.receive("Olivia in secret", attachments=("link",))
    upload = StoredBlob("upload", 1, "image/png")
    factory.database.run(turns.admit, first.turn_id, [upload])
    finish(factory, factory.claim())
    second = factory.receive("Max")
    finish(factory, factory.claim(), drawn(2)[1:])
    assert factory.database.run(turns.delete_turn, first.workspace_id, first.turn_id)
    assert not factory.database.run(turns.delete_turn, first.workspace_id, first.turn_id), "once"
    turn = factory.turn(first.turn_id)
    assert (turn.text, turn.attachments, turn.status) == ("", [], Status.DONE)

    def left(session: Session) -> list[int]:
        count = select(func.count())
        tables = (Picture, Record, Segment, Reference)
        return [session.scalar(count.where(table.turn_id == first.turn_id)) or 0 for table in tables]

    assert factory.database.run(left) == [0, 0, 0, 0]
    assert factory.database.run(lambda session: session.scalar(select(Conversation.title))) == ""
    assert head(factory) == second.turn_id
    refused = factory.receive("", kind=Kind.AGAIN, reply_to=first.turn_id)
    assert "cannot find" in factory.turn(refused.turn_id).reply
    assert past(factory) == [None, "picture-1"]


def test_the_head_moves_before_a_deleted_turn_and_a_running_one_is_cancelled(factory: Factory) -> None:
    first = factory.receive("Olivia")
    finish(factory, factory.claim())
    second = factory.receive("at night")
    claim = factory.claim()
    assert claim is not None
    assert factory.database.run(turns.delete_turn, second.workspace_id, second.turn_id)
    assert head(factory) == first.turn_id
    assert factory.status(second.turn_id) is Status.CANCELLED
    assert not factory.finish(claim).valid


def test_with_a_deleted_picture_go_what_was_enlarged_of_it_and_who_was_in_no_other(factory: Factory) -> None:
    first = factory.receive("Olivia and Max")
    claim = factory.claim()
    assert claim is not None
    introduces = (Introduced("Olivia", "red hair"), Introduced("Max", "a beard"))
    outcome = Outcome(Status.DONE, "Here they are.", drawn(), introduces)
    factory.database.run(turns.finish, claim.turn_id, claim.fencing, outcome)
    large = factory.receive("", kind=Kind.ENLARGE, reply_to=first.turn_id)
    finish(factory, factory.claim())
    factory.receive("only Max")
    claim = factory.claim()
    assert claim is not None
    _, max_ = claim.line.characters
    picture = replace(drawn(2)[1], shows=(Shown(max_.id, 1),))
    segment = StoredBlob("segment", 1, "application/octet-stream")
    outcome = Outcome(Status.DONE, "Max.", (picture,), segment=segment, fingerprint="one")
    factory.database.run(turns.finish, claim.turn_id, claim.fencing, outcome)
    assert factory.database.run(turns.delete_turn, first.workspace_id, first.turn_id) == [first.turn_id, large.turn_id]
    assert factory.turn(large.turn_id).text == ""
    assert factory.database.run(lambda session: session.scalar(select(func.count()).select_from(Segment))) == 0
    factory.receive("and now")
    claim = factory.claim()
    assert claim is not None
    assert [one.name for one in claim.line.characters] == ["Max"]


def test_again_steps_over_a_deleted_turn(factory: Factory) -> None:
    first = factory.receive("Olivia")
    finish(factory, factory.claim())
    second = factory.receive("at night")
    finish(factory, factory.claim())
    factory.database.run(turns.delete_turn, second.workspace_id, second.turn_id)
    for turn_id in (first.turn_id, second.turn_id):
        assert factory.database.run(turns.standing, first.workspace_id, turn_id) == first.turn_id


def test_undo_steps_over_a_deleted_turn(factory: Factory) -> None:
    first = factory.receive("Olivia")
    finish(factory, factory.claim())
    second = factory.receive("at night")
    finish(factory, factory.claim())
    factory.receive("in the snow")
    finish(factory, factory.claim())
    factory.database.run(turns.delete_turn, second.workspace_id, second.turn_id)
    for expected in (second.turn_id, None):
        factory.database.run(turns.undo, first.workspace_id, first.conversation_id)
        assert head(factory) == expected


def test_a_deleted_turn_owes_that_its_message_goes(factory: Factory) -> None:
    first = factory.receive("Olivia")
    finish(factory, factory.claim())
    owner = UUID(int=1)
    (due,) = factory.database.run(deliveries.lease, "test", owner, seconds=10)
    factory.database.run(deliveries.delivered, first.turn_id, owner, "message")
    factory.database.run(turns.delete_turn, first.workspace_id, first.turn_id)
    factory.database.run(deliveries.take_away, first.turn_id)
    (again,) = factory.database.run(deliveries.lease, "test", owner, seconds=10)
    assert (due.deleted, again.deleted, again.message_id, again.pictures) == (False, True, "message", ())


def test_another_workspace_picks_and_deletes_nothing(factory: Factory) -> None:
    varied = factory.receive("", kind=Kind.VARIATIONS, reply_to=_done(factory))
    finish(factory, factory.claim(), drawn(4))
    other = factory.receive("Max", workspace="elsewhere").workspace_id
    assert not factory.database.run(turns.pick, other, varied.turn_id, 2)
    assert not factory.database.run(turns.delete_turn, other, varied.turn_id)
    assert not factory.database.run(votes.prefer, other, varied.turn_id, "ada", "Ada", 0)
    assert factory.turn(varied.turn_id).text


def _done(factory: Factory) -> UUID:
    factory.receive("Olivia")
    return finish(factory, factory.claim())


def test_a_workspace_that_compares_has_some_turns_drawn_twice(factory: Factory) -> None:
    workspace_id = factory.receive("Olivia").workspace_id
    finish(factory, factory.claim())

    def compare(session: Session) -> None:
        session.get_one(Workspace, workspace_id).settings = {admin.COMPARE: 100}

    factory.database.run(compare)
    factory.receive("at night")
    claim = factory.claim()
    assert claim is not None
    assert claim.options == {admin.COMPARE: True}
    finish(factory, claim, drawn(2, ("plain", "whole")), chosen=1)
    assert chosen(factory, claim.turn_id) == [1]
    for author, position in (("ada", 0), ("ada", 1), ("ben", 1), ("cem", 0), ("dee", 1)):
        assert factory.database.run(votes.prefer, workspace_id, claim.turn_id, author, author, position)
    (one,) = factory.database.run(votes.comparisons, workspace_id)
    assert (one.configuration, one.other, one.wins, one.votes) == ("plain", "whole", 1, 4), "the last vote counts"
    low, high = one.interval()
    assert low < 0.25 < high
    assert factory.database.run(votes.comparisons, factory.receive("x", workspace="elsewhere").workspace_id) == []


def test_a_page_shows_the_picked_one_first_and_a_deleted_turn_as_deleted(factory: Factory) -> None:
    first = _done(factory)
    varied = factory.receive("", kind=Kind.VARIATIONS, reply_to=first)
    finish(factory, factory.claim(), drawn(4))
    factory.database.run(turns.pick, varied.workspace_id, varied.turn_id, 2)
    factory.database.run(turns.delete_turn, varied.workspace_id, first)
    gone, view = factory.database.run(conversations.turns_of, varied.workspace_id, varied.conversation_id)
    assert view.pictures[0].blob_key == "picture-2"
    assert (gone.deleted, gone.text, gone.pictures, view.deleted) == (True, "", (), False)
