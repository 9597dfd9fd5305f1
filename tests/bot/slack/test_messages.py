"""Mentions, threads and direct messages, over real sockets and both ways: what becomes a turn, and what people see."""

from __future__ import annotations

import pytest

from bot.buttons import mark_of
from bot.slack import render
from storage.tables import Status
from tests.bot.slack.conftest import Town, pictures_of, words_of


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
    assert town.factory.count(*Status) == 1
    assert len(town.told(said)) == 1
