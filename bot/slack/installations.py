"""The teams that installed the app by OAuth, any number of them, and with which tokens.

Tokens lie sealed in Postgres, in the tables of slack_sdk's own store, and are refreshed before they expire; an advisory lock of
the team keeps two processes from doing so at once. An uninstall deletes them, and all else that is kept of the
team, in one transaction. It knows nothing of events and messages; how somebody installs the app is in `bot.slack.oauth`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackTokenRotationError
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.sqlalchemy import AsyncSQLAlchemyInstallationStore, SQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import AsyncSQLAlchemyOAuthStateStore
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Session

from bot.services import Services
from bot.slack import NotSetUp
from bot.slack.places import PLATFORM
from bot.slack.teams import Installed, NotInstalled
from storage import forgetting
from storage.database import DatabaseUnavailable
from storage.sealing import Keys, Sealed
from storage.settings import Settings
from storage.tables import SlackInstallation, SlackInstalledBot

log = logging.getLogger(__name__)

SECRETS = (
    "bot_token",
    "bot_refresh_token",
    "user_token",
    "user_refresh_token",
    "incoming_webhook_url",
    "incoming_webhook_configuration_url",
)
EARLY_MINUTES = 120  # before a token expires it is refreshed; Slack gives it twelve hours
LAST_SECONDS = 60  # a token that expires within these is not used any more
BELIEVED_SECONDS = 1.5  # what is known of a team: one event asks for it several times
STATE_SECONDS = 600  # from the install page to Slack and back
_LOCK = 0x51AC  # any constant that no other pair of advisory locks begins with
DEAD = frozenset({"invalid_refresh_token", "token_revoked", "account_inactive", "invalid_auth", "app_not_installed"})

UNANSWERED = (SlackTokenRotationError, aiohttp.ClientError, TimeoutError)
"""What an attempt to refresh tokens may end with."""

NOT_SET_UP = (
    "Set LIKENESS_SLACK_BOT_TOKEN, for one workspace, or LIKENESS_SLACK_CLIENT_ID, LIKENESS_SLACK_CLIENT_SECRET and "
    "LIKENESS_SLACK_ENCRYPTION_KEYS, for any number. docs/slack.md says where they come from."
)


def keys_of(settings: Settings) -> Keys:
    """The keys that tokens are sealed with. Raises `NotSetUp` or `storage.sealing.KeyProblem`."""
    if not settings.slack_client_id or settings.slack_client_secret is None:
        raise NotSetUp(NOT_SET_UP)
    given = settings.slack_encryption_keys
    return Keys(given.get_secret_value() if given else "", "LIKENESS_SLACK_ENCRYPTION_KEYS")


class Store(AsyncSQLAlchemyInstallationStore):
    """slack_sdk's store with its secrets sealed; of a team it keeps the latest installation."""

    def __init__(self, client_id: str, engine: AsyncEngine, keys: Keys) -> None:
        super().__init__(client_id, engine)
        self._recent: dict[str, tuple[float, Installation]] = {}
        for table in (self.bots, self.installations):
            for column in table.columns:
                if column.name in SECRETS:
                    column.type = Sealed(keys)

    async def async_save(self, installation: Installation) -> None:
        """Keep an installation, new or refreshed, in place of earlier ones."""
        await super().async_save(installation)
        at = datetime.fromtimestamp(installation.installed_at, UTC).replace(tzinfo=None)
        async with self.engine.begin() as connection:
            for table in (self.bots, self.installations):
                mine = (table.c.client_id == self.client_id) & (table.c.team_id == installation.team_id)
                await connection.execute(table.delete().where(mine, table.c.installed_at < at))
        self.forget(installation.team_id or "")

    async def recent(self, team: str) -> Installation | None:
        """`installation_of` a team, as it was a moment ago at most."""
        asked_at, known = self._recent.get(team, (float("-inf"), None))
        if time.monotonic() - asked_at < BELIEVED_SECONDS:
            return known
        asked_at, known = time.monotonic(), await self.installation_of(team)
        if known is not None:
            self._recent[team] = (asked_at, known)
        return known

    def forget(self, team: str) -> None:
        """Something has changed: a team is asked for anew."""
        self._recent.pop(team, None)

    async def installation_of(self, team: str) -> Installation | None:
        """The installation of a team, whoever made it and whatever organisation the team belongs to.

        Bots are never read: they are saved a moment later, and a process may die in between.
        """
        column = self.installations.c
        latest = (
            self.installations.select()
            .where(column.client_id == self.client_id, column.team_id == team, column.bot_token.is_not(None))
            .order_by(column.installed_at.desc())
            .limit(1)
        )
        async with self.engine.connect() as connection:
            row = (await connection.execute(latest)).mappings().one_or_none()
        return None if row is None else SQLAlchemyInstallationStore.build_installation_entity(row)

    async def teams(self) -> list[str]:
        """The ids of all teams that the app is installed in."""
        column = self.installations.c
        mine = (
            select(column.team_id).where(column.client_id == self.client_id, column.bot_token.is_not(None)).distinct()
        )
        async with self.engine.connect() as connection:
            return list((await connection.execute(mine)).scalars())


