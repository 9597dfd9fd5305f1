"""Windows on Slack, over real sockets: what opens them, what can be done in them and by whom, and that they outlive a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, select

from bot.admin import NOT_ADMIN, NOT_OPERATOR
from bot.sentences import AWAY, NO_PICTURES, NOT_OURS, NOTHING_YET, SHEET
from bot.services import Services
from bot.slack import (
    admin,
    blocks,
    characters,
    conversations,
    forgetme,
    home,
    newcharacter,
    rooms,
    shortcuts,
    windows,
)
from bot.slack.app import SlackBot
from bot.slack.menu import opens
from bot.turns import Answer
from ops.local.slack import LocalSlack
from ops.local.slack_wire import Payload
from storage import characters as stored
from storage import conversations as conversations_kept
from storage import reports, turns
from storage.characters import CONSENT
from storage.database import DatabaseUnavailable
from storage.sentences import BLOCKED, told
from storage.settings import Settings
from storage.tables import Copy, Status, Worker
from storage.turns import Receipt, Request
from tests.bot.helpers import png, until
from tests.bot.slack.conftest import Town, running

PHOTO = ("hugo.png", png(size=64))


@pytest.fixture
def settings(settings: Settings, slack: LocalSlack) -> Settings:
    """Settings that name an operator: the fourth person, whom `operator` makes."""
    (team,) = slack.teams.values()
    operator = slack.person("Opal", team)
    return settings.model_copy(update={"operators": f"slack:{operator['id']}"})


@pytest.fixture
def opal(town: Town) -> Payload:
    """Who runs the bot, and is no admin of the workspace."""
    return next(one for one in town.slack.users.values() if one["real_name"] == "Opal")


def words(view: Payload | None) -> str:
    """All that a view says, with the labels of what can be pressed."""
    return json.dumps(view["blocks"] if view else [], ensure_ascii=False)


async def sees(town: Town, person: Payload, said: str) -> Payload:
    """Somebody's window, when it says something."""
    await until(lambda: said in words(town.slack.view_of(person)))
    view = town.slack.view_of(person)
    assert view is not None
    return view


async def opened(town: Town, person: Payload, command: str, said: str) -> Payload:
    """A window that a command opens."""
    name, _, text = command.partition(" ")
    await town.slack.slash(name, text, person, town.general)
    return await sees(town, person, said)


async def pressed(town: Town, person: Payload, action: str, said: str, value: str | None = None) -> Payload:
    """A window after something in it was pressed."""
    view = town.slack.view_of(person)
    assert view is not None
    await town.slack.press(view, action, person, value=value)
    return await sees(town, person, said)


async def sent(town: Town, person: Payload, /, **values: object) -> Payload | None:
    """What is seen after a form was sent."""
    view = town.slack.view_of(person)
    assert view is not None
    await town.slack.submit(view, values, person)
    return town.slack.view_of(person)


async def at_home(town: Town, person: Payload, said: str) -> Payload:
    """Somebody's App Home, when it says something."""
    await until(lambda: said in words(town.slack.homes.get(person["id"])))
    return town.slack.homes[person["id"]]


def workspace(town: Town) -> UUID:
    return town.factory.database.run(turns.workspace, "slack", town.team["id"])


def made(town: Town, name: str, by: Payload) -> UUID:
    """A character of the whole workspace."""
    here = workspace(town)
    person = town.factory.database.run(turns.person, here, by["id"])
    return town.factory.database.run(stored.create, here, None, name=name, created_by=person)


def known(town: Town) -> list[str]:
    """Who can be drawn everywhere."""
    return [one.name for one in town.factory.database.run(stored.listed, workspace(town))]


def copies(town: Town) -> list[str]:
    """What Slack keeps for windows."""
    return town.factory.database.run(lambda session: list(session.scalars(select(Copy.external_id))))


def worker(town: Town, *sizes: tuple[int, int]) -> UUID:
    """A worker that just gave a sign of life."""
    worker_id = uuid4()
    row = Worker(id=worker_id, engine="echo", fingerprint="echo-1", abilities={"sizes": sizes}, host="machine-7:1")
    town.factory.database.run(lambda session: session.add(row))
    return worker_id


# -- characters --------------------------------------------------------------------------------------------------------


