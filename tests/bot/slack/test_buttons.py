"""Buttons, over real sockets: answered in time, for who may press them, and still alive after a restart."""

from __future__ import annotations

import asyncio

import pytest

from bot.sentences import AWAY
from bot.services import Services
from bot.slack import app
from bot.slack.app import SlackBot
from ops.local.slack_wire import Payload
from storage.tables import Status
from tests.bot.helpers import until
from tests.bot.slack.conftest import Town, button, is_reply, pictures_of, running, words_of


async def press(town: Town, message: Payload, what: str, by: Payload | None = None) -> str:
    """Somebody presses a button; returns what the bot tells them alone."""
    person = by or town.ada
    before = len(town.slack.whispered_to(person))
    delivery = await town.slack.press(message, button(message, what), person)
    assert delivery.acknowledged
    await until(lambda: len(town.slack.whispered_to(person)) > before)
    told = town.slack.whispered_to(person)[-1]
    assert told.get("thread_ts") == message["thread_ts"]
    return str(told["text"])


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_again_draws_the_same_turn_once_more_after_a_restart_too(
    town: Town, bot: SlackBot, services: Services
) -> None:
    said, shown = await town.first_picture()
    await town.slack.press(shown, button(shown, "again"), town.ben)
    await town.queued()
    town.draw("Another one.")
    assert words_of((await town.shown(said, 2))[1]) == "Another one."
    async with running(town.slack, Services.open(services.settings)):
        await town.slack.press(shown, button(shown, "again"), town.ben)
        await town.queued()
        town.draw("A third.")
        await town.shown(said, 3)
    assert set(town.factory.texts()) == {"Olivia"}


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_a_press_is_acknowledged_when_its_turn_is_committed(town: Town) -> None:
    _, shown = await town.first_picture()
    with town.factory.holding_turns():
        pressing = asyncio.create_task(town.slack.press(shown, button(shown, "again"), town.ben))
        done, _ = await asyncio.wait({pressing}, timeout=0.3)
        assert not done, "nothing is acknowledged that a dying process would lose"
    assert (await pressing).acknowledged
    assert town.factory.count(*Status) == 2


async def test_what_takes_longer_than_slack_waits_is_acknowledged_and_goes_on(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "PRESS_SECONDS", 0.1)
    _, shown = await town.first_picture()
    with town.factory.holding_turns():
        pressed = await town.slack.press(shown, button(shown, "again"), town.ben)
        asked = await town.slack.slash("/imagine", "Olivia at night", town.ada, town.general)
        assert pressed.acknowledged
        assert asked.acknowledged
    await town.queued(2)
    assert sorted(town.factory.texts()) == ["Olivia", "Olivia", "Olivia at night"]


async def test_while_the_database_is_away_whoever_pressed_or_asked_is_told(town: Town, bot: SlackBot) -> None:
    _, shown = await town.first_picture()
    bot.services.database.patience = 0.1
    with town.factory.away():
        assert (await press(town, shown, "again", town.ben)).startswith(AWAY)
        asked = await town.slack.slash("/imagine", "Olivia at night", town.ada, town.general)
        assert asked.acknowledged
        await until(lambda: town.slack.whispered_to(town.ada))
    assert town.slack.whispered_to(town.ada)[0]["text"].startswith(AWAY)
    assert town.factory.count(*Status) == 1


async def test_only_whoever_asked_or_an_admin_may_cancel(town: Town) -> None:
    said = await town.say("Olivia")
    (placeholder,) = await town.answered(said)
    assert "Only whoever asked" in await press(town, placeholder, "cancel", town.ben)
    assert town.factory.count(Status.QUEUED) == 1
    await town.slack.press(placeholder, button(placeholder, "cancel"), town.boss)
    await until(lambda: town.factory.count(Status.CANCELLED) == 1)
    await until(lambda: words_of(placeholder) == "Cancelled.")


async def test_whoever_asked_may_cancel_what_is_streamed(town: Town) -> None:
    said = await town.slack.write(town.slack.direct(town.ada), town.ada, "draw Olivia")
    (waiting,) = await town.answered(said)
    await town.slack.press(waiting, button(waiting, "cancel"), town.ada)
    await until(lambda: town.factory.count(Status.CANCELLED) == 1)
    await until(lambda: words_of(waiting) == "Cancelled." and "streaming" not in waiting)


