"""What an operator hears when something is not set, and how a check of Socket Mode sees that the bot lives."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from bot.services import Services
from bot.slack import NotSetUp
from bot.slack.app import ALIVE, SlackBot, run
from storage.settings import Settings
from tests.bot.helpers import until
from tests.bot.slack.conftest import Town


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"slack_signing_secret": None}, "LIKENESS_SLACK_SIGNING_SECRET is not set"),
        ({"slack_bot_token": None}, "Set LIKENESS_SLACK_BOT_TOKEN"),
        ({"slack_bot_token": SecretStr("xoxb-wrong")}, "does not know the token"),
        ({"slack_url": "http://127.0.0.1:1"}, "Slack cannot be reached"),
        ({"slack_mode": "socket", "slack_app_token": None}, "LIKENESS_SLACK_APP_TOKEN is not set"),
        ({"slack_mode": "socket", "slack_app_token": SecretStr("xapp-wrong")}, "does not take"),
    ],
)
async def test_what_is_not_set_is_one_sentence(settings: Settings, changed: dict[str, object], words: str) -> None:
    with pytest.raises(NotSetUp, match=words):
        await run(Services.open(settings.model_copy(update=changed)))


@pytest.mark.parametrize("mode", ["socket"])
async def test_while_the_socket_is_there_a_file_says_so_and_a_socket_that_was_cut_comes_again(
    town: Town, bot: SlackBot, settings: Settings
) -> None:
    await until((settings.data_dir / ALIVE).exists)
    await town.slack.wire.refresh()
    await until(lambda: len([one for one in town.slack.wire.sockets if not one.leaving]) == 1)
    said = await town.say("Olivia")
    await town.queued()
    town.draw()
    await town.shown(said)
