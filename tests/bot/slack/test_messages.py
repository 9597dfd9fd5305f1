"""Mentions, threads and direct messages, over real sockets and both ways: what becomes a turn, and what people see."""

from __future__ import annotations

import pytest

from bot.buttons import mark_of
from bot.services import Services
from bot.slack import render
from bot.slack.app import SlackBot
from bot.slack.places import PLATFORM
from bot.slack.sentences import UNASKED
from storage.events import Progress, ProgressSender
from storage.tables import Status
from tests.bot.helpers import png, until
from tests.bot.slack.conftest import Town, pictures_of, running, words_of


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_a_mention_begins_a_thread_and_is_answered_in_it_once(town: Town) -> None:
    said = await town.say("Olivia, red curly hair, on the beach")
    (placeholder,) = await town.answered(said)
    assert not pictures_of(placeholder)
    turn_id = town.draw()
    (shown,) = await town.shown(said)
    assert shown["ts"] == placeholder["ts"], "the picture comes in the placeholder's place"
    assert words_of(shown) == "A portrait of Olivia."
    assert pictures_of(shown)[0]["alt_text"] == "Olivia on the beach."
    assert render.marked(shown) == (turn_id, True)
    assert mark_of(render.action_ids(shown)) == turn_id
    assert town.factory.turn(turn_id).text == "Olivia, red curly hair, on the beach"
    await town.slack.wire.settled()
    told = [one.event["type"] for one in town.slack.wire.deliveries if one.event.get("ts") == said["ts"]]
    assert told == ["app_mention", "message"], "Slack told of it twice"
    assert len(town.slack.called("users.info")) == 1, "and was asked once who wrote it"
    assert town.factory.count(*Status) == 1
    assert len(town.told(said)) == 1


async def test_a_mention_in_a_thread_is_the_next_turn_of_its_conversation(town: Town) -> None:
    said, _ = await town.first_picture()
    await town.say("at night", said, by=town.ben)
    await town.queued()
    second = town.draw()
    await town.shown(said, 2)
    turns = town.factory.ids(*Status)
    assert town.factory.turn(second).parent_id == turns[0]
    assert town.factory.turn(second).text == "at night"


async def test_the_messages_tab_needs_no_mention_and_streams_the_words(town: Town) -> None:
    direct = town.slack.direct(town.ada)
    said = await town.slack.write(direct, town.ada, "draw Olivia")
    (waiting,) = await town.answered(said)
    assert "streaming" in waiting
    assert render.marked(waiting) == (town.factory.ids(*Status)[0], False), "it can be found from its first moment"
    claim = town.claim()
    sender = ProgressSender(town.services.settings.broker_url)

    def written() -> bool:
        sender.send(claim.turn_id, Progress("drawing", 4, 16, "Olivia, reading."))
        return waiting["text"] == "Olivia, reading."

    await until(written)
    assert any("step 4 of 16" in status for _, _, status in town.slack.status_log)
    town.finish(claim, "Olivia, reading.")
    (shown,) = await town.shown(said)
    assert shown["ts"] == waiting["ts"]
    assert "streaming" not in shown
    assert words_of(shown) == "Olivia, reading."
    assert not town.slack.statuses
    await until(lambda: town.factory.delivered(claim.turn_id))
    assert len(town.told(said)) == 1


async def test_where_slack_has_no_streams_the_messages_tab_shows_a_message(town: Town, bot: SlackBot) -> None:
    town.slack.refuse("chat.startStream", "invalid_chunks")
    said = await town.slack.write(town.slack.direct(town.ada), town.ada, "draw Olivia")
    (waiting,) = await town.answered(said)
    assert "streaming" not in waiting
    town.draw()
    (shown,) = await town.shown(said)
    assert shown["ts"] == waiting["ts"]


