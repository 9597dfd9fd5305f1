"""Installations: tokens that nobody can read in the database, fresh ones in time, and nothing left after an uninstall."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import func, select, text

from bot.services import Services
from bot.slack import NotSetUp
from bot.slack.installations import SECRETS, Installations, check, keys_of, revoked, seal_again, uninstalled
from bot.slack.places import PLATFORM
from bot.slack.teams import NotInstalled
from storage.database import Database
from storage.sealing import KeyProblem
from storage.settings import Settings
from storage.tables import Base, Status, Workspace
from tests.factory import Factory

TEAM, OTHER = "T1", "T2"
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
HOURS = 3600


class Slack(AsyncWebClient):
    """Answers what installations ask; a refresh token counts once, as on Slack."""

    def __init__(self) -> None:
        super().__init__()
        self.refreshed: list[str] = []
        self.asked = asyncio.Event()
        self.problem = ""
        self.slow = asyncio.Event()
        self.slow.set()

    async def oauth_v2_access(self, **given: Any) -> Any:
        """Fresh tokens for a refresh token."""
        self.asked.set()
        await self.slow.wait()
        if self.problem or given["refresh_token"] in self.refreshed:
            raise SlackApiError("refused", {"ok": False, "error": self.problem or "invalid_refresh_token"})
        self.refreshed.append(given["refresh_token"])
        count = len(self.refreshed)
        return {
            "token_type": "bot",
            "access_token": f"xoxe.xoxb-{count}",
            "refresh_token": f"xoxe-{count}",
            "expires_in": 12 * HOURS,
        }


def installation(team: str = TEAM, *, expires_in: int | None = None, at: float | None = None) -> Installation:
    return Installation(
        app_id="A1",
        team_id=team,
        team_name="Storytellers",
        enterprise_id="E1",
        bot_token=f"xoxb-{team}",
        bot_id="B1",
        bot_user_id="U-bot",
        bot_scopes="chat:write",
        bot_refresh_token=f"xoxe-{team}",
        bot_token_expires_in=expires_in,
        user_id="U1",
        user_token="xoxp-person",
        user_refresh_token="xoxe-person",
        incoming_webhook_url="https://hooks.slack.test/secret",
        incoming_webhook_configuration_url="https://slack.test/secret",
        installed_at=at or time.time(),
    )


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "slack_bot_token": None,
            "slack_client_id": "1.2",
            "slack_client_secret": SecretStr("secret"),
            "slack_encryption_keys": SecretStr(OLD),
        }
    )


@pytest.fixture
def api() -> Slack:
    return Slack()


@pytest.fixture
async def installed(services: Services, api: Slack) -> AsyncIterator[Installations]:
    opened = Installations(services, api)
    yield opened
    await opened.close()


async def install(installations: Installations, made: Installation | None = None) -> None:
    await installations.store.async_save(made or installation())


def rows(database: Database) -> str:
    """All that lies in the tables of installations, as text."""

    def read(session: Any) -> str:
        return str(
            [session.execute(text(f"SELECT * FROM {one}")).all() for one in ("slack_bots", "slack_installations")]
        )

    return database.run(read)


def workspaces(database: Database) -> list[str]:
    return database.run(lambda session: list(session.scalars(select(Workspace.external_id))))


async def test_tokens_lie_sealed_and_any_key_opens_what_the_first_sealed(
    installed: Installations, services: Services, api: Slack, database: Database, settings: Settings
) -> None:
    await install(installed)
    assert (await installed.installed(TEAM)).token == f"xoxb-{TEAM}"
    for secret in ("xoxb", "xoxe", "xoxp", "/secret"):
        assert secret not in rows(database)

    def keyed(keys: str) -> Services:
        changed = settings.model_copy(update={"slack_encryption_keys": SecretStr(keys)})
        return Services(changed, services.database, services.blobs, services.bell, services.broker)

    both, new = keyed(f"{NEW}, {OLD}"), keyed(NEW)
    wrong = Installations(new, api)
    with pytest.raises(KeyProblem, match="Add the old key"):
        database.run(check, keys_of(new.settings))
    with pytest.raises(KeyProblem):
        database.run(seal_again, keys_of(new.settings))
    assert database.run(seal_again, keys_of(both.settings)) == len(SECRETS) + 2
    database.run(check, keys_of(new.settings))
    assert (await wrong.installed(TEAM)).token == f"xoxb-{TEAM}"
    await wrong.close()
    for bad, says in (("", "is not set"), ("short", "no key")):
        with pytest.raises(KeyProblem, match=f"LIKENESS_SLACK_ENCRYPTION_KEYS.*{says}"):
            Installations(keyed(bad), api)
    with pytest.raises(NotSetUp, match="LIKENESS_SLACK_BOT_TOKEN"):
        Installations(Services.open(settings.model_copy(update={"slack_client_id": ""})), api)


async def test_the_tables_are_those_that_the_store_writes(installed: Installations) -> None:
    for table in (installed.store.bots, installed.store.installations, installed.states.oauth_states):
        ours = Base.metadata.tables[table.name]
        assert {one.name: one.nullable for one in ours.c} == {one.name: one.nullable for one in table.c}
        assert all(column.type.length is None for column in ours.c if hasattr(column.type, "length"))


async def test_two_processes_refresh_a_token_once_and_nobody_waits_while_it_is_good(
    installed: Installations, services: Services, api: Slack
) -> None:
    await install(installed, installation(expires_in=1 * HOURS))
    await install(installed, installation(OTHER, expires_in=11 * HOURS))
    other = Installations(services, api)
    api.slow.clear()
    first = asyncio.create_task(installed.installed(TEAM))
    await api.asked.wait()
    meanwhile = await asyncio.gather(*(one.installed(TEAM) for one in (installed, other, other)))
    assert {one.token for one in meanwhile} == {f"xoxb-{TEAM}"}
    api.slow.set()
    assert (await first).token == "xoxe.xoxb-1"
    assert (await other.installed(TEAM)).token == "xoxe.xoxb-1"
    assert (await other.installed(OTHER)).token == f"xoxb-{OTHER}"
    assert api.refreshed == [f"xoxe-{TEAM}"]
    await other.close()


async def test_an_expired_token_is_waited_for_and_one_that_slack_refreshes_no_more_is_no_token(
    installed: Installations, services: Services, api: Slack
) -> None:
    await install(installed, installation(expires_in=-5))
    other = Installations(services, api)
    found = await asyncio.gather(*(one.installed(TEAM) for one in (installed, other, installed, other)))
    assert {one.token for one in found} == {"xoxe.xoxb-1"}
    await other.close()

    api.problem = "internal_error"
    await install(installed, installation(OTHER, expires_in=1 * HOURS))
    assert (await installed.installed(OTHER)).token == f"xoxb-{OTHER}", "it is good for another hour"
    await install(installed, installation(OTHER, expires_in=-5))
    with pytest.raises(Exception, match="internal_error"):
        await installed.installed(OTHER)
    api.problem = "invalid_refresh_token"
    with pytest.raises(NotInstalled, match="invalid_refresh_token"):
        await installed.installed(OTHER)


async def test_one_event_asks_the_database_once_and_a_change_is_seen_at_once(
    installed: Installations, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ask = [], installed.store.installation_of

    async def asks(team: str) -> Installation | None:
        asked.append(team)
        return await ask(team)

    monkeypatch.setattr(installed.store, "installation_of", asks)
    with pytest.raises(NotInstalled):
        await installed.installed(TEAM)
    await install(installed)
    for _ in range(4):
        assert (await installed.installed(TEAM)).token == f"xoxb-{TEAM}"
    assert asked == [TEAM, TEAM]
    monkeypatch.setattr("bot.slack.installations.BELIEVED_SECONDS", 0.0)
    await installed.installed(TEAM)
    assert asked == [TEAM] * 3


async def test_all_teams_are_told_but_those_whose_tokens_are_gone(installed: Installations, api: Slack) -> None:
    await install(installed)
    await install(installed, installation(OTHER, expires_in=-5))
    one = await installed.installed(TEAM)
    assert (one.team, one.name, one.token, one.user, one.bot) == (TEAM, "Storytellers", f"xoxb-{TEAM}", "U-bot", "B1")
    api.problem = "invalid_refresh_token"
    assert await installed.all() == [one]
    api.problem = ""
    assert {one.team for one in await installed.all()} == {TEAM, OTHER}


async def test_a_state_counts_once_however_many_bring_it(installed: Installations) -> None:
    states = installed.states
    state = await states.async_issue()
    brought = await asyncio.gather(*(states.async_consume(state) for _ in range(4)))
    assert sorted(brought) == [False, False, False, True]
    states.expiration_seconds = -1
    assert not await states.async_consume(await states.async_issue())
    states.expiration_seconds = 600
    await states.async_issue()
    async with states.engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(states.oauth_states)) == 1


async def test_an_uninstall_leaves_nothing_and_a_new_installation_begins_anew(
    installed: Installations, services: Services, factory: Factory, database: Database
) -> None:
    await install(installed)
    await install(installed, installation(OTHER))
    done = factory.receive("Olivia", platform=PLATFORM, workspace=TEAM)
    claim = factory.claim()
    assert claim is not None
    factory.finish(claim)
    running = factory.receive("at night", platform=PLATFORM, workspace=TEAM)
    claim = factory.claim()
    assert claim is not None
    waiting = factory.receive("laughing", platform=PLATFORM, workspace=TEAM)
    elsewhere = factory.receive("Max", platform=PLATFORM, workspace=OTHER)

    assert await uninstalled(services, TEAM, time.time())
    with pytest.raises(NotInstalled):
        await installed.installed(TEAM)
    assert workspaces(database) == [OTHER]
    assert factory.ids(*Status) == [elsewhere.turn_id]
    assert not factory.finish(claim).valid, "a worker that draws for them draws for nobody"
    assert not await uninstalled(services, TEAM, time.time()), "it is told twice"
    assert (await installed.installed(OTHER)).token == f"xoxb-{OTHER}"

    again = time.time() + 10
    await install(installed, installation(at=again))
    fresh = factory.receive("Olivia", platform=PLATFORM, workspace=TEAM)
    assert fresh.workspace_id not in {done.workspace_id, running.workspace_id, waiting.workspace_id}
    assert not await uninstalled(services, TEAM, time.time()), "late news of the first uninstall"
    assert (await installed.installed(TEAM)).token == f"xoxb-{TEAM}"
    assert factory.status(fresh.turn_id) is Status.QUEUED


async def test_revoked_tokens_go_and_what_waits_is_cancelled_but_the_stories_stay(
    installed: Installations, services: Services, factory: Factory, database: Database
) -> None:
    await install(installed)
    waiting = factory.receive("Olivia", platform=PLATFORM, workspace=TEAM)
    await revoked(services, TEAM, [], ["U1"], time.time())
    kept = await installed.store.installation_of(TEAM)
    assert kept is not None
    assert (kept.user_token, kept.bot_token) == (None, f"xoxb-{TEAM}")
    assert factory.status(waiting.turn_id) is Status.QUEUED

    for _ in range(2):
        await revoked(services, TEAM, ["U-bot"], [], time.time())
        assert factory.status(waiting.turn_id) is Status.CANCELLED
        assert factory.delivered(waiting.turn_id), "nobody can show it any more"
        assert rows(database) == "[[], []]"
