"""While a turn waits: the placeholder, its previews, and that none of them outlives the reply."""

from __future__ import annotations

import asyncio

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot import sentences, waiting
from bot.slack.app import SlackBot
from bot.slack.pace import PREVIEWS, Pace
from ops.local.slack_wire import Payload
from storage import deliveries
from storage.events import Progress, ProgressSender
from storage.tables import Status
from storage.turns import Claim
from tests.bot.helpers import png, until
from tests.bot.slack.conftest import Town, is_reply, pictures_of, words_of


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits follow each other quickly."""
    monkeypatch.setattr(waiting, "EDIT_SECONDS", 0.05)


async def placeholder_of(town: Town, said: Payload) -> Payload:
    await town.queued()
    (placeholder,) = await town.answered(said)
    assert "cancel" in placeholder["blocks"][-1]["elements"][0]["action_id"]
    return placeholder


async def test_each_is_told_in_their_language(town: Town) -> None:
    town.ada["locale"], town.ben["locale"] = "ja-JP", "de-DE"
    said = await town.say("Olivia")
    placeholder = await placeholder_of(town, said)
    assert words_of(placeholder) == "描くマシンの起動を待っています"
    assert labels_of(placeholder) == ["✖️ 中止"]
    town.finish(town.claim())
    (reply,) = await town.shown(said)
    assert "🔀 バリエーション" in labels_of(reply)
    await town.say("at night", by=town.ben, thread=said)
    *_, waits = await town.answered(said, 2)
    assert labels_of(waits) == ["✖️ Abbrechen"]
    await town.say("undo", by=town.ada, thread=said)
    assert await town.sentences(said) == [sentences.MINE.words[-1]]


def labels_of(message: Payload) -> list[str]:
    return [
        one["text"]["text"]
        for block in message["blocks"]
        if block["type"] == "actions"
        for one in block["elements"]
        if "accessibility_label" not in one
    ]


async def previewed(town: Town, placeholder: Payload, claim: Claim, words: str = "") -> None:
    """A worker shows how it draws, until the placeholder has it."""
    sender = ProgressSender(town.services.settings.broker_url)

    def shown() -> bool:
        sender.send(claim.turn_id, Progress("drawing", 4, 16, words, png()))
        return bool(pictures_of(placeholder))

    await until(shown)


@pytest.mark.usefixtures("soon")
async def test_words_and_a_preview_are_shown_and_then_the_picture(town: Town) -> None:
    said = await town.say("Olivia")
    placeholder = await placeholder_of(town, said)
    claim = town.claim()
    await previewed(town, placeholder, claim, "Here she comes.")
    assert "step 4 of 16" in words_of(placeholder)
    assert words_of(placeholder).startswith("Here she comes.")
    preview = pictures_of(placeholder)[0]["slack_file"]["id"]
    town.finish(claim, "Here she is.")
    (reply,) = await town.shown(said)
    assert reply is placeholder
    assert words_of(reply) == "Here she is."
    assert pictures_of(reply)[0]["slack_file"]["id"] != preview
    await until(lambda: {"likeness-1.png"} == {one["name"] for one in town.slack.files.values()})


@pytest.mark.usefixtures("soon")
async def test_previews_of_a_placeholder_that_somebody_removed_are_kept_nowhere(town: Town) -> None:
    said = await town.say("Olivia")
    placeholder = await placeholder_of(town, said)
    claim = town.claim()
    await previewed(town, placeholder, claim)
    await town.slack.delete(placeholder)
    town.finish(claim, "Here she is.")
    await town.shown(said)
    await until(lambda: {"likeness-1.png"} == {one["name"] for one in town.slack.files.values()})


@pytest.mark.usefixtures("soon")
async def test_a_preview_that_comes_after_its_turn_was_deleted_is_kept_nowhere(town: Town) -> None:
    said = await town.say("Olivia")
    placeholder = await placeholder_of(town, said)
    claim = town.claim()
    await town.slack.delete(placeholder)
    sender = ProgressSender(town.services.settings.broker_url)

    def uploaded() -> bool:
        sender.send(claim.turn_id, Progress("drawing", 4, 16, "", png()))
        return bool(town.slack.called("files.completeUploadExternal"))

    await until(uploaded)
    await until(lambda: not town.slack.files)


@pytest.mark.usefixtures("soon")
async def test_a_preview_that_a_reply_let_go_of_before_it_was_there_goes_all_the_same(
    town: Town, bot: SlackBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = await town.say("Olivia")
    placeholder = await placeholder_of(town, said)
    claim = town.claim()
    bring = bot.platform._bring

    async def late(client: AsyncWebClient, link: str, file_id: str, data: bytes, filename: str) -> None:
        if filename == "preview.jpg":
            what = f"preview:{file_id}"
            while what not in await bot.platform._keep(claim.turn_id, "nothing", None):
                pass
            town.slack.refuse("files.delete", "file_not_found")
            await bot.platform._let_go(client, claim.turn_id, {what: file_id})
        await bring(client, link, file_id, data, filename)

    monkeypatch.setattr(bot.platform, "_bring", late)
    await previewed(town, placeholder, claim)
    town.finish(claim, "Here she is.")
    await town.shown(said)
    await until(lambda: {"likeness-1.png"} == {one["name"] for one in town.slack.files.values()})


async def test_a_reply_that_was_written_over_by_a_late_preview_is_shown_once_more(town: Town) -> None:
    said, shown = await town.first_picture()
    (turn_id,) = town.factory.ids(Status.DONE)
    await until(lambda: town.factory.delivered(turn_id))
    shown["blocks"] = [{"type": "context", "elements": [{"type": "mrkdwn", "text": "Drawing, step 12 of 16"}]}]
    town.factory.database.run(deliveries.show_again, turn_id)
    await until(lambda: words_of(shown) == "A portrait of Olivia." and bool(pictures_of(shown)))
    assert len(town.told(said)) == 1
    assert len(town.slack.called("files.getUploadURLExternal")) == 1, "it is the same picture"


@pytest.mark.usefixtures("soon")
async def test_previews_are_left_out_before_they_cost_the_replies_their_room(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack.pace.PREVIEWS", 3)
    said = await town.say("Olivia")
    await placeholder_of(town, said)
    claim = town.claim()
    sender = ProgressSender(town.services.settings.broker_url)
    for step in range(30):
        sender.send(claim.turn_id, Progress("drawing", step, 60, "", png()))
        await asyncio.sleep(0.03)
    assert 1 <= len(town.slack.called("chat.update")) <= 4
    town.finish(claim, "Here she is.")
    (reply,) = await town.shown(said)
    assert is_reply(reply)


async def test_a_turn_that_ends_at_once_is_one_post(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "AT_ONCE_SECONDS", 2.0)
    said = await town.say("Olivia")
    await town.queued()
    town.draw()
    await town.shown(said)
    assert len(town.slack.called("chat.postMessage")) == 1
    assert not town.slack.called("chat.update")


def test_a_team_keeps_room_for_replies_and_has_it_again_after_a_while() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    for _ in range(PREVIEWS):
        assert pace.leaves_room("T1")
        pace.edit("T1")
    assert not pace.leaves_room("T1")
    assert pace.leaves_room("T2")
    now[0] = 30.0
    assert pace.leaves_room("T1")