async def test_a_form_makes_a_character_with_photos_and_consent_and_mistakes_are_said_at_their_fields(
    town: Town,
) -> None:
    form = await opened(town, town.ada, "/newcharacter Hugo", newcharacter.EVERYBODY)
    assert [one["initial_value"] for one in _elements(form) if "initial_value" in one] == ["Hugo"]
    filled: dict[str, object] = {"description": "green mohawk", "photos": [PHOTO], "consent": ["yes"]}
    view = await sent(town, town.ada, name="1984", **filled)
    assert view is not None
    assert view["errors"] == {"name": "A name begins with a letter, like Olivia."}
    view = await sent(town, town.ada, **filled | {"name": "Hugo", "photos": [("hugo.png", b"no picture")]})
    assert view is not None
    assert "cannot read this file" in view["errors"]["photos"]
    await sent(town, town.ada, name="Hugo", **filled)
    await sees(town, town.ada, "Hugo can be drawn by name now.")
    assert town.factory.agreed() == ["Ada"]
    await opened(town, town.ben, "/newcharacter", "For a real person")
    view = await sent(town, town.ben, name="hugo")
    assert view is not None
    assert "named Hugo already" in view["errors"]["name"]
    assert CONSENT in words(view)
    await town.say("Hugo")
    await town.queued()
    (hugo,) = town.claim().line.characters
    assert (hugo.name, hugo.description, len(hugo.reference_keys)) == ("Hugo", "green mohawk", 1)


async def test_a_form_that_takes_long_is_acknowledged_in_time_and_filled_later(
    town: Town, bot: SlackBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "PATIENCE", 0.05)
    release = _slow(bot, monkeypatch)
    await opened(town, town.ada, "/newcharacter", "What they look like")
    view = await sent(town, town.ada, name="1984", description="green mohawk", photos=[PHOTO])
    assert "One moment" in words(view)
    release()
    view = await sees(town, town.ada, "begins with a letter")
    await pressed(town, town.ada, opens("newcharacter"), "green mohawk")


async def test_pages_show_pictures_that_are_uploaded_once_even_where_slack_reads_them_late(town: Town) -> None:
    town.slack.limits.processing_seconds = 0.4
    await opened(town, town.ada, "/newcharacter", "What they look like")
    await sent(town, town.ada, name="Hugo", description="<!channel> & co", photos=[PHOTO])
    for number in range(characters.SIZE):
        made(town, f"Person {number}", town.ben)
    view = await opened(town, town.ada, "/likeness characters", "page 1 of 2")
    assert "&lt;!channel&gt; &amp; co" in words(view)
    await until(lambda: "slack_file" in words(town.slack.view_of(town.ada)))
    await at_home(town, town.ada, "slack_file")
    uploads = len(town.slack.called("files.getUploadURLExternal"))
    await pressed(town, town.ada, characters.does("next"), "page 2 of 2")
    view = await pressed(town, town.ada, characters.does("before"), "page 1 of 2")
    assert "slack_file" in words(view)
    assert len(town.slack.called("files.getUploadURLExternal")) == uploads


async def test_pictures_that_were_deleted_on_slack_are_uploaded_anew(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "FRESH", 0.0)
    monkeypatch.setattr(rooms, "FRESH", (0.0,))
    await opened(town, town.ada, "/newcharacter", "What they look like")
    await sent(town, town.ada, name="Hugo", photos=[PHOTO])
    first = blocks.pictures_of(await at_home(town, town.ada, "slack_file"))
    town.slack.files.clear()
    await town.slack.open_home(town.ada)
    await until(lambda: blocks.pictures_of(town.slack.homes[town.ada["id"]]) not in ([], first))

    town.slack.files.clear()
    asked = len(town.slack.called("files.info"))
    await opened(town, town.ada, "/likeness characters", "1 can be drawn")
    await until(lambda: len(town.slack.called("files.info")) > asked)
    await pressed(town, town.ada, opens("menu"), "Forget me")
    await pressed(town, town.ada, opens("characters"), "slack_file")


