"""The menu of a message: its pictures as references, drawing from one of the bot's, reporting one of them."""

from __future__ import annotations

import discord as library
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot.discord.client import LikenessClient
from bot.services import Services
from ops.local.discord import Payload, Waiting
from storage import forms, reports
from storage.tables import Audit, Status
from tests.bot.discord.conftest import ME, Town, running
from tests.bot.discord.test_interactions import first_picture, said_to
from tests.bot.helpers import png, until

REFERENCE, BRANCH, REPORT = "Use as reference", "Draw from here", "Report"
PHOTO = ("hugo.png", png(size=128))


async def chosen(town: Town, user: Payload, message: Payload, name: str) -> Waiting:
    """What choosing something in a message's menu was answered with: a form, or a sentence."""
    await until(lambda: town.discord.commands)
    waiting = await town.discord.use_menu(user, message, name)
    await until(lambda: waiting.answered)
    return waiting


async def test_the_pictures_of_any_message_become_a_character_of_its_conversation(town: Town) -> None:
    thread, _ = await first_picture(town)
    photo = await town.discord.say(town.ben, thread, "look at Hugo", pictures=[PHOTO, ("too.png", png("blue", 64))])
    form = await chosen(town, town.ada, photo, REFERENCE)
    sent = await town.discord.send_form(town.ada, form, name="Hugo", description="green mohawk", consent=True)
    assert "Hugo can be drawn by name now" in await said_to(sent)
    assert town.factory.agreed() == ["Ada"]
    await town.discord.say(town.ada, thread, f"{ME} Hugo")
    await town.queued()
    (hugo,) = town.claim().line.characters
    assert (hugo.name, hugo.description, len(hugo.reference_keys)) == ("Hugo", "green mohawk", 2)
    await town.discord.say(town.ada, town.general, f"{ME} Hugo")
    await town.queued()
    assert town.claim().line.characters == ()


async def test_its_form_can_be_sent_after_a_restart(town: Town, bot: LikenessClient, services: Services) -> None:
    """Without the intent Discord shows the message's pictures to nobody who asks for it again."""
    photo = await town.discord.say(town.ben, town.general, "look at Hugo", pictures=[PHOTO])
    form = await chosen(town, town.ada, photo, REFERENCE)
    await until(lambda: town.factory.database.run(_forms) == 1)
    await bot.close()
    async with running(Services.open(services.settings)):
        sent = await town.discord.send_form(town.ada, form, name="Hugo")
        assert "Hugo can be drawn" in await said_to(sent)


async def test_what_was_not_kept_is_asked_for_again_where_discord_shows_it(town: Town) -> None:
    answers = []
    for words in ("look at Hugo", f"{ME} help"):
        photo = await town.discord.say(town.ben, town.general, words, pictures=[PHOTO])
        form = await chosen(town, town.ada, photo, REFERENCE)
        await until(lambda: town.factory.database.run(_forms) == 1)
        town.factory.database.run(lambda session: session.execute(delete(Audit)))
        answers.append(await said_to(await town.discord.send_form(town.ada, form, name="Hugo")))
    assert "choose it once more" in answers[0]
    assert "Hugo can be drawn" in answers[1]


async def test_a_message_without_pictures_gets_a_sentence(town: Town) -> None:
    words = await town.discord.say(town.ben, town.general, "good morning")
    waiting = await chosen(town, town.ada, words, REFERENCE)
    assert waiting.modal is None
    assert "no picture in that message" in await said_to(waiting)


async def test_a_picture_from_elsewhere_is_not_opened(town: Town) -> None:
    photo = await town.discord.say(town.ben, town.general, "look", pictures=[PHOTO])
    photo["attachments"][0]["url"] = "http://169.254.1.1/me.png"
    form = await chosen(town, town.ada, photo, REFERENCE)
    await until(lambda: town.factory.database.run(_forms) == 1)
    assert "upload the picture itself" in await said_to(await town.discord.send_form(town.ada, form, name="Hugo"))


