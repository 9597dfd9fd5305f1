"""An event is acknowledged when its turn is committed, and not before; what is old, forged or used is refused."""

from __future__ import annotations

import json
import time

import aiohttp
import pytest

from bot.sentences import AWAY, BROKEN
from bot.services import Services
from bot.slack import app
from bot.slack.app import SlackBot
from bot.slack.manifest import EVENTS_PATH
from bot.slack.once import Once
from bot.turns import Answer
from ops.local.slack_state import SIGNING_SECRET
from ops.local.slack_wire import Payload, signature
from storage.settings import Settings
from storage.tables import Status
from storage.turns import Receipt, Request
from tests.bot.helpers import until
from tests.bot.slack.conftest import Town


def mention(town: Town) -> Payload:
    """A body as Slack sends it, of a message that is in the channel."""
    told = next(one for one in town.slack.wire.deliveries if one.event.get("type") == "app_mention")
    return told.payload


async def send(town: Town, body: Payload, *, stamp: int | None = None, secret: str = SIGNING_SECRET) -> int:
    """Post a signed body to the bot, and return the status of its answer."""
    words, when = json.dumps(body).encode(), str(stamp or int(time.time()))
    signed = {"X-Slack-Request-Timestamp": when, "X-Slack-Signature": signature(secret, when, words)}
    assert town.slack.wire.request_url is not None
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            town.slack.wire.request_url, data=words, headers=signed | {"Content-Type": "application/json"}
        ) as answer,
    ):
        return answer.status


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_while_the_database_is_away_nothing_is_acknowledged_and_slack_sends_it_again(town: Town) -> None:
    town.slack.wire.acknowledge_seconds = 0.5  # a socket says nothing at all
    with town.factory.away():
        said = await town.say("Olivia")
        await until(lambda: all(one.reasons for one in town.slack.wire.deliveries))
        assert not any(one.acknowledged for one in town.slack.wire.deliveries)
    await town.queued()
    assert all(one.acknowledged for one in town.slack.wire.deliveries)
    town.draw()
    await town.shown(said)
    assert town.factory.count(*Status) == 1
    assert not await town.sentences(said, 0), "nobody was told to try again"


async def test_after_the_last_attempt_the_person_is_told(town: Town, bot: SlackBot) -> None:
    bot.services.database.patience = 0.1
    town.slack.wire.retries = (0.0, 0.0, 0.0)
    town.slack.subscribed = frozenset({"app_mention"})
    with town.factory.away():
        said = await town.say("Olivia")
        (sentence,) = await town.sentences(said)
        await town.slack.wire.settled()
    assert sentence.startswith(AWAY)
    assert "Reference" in sentence
    delivery = town.slack.wire.deliveries[0]
    assert (delivery.attempts, delivery.reasons) == (4, ["http_error"] * 4)


async def test_what_takes_longer_than_slack_waits_is_not_acknowledged_and_not_lost(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "ACK_SECONDS", 0.3)
    town.slack.subscribed = frozenset({"app_mention"})
    began = time.monotonic()
    with town.factory.holding_turns():
        await town.say("Olivia")
        (delivery,) = town.slack.wire.deliveries
        await until(lambda: delivery.reasons)
        assert time.monotonic() - began < 2
        assert delivery.reasons[0] == "http_error"
        assert not delivery.acknowledged
    await town.queued()
    assert delivery.acknowledged
    assert town.factory.count(*Status) == 1


async def test_a_mention_that_comes_as_two_events_is_taken_in_once(
    town: Town, bot: SlackBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    received, receive = [], bot.turns.receive

    async def counted(request: Request) -> Receipt | Answer:
        received.append(request)
        return await receive(request)

    monkeypatch.setattr(bot.turns, "receive", counted)
    with town.factory.holding_turns():
        await town.say("Olivia")
        await until(lambda: len(bot._tasks) == 2)
        assert not any(one.acknowledged for one in town.slack.wire.deliveries)
    await town.queued()
    assert [one.acknowledged for one in town.slack.wire.deliveries] == [True, True]
    assert len(received) == 1


async def test_an_error_that_nobody_foresaw_is_one_sentence_with_a_reference(
    town: Town, bot: SlackBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(bot.turns, "receive", broken)
    said = await town.say("Olivia")
    (sentence,) = await town.sentences(said)
    assert sentence.startswith(BROKEN)
    assert "secret" not in sentence
    await town.slack.wire.settled()
    assert len(await town.sentences(said)) == 1


async def test_a_request_that_is_old_forged_or_sent_twice_is_refused(town: Town) -> None:
    await town.say("Olivia")
    await town.queued()
    body, stamp = mention(town) | {"event_id": "Ev1"}, int(time.time())
    assert await send(town, body, stamp=stamp - 600) == 401
    assert await send(town, body, secret="another") == 401
    assert await send(town, body, stamp=stamp) == 200
    assert await send(town, body, stamp=stamp) == 401
    assert await send(town, body | {"event_id": "Ev2"}) == 200
    assert town.factory.count(*Status) == 1


async def test_a_signature_of_what_was_not_taken_can_be_used_again(town: Town, bot: SlackBot) -> None:
    bot.services.database.patience = 0.1
    await town.say("Olivia")
    await town.queued()
    body, stamp = mention(town) | {"event_id": "Ev1"}, int(time.time())
    body["event"] = body["event"] | {"ts": "1700000000.000100"}
    with town.factory.away():
        assert await send(town, body, stamp=stamp) == 503
    assert await send(town, body, stamp=stamp) == 200


async def test_without_the_broker_turns_are_taken_in_all_the_same(
    town: Town, bot: SlackBot, settings: Settings
) -> None:
    gone = Services.open(settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"}))
    bot.once = Once(gone.broker)
    await town.say("Olivia")
    await town.queued()
    assert all(one.acknowledged for one in town.slack.wire.deliveries)
    await gone.close()


async def test_nothing_else_is_served_and_health_is(town: Town) -> None:
    assert town.slack.wire.request_url is not None
    base = town.slack.wire.request_url.removesuffix(EVENTS_PATH)
    async with aiohttp.ClientSession() as session:
        async with session.get(base + app.HEALTH) as answer:
            assert answer.status == 200
        async with session.get(base + "/") as answer:
            assert answer.status == 404
        async with session.post(base + EVENTS_PATH, data=b"{}") as answer:
            assert answer.status == 401
