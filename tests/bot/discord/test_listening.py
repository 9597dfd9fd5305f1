"""Where a server wishes it, every message in the bot's own threads counts; without the intent or the wish none does."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from bot import listening
from bot.discord import NoToken
from bot.discord.client import LikenessClient, run
from bot.services import Services
from ops.local.discord import TOKEN, LocalDiscord, Payload
from storage import preferences, turns
from storage.settings import Settings
from storage.tables import Status, Workspace
from tests.bot.discord.conftest import ME, Town, running
from tests.bot.discord.test_characters import says, shown
from tests.bot.discord.test_preferences import used
from tests.bot.helpers import png, until


@pytest.fixture
def settings(settings: Settings, discord: LocalDiscord) -> Settings:
    """Settings of a bot that may read all messages."""
    discord.content_allowed = True
    return settings.model_copy(update={"discord_content": True})


def wish(town: Town, *, every: bool = True) -> None:
    """An admin says whether every message counts."""
    change = update(Workspace).values(settings={listening.EVERY_MESSAGE: every})
    town.factory.database.run(lambda session: session.execute(change))


async def thread_with_a_picture(town: Town) -> tuple[Payload, Payload]:
    """A thread that the bot made, and the picture in it."""
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    town.draw()
    (shown,) = await town.shown(thread)
    return thread, shown


async def test_every_message_in_a_thread_of_the_bots_counts(town: Town) -> None:
    thread, _ = await thread_with_a_picture(town)
    wish(town)
    await town.discord.say(town.ben, thread, "at night", pictures=[("me.png", png(size=128))])
    await town.queued()
    assert len(town.claim().line.attachment_keys) == 1
    assert town.factory.texts() == ["Olivia", "at night"]


async def test_a_reply_without_a_ping_to_a_picture_branches_from_it(town: Town) -> None:
    thread, picture = await thread_with_a_picture(town)
    wish(town)
    await town.discord.say(town.ben, thread, "at night")
    await town.queued()
    town.draw()
    await town.discord.say(town.ben, thread, "laughing", reply_to=picture, ping=False)
    await town.queued()
    claim = town.claim()
    assert claim.text == "laughing"
    parent = claim.parent_id
    assert parent is not None
    assert town.factory.turn(parent).text == "Olivia"


async def test_what_is_said_to_others_or_elsewhere_or_without_words_does_not_count(town: Town) -> None:
    thread, _ = await thread_with_a_picture(town)
    wish(town)
    theirs = await town.discord._add(thread | {"id": str(town.discord.new_id()), "owner_id": "1"}, "THREAD_CREATE")
    other = town.discord.person("Another bot", bot=True)
    await town.discord.say(town.ben, theirs, "very nice")
    await town.discord.say(town.ben, town.general, "good morning")
    await town.discord.say(town.ada, thread, f"<@{town.ben['id']}> what do you think?")
    await town.discord.say(town.ada, thread, "@everyone look")
    await town.discord.say(town.ada, thread, "")
    await town.discord.say(other, thread, "I am a bot")
    asked = await town.discord.say(town.ada, theirs, "really?")
    await town.discord.say(town.ben, thread, "yes", reply_to=asked, ping=False)
    await town.discord.say(town.ada, thread, f"as <@{town.ben['id']}> said, at night")
    await until(lambda: town.factory.count(*Status) > 1)
    assert town.factory.texts() == ["Olivia", "as Ben said, at night"]


@pytest.mark.parametrize("every", [None, False])
async def test_without_the_wish_only_mentions_count(
    town: Town, every: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "BELIEVED_SECONDS", 0)
    thread, _ = await thread_with_a_picture(town)
    if every is not None:
        wish(town, every=every)
    await town.discord.say(town.ben, thread, "at night")
    await town.discord.say(town.ben, thread, f"{ME} laughing")
    await town.queued()
    assert town.factory.texts() == ["Olivia", "laughing"]
    wish(town)
    await town.discord.say(town.ben, thread, "now")
    await until(lambda: town.factory.texts() == ["Olivia", "laughing", "now"])


async def test_what_the_server_wishes_is_not_asked_for_with_every_message(town: Town, bot: LikenessClient) -> None:
    await thread_with_a_picture(town)
    workspace = town.guild["id"]
    assert not await bot.listening.to_every_message(workspace)
    wish(town)
    assert not await bot.listening.to_every_message(workspace), "what was read is believed for some seconds"


async def test_what_was_missed_counts_from_the_bots_last_words_on(
    town: Town, bot: LikenessClient, services: Services
) -> None:
    """What was said before may be older than the wish."""
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    await town.told(thread)
    await town.discord.say(town.ben, thread, "nice to meet you all")
    town.draw()
    await town.shown(thread)
    await town.discord.say(town.ada, thread, f"{ME} help")
    await town.told(thread, 2)
    wish(town)
    await bot.close()
    await town.discord.drop(resumable=False)
    await town.discord.say(town.ben, thread, "at night")
    async with running(Services.open(services.settings)):
        await until(lambda: town.factory.count(*Status) == 2)
        await town.queued()
    assert town.factory.texts() == ["Olivia", "at night"]


async def test_an_application_without_the_intent_is_told_what_to_switch_on(
    discord: LocalDiscord, services: Services
) -> None:
    discord.content_allowed = False
    told = services.settings.model_copy(update={"discord_token": SecretStr(TOKEN)})
    with pytest.raises(NoToken, match="Message Content Intent"):
        await run(Services.open(told))


async def test_whether_every_message_counts_is_kept_for_the_server(town: Town) -> None:
    town.discord.managers.add((town.guild["id"], town.ada["id"]))
    waiting = await used(town, town.ada, town.general, "settings")
    here = town.factory.database.run(turns.workspace, "discord", town.guild["id"])

    def kept() -> object:
        return town.factory.database.run(preferences.workspace_settings, here).get("every_message")

    await town.discord.press(town.ada, shown(waiting), "preferences-every")
    await says(waiting, "thread of mine** counts.")
    assert kept() is True
    await town.discord.press(town.ada, shown(waiting), "preferences-every")
    await says(waiting, "counts only where it means me")
    assert kept() is None
