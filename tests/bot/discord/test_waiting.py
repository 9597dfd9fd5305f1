"""What people see while a picture is drawn: their place, a countdown, previews within the limits, and the reply in the end."""

from __future__ import annotations

import asyncio
import time

import pytest

from bot import waiting
from bot.discord import render
from bot.discord.client import LikenessClient
from bot.progress import Update
from ops.local.discord import Payload, walk
from storage import deliveries
from storage.deliveries import DuePicture
from storage.events import Progress, ProgressSender
from storage.tables import Status
from storage.turns import Place
from tests.bot.discord.conftest import ME, Town
from tests.bot.helpers import png, until


def test_the_countdown_runs_in_the_readers_client() -> None:
    line = render.waiting(Update(Place(Status.QUEUED, 2, 1, 30.0)))
    assert "2 ahead" in line
    assert f"<t:{round(time.time() + 30)}:R>" in line


def test_a_picture_over_the_upload_limit_is_made_to_fit_and_keeps_its_alt_text() -> None:
    data = png(size=900)
    limit = len(data) // 2
    file = render.picture_file(DuePicture("pictures/w/a.png", 900, 900, "Olivia" * 500, len(data)), data, 1, limit)
    assert file.filename == "likeness-1.jpg"
    assert len(file.fp.read()) <= limit
    assert file.description is not None
    assert len(file.description) <= 1024


async def test_each_is_told_in_their_language_and_a_server_in_its_own(town: Town) -> None:
    town.ada["locale"] = "de"
    await town.discord.slash(town.ada, town.general, "imagine", text="Max")
    await town.queued()
    turn_id = town.draw()
    await until(lambda: town.factory.delivered(turn_id))
    (shown,) = await town.shown(next(one for one in town.discord.channels.values() if one.get("parent_id")))
    assert "Varianten" in labels_of(shown)
    pressed = await town.discord.press(town.ada, shown, "up")
    await until(lambda: (pressed.message or {}).get("content") == "Danke. Ich habe notiert, dass es dir gefällt.")
    asked = await town.discord.slash(town.ada, town.general, "help")
    await until(lambda: (asked.message or {}).get("content", "").startswith("Sag mir, wen"))
    guild = await town.discord.guild("Serveur", locale="fr")
    said = await town.discord.say(town.ben, await town.discord.channel(guild, "salon"), f"{ME} Olivia")
    (placeholder,) = await town.told(await town.thread(said))
    assert "En attente d'une machine disponible" in placeholder["content"]
    assert labels_of(placeholder) == ["Annuler"]


def labels_of(message: Payload) -> list[str]:
    return [one["label"] for one in walk(message["components"]) if one.get("label")]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "EDIT_SECONDS", 0.05)


@pytest.mark.usefixtures("soon")
async def test_a_preview_is_shown_and_then_the_picture(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    (placeholder,) = await town.told(thread)
    claim = town.claim()
    sender = ProgressSender(town.services.settings.broker_url)

    def shown() -> bool:
        sender.send(claim.turn_id, Progress("drawing", 4, 16, "", png()))
        return bool(placeholder["attachments"])

    await until(shown)
    assert "step 4 of 16" in placeholder["content"]
    assert placeholder["attachments"][0]["filename"] == "preview.jpg"
    town.finish(claim, "Here she is.")
    await until(lambda: placeholder["content"] == "Here she is.")
    (file,) = placeholder["attachments"]
    assert file["filename"] == "likeness-1.png"


async def test_a_reply_that_was_written_over_by_a_late_preview_is_shown_once_more(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    turn_id = town.draw("Here she is.")
    (shown,) = await town.shown(thread)
    await until(lambda: town.factory.delivered(turn_id))
    shown |= {"content": "Drawing, step 12 of 16", "attachments": []}
    town.factory.database.run(deliveries.show_again, turn_id)
    await until(lambda: shown["content"] == "Here she is." and shown["attachments"])
    assert len(town.discord.told_in(thread)) == 1


async def test_a_turn_that_ends_at_once_is_one_request_in_its_thread(
    town: Town, bot: LikenessClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "AT_ONCE_SECONDS", 1.0)
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    await town.queued()
    town.draw()
    thread = await town.thread(said)
    await town.shown(thread)
    await until(lambda: not bot.waiting._tasks)
    messages = [
        method for method, path in town.discord.requests if path.startswith(f"channels/{thread['id']}/messages")
    ]
    assert messages == ["POST"]


@pytest.mark.usefixtures("soon")
async def test_previews_are_left_out_before_they_cost_the_replies_their_room(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    (placeholder,) = await town.told(thread)
    claim = town.claim()
    sender = ProgressSender(town.services.settings.broker_url)
    for step in range(60):
        sender.send(claim.turn_id, Progress("drawing", step, 60, "", png()))
        await asyncio.sleep(0.03)
    edits = [path for method, path in town.discord.requests if method == "PATCH" and thread["id"] in path]
    assert 1 <= len(edits) <= 3
    town.finish(claim, "Here she is.")
    await until(lambda: placeholder["content"] == "Here she is.", 2)
    assert not town.discord.limited