async def test_whoever_made_somebody_renames_adds_photos_promotes_and_deletes_them_after_a_restart_too(
    town: Town, bot: SlackBot, slack: LocalSlack, services: Services
) -> None:
    said, _ = await town.first_picture()
    await town.say("new character Livia, red curly hair", said)
    (*_, answer) = await town.answered(said, 2)
    await town.slack.press(answer, opens("characters"), town.ada)
    view = await sees(town, town.ada, "Livia")
    (choice,) = [one for one in _elements(view) if one["type"] == "static_select"]
    livia = choice["options"][0]["value"]
    await pressed(town, town.ada, characters.does("choose"), "Use everywhere", livia)
    async with running(slack, Services.open(services.settings)):
        await pressed(town, town.ada, characters.does("rename"), "Another name for Livia")
        await sent(town, town.ada, name="Olivia")
        await sees(town, town.ada, "Renamed.")
        await pressed(town, town.ada, characters.does("photo"), "Pictures of them")
        await sent(town, town.ada, photos=[PHOTO], consent=["yes"])
        view = await sees(town, town.ada, "Added.")
        assert known(town) == []
        view = await pressed(town, town.ada, characters.does("promote"), "Known everywhere")
        assert "Use everywhere" not in words(view)
        assert known(town) == ["Olivia"]
        file_id = next(one["slack_file"]["id"] for one in view["blocks"] if one["type"] == "image")
        await pressed(town, town.ada, characters.does("remove"), "Deleted.")
        assert known(town) == []
        await until(lambda: copies(town) == [])
        assert file_id not in town.slack.files


async def test_anybody_may_look_and_only_an_admin_change_what_others_made(town: Town) -> None:
    who = characters.whom(0, made(town, "Max", town.ada))
    await opened(town, town.ben, "/likeness characters", "Max")
    view = await pressed(town, town.ben, characters.does("choose"), "All characters", who)
    assert "Delete" not in words(view)
    view["blocks"].append(_forged(characters.does("remove"), who))
    await pressed(town, town.ben, characters.does("remove"), "Only whoever made this character")
    assert known(town) == ["Max"]
    await opened(town, town.boss, "/likeness characters", "Max")
    await pressed(town, town.boss, characters.does("choose"), "All characters", who)
    await pressed(town, town.boss, characters.does("remove"), "Deleted.")
    assert known(town) == []


# -- drawing -----------------------------------------------------------------------------------------------------------


async def test_a_command_with_words_begins_a_thread_and_a_form_takes_characters_and_a_seed(town: Town) -> None:
    made(town, "Hugo", town.ada)
    await town.slack.slash("/imagine", "Olivia <3 & Hugo", town.ada, town.general)
    await town.queued()
    claim = town.claim()
    assert claim.text == "Olivia <3 & Hugo"
    town.finish(claim)
    (starter, *_) = town.slack.told_in(town.general)
    assert starter["text"] == f"<@{town.ada['id']}>: Olivia &lt;3 &amp; Hugo"
    await town.shown(starter)
    await opened(town, town.ben, "/imagine", "Whom to draw and where")
    assert await sent(town, town.ben, text="on a beach", characters=["Hugo"], seed="7") is None
    await town.queued()
    claim = town.claim()
    assert (claim.text, claim.seed) == ("Hugo, on a beach", 7)


async def test_the_form_offers_the_aspects_of_what_draws_here_and_one_that_is_chosen_reaches_it(town: Town) -> None:
    worker(town, (256, 256), (384, 256))
    await opened(town, town.ada, "/imagine", "384 × 256 (3:2)")
    assert await sent(town, town.ada, text="Max", aspect="3:2") is None
    await town.queued()
    assert town.claim().options == {turns.ASPECT: "3:2"}
    await opened(town, town.ada, "/imagine", "384 × 256 (3:2)")
    town.factory.database.run(lambda session: session.execute(delete(Worker)))
    worker(town, (256, 256))
    view = await sent(town, town.ada, text="Max", aspect="3:2")
    assert view is not None
    assert "no other size" in view["errors"]["aspect"]
    assert await sent(town, town.ada, text="Max") is None
    await town.queued()
    assert town.claim().options == {}
    assert "Width" not in words(await opened(town, town.ada, "/imagine", "Seed")), "there is nothing to choose"


