"""What happens on Discord while a turn waits, and what comes of its reply: shown all the same, or given up for good."""

from __future__ import annotations

import io
import os
from uuid import UUID

import discord as library
import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.discord.client import LikenessClient
from ops.local.discord import Payload
from storage.tables import Delivery, Status
from tests.bot.discord.conftest import ME, Town
from tests.bot.discord.test_interactions import said_to
from tests.bot.helpers import until


async def waiting_turn(town: Town) -> tuple[Payload, Payload]:
    """A thread with a placeholder in it."""
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    (placeholder,) = await town.told(thread)
    return thread, placeholder


async def given_up(town: Town, turn_id: UUID) -> None:
    """Wait until nobody will try to show a reply any more; what is not due is not looked at again."""

    def delivery(session: Session) -> Delivery:
        return session.execute(select(Delivery).where(Delivery.turn_id == turn_id)).scalar_one()

    await until(lambda: town.factory.database.run(delivery).delivered_at is not None)
    row = town.factory.database.run(delivery)
    assert row.problem
    assert row.lease_until is None


async def works_elsewhere(town: Town) -> None:
    """Somebody in another server is drawn for as ever."""
    other = await town.discord.guild("Elsewhere")
    channel = await town.discord.channel(other, "general")
    said = await town.discord.say(town.ben, channel, f"{ME} Max")
    await town.thread(said)
    town.draw()
    await town.shown(await town.thread(said))


async def test_a_new_message_opens_an_archived_thread(town: Town) -> None:
    """The placeholder is too old to be edited."""
    real = town.discord.clock
    town.discord.clock = lambda: real() - 4000
    thread, placeholder = await waiting_turn(town)
    town.discord.clock = real
    await town.discord.change_thread(thread, archived=True)
    town.draw()
    (shown,) = await town.shown(thread)
    assert shown["id"] != placeholder["id"]
    assert not thread["thread_metadata"]["archived"]


async def test_a_thread_that_is_locked_meanwhile_still_gets_its_placeholder_edited(town: Town) -> None:
    thread, placeholder = await waiting_turn(town)
    await town.discord.allow(town.general, _without_managing_threads())
    await town.discord.change_thread(thread, locked=True)
    town.draw()
    await until(lambda: placeholder["attachments"])


async def test_a_thread_that_is_locked_and_archived_meanwhile_is_given_up(town: Town) -> None:
    thread, placeholder = await waiting_turn(town)
    await town.discord.allow(town.general, _without_managing_threads())
    await town.discord.change_thread(thread, locked=True, archived=True)
    await given_up(town, town.draw())
    assert not placeholder["attachments"]
    await works_elsewhere(town)


async def test_a_locked_thread_whose_placeholder_was_deleted_is_given_up(town: Town) -> None:
    thread, placeholder = await waiting_turn(town)
    await town.discord.allow(town.general, _without_managing_threads())
    await town.discord.change_thread(thread, locked=True)
    town.discord.messages[int(thread["id"])].remove(placeholder)
    await given_up(town, town.draw())


@pytest.mark.parametrize("what", ["thread", "channel"])
async def test_what_is_deleted_meanwhile_is_given_up(town: Town, what: str) -> None:
    thread, _ = await waiting_turn(town)
    await town.discord.delete_channel(thread if what == "thread" else town.general)
    await given_up(town, town.draw())
    await works_elsewhere(town)


async def test_a_channel_that_is_deleted_before_its_thread_is_made_is_given_up(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, "good morning")
    await town.discord.delete_channel(town.general)
    where = {"workspace": town.guild["id"], "channel": town.general["id"], "thread": said["id"]}
    receipt = town.factory.receive(platform="discord", **where)
    town.draw()
    await given_up(town, receipt.turn_id)


async def test_a_server_that_the_bot_is_removed_from_meanwhile_is_given_up(town: Town) -> None:
    _, placeholder = await waiting_turn(town)
    await town.discord.leave(town.guild)
    await given_up(town, town.draw())
    assert not placeholder["attachments"]
    await works_elsewhere(town)


async def test_in_a_server_without_the_bot_everything_is_answered_with_one_sentence(
    town: Town, bot: LikenessClient
) -> None:
    """A person may bring the app along to where the bot is not."""
    await until(lambda: town.discord.commands)
    message = await town.discord.say(town.ben, town.general, "good morning")
    await town.discord.leave(town.guild)
    await until(lambda: bot.get_guild(int(town.guild["id"])) is None)
    for command in town.discord.commands:
        if command["type"] == 1:
            options = {"text": "Olivia"} if command["name"] == "imagine" else {}
            waiting = await town.discord.slash(town.ada, town.general, command["name"], **options)
        else:
            waiting = await town.discord.use_menu(town.ada, message, command["name"])
        assert "I am not in this server" in await said_to(waiting), command["name"]
        assert waiting.ephemeral
    assert town.factory.count(*Status) == 0


async def test_a_picture_that_discord_finds_too_large_is_made_smaller(town: Town) -> None:
    """A limit may be lower than what the server's tier says."""
    thread, _ = await waiting_turn(town)
    town.discord.upload_limit = 3 * 2**20
    noise = io.BytesIO()
    Image.frombytes("RGB", (1200, 1200), os.urandom(3 * 1200 * 1200)).save(noise, "PNG", compress_level=0)
    town.finish(town.claim(), alt_text="Olivia in the snow.", data=noise.getvalue())
    (shown,) = await town.shown(thread)
    (file,) = shown["attachments"]
    assert file["filename"] == "likeness-1.jpg"
    assert file["size"] <= 2 * 2**20
    assert file["description"] == "Olivia in the snow."


async def test_a_picture_without_a_description_gets_one(town: Town) -> None:
    thread, _ = await waiting_turn(town)
    town.draw(alt_text="")
    (shown,) = await town.shown(thread)
    assert shown["attachments"][0]["description"]


def _without_managing_threads() -> library.Permissions:
    return library.Permissions.all() & ~library.Permissions(manage_threads=True, administrator=True)
