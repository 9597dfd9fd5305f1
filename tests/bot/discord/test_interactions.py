"""Slash commands and buttons, over real sockets: answered in time, and still alive after a restart."""

from __future__ import annotations

import io
import json
import time
import zipfile

import discord as library
from PIL import Image

from bot.discord.client import LikenessClient
from bot.services import Services
from ops.local.discord import Payload, Waiting
from storage.tables import Status
from tests.bot.discord.conftest import ME, Town, running
from tests.bot.helpers import png, until


async def said_to(waiting: Waiting) -> str:
    """What an interaction was answered with in the end."""

    def done() -> bool:
        return waiting.answered and (waiting.message is None or not waiting.message["flags"] & 128)

    await until(done)
    return str(waiting.message["content"]) if waiting.message else ""


async def first_picture(town: Town) -> tuple[Payload, Payload]:
    """A thread with one picture in it, and the message that shows it."""
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    town.draw()
    (shown,) = await town.shown(thread)
    return thread, shown


async def test_imagine_in_a_channel_opens_a_thread_from_its_answer(town: Town) -> None:
    waiting = await town.discord.slash(town.ada, town.general, "imagine", text="Olivia on the beach", seed=7)
    await until(lambda: waiting.message is not None and waiting.message["content"])
    assert waiting.message is not None
    thread = await town.thread(waiting.message)
    turn_id = town.draw()
    await town.shown(thread)
    assert town.factory.turn(turn_id).seed == 7
    assert "Olivia on the beach" in waiting.message["content"]


async def test_imagine_in_a_thread_is_its_next_turn(town: Town) -> None:
    thread, _ = await first_picture(town)
    waiting = await town.discord.slash(town.ben, thread, "imagine", text="at night")
    await town.queued()
    turn_id = town.draw()
    await town.shown(thread, 2)
    assert await said_to(waiting) == "", "the answer that only Ben would see is taken back"
    assert town.factory.turn(turn_id).parent_id is not None


async def test_undo_and_help_answer_their_person_alone(town: Town) -> None:
    thread, _ = await first_picture(town)
    undone = await town.discord.slash(town.ada, thread, "undo")
    assert "Undone" in await said_to(undone)
    assert undone.ephemeral
    helped = await town.discord.slash(town.ada, town.general, "help")
    assert "Olivia" in await said_to(helped)
    assert len(town.discord.told_in(thread)) == 1


async def test_a_missing_permission_is_named_at_once(town: Town) -> None:
    await town.discord.allow(town.general, library.Permissions.all() & ~library.Permissions(attach_files=True))
    waiting = await town.discord.slash(town.ada, town.general, "imagine", text="Olivia")
    assert "Attach Files" in await said_to(waiting)
    assert town.factory.count(*Status) == 0


async def test_a_slow_database_delays_no_answer(town: Town) -> None:
    with town.factory.holding_turns():
        waiting = await town.discord.slash(town.ada, town.general, "imagine", text="Olivia")
        began = time.monotonic()
        await until(lambda: waiting.answered)
        assert time.monotonic() - began < 1
        assert town.factory.count(*Status) == 0
    assert waiting.message is not None
    await town.thread(waiting.message)


async def test_again_draws_the_same_turn_once_more(town: Town) -> None:
    thread, shown = await first_picture(town)
    await town.discord.press(town.ben, shown, "again")
    await town.queued()
    town.draw("Another one.")
    pictures = await town.shown(thread, 2)
    assert pictures[1]["content"] == "Another one."


async def test_buttons_work_after_a_restart(town: Town, bot: LikenessClient, services: Services) -> None:
    thread, shown = await first_picture(town)
    await bot.close()
    async with running(Services.open(services.settings)):
        waiting = await town.discord.press(town.ada, shown, "undo")
        assert "Undone" in await said_to(waiting)
        await town.discord.press(town.ada, shown, "again")
        await town.queued()
        town.draw()
        await town.shown(thread, 2)


