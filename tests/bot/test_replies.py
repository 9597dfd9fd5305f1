"""One visible reply for each turn: which call is made on a platform, and what is remembered of it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.replies import Found, MessageGone, MessageTooOld, Replies, ThreadGone
from bot.services import Services
from storage import deliveries, turns
from storage.deliveries import Due
from storage.tables import Delivery
from tests.factory import Factory


class Board:
    """A platform in memory that remembers every call, and fails when it is told to."""

    name = "test"

    def __init__(self) -> None:
        self.messages: dict[str, tuple[UUID, str]] = {}
        self.calls: list[str] = []
        self.failures: list[Exception] = []
        self.too_old = False

    async def post(self, due: Due) -> str:
        return self._keep("post", due.turn_id, due.text)

    async def edit(self, due: Due, message_id: str) -> None:
        self.calls.append("edit")
        if message_id not in self.messages:
            raise MessageGone(message_id)
        if self.too_old:
            raise MessageTooOld(message_id)
        self.messages[message_id] = (due.turn_id, due.text)

    async def find(self, due: Due) -> Found | None:
        self.calls.append("find")
        for key, (turn_id, words) in reversed(self.messages.items()):
            if turn_id == due.turn_id:
                return Found(key, is_reply=words != "waiting")
        return None

    async def remove(self, due: Due, message_id: str) -> None:
        self.calls.append("remove")
        if self.messages.pop(message_id, None) is None:
            raise MessageGone(message_id)

    async def discard(self, due: Due) -> None:
        self.calls.append("discard")

    async def post_placeholder(self, turn_id: UUID, workspace: str, channel: str, thread: str) -> str:
        return self._keep("placeholder", turn_id, "waiting")

    def _keep(self, call: str, turn_id: UUID, words: str) -> str:
        self.calls.append(call)
        if self.failures:
            raise self.failures.pop(0)
        message_id = f"message-{len(self.messages)}"
        self.messages[message_id] = (turn_id, words)
        return message_id

    def texts(self) -> list[str]:
        return [words for _, words in self.messages.values()]


@pytest.fixture
def board() -> Board:
    return Board()


@contextlib.asynccontextmanager
async def running(services: Services, board: Board):  # type: ignore[no-untyped-def]
    replies = Replies(services, board)
    task = asyncio.create_task(replies.run())
    try:
        yield replies
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def delivery(factory: Factory, turn_id: UUID) -> Delivery:
    def get(session: Session) -> Delivery:
        return session.execute(select(Delivery).where(Delivery.turn_id == turn_id)).scalar_one()

    return factory.database.run(get)


async def until_delivered(factory: Factory, turn_id: UUID, seconds: float = 8) -> Delivery:
    async with asyncio.timeout(seconds):
        while (row := delivery(factory, turn_id)).delivered_at is None:
            await asyncio.sleep(0.02)
    return row


async def until(condition: Callable[[], object], seconds: float = 8) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def finish_one(factory: Factory) -> None:
    claim = factory.claim()
    assert claim is not None
    factory.finish(claim)


async def test_a_finished_turn_is_shown_at_once(factory: Factory, services: Services, board: Board) -> None:
    async with running(services, board):
        await asyncio.sleep(0.3)
        receipt = factory.receive()
        finish_one(factory)
        row = await until_delivered(factory, receipt.turn_id, seconds=1.5)
    assert board.calls == ["post"]
    assert row.message_id == "message-0"


async def test_what_was_shown_here_is_not_asked_about_again(factory: Factory, services: Services, board: Board) -> None:
    async with running(services, board) as replies:
        receipt = factory.receive(platform="test")
        finish_one(factory)
        await until_delivered(factory, receipt.turn_id)
        with factory.away():
            assert await replies.post_placeholder(receipt.turn_id, "guild", "general", "story") is None
    assert board.calls == ["post"]


async def test_the_reply_takes_the_place_of_the_placeholder(factory: Factory, services: Services, board: Board) -> None:
    receipt = factory.receive()
    async with running(services, board) as replies:
        await replies.post_placeholder(receipt.turn_id, "guild", "general", "story")
        await replies.post_placeholder(receipt.turn_id, "guild", "general", "story")
        finish_one(factory)
        await until_delivered(factory, receipt.turn_id)
    assert board.calls == ["placeholder", "edit"]
    assert board.texts() == ["Here it is."]


async def test_a_placeholder_that_was_deleted_is_replaced(factory: Factory, services: Services, board: Board) -> None:
    receipt = factory.receive()
    async with running(services, board) as replies:
        await replies.post_placeholder(receipt.turn_id, "guild", "general", "story")
        board.messages.clear()
        finish_one(factory)
        await until_delivered(factory, receipt.turn_id)
    assert board.texts() == ["Here it is."]


async def test_a_post_that_got_through_without_being_recorded_is_found(
    factory: Factory, services: Services, board: Board
) -> None:
    """Somebody leased the delivery, posted, and died: its lease ends, and the next one looks first."""
    receipt = factory.receive()
    finish_one(factory)
    leased = factory.database.run(deliveries.lease, "test", uuid4(), seconds=0.01)
    board.messages["message-0"] = (receipt.turn_id, leased[0].text)
    async with running(services, board):
        await until_delivered(factory, receipt.turn_id)
    assert board.calls == ["find"]
    assert len(board.messages) == 1


async def test_a_reply_in_place_of_a_deleted_placeholder_is_posted_once(
    factory: Factory, services: Services, board: Board
) -> None:
    """Somebody found the placeholder gone, posted anew, and died before that was recorded."""
    receipt = factory.receive()
    await Replies(services, board).post_placeholder(receipt.turn_id, "guild", "general", "story")
    board.messages.clear()
    finish_one(factory)
    leased = factory.database.run(deliveries.lease, "test", uuid4(), seconds=0.01)
    board.messages["posted anew"] = (receipt.turn_id, leased[0].text)
    async with running(services, board):
        row = await until_delivered(factory, receipt.turn_id)
    assert list(board.messages) == ["posted anew"]
    assert row.message_id == "posted anew"


async def test_a_placeholder_that_could_not_be_posted_delays_no_reply(
    factory: Factory, services: Services, board: Board
) -> None:
    receipt = factory.receive()
    board.failures.append(RuntimeError("no"))
    async with running(services, board) as replies:
        with pytest.raises(RuntimeError):
            await replies.post_placeholder(receipt.turn_id, "guild", "general", "story")
        finish_one(factory)
        await until_delivered(factory, receipt.turn_id, seconds=4)
    assert board.texts() == ["Here it is."]


async def test_a_platform_that_fails_is_tried_again(factory: Factory, services: Services, board: Board) -> None:
    board.failures = [RuntimeError("503")]
    receipt = factory.receive()
    finish_one(factory)
    async with running(services, board):
        row = await until_delivered(factory, receipt.turn_id)
    assert board.texts() == ["Here it is."]
    assert row.attempts == 2
    assert row.problem == ""


async def test_a_thread_that_is_gone_ends_the_matter(factory: Factory, services: Services, board: Board) -> None:
    board.failures = [ThreadGone("the channel was deleted")]
    receipt = factory.receive()
    finish_one(factory)
    async with running(services, board):
        row = await until_delivered(factory, receipt.turn_id)
    assert row.message_id is None
    assert "deleted" in row.problem


async def test_replies_of_another_platform_are_left_alone(factory: Factory, services: Services, board: Board) -> None:
    factory.receive(platform="another")
    receipt = factory.receive()
    for _ in range(2):
        finish_one(factory)
    async with running(services, board):
        await until_delivered(factory, receipt.turn_id)
    assert len(board.messages) == 1


async def test_many_replies_are_all_shown(factory: Factory, services: Services, board: Board) -> None:
    receipts = [factory.receive(thread=str(number)) for number in range(50)]
    for _ in receipts:
        finish_one(factory)
    async with running(services, board):
        for receipt in receipts:
            await until_delivered(factory, receipt.turn_id)
    assert len(board.messages) == 50


async def test_a_reply_too_old_to_be_edited_counts_as_shown(factory: Factory, services: Services, board: Board) -> None:
    """It was posted, the process died, and the next one came an hour later."""
    receipt = factory.receive()
    finish_one(factory)
    await board.post(factory.due(receipt.turn_id))
    factory.forget_delivery(receipt.turn_id)
    async with running(services, board):
        await until_delivered(factory, receipt.turn_id)
    assert board.texts() == ["Here it is."]


async def test_a_placeholder_too_old_to_be_edited_is_followed_by_the_reply(
    factory: Factory, services: Services, board: Board
) -> None:
    receipt = factory.receive()
    async with running(services, board) as replies:
        await replies.post_placeholder(receipt.turn_id, "guild", "general", "story")
        board.too_old = True
        finish_one(factory)
        row = await until_delivered(factory, receipt.turn_id)
        await until(lambda: board.texts() == ["Here it is."])
    assert row.message_id == "message-1"


@pytest.mark.parametrize("noted", [True, False])
async def test_what_was_shown_of_a_deleted_turn_goes(
    factory: Factory, services: Services, board: Board, *, noted: bool
) -> None:
    receipt = factory.receive()
    finish_one(factory)
    async with running(services, board):
        await until_delivered(factory, receipt.turn_id)
        if not noted:
            factory.forget_delivery(receipt.turn_id)
        factory.database.run(turns.delete_turn, receipt.workspace_id, receipt.turn_id)
        factory.database.run(deliveries.take_away, receipt.turn_id)
        await until(lambda: not board.messages)
        row = await until_delivered(factory, receipt.turn_id)
    assert row.message_id is None
    assert board.calls.count("post") == 1


async def test_an_attempt_whose_lease_was_taken_ends_no_later_one(
    factory: Factory, services: Services, board: Board
) -> None:
    """A reply is being shown when it falls due once more: what comes of the first attempt says nothing of the second."""
    receipt = factory.receive()
    finish_one(factory)
    one, other = UUID(int=1), UUID(int=2)
    factory.database.run(deliveries.lease, "test", one, seconds=30)
    factory.database.run(deliveries.delivered, receipt.turn_id, one, "message-0")
    factory.database.run(deliveries.show_again, receipt.turn_id)
    assert factory.database.run(deliveries.lease, "test", one, seconds=30)
    factory.database.run(deliveries.show_again, receipt.turn_id)
    assert factory.database.run(deliveries.lease, "test", other, seconds=30)
    factory.database.run(deliveries.delivered, receipt.turn_id, one, "message-0")
    assert not factory.delivered(receipt.turn_id)


@pytest.mark.parametrize("waits", [True, False])
async def test_what_is_shown_just_while_its_turn_is_deleted_goes_as_well(
    factory: Factory, services: Services, board: Board, monkeypatch: pytest.MonkeyPatch, *, waits: bool
) -> None:
    """Looked for at once, it would not be there yet; and then nobody would look any more."""
    short = services.settings.model_copy(update={"delivery_seconds": 1.5})
    monkeypatch.setattr("bot.replies.POLL_SECONDS", 0.1)
    receipt, sent, late = factory.receive(), asyncio.Event(), asyncio.Event()
    keep = board._keep

    async def slow(call: str, words: str) -> str:
        sent.set()
        await late.wait()
        return keep(call, receipt.turn_id, words)

    monkeypatch.setattr(board, "post", lambda due: slow("post", due.text))
    monkeypatch.setattr(board, "post_placeholder", lambda *_: slow("placeholder", "waiting"))
    async with running(dataclasses.replace(services, settings=short), board) as replies:
        if waits:
            posting = asyncio.create_task(replies.post_placeholder(receipt.turn_id, "guild", "general", "story"))
        else:
            finish_one(factory)
        await sent.wait()
        factory.database.run(turns.delete_turn, receipt.workspace_id, receipt.turn_id)
        factory.database.run(deliveries.take_away, receipt.turn_id)
        await asyncio.sleep(0.3)
        late.set()
        await until(lambda: board.messages)
        row = await until_delivered(factory, receipt.turn_id)
        assert not board.messages
        assert row.message_id is None
        assert board.calls[-1] == "discard"
        if waits:
            await posting
