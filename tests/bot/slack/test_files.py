"""What people upload, over real sockets: fetched from Slack alone, with a token that goes nowhere else."""

from __future__ import annotations

import pytest

from bot.slack.app import SlackBot
from bot.slack.files import NotReady, _Public, link_of
from bot.turns import AttachmentGone
from ops.local.slack_wire import Payload
from storage.settings import Settings
from storage.tables import Status
from tests.bot.helpers import png, until
from tests.bot.slack.conftest import Town, words_of

PHOTO = ("me.png", png(size=128))


async def refused(town: Town, said: Payload, words: str) -> None:
    """Wait until the reply to a message says so."""
    await until(lambda: any(words in words_of(one) for one in town.told(said)))
    assert town.factory.count(Status.REFUSED) == 1


async def test_attachments_become_references(town: Town) -> None:
    await town.say("like this", files=[PHOTO])
    await town.queued()
    assert len(town.claim().line.attachment_keys) == 1


async def test_a_file_of_a_shared_channel_is_asked_for(town: Town) -> None:
    other = town.slack.team("Elsewhere")
    stranger = town.slack.person("Eve", other)
    shared = town.slack.channel(town.team, "shared", shared_with=other)
    await town.slack.write(shared, stranger, f"{town.me} like this", files=[PHOTO])
    await town.queued()
    assert len(town.claim().line.attachment_keys) == 1


async def test_a_file_that_slack_still_processes_is_waited_for(town: Town, bot: SlackBot) -> None:
    file = town.slack.add_file(*PHOTO, town.ada)
    links = {name: file.pop(name) for name in ("url_private", "url_private_download")}
    with pytest.raises(NotReady):  # which the sweeper tries again
        await bot.files.fetch(link_of(town.team["id"], file["id"]))
    file |= links
    assert await bot.files.fetch(link_of(town.team["id"], file["id"])) == PHOTO[1]


@pytest.mark.parametrize("where", ["http://169.254.169.254/me.png", "https://files.slack.com.example.org/me.png"])
async def test_a_link_to_elsewhere_is_not_opened(town: Town, bot: SlackBot, where: str) -> None:
    (file,) = [town.slack.add_file(*PHOTO, town.ada)]
    file["url_private"] = file["url_private_download"] = where
    with pytest.raises(AttachmentGone, match="uploaded to Slack"):
        await bot.files.fetch(link_of(town.team["id"], file["id"]))
    with pytest.raises(AttachmentGone, match="uploaded to Slack"):
        await bot.files.fetch(where)


async def test_the_token_follows_no_redirect(town: Town) -> None:
    town.slack.redirects_files = True
    said = await town.say("like this", files=[PHOTO])
    await refused(town, said, "gone")
    assert town.slack.seen_elsewhere == []


async def test_a_file_that_is_gone_or_only_a_page_to_sign_in_is_told_of(town: Town, bot: SlackBot) -> None:
    file = town.slack.add_file(*PHOTO, town.ada)
    town.slack.forget_file(file)
    with pytest.raises(AttachmentGone, match="attach it again"):
        await bot.files.fetch(link_of(town.team["id"], file["id"]))
    with pytest.raises(AttachmentGone, match="attach it again"):
        await bot.files._download(f"{town.slack.url}/files-pri/T-F/me.png", "not a token", 1000)


async def test_a_file_beyond_the_limit_is_not_read_to_its_end(town: Town, settings: Settings) -> None:
    large = ("large.png", b"0" * (settings.attachment_bytes + 2**17))
    said = await town.say("like this", files=[large])
    await refused(town, said, "smaller")
    said = await town.say("and this", files=[large])
    for one in town.slack.files.values():
        one["size"] = 1  # whatever Slack says
    await until(lambda: town.factory.count(Status.REFUSED) == 2)


async def test_no_private_address_is_found_whatever_the_name_says() -> None:
    resolver = _Public()
    with pytest.raises(OSError, match="no public address"):
        await resolver.resolve("localhost", 443)
    await resolver.close()


async def test_only_slacks_hosts_are_slack(bot: SlackBot) -> None:
    ours = bot.files.is_ours
    assert ours("https://files.slack.com/files-pri/T1-F1/me.png")
    assert not ours("http://files.slack.com/me.png")
    assert not ours("https://slack.com.example.org/me.png")
    assert not ours("https://notslack.com/me.png")
    assert not ours("https://files.slack.com:8443/me.png")
    assert not ours("https://files.slack.com@example.org/me.png")
