"""In which workspaces of Slack ("teams") the bot is, and with which token.

One team's token may come from the settings; those of many teams come from wherever installations are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack import NotSetUp


class NotInstalled(Exception):
    """The bot is not in a team, or not any more."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The bot in one team."""

    team: str
    name: str
    token: str
    user: str  # the bot's own id as a person there
    bot: str


class Teams(Protocol):
    """All teams that the bot is in."""

    async def installed(self, team: str) -> Installed:
        """The bot in a team. Raises `NotInstalled`, or `DatabaseUnavailable` when that cannot be known."""

    async def all(self) -> list[Installed]:
        """The bot in each team. Raises `DatabaseUnavailable`."""


class OneTeam:
    """The team of the token in the settings."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._known: Installed | None = None

    async def installed(self, team: str) -> Installed:
        """The bot in the one team. What happens in a shared channel may come from another."""
        known = await self._only()
        if team != known.team:
            raise NotInstalled(f"{team} is not the team of LIKENESS_SLACK_BOT_TOKEN")
        return known

    async def all(self) -> list[Installed]:
        """The one."""
        return [await self._only()]

    async def _only(self) -> Installed:
        if self._known is None:
            try:
                told = await self._client.auth_test()
            except SlackApiError as error:
                if error.response["error"] in ("invalid_auth", "not_authed", "account_inactive", "token_revoked"):
                    raise NotSetUp("Slack does not know the token in LIKENESS_SLACK_BOT_TOKEN.") from error
                raise
            assert self._client.token is not None
            self._known = Installed(
                told["team_id"], told["team"], self._client.token, told["user_id"], told.get("bot_id", "")
            )
        return self._known
