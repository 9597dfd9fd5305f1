"""The way into a workspace, as a browser goes it between the bot's pages and a local Slack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from bot.services import Services
from bot.slack.installations import Installations
from bot.slack.manifest import INSTALL_PATH, SCOPES
from bot.slack.oauth import FAILURES, ONE_WORKSPACE, pages
from bot.slack.teams import NotInstalled
from ops.local.slack import LocalSlack
from ops.local.slack_state import CLIENT_ID, CLIENT_SECRET
from ops.stack import free_port
from storage.settings import Settings
from tests.bot.slack.conftest import running
from tests.bot.slack.test_installations import OLD
from tests.factory import Factory


@pytest.fixture
def settings(settings: Settings, slack: LocalSlack) -> Settings:
    update = {
        "slack_bot_token": None,
        "slack_client_id": CLIENT_ID,
        "slack_client_secret": SecretStr(CLIENT_SECRET),
        "slack_encryption_keys": SecretStr(OLD),
        "slack_url": slack.url,
        "slack_public_url": f"http://127.0.0.1:{free_port()}",
    }
    return settings.model_copy(update=update)


@pytest.fixture
async def installations(services: Services, slack: LocalSlack) -> AsyncIterator[Installations]:
    client = AsyncWebClient(base_url=f"{slack.url}/api/")
    opened = Installations(services, client)
    application = web.Application()
    application.add_routes(pages(services.settings, opened, client))
    server = TestServer(application, port=URL(services.settings.slack_public_url).port)
    await server.start_server()
    yield opened
    await server.close()
    await opened.close()


class Browser:
    """Keeps cookies, as a browser does for https addresses, and follows one step at a time."""

    def __init__(self, session: aiohttp.ClientSession, site: str) -> None:
        self._session, self._site, self.cookie = session, site, ""

    async def get(self, address: str, *, cookie: str | None = None) -> tuple[int, str, str]:
        """Status, text and where it leads to."""
        headers = {"Cookie": self.cookie if cookie is None else cookie}
        async with self._session.get(address, headers=headers, allow_redirects=False) as answer:
            if set_cookie := answer.headers.get("Set-Cookie"):
                assert "Secure" in set_cookie
                assert "HttpOnly" in set_cookie
                self.cookie = set_cookie.partition(";")[0]
            return answer.status, await answer.text(), answer.headers.get("Location", "")

    async def begin(self) -> str:
        """Open the first page; returns the link to Slack."""
        status, page, _ = await self.get(self._site + INSTALL_PATH)
        assert status == 200
        return page.partition('href="')[2].partition('"')[0].replace("&amp;", "&")

    async def allow(self, link: str, **more: str) -> str:
        """Say yes or no on Slack; returns where that leads back to."""
        status, _, back = await self.get(str(URL(link).update_query(more)))
        assert status == 302
        return back


@pytest.fixture
async def browser(settings: Settings) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Browser(session, settings.slack_public_url)


async def test_somebody_installs_the_app_and_its_tokens_are_kept(
    slack: LocalSlack, installations: Installations, browser: Browser
) -> None:
    slack.rotates_tokens = True
    team = slack.team("Storytellers <b>", installed=False)
    slack.person("Ada", team, admin=True)
    link = await browser.begin()
    asked = parse_qs(urlsplit(link).query)
    assert asked["scope"][0].split(",") == SCOPES
    assert not asked.get("user_scope", [""])[0]
    back = await browser.allow(link, team=team["id"])
    cookie = browser.cookie
    status, page, _ = await browser.get(back)
    assert (status, "Storytellers &lt;b&gt;" in page) == (200, True)
    assert "deleted" in browser.cookie
    installed = await installations.installed(team["id"])
    assert (installed.token, installed.user) == (slack.teams[team["id"]]["token"], team["bot"]["id"])
    kept = await installations.store.installation_of(team["id"])
    assert kept is not None
    assert kept.bot_refresh_token in slack.refresh_tokens

    status, page, _ = await browser.get(back, cookie=cookie)
    assert (status, FAILURES["invalid_state"] in page) == (401, True), "the same page opened again"


async def test_an_installation_that_fails_ends_in_a_plain_page_and_keeps_nothing(
    slack: LocalSlack, installations: Installations, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = slack.team("Storytellers", installed=False)

    async def says(back: str, status: int, sentence: str, **more: str) -> None:
        answered, page, _ = await browser.get(back, **more)
        assert answered == status
        assert sentence in page
        assert INSTALL_PATH in page
        with pytest.raises(NotInstalled):
            await installations.installed(team["id"])

    await says(await browser.allow(await browser.begin(), deny="1"), 200, FAILURES["access_denied"])
    back = await browser.allow(await browser.begin())
    await says(back, 400, FAILURES["invalid_browser"], cookie="slack-app-oauth-state=another")
    back = await browser.allow(await browser.begin())
    await says(str(URL(back).update_query(code="wrong")), 401, FAILURES["invalid_code"])
    back = await browser.allow(await browser.begin())
    await says(str(URL(back).without_query_params("code")), 401, FAILURES["missing_code"])

    answer = slack._api._open["oauth.v2.access"]
    organisation = lambda call: answer(call) | {"team": None, "is_enterprise_install": True}  # type: ignore[operator]  # noqa: E731
    monkeypatch.setitem(slack._api._open, "oauth.v2.access", organisation)
    await says(await browser.allow(await browser.begin()), 500, ONE_WORKSPACE)
    monkeypatch.undo()

    back = await browser.allow(await browser.begin())
    await slack.stop()
    await says(back, 503, "Please try again in a moment. (Reference ")


async def test_two_pages_with_one_state_install_once(
    slack: LocalSlack, installations: Installations, browser: Browser
) -> None:
    team = slack.team("Others", installed=False)
    back = await browser.allow(await browser.begin(), team=team["id"])
    cookie = browser.cookie
    answers = await asyncio.gather(*(browser.get(back, cookie=cookie) for _ in range(3)))
    assert sorted(status for status, _, _ in answers) == [200, 401, 401]
    assert (await installations.installed(team["id"])).team == team["id"]


async def test_the_bot_is_in_two_workspaces_and_is_removed_from_one(
    slack: LocalSlack, installations: Installations, browser: Browser, services: Services, factory: Factory
) -> None:
    slack.rotates_tokens = True
    teams = [slack.team(name, installed=False) for name in ("One", "Two")]
    channels = []
    for team in teams:
        back = await browser.allow(await browser.begin(), team=team["id"])
        assert (await browser.get(back))[0] == 200
        channels.append(slack.channel(team, "general"))
    async with running(slack, services) as bot:
        for team, channel in zip(teams, channels, strict=True):
            ada = slack.person("Ada", team)
            await slack.write(channel, ada, f"<@{team['bot']['id']}> Olivia in {team['name']}")
        await slack.wire.settled()
        assert sorted(factory.texts()) == ["Olivia in One", "Olivia in Two"]
        slack.uninstall(teams[0])
        await slack.wire.settled()
        assert all(one.acknowledged for one in slack.wire.deliveries)
        assert factory.texts() == ["Olivia in Two"]
        with pytest.raises(NotInstalled):  # though it was just asked for
            await bot.teams.installed(teams[0]["id"])
        with pytest.raises(NotInstalled):
            await installations.installed(teams[0]["id"])
        assert (await installations.installed(teams[1]["id"])).token == slack.teams[teams[1]["id"]]["token"]