async def test_what_people_say_to_each_other_is_none_of_its_business(town: Town) -> None:
    await town.slack.write(town.general, town.ada, "good morning")
    said, _ = await town.first_picture()
    await town.slack.write(town.general, town.ben, "how nice", thread=said)
    await town.slack.wire.settled()
    assert all(one.acknowledged for one in town.slack.wire.deliveries)
    assert town.factory.texts() == ["Olivia"]


async def test_where_people_wish_so_all_that_is_said_in_its_threads_counts(town: Town, bot: SlackBot) -> None:
    said, _ = await town.first_picture()
    workspace_id = await bot.turns.workspace(PLATFORM, town.team["id"])
    await bot.choices.count_every_message(workspace_id, counts=True)
    bot.listening._known.clear()
    elsewhere = await town.slack.write(town.general, town.ada, "good morning")
    await town.slack.write(town.general, town.ben, "is it?", thread=elsewhere)
    await town.slack.write(town.general, town.ben, f"<@{town.ada['id']}> what do you think?", thread=said)
    await town.slack.write(town.general, town.ben, "at night", thread=said)
    await town.queued()
    await town.slack.wire.settled()
    assert town.factory.texts() == ["Olivia", "at night"]


async def test_words_are_read_as_people_see_them(town: Town) -> None:
    await town.say(f"<@{town.ben['id']}> & Olivia <3 in #paris")
    await town.queued()
    assert town.factory.texts() == ["Ben & Olivia <3 in #paris"]


async def test_several_processes_and_lost_acknowledgements_make_one_turn_and_one_reply(
    town: Town, services: Services
) -> None:
    first = town.slack.wire.request_url
    async with running(town.slack, Services.open(services.settings)):
        town.slack.wire.lose_acknowledgements = 2
        said = await town.say("Olivia")
        town.slack.wire.request_url = first
        await town.queued()
        await town.slack.wire.settled()
        assert sum(one.attempts for one in town.slack.wire.deliveries if one.kind == "events_api") >= 4
        town.draw()
        await town.shown(said)
        assert town.factory.count(*Status) == 1
        assert len(town.told(said)) == 1


async def test_written_commands_are_answered_once_in_their_thread(town: Town) -> None:
    said, _ = await town.first_picture()
    await town.say("undo", said)
    assert "afresh" in (await town.sentences(said))[0]
    await town.say("help", said)
    assert "new character" in (await town.sentences(said, 2))[1]
    await town.slack.wire.settled()
    assert len(town.told(said)) == 3


async def test_a_character_is_made_by_words_and_photos(town: Town) -> None:
    said = await town.say("new character Olivia, red curly hair", files=[("o.png", png(size=128))])
    (answer,) = await town.sentences(said)
    assert answer == f"Olivia can be drawn by name now. {UNASKED}"
    await town.say("Olivia on the beach", said)
    await town.queued()
    (olivia,) = town.claim().line.characters
    assert (olivia.name, olivia.description, len(olivia.reference_keys)) == ("Olivia", "red curly hair", 1)
    assert not olivia.embeddable, "nobody agreed"


async def test_history_and_export_are_files_in_the_thread(town: Town) -> None:
    empty = await town.say("history")
    assert "Nothing was drawn" in (await town.sentences(empty))[0]
    said, _ = await town.first_picture()
    await town.say("history", said)
    await town.say("export", said)
    await until(lambda: len([one for one in town.told(said) if one.get("files")]) == 2)
    names = {one["files"][0]["name"] for one in town.told(said) if one.get("files")}
    assert names == {"history.png", "conversation.zip"}


async def test_nobody_ends_what_another_asked_for_by_writing(town: Town) -> None:
    said = await town.say("Olivia")
    await town.queued()
    for words in ("cancel", "undo"):
        await town.say(words, said, by=town.ben)
    assert all("Only whoever asked" in one for one in await town.sentences(said, 2))
    assert town.factory.count(Status.QUEUED) == 1
    await town.say("cancel", said, by=town.boss)
    await until(lambda: town.factory.count(Status.CANCELLED) == 1)