async def test_only_whoever_asked_or_a_moderator_may_cancel(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    (placeholder,) = await town.told(thread)
    refused = await town.discord.press(town.ben, placeholder, "cancel")
    assert "moderator" in await said_to(refused)
    assert town.factory.count(Status.QUEUED) == 1
    await town.discord.press(town.ben, placeholder, "cancel", moderator=True)
    await until(lambda: town.factory.count(Status.CANCELLED) == 1)
    await until(lambda: placeholder["content"] == "Cancelled.")


async def test_whoever_asked_may_cancel(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    (placeholder,) = await town.told(await town.thread(said))
    await town.discord.press(town.ada, placeholder, "cancel")
    await until(lambda: town.factory.count(Status.CANCELLED) == 1)


async def test_votes_are_noted_and_the_last_one_counts(town: Town) -> None:
    _, shown = await first_picture(town)
    for what in ("up", "down"):
        assert "Thank you" in await said_to(await town.discord.press(town.ben, shown, what))
    assert town.factory.votes() == [-1]


async def test_a_button_of_another_server_does_nothing(town: Town) -> None:
    _, shown = await first_picture(town)
    other = await town.discord.guild("Elsewhere")
    channel = await town.discord.channel(other, "general")
    waiting = await town.discord.press(town.ben, {**shown, "channel_id": channel["id"]}, "again")
    assert "not known" in await said_to(waiting)
    assert town.factory.count(Status.QUEUED) == 0


async def test_an_error_is_one_sentence_with_a_reference(town: Town) -> None:
    _, shown = await first_picture(town)
    with town.factory.without_votes():
        said = await said_to(await town.discord.press(town.ben, shown, "up"))
    assert "Reference" in said
    assert "votes" not in said


async def test_a_new_character_of_a_server_can_be_drawn_by_name(town: Town) -> None:
    form = await town.discord.slash(town.ada, town.general, "newcharacter", name="Olivia")
    await until(lambda: form.modal is not None)
    picture = ("olivia.png", png(size=128))
    sent = await town.discord.send_form(town.ada, form, pictures=[picture], description="red hair", consent=True)
    assert "Olivia can be drawn by name now" in await said_to(sent)
    await town.discord.say(town.ben, town.general, f"{ME} Olivia on the beach")
    await town.queued()
    (olivia,) = town.claim().line.characters
    assert (olivia.name, olivia.description, len(olivia.reference_keys)) == ("Olivia", "red hair", 1)
    assert olivia.embeddable, "it was agreed to"
    assert town.factory.agreed() == ["Ada"]


async def test_without_consent_nobody_takes_a_face_from_the_pictures(town: Town) -> None:
    form = await town.discord.slash(town.ada, town.general, "newcharacter")
    await until(lambda: form.modal is not None)
    sent = await town.discord.send_form(town.ada, form, pictures=[("o.png", png(size=128))], name="Olivia")
    assert "Olivia" in await said_to(sent)
    await town.discord.say(town.ben, town.general, f"{ME} Olivia")
    await town.queued()
    (olivia,) = town.claim().line.characters
    assert not olivia.embeddable
    assert town.factory.agreed() == []


async def test_a_form_that_was_opened_before_a_restart_can_still_be_sent(
    town: Town, bot: LikenessClient, services: Services
) -> None:
    form = await town.discord.slash(town.ada, town.general, "newcharacter")
    await until(lambda: form.modal is not None)
    await bot.close()
    async with running(Services.open(services.settings)):
        sent = await town.discord.send_form(town.ada, form, name="Olivia")
        assert "Olivia can be drawn" in await said_to(sent)


async def test_a_name_that_is_taken_or_none_is_refused_with_a_sentence(town: Town) -> None:
    form = await town.discord.slash(town.ada, town.general, "newcharacter")
    await until(lambda: form.modal is not None)
    assert "can be drawn" in await said_to(await town.discord.send_form(town.ada, form, name="Olivia"))
    assert "already" in await said_to(await town.discord.send_form(town.ben, form, name="olivia"))
    assert "begins with a letter" in await said_to(await town.discord.send_form(town.ben, form, name="123"))


async def test_a_character_of_a_direct_message_is_nobody_elses(town: Town) -> None:
    form = await town.discord.slash(town.ada, town.discord.direct(town.ada), "newcharacter")
    await until(lambda: form.modal is not None)
    await said_to(await town.discord.send_form(town.ada, form, name="Olivia"))
    await town.discord.say(town.ben, town.general, f"{ME} Olivia")
    await town.queued()
    assert town.claim().line.characters == ()


async def test_history_is_a_sheet_and_export_a_zip_for_whoever_asks(town: Town) -> None:
    thread, shown = await first_picture(town)
    await town.discord.say(town.ada, thread, "laughing", reply_to=shown)
    await town.queued()
    town.draw("Olivia laughs.")
    await town.shown(thread, 2)
    sheet = await town.discord.slash(town.ben, thread, "history")
    assert "Framed" in await said_to(sheet)
    assert sheet.ephemeral
    with Image.open(io.BytesIO(town.file_of(sheet))) as opened:
        assert opened.width > 2 * 160
    archive = await town.discord.slash(town.ben, thread, "export")
    await said_to(archive)
    with zipfile.ZipFile(io.BytesIO(town.file_of(archive))) as opened_zip:
        assert set(opened_zip.namelist()) == {"001.png", "002.png", "conversation.json"}
        told = json.loads(opened_zip.read("conversation.json"))
    assert [(one["turn"], one["after"], one["text"]) for one in told] == [(1, None, "Olivia"), (2, 1, "laughing")]


async def test_a_thread_without_pictures_has_no_history(town: Town) -> None:
    assert "Nothing was drawn" in await said_to(await town.discord.slash(town.ada, town.general, "history"))


async def test_the_button_undoes_its_own_picture_and_no_other(town: Town) -> None:
    thread, first = await first_picture(town)
    await town.discord.say(town.ada, thread, f"{ME} at night")
    await town.queued()
    town.draw("At night.")
    second = (await town.shown(thread, 2))[1]
    assert "not the latest" in await said_to(await town.discord.press(town.ada, first, "undo"))
    assert "Undone" in await said_to(await town.discord.press(town.ada, second, "undo"))
    assert "not the latest" in await said_to(await town.discord.press(town.ada, second, "undo"))
    assert "Undone" in await said_to(await town.discord.press(town.ada, first, "undo"))


async def test_a_new_character_of_a_thread_stays_in_it(town: Town) -> None:
    thread, _ = await first_picture(town)
    form = await town.discord.slash(town.ada, thread, "newcharacter")
    await until(lambda: form.modal is not None)
    assert "can be drawn" in await said_to(await town.discord.send_form(town.ada, form, name="Olivia"))
    await town.discord.say(town.ben, town.general, f"{ME} Olivia")
    await town.queued()
    assert town.claim().line.characters == ()


async def test_commands_are_announced_in_the_languages_of_the_catalogue(town: Town) -> None:
    await until(lambda: town.discord.commands)
    imagine = next(one for one in town.discord.commands if one["name"] == "imagine")
    assert imagine["name_localizations"]["de"] == "zeichnen"
    assert imagine["description_localizations"]["ja"] == "言葉から絵を描きます"
    assert imagine["name_localizations"]["es-ES"] == "imaginar"
    assert {one["name"] for one in imagine["options"]} == {"text", "seed", "characters", "aspect"}