class States(AsyncSQLAlchemyOAuthStateStore):
    """slack_sdk's store of states, where each counts once, however many bring it at the same time."""

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        """A new one; those that nobody brought back in time go."""
        async with self.engine.begin() as connection:
            await connection.execute(self.oauth_states.delete().where(self.oauth_states.c.expire_at < _utcnow()))
        return await super().async_issue(*args, **kwargs)

    async def async_consume(self, state: str) -> bool:
        """Whether it was issued here, in time, and not brought back before."""
        column = self.oauth_states.c
        taken = self.oauth_states.delete().where(column.state == state, column.expire_at > _utcnow())
        async with self.engine.begin() as connection:
            return (await connection.execute(taken.returning(column.id))).first() is not None


def _utcnow() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)  # as slack_sdk writes times


class Installations:
    """The teams that installed the app, of one process (`bot.slack.teams.Teams`). `client` asks Slack without a token.

    Raises `NotSetUp` or `KeyProblem` when the settings do not suffice.
    """

    def __init__(self, services: Services, client: AsyncWebClient) -> None:
        settings = services.settings
        keys, secret = keys_of(settings), settings.slack_client_secret
        assert secret is not None
        self._engine = create_async_engine(
            settings.database_url,
            pool_size=settings.database_pool,
            max_overflow=0,
            connect_args={"connect_timeout": 5, "application_name": "likeness"},
        )
        self.store = Store(settings.slack_client_id, self._engine, keys)
        self.states = States(STATE_SECONDS, self._engine)
        self._refreshing = asyncio.Lock()
        self._rotator = AsyncTokenRotator(
            client_id=settings.slack_client_id,
            client_secret=secret.get_secret_value(),
            client=client,
        )

    async def close(self) -> None:
        """Close what was opened."""
        await self._engine.dispose()

    async def installed(self, team: str) -> Installed:
        """The bot in a team, with a token that is good for now. Raises `NotInstalled` or `DatabaseUnavailable`."""
        try:
            return _installed(await self._bot(team))
        except SQLAlchemyError as error:
            raise DatabaseUnavailable("The database cannot be reached.") from error

    async def all(self) -> list[Installed]:
        """The bot in each team where its token is good. Raises `DatabaseUnavailable`, or `KeyProblem` when none can be opened."""
        try:
            found = []
            for team in await self.store.teams():
                try:
                    found.append(_installed(await self._bot(team)))
                except (NotInstalled, *UNANSWERED) as error:  # of one team, which must not keep the others waiting
                    log.warning("%s is left aside: %s", team, _reason(error))
        except SQLAlchemyError as error:
            raise DatabaseUnavailable("The database cannot be reached.") from error
        return found

    async def _bot(self, team: str) -> Bot:
        installation = await self.store.recent(team)
        if installation is None:
            raise NotInstalled(f"The app is not installed in {team}.")
        found = installation.to_bot()
        if (found.bot_token_expires_at or float("inf")) > time.time() + EARLY_MINUTES * 60:
            return found
        return await asyncio.shield(self._refreshed(team, found))  # tokens that nobody keeps would be lost

    async def _refreshed(self, team: str, found: Bot) -> Bot:
        """The same bot with fresh tokens; as it is while another process gets them and it is good for a while."""
        usable = (found.bot_token_expires_at or 0) > time.time() + LAST_SECONDS
        if usable and self._refreshing.locked():
            return found
        async with self._refreshing, self._engine.begin() as connection:
            key = (_LOCK, func.hashtext(team))
            if usable and not await connection.scalar(select(func.pg_try_advisory_xact_lock(*key))):
                return found
            if not usable:
                await connection.execute(select(func.pg_advisory_xact_lock(*key)))
            installation = await self.store.installation_of(team)
            if installation is None:
                raise NotInstalled(f"The app was just removed from {team}.")
            try:
                fresh = await self._rotator.perform_token_rotation(
                    installation=installation, minutes_before_expiration=EARLY_MINUTES
                )
            except UNANSWERED as error:
                if usable:
                    log.warning("the tokens of %s are not refreshed yet: %s", team, _reason(error))
                    return found
                if _reason(error) in DEAD:
                    raise NotInstalled(f"Slack refreshes the tokens of {team} no more: {_reason(error)}.") from error
                raise
            if fresh is None:  # another process was quicker
                return installation.to_bot()
            await self.store.async_save(fresh)
            return fresh.to_bot()


