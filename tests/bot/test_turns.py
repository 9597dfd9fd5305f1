"""The door in: what a message, a command or an attachment becomes."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from bot.services import Services
from bot.turns import Answer, AttachmentGone, Turns
from storage.settings import Settings
from storage.tables import Kind, Reference, Status
from storage.tickets import bell
from storage.turns import Receipt
from tests.factory import Factory


@pytest.fixture
def turns(services: Services) -> Turns:
    return Turns(services, "test")


def picture(size: tuple[int, int] = (64, 48), kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, kind)
    return buffer.getvalue()


async def received(turns: Turns, factory: Factory, words: str, **fields: object) -> Receipt:
    receipt = await turns.receive(factory.request(words, **fields))
    assert isinstance(receipt, Receipt)
    await turns.settle()
    return receipt


async def answered(turns: Turns, factory: Factory, words: str, **fields: object) -> str:
    answer = await turns.receive(factory.request(words, **fields))
    assert isinstance(answer, Answer)
    return answer.text


def references(factory: Factory) -> int:
    def count(session: Session) -> int:
        return len(session.scalars(select(Reference)).all())

    return factory.database.run(count)


async def test_a_message_is_committed_and_its_engine_is_rung(
    turns: Turns, factory: Factory, settings: Settings
) -> None:
    receipt = await received(turns, factory, "Olivia on a beach")
    assert factory.status(receipt.turn_id) is Status.QUEUED
    assert bell(settings.broker_url).waiting("echo") == 1


async def test_a_message_behind_another_rings_nobody(turns: Turns, factory: Factory, settings: Settings) -> None:
    await received(turns, factory, "one")
    await received(turns, factory, "two")
    assert bell(settings.broker_url).waiting("echo") == 1


async def test_a_broker_that_is_down_loses_nothing(factory: Factory, services: Services, settings: Settings) -> None:
    gone = replace(services, bell=bell("redis://127.0.0.1:1/0"))
    receipt = await received(Turns(gone, "test"), factory, "Olivia on a beach")
    assert factory.status(receipt.turn_id) is Status.QUEUED


async def test_a_database_that_restarts_while_a_message_arrives_loses_nothing(turns: Turns, factory: Factory) -> None:
    await received(turns, factory, "one")

    def cut(session: Session) -> None:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )

    factory.database.run(cut)
    receipt = await received(turns, factory, "two")
    assert factory.status(receipt.turn_id) is Status.QUEUED


async def test_undo_takes_the_conversation_back(turns: Turns, factory: Factory) -> None:
    await received(turns, factory, "one")
    claim = factory.claim()
    assert claim is not None
    factory.finish(claim)
    await received(turns, factory, "two")
    assert "picture before" in await answered(turns, factory, "undo")
    assert "afresh" in await answered(turns, factory, "undo")
    assert "nothing to undo" in await answered(turns, factory, "undo")


async def test_an_undo_that_arrives_twice_is_obeyed_once(turns: Turns, factory: Factory) -> None:
    first = await received(turns, factory, "one")
    await received(turns, factory, "two")
    request = factory.request("undo")
    await turns.receive(request)
    await turns.receive(request)
    assert factory.status(first.turn_id) is Status.QUEUED, "only the second turn was undone"


async def test_again_and_cancel_are_commands(turns: Turns, factory: Factory) -> None:
    first = await received(turns, factory, "one", seed=1)
    again = await received(turns, factory, "again")
    turn = factory.turn(again.turn_id)
    assert (turn.kind, turn.text, turn.parent_id) == (Kind.AGAIN, "one", None)
    assert await answered(turns, factory, "cancel") == "Cancelled."
    assert factory.status(again.turn_id) is Status.CANCELLED
    assert factory.status(first.turn_id) is Status.QUEUED


async def test_again_where_there_is_nothing_is_answered_with_a_sentence(turns: Turns, factory: Factory) -> None:
    receipt = await received(turns, factory, "again")
    assert receipt.status is Status.REFUSED
    assert "no picture yet" in factory.turn(receipt.turn_id).reply


async def test_commands_in_an_empty_thread(turns: Turns, factory: Factory) -> None:
    assert "nothing here yet" in await answered(turns, factory, "undo")
    assert "Tell me whom to draw" in await answered(turns, factory, "help")


# -- attachments


async def test_an_uploaded_picture_becomes_a_reference(turns: Turns, factory: Factory) -> None:
    workspace_id = await turns.workspace("test", "guild")
    link = await turns.keep_upload(workspace_id, picture())
    receipt = await received(turns, factory, "this is Olivia", attachments=(link,))
    assert factory.status(receipt.turn_id) is Status.QUEUED
    assert references(factory) == 1


@pytest.mark.parametrize("data", [b"", b"no picture at all", picture()[:40], picture((4, 4))])
async def test_a_file_that_is_no_picture_is_refused_with_a_sentence(
    turns: Turns, factory: Factory, data: bytes
) -> None:
    workspace_id = await turns.workspace("test", "guild")
    receipt = await received(
        turns, factory, "this is Olivia", attachments=(await turns.keep_upload(workspace_id, data),)
    )
    turn = factory.turn(receipt.turn_id)
    assert turn.status == "refused"
    assert turn.reply.endswith(".")
    assert references(factory) == 0


async def test_too_many_pictures_are_refused(turns: Turns, factory: Factory) -> None:
    receipt = await received(turns, factory, "all of them", attachments=("x",) * 11)
    assert "11 pictures" in factory.turn(receipt.turn_id).reply


async def test_a_link_cannot_reach_into_our_own_blobs(turns: Turns, factory: Factory, services: Services) -> None:
    services.blobs.put("pictures/secret.png", picture(), content_type="image/png")
    receipt = await received(turns, factory, "steal it", attachments=("blob:pictures/secret.png",))
    assert factory.status(receipt.turn_id) is Status.REFUSED


async def test_a_link_that_is_gone_is_said_and_one_that_may_come_back_is_waited_for(
    services: Services, factory: Factory
) -> None:
    answers: list[bytes | Exception] = [OSError("the host is away"), picture()]

    async def fetch(_: str) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    turns = Turns(services, "test", fetch)
    receipt = await received(turns, factory, "this is Olivia", attachments=("https://example.invalid/1",))
    assert factory.status(receipt.turn_id) is Status.RECEIVED
    await turns.admit(receipt.turn_id)
    assert factory.status(receipt.turn_id) is Status.QUEUED
    answers.append(AttachmentGone("That link has expired. Please attach the picture again."))
    receipt = await received(turns, factory, "and this", attachments=("https://example.invalid/2",))
    assert "expired" in factory.turn(receipt.turn_id).reply


async def test_whatever_a_platforms_client_raises_the_turn_ends_in_time(services: Services, factory: Factory) -> None:
    async def fetch(_: str) -> bytes:
        raise ValueError("an error of some client's own")

    turns = Turns(services, "test", fetch)
    receipt = await received(turns, factory, "this is Olivia", attachments=("https://example.invalid/1",))
    assert factory.status(receipt.turn_id) is Status.RECEIVED, "it may yet succeed"
    late = text("UPDATE turns SET created_at = now() - interval '6 minutes' WHERE id = :id")
    factory.database.run(lambda session: session.execute(late, {"id": receipt.turn_id}))
    await turns.admit(receipt.turn_id)
    assert factory.status(receipt.turn_id) is Status.REFUSED
    assert "could not be fetched" in factory.turn(receipt.turn_id).reply


async def test_a_full_disk_keeps_the_message_and_says_so_when_it_lasts(
    turns: Turns, factory: Factory, settings: Settings
) -> None:
    workspace_id = await turns.workspace("test", "guild")
    link = await turns.keep_upload(workspace_id, picture())
    home = Path(settings.data_dir) / "blobs"
    (home / "references").write_text("a file where a folder is needed")
    receipt = await received(turns, factory, "this is Olivia", attachments=(link,))
    assert factory.status(receipt.turn_id) is Status.RECEIVED, "it may yet succeed"
    (home / "references").unlink()
    await turns.admit(receipt.turn_id)
    assert factory.status(receipt.turn_id) is Status.QUEUED


async def test_again_keeps_the_reference_of_the_first_time(turns: Turns, factory: Factory) -> None:
    workspace_id = await turns.workspace("test", "guild")
    link = await turns.keep_upload(workspace_id, picture())
    first = await received(turns, factory, "this is Olivia", attachments=(link,))
    again = await received(turns, factory, "", kind=Kind.AGAIN, reply_to=first.turn_id)
    assert again.status is Status.QUEUED
    assert references(factory) == 2


async def test_what_only_another_platform_can_open_is_left_to_it(services: Services, factory: Factory) -> None:
    async def fetch(link: str) -> bytes:
        return picture()

    receipt = factory.receive("like this", attachments=("https://cdn.example/a.png",))
    await Turns(services, "web").admit(receipt.turn_id)
    assert factory.status(receipt.turn_id) is Status.RECEIVED
    await Turns(services, "test", fetch).admit(receipt.turn_id)
    assert factory.status(receipt.turn_id) is Status.QUEUED