async def test_an_admin_of_another_team_is_nobody_here(town: Town) -> None:
    other = town.slack.team("Elsewhere")
    stranger = town.slack.person("Eve", other, admin=True)
    shared = town.slack.channel(town.team, "shared", shared_with=other)
    said = await town.slack.write(shared, town.ada, f"{town.me} Olivia")
    await town.queued()
    await town.slack.write(shared, stranger, f"{town.me} cancel", thread=said)
    assert "Only whoever asked" in (await town.sentences(said))[0]
    await town.slack.write(shared, stranger, f"{town.me} at night", thread=said)
    await town.queued(2)
    town.draw()
    town.draw()
    await town.shown(said, 2)
    assert len({town.factory.turn(one).workspace_id for one in town.factory.ids(*Status)}) == 1


async def test_the_button_undoes_its_own_picture_and_no_other(town: Town) -> None:
    said, first = await town.first_picture()
    await town.say("at night", said)
    await town.queued()
    town.draw("At night.")
    second = (await town.shown(said, 2))[1]
    assert "not the latest" in await press(town, first, "undo")
    assert "Undone" in await press(town, second, "undo")
    assert "not the latest" in await press(town, second, "undo")


async def test_votes_are_noted_and_the_last_one_counts(town: Town) -> None:
    _, shown = await town.first_picture()
    for what in ("up", "down"):
        assert "Thank you" in await press(town, shown, what, town.ben)
    assert town.factory.votes() == [-1]


async def test_variations_are_taken_larger_and_deleted(town: Town) -> None:
    said, shown = await town.first_picture()
    await town.slack.press(shown, button(shown, "variations"), town.ada)
    await town.queued()
    town.finish(town.claim(), "Four of her.", configurations=("",) * 4)
    four = (await town.shown(said, 2))[1]
    assert [one["alt_text"][:15] for one in pictures_of(four)] == [f"Picture {n} of 4." for n in (1, 2, 3, 4)]
    assert [one["title"]["text"] for one in pictures_of(four)] == ["1", "2", "3", "4"], "as on the buttons below"
    assert "Number 2" in await press(town, four, "pick2")
    await until(lambda: len(pictures_of(four)) == 1)
    assert "title" not in pictures_of(four)[0]
    await town.slack.press(four, button(four, "larger"), town.ada)
    await town.queued()
    town.draw("Larger.")
    large = (await town.shown(said, 3))[2]
    assert {one["action_id"].split(":")[1] for one in large["blocks"][-1]["elements"]} == {"delete"}
    files = [one["slack_file"]["id"] for one in pictures_of(large)]
    assert "Deleted" in await press(town, large, "delete")
    await until(lambda: large not in town.told(said))
    await until(lambda: not set(files) & town.slack.files.keys(), 4)


async def test_two_that_were_compared_are_voted_on(town: Town) -> None:
    said = await town.say("Olivia")
    await town.queued()
    town.finish(town.claim(), "Two of her.", configurations=("preview", "preview:plain"))
    (two,) = await town.shown(said)
    assert "which of the two" in await press(town, two, "better2", town.ben)


async def test_a_button_of_another_team_does_nothing(town: Town) -> None:
    _, shown = await town.first_picture()
    other = town.slack.team("Elsewhere", installed=False)
    stranger = town.slack.person("Eve", other)
    delivery = await town.slack.press(shown, button(shown, "again"), stranger)
    assert delivery.acknowledged or delivery.reasons
    assert town.factory.count(*Status) == 1


async def test_an_error_is_one_sentence_with_a_reference(town: Town) -> None:
    _, shown = await town.first_picture()
    with town.factory.without_votes():
        said = await press(town, shown, "up", town.ben)
    assert "Reference" in said
    assert "votes" not in said


async def test_a_button_that_is_told_of_twice_is_obeyed_once(town: Town) -> None:
    said, shown = await town.first_picture()
    pressed = await town.slack.press(shown, button(shown, "again"), town.ben)
    await town.queued()
    town.slack.wire.again(pressed)
    await pressed.finished.wait()
    town.draw()
    await town.shown(said, 2)
    assert town.factory.count(*Status) == 2
    assert all(is_reply(one) for one in town.told(said))