async def test_where_nothing_can_be_drawn_yet_the_form_says_so_and_can_be_sent_again(
    town: Town, bot: SlackBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = town.slack.channel(town.team, "secret", private=True, bot=False)
    await town.slack.slash("/imagine", "", town.ada, secret)
    await sees(town, town.ada, "Whom to draw and where")
    view = await sent(town, town.ada, text="Olivia")
    assert view is not None
    assert "invite me" in view["errors"]["text"]
    town.slack.invite(secret)
    monkeypatch.setattr(bot.turns, "receive", _away)
    view = await sent(town, town.ada, text="Olivia")
    assert view is not None
    assert AWAY in view["errors"]["text"]
    monkeypatch.undo()
    assert town.factory.count(*Status) == 0
    assert await sent(town, town.ada, text="Olivia") is None
    await town.queued()


async def test_pictures_of_a_message_become_a_character_and_a_picture_is_drawn_from(town: Town) -> None:
    said, shown = await town.first_picture()
    photo = await town.slack.write(
        town.general, town.ben, "look at Hugo", thread=said, files=[PHOTO, ("too.png", png("blue", 64))]
    )
    await town.slack.shortcut(photo, shortcuts.REFERENCE, town.ada)
    await sees(town, town.ada, "2 pictures of that message")
    await sent(town, town.ada, name="Hugo", consent=["yes"])
    await sees(town, town.ada, "Hugo can be drawn by name now.")
    await town.slack.shortcut(shown, shortcuts.BRANCH, town.ben)
    await sees(town, town.ben, "What to draw")
    assert await sent(town, town.ben, text="Hugo laughing") is None
    await town.queued()
    claim = town.claim()
    assert claim.parent_id is not None
    assert town.factory.turn(claim.parent_id).text == "Olivia"
    (hugo,) = claim.line.characters
    assert len(hugo.reference_keys) == 2
    assert known(town) == [], "of that conversation alone"


async def test_a_picture_of_the_bots_own_becomes_a_character(town: Town) -> None:
    said = await town.say("Olivia")
    await town.queued()
    town.finish(town.claim(), data=png(size=64))
    (shown,) = await town.shown(said)
    await town.slack.shortcut(shown, shortcuts.REFERENCE, town.ada)
    await sees(town, town.ada, "The picture of that message")
    await sent(town, town.ada, name="Olivia")
    await sees(town, town.ada, "Olivia can be drawn by name now.")


async def test_only_the_bots_pictures_are_drawn_from_or_reported_and_a_report_is_kept_once(town: Town) -> None:
    said, shown = await town.first_picture()
    await town.slack.shortcut(said, shortcuts.REFERENCE, town.ada)
    await sees(town, town.ada, NO_PICTURES)
    for name in (shortcuts.BRANCH, shortcuts.REPORT):
        await town.slack.shortcut(said, name, town.ada)
        await sees(town, town.ada, NOT_OURS)
    await town.slack.shortcut(shown, shortcuts.REPORT, town.ben)
    await sees(town, town.ben, "What is wrong with it")
    await sent(town, town.ben, text="That is me.")
    await sees(town, town.ben, "I kept your report")
    (kept,) = town.factory.database.run(reports.listed)
    assert (kept.workspace, kept.reporter, kept.reason) == (town.team["id"], town.ben["id"], "That is me.")


# -- what is kept, and what holds --------------------------------------------------------------------------------------


async def test_home_shows_what_is_somebodys_own_and_follows_changes(town: Town) -> None:
    made(town, "Max", town.ada)
    await town.first_picture()
    await town.slack.open_home(town.ada)
    home = await at_home(town, town.ada, "Max")
    assert "|Olivia>" in words(home)
    assert "You used 1 turn today" in words(home)
    assert "For admins" not in words(home)
    await town.slack.open_home(town.ben)
    assert "You have drawn nothing yet" in words(await at_home(town, town.ben, "Max"))
    await town.slack.press(home, opens("newcharacter"), town.ada)
    await sees(town, town.ada, "What they look like")
    await sent(town, town.ada, name="Zoe")
    await at_home(town, town.ada, "Zoe")
    await town.slack.open_home(town.boss)
    assert "Turns: 0 waiting" in words(await at_home(town, town.boss, "For admins"))


async def test_a_conversation_is_looked_at_and_taken_away_by_whoever_took_part(town: Town) -> None:
    town.ben["locale"] = "de-DE"
    said, _ = await town.first_picture()
    one = f"{town.general['id']}:{said['ts']}"
    await opened(town, town.ada, "/likeness history", "|Olivia>")
    await pressed(town, town.ada, conversations.DOES, SHEET, f"history:{one}")
    await until(lambda: '"image"' in words(town.slack.view_of(town.ada)))
    await pressed(town, town.ada, opens("menu"), "Forget me")
    await pressed(town, town.ada, opens("conversations"), "|Olivia>")
    await pressed(town, town.ada, conversations.DOES, conversations.SENT, f"export:{one}")
    *_, message = town.slack.told_in(town.slack.direct(town.ada))
    assert [file["name"] for file in message["files"]] == ["conversation.zip"]
    view = await opened(town, town.ben, "/likeness history", conversations.NONE_YET)
    view["blocks"].append(_forged(conversations.DOES, f"history:{one}"))
    await pressed(town, town.ben, conversations.DOES, conversations.NOT_YOURS)
    said = await town.say("Max", by=town.ben)
    await town.queued()
    await opened(town, town.ben, "/likeness history", "|Max>")
    await pressed(
        town, town.ben, conversations.DOES, told(NOTHING_YET, "de"), f"history:{town.general['id']}:{said['ts']}"
    )


async def test_whoever_left_a_private_channel_sees_nothing_of_it_any_more(town: Town, bot: SlackBot) -> None:
    secret = town.slack.channel(town.team, "secret", private=True)
    for channel in (secret, town.general):
        said = await town.slack.write(channel, town.ada, f"{town.me} Olivia in {channel['name']}")
        await town.queued()
        town.draw()
        await town.shown(said)
    await opened(town, town.ada, "/likeness conversations", "Olivia in secret")
    for channel in (secret, town.general):
        channel["members"].remove(town.ada["id"])
    bot.channels._seen.clear()
    one = f"{secret['id']}:{town.slack.messages[secret['id']][0]['ts']}"
    for what in ("history", "characters"):
        view = town.slack.view_of(town.ada)
        assert view is not None
        view["blocks"] = [_forged(conversations.DOES, f"{what}:{one}")]
        view = await pressed(town, town.ada, conversations.DOES, conversations.NOT_YOURS)
        assert "Olivia in secret" not in words(view)
        assert "Olivia in general" in words(view), "anybody may look into a public channel"
    await town.slack.open_home(town.ada)
    home = await at_home(town, town.ada, "Olivia in general")
    assert "Olivia in secret" not in words(home)


async def test_settings_are_seen_by_all_and_changed_by_admins(town: Town) -> None:
    worker(town)
    view = await opened(town, town.ada, "/likeness settings", "Engine of this workspace")
    assert "Admins of this workspace can change these" in words(view)
    view["blocks"].append(_forged("room:settings:every", "on"))
    await pressed(town, town.ada, "room:settings:every", "Only an admin")
    await opened(town, town.boss, "/likeness settings", "Count every message")
    await pressed(town, town.boss, "room:settings:every", "Only what mentions me")
    view = await pressed(town, town.boss, "room:settings:engine", "*Engine of this workspace:* echo", ":echo")
    said, _ = await town.first_picture()
    await town.say("settings", said, by=town.boss)
    (*_, answer) = await town.answered(said, 2)
    await town.slack.press(answer, opens("settings"), town.boss)
    await sees(town, town.boss, "Engine of this thread")
    await pressed(town, town.boss, "room:settings:here", "*Engine of this thread:* echo", ":echo")


async def test_forgetting_asks_once_more_and_takes_pictures_away_on_slack_too(town: Town) -> None:
    await opened(town, town.ada, "/newcharacter", "What they look like")
    await sent(town, town.ada, name="Hugo", photos=[PHOTO])
    await opened(town, town.ada, "/likeness characters", "Hugo")
    await until(lambda: [one for one in town.slack.files.values() if one["name"] == "character.jpg"])
    await opened(town, town.ada, "/likeness forget me", "1 character, 1 photo")
    assert known(town) == ["Hugo"], "nothing happened yet"
    await pressed(town, town.ada, forgetme.REALLY, "Done. What I kept of you")
    assert known(town) == []
    await until(lambda: not [one for one in town.slack.files.values() if one["name"] == "character.jpg"])
    await opened(town, town.ada, "/likeness forget me", "I keep nothing of you here")


# -- admins ------------------------------------------------------------------------------------------------------------


async def test_an_admin_pauses_gives_a_quota_blocks_and_unblocks(town: Town) -> None:
    await opened(town, town.boss, "/likeness status", "I draw here.")
    await pressed(town, town.boss, admin.does("pause"), "Paused: nothing is taken in")
    await pressed(town, town.boss, admin.does("resume"), "Resumed. I draw here again.")
    await pressed(town, town.boss, admin.does("quota"), "Turns a day")
    view = await sent(town, town.boss, count="10001")
    assert view is not None
    assert "from 0 to 10,000" in view["errors"]["count"]
    await sent(town, town.boss, count="5")
    await sees(town, town.boss, "Quota: 5 turns a person and day.")
    await pressed(town, town.boss, admin.does("share"), "Percent of what is said")
    await sent(town, town.boss, share="20")
    await sees(town, town.boss, "20 % of what is said here")
    await pressed(town, town.boss, admin.does("unblock"), admin.NOBODY_BLOCKED)
    await pressed(town, town.boss, admin.does("block"), "Whom")
    await sent(town, town.boss, person=town.ben["id"])
    await sees(town, town.boss, "Ben is blocked: I take nothing in")
    said = await town.say("Olivia", by=town.ben)
    assert BLOCKED in words((await town.answered(said))[0])
    await pressed(town, town.boss, admin.does("unblock"), "Whom")
    await sent(town, town.boss, person=town.ben["id"])
    view = await sees(town, town.boss, "Ben is not blocked any more.")
    assert "Blocked:" not in words(view)


async def test_nobody_else_sees_or_does_anything_there(town: Town) -> None:
    town.ada["locale"] = "de-DE"
    view = await opened(town, town.ada, "/likeness", "Vergiss mich")
    assert "Löscht, was hier von dir gespeichert ist" in words(view)
    assert "Admin" not in words(view)
    view = await opened(town, town.ada, "/likeness admin", NOT_ADMIN)
    view["blocks"].append(_forged(admin.does("pause"), "now"))
    calls = len(town.slack.called("views.update"))
    await town.slack.press(view, admin.does("pause"), town.ada)
    await until(lambda: len(town.slack.called("views.update")) > calls)
    assert NOT_ADMIN in words(town.slack.view_of(town.ada))
    await town.say("Olivia")
    await town.queued()


async def test_an_operator_pauses_a_worker_and_an_admin_only_sees_it(town: Town, opal: Payload) -> None:
    one = worker(town)
    view = await opened(town, town.boss, "/likeness workers", "echo (echo-1)")
    assert "machine-7" not in words(view)
    view["blocks"].append(_forged(admin.does("worker"), f"pause:{one}"))
    await pressed(town, town.boss, admin.does("worker"), NOT_OPERATOR)
    view = await opened(town, opal, "/likeness workers", "machine-7")
    assert "Quota" not in words(view)
    await pressed(town, opal, admin.does("worker"), "is paused: it ends what it draws", f"pause:{one}")
    await pressed(town, opal, admin.does("worker"), "takes turns again", f"resume:{one}")


# -- in words ----------------------------------------------------------------------------------------------------------


async def test_in_a_thread_words_lead_to_windows_and_wishes_are_still_drawn(town: Town) -> None:
    said = await town.say("help")
    (helped,) = await town.answered(said)
    await town.slack.press(helped, opens("forgetme"), town.ada)
    await sees(town, town.ada, "I keep nothing of you here")
    await town.say("new character", said)
    (*_, answer) = await town.answered(said, 2)
    await town.slack.press(answer, opens("newcharacter"), town.ada)
    await sees(town, town.ada, newcharacter.HERE_ONLY)
    await sent(town, town.ada, name="Hugo")
    found = town.factory.database.run(conversations_kept.find, "slack", town.team["id"], town.general["id"], said["ts"])
    assert found is not None
    assert [one.name for one in town.factory.database.run(stored.listed, *found)] == ["Hugo"]
    await town.say("settings of a stage play", said)
    await town.queued()
    assert town.claim().text == "settings of a stage play"


def _elements(view: Payload) -> list[Payload]:
    found = []
    for block in view["blocks"]:
        found += [*block.get("elements", []), *(block[name] for name in ("element", "accessory") if name in block)]
    return found


def _forged(action_id: str, value: str) -> Payload:
    """A button that the bot did not show, as a forged request would press it."""
    text = {"type": "plain_text", "text": "?"}
    button = {"type": "button", "action_id": action_id, "value": value, "text": text}
    return {"type": "actions", "block_id": "forged", "elements": [button]}


async def _away(request: Request) -> Receipt | Answer:
    raise DatabaseUnavailable("away")


def _slow(bot: SlackBot, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have pictures arrive only when the test says so."""
    gate, fetch = asyncio.Event(), bot.files.fetch

    async def late(link: str) -> bytes:
        await gate.wait()
        return await fetch(link)

    monkeypatch.setattr(bot.files, "fetch", late)
    return gate.set