def _installed(bot: Bot) -> Installed:
    return Installed(bot.team_id or "", bot.team_name or "", bot.bot_token, bot.bot_user_id, bot.bot_id)


async def uninstalled(services: Services, team: str, at: float) -> bool:
    """The app was removed from a team, `at` seconds since the epoch: all that is kept of it goes. May be repeated.

    Returns whether anything went. Where the app was installed again meanwhile, nothing does.
    """
    gone = await services.database.arun(leave, services.settings.slack_client_id, team, at)
    if gone:
        log.info("the app was removed from %s; what was kept of it is deleted", team)
    return gone


async def revoked(services: Services, team: str, bots: Sequence[str], people: Sequence[str], at: float) -> None:
    """Tokens were revoked: those of people go, and with the bot's all tokens and whatever waits. May be repeated."""
    await services.database.arun(_revoke, services.settings.slack_client_id, team, bool(bots), list(people), at)


def _reason(error: Exception) -> str:
    cause = error.args[0] if isinstance(error, SlackTokenRotationError) else error
    return str(cause.response.get("error")) if isinstance(cause, SlackApiError) else repr(cause)


def leave(session: Session, client_id: str, team: str, at: float) -> bool:
    """Delete a team's tokens and all that is kept of it, as `uninstalled` says."""
    until = datetime.fromtimestamp(at + 1, UTC)  # Slack tells whole seconds
    return _forget_tokens(session, client_id, team, until) and forgetting.leave(session, PLATFORM, team, until)


def _revoke(session: Session, client_id: str, team: str, bot: bool, people: Sequence[str], at: float) -> None:
    until = datetime.fromtimestamp(at + 1, UTC)
    session.execute(
        update(SlackInstallation)
        .where(
            SlackInstallation.client_id == client_id,
            SlackInstallation.team_id == team,
            SlackInstallation.user_id.in_(people),
            SlackInstallation.installed_at <= until.replace(tzinfo=None),
        )
        .values(user_token=None, user_refresh_token=None, user_token_expires_at=None)
    )
    if bot and _forget_tokens(session, client_id, team, until):
        forgetting.stop(session, PLATFORM, team, until)


def _forget_tokens(session: Session, client_id: str, team: str, until: datetime) -> bool:
    """Delete a team's tokens. False, and nothing is deleted: it was installed again after that time."""
    session.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(team))))  # no refresh brings them back
    tables = (SlackInstalledBot, SlackInstallation)
    for table in tables:
        mine = (table.client_id == client_id) & (table.team_id == team)
        if session.scalar(select(exists().where(mine, table.installed_at > until.replace(tzinfo=None)))):
            return False
    for table in tables:
        session.execute(delete(table).where(table.client_id == client_id, table.team_id == team))
    return True


def check(session: Session, keys: Keys) -> None:
    """Raise `KeyProblem` when there is something that the keys do not open."""
    for table in (SlackInstalledBot, SlackInstallation):
        for secret in session.scalars(select(table.bot_token).where(table.bot_token.is_not(None))):
            keys.open(str(secret))


def seal_again(session: Session, keys: Keys) -> int:
    """Seal all that is kept with the first of the keys. Returns how many secrets. Raises `KeyProblem` and changes nothing."""
    sealed = 0
    for table in (SlackInstalledBot, SlackInstallation):
        names = [name for name in SECRETS if hasattr(table, name)]
        rows: Sequence[Any] = session.scalars(
            select(table).order_by(table.id).with_for_update()
        ).all()  # Any: of two tables
        for row in rows:
            for name in names:
                if (secret := getattr(row, name)) is not None:
                    setattr(row, name, keys.seal_again(secret))
                    sealed += 1
    return sealed
