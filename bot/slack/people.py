"""Who somebody on Slack is: their name and language, and whether they look after the team. Asked, and believed for a minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.places import Payload, Person

log = logging.getLogger(__name__)

BELIEVED_SECONDS = 60.0
MOST = 10_000  # people whom one process remembers


class People:
    """Of all teams."""

    def __init__(self, client_of: Callable[[str], Awaitable[AsyncWebClient]]) -> None:
        self._client_of = client_of
        self._known: dict[tuple[str, str], tuple[float, Person]] = {}

    async def language(self, team: str, user: str) -> str:
        """The language that somebody reads, by BCP 47 tag; English while that cannot be asked."""
        try:
            return (await self.person(team, user)).language
        except Exception as error:  # whatever hinders it, what is to be said is said
            log.warning("which language %s of %s reads cannot be asked: %r", user, team, error)
            return Person(user).language

    async def person(self, team: str, user: str) -> Person:
        """Somebody as a team knows them. A guest of another team moderates nothing here, whatever they are at home."""
        asked_at, known = self._known.get((team, user), (float("-inf"), Person(user)))
        if time.monotonic() - asked_at < BELIEVED_SECONDS:
            return known
        client = await self._client_of(team)
        try:
            told: Payload = (await client.users_info(user=user, include_locale=True))["user"]
        except SlackApiError as error:  # nobody has rights whom Slack does not vouch for; their wish can be drawn
            log.warning("who %s of %s is cannot be asked: %s", user, team, error)
            return Person(user, known.name)
        profile = told.get("profile") or {}
        name = (
            profile.get("display_name") or profile.get("real_name") or told.get("real_name") or told.get("name") or ""
        )
        at_home = told.get("team_id", team) == team and not told.get("is_stranger")
        moderates = at_home and bool(told.get("is_admin") or told.get("is_owner"))
        found = Person(user, name, moderates, told.get("locale") or "en")
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[team, user] = (time.monotonic(), found)
        return found