async def test_drawing_from_an_older_picture_branches_there(
    town: Town, bot: LikenessClient, services: Services
) -> None:
    thread, first = await first_picture(town)
    await town.discord.say(town.ada, thread, f"{ME} at night")
    await town.queued()
    town.draw()
    await town.shown(thread, 2)
    form = await chosen(town, town.ben, first, BRANCH)
    await bot.close()
    async with running(Services.open(services.settings)):
        sent = await town.discord.send_form(town.ben, form, text="laughing")
        await town.queued()
        claim = town.claim()
        assert claim.text == "laughing"
        assert claim.parent_id is not None
        assert town.factory.turn(claim.parent_id).text == "Olivia"
        town.finish(claim)
        await town.shown(thread, 3)
        assert await said_to(sent) == "", "the picture says it all"


async def test_only_the_bots_own_pictures_can_be_drawn_from_or_reported(town: Town) -> None:
    thread, _ = await first_picture(town)
    photo = await town.discord.say(town.ben, thread, "look", pictures=[PHOTO])
    await town.discord.say(town.ada, thread, f"{ME} help")
    helped = (await town.told(thread, 2))[-1]
    for message in (photo, helped):
        for name in (BRANCH, REPORT):
            waiting = await chosen(town, town.ada, message, name)
            assert waiting.modal is None
            assert "none of my pictures" in await said_to(waiting)


async def test_a_missing_permission_is_named_before_the_form(town: Town) -> None:
    thread, shown = await first_picture(town)
    photo = await town.discord.say(town.ben, thread, "look", pictures=[PHOTO])
    await town.discord.allow(town.general, library.Permissions.all() & ~library.Permissions(attach_files=True))
    for message, name in ((photo, REFERENCE), (shown, BRANCH)):
        waiting = await chosen(town, town.ada, message, name)
        assert waiting.modal is None
        assert "Attach Files" in await said_to(waiting)


async def test_a_permission_that_is_lost_while_the_form_is_filled_in_is_named(town: Town) -> None:
    _, shown = await first_picture(town)
    form = await chosen(town, town.ada, shown, BRANCH)
    await town.discord.allow(town.general, library.Permissions.all() & ~library.Permissions(attach_files=True))
    assert "Attach Files" in await said_to(await town.discord.send_form(town.ada, form, text="laughing"))
    assert town.factory.count(Status.QUEUED) == 0


async def test_a_report_is_kept_for_operators(town: Town) -> None:
    _, shown = await first_picture(town)
    form = await chosen(town, town.ben, shown, REPORT)
    assert "I kept your report" in await said_to(await town.discord.send_form(town.ben, form, text="That is me."))
    (kept,) = town.factory.database.run(reports.listed)
    assert (kept.platform, kept.workspace, kept.workspace_name) == ("discord", town.guild["id"], "Storytellers")
    assert (kept.reporter, kept.reporter_name, kept.reason) == (town.ben["id"], "Ben", "That is me.")
    assert town.factory.turn(kept.turn_id).text == "Olivia"


async def test_a_picture_of_another_server_is_not_known(town: Town) -> None:
    _, shown = await first_picture(town)
    other = await town.discord.guild("Elsewhere")
    channel = await town.discord.channel(other, "general")
    for name in (BRANCH, REPORT):
        form = await chosen(town, town.ben, shown | {"channel_id": channel["id"]}, name)
        assert "not known" in await said_to(await town.discord.send_form(town.ben, form, text="laughing"))
    assert town.factory.count(Status.QUEUED) == 0
    assert town.factory.database.run(reports.listed) == []


async def test_menus_are_announced_in_the_languages_of_the_catalogue(town: Town) -> None:
    await until(lambda: town.discord.commands)
    menus = [one for one in town.discord.commands if one["type"] == 3]
    assert [one["name_localizations"]["de"] for one in menus] == [
        "Als Vorlage verwenden",
        "Von hier aus zeichnen",
        "Melden",
    ]


def _forms(session: Session) -> int:
    """How many forms something is kept for."""
    return len(session.scalars(select(Audit.id).where(Audit.action == forms.ACTION)).all())
