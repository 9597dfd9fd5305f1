"""What the bot hears when it is removed from a team, or its tokens are revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.slack.installations import Installations, revoked, uninstalled
from bot.slack.places import Payload

if TYPE_CHECKING:
    from bot.slack.app import SlackBot


def register(bot: SlackBot) -> None:
    """Listen for both. Each is acknowledged once it is done."""
    services = bot.services

    async def removed(body: Payload) -> None:
        await uninstalled(services, body["team_id"], body["event_time"])
        forget(body["team_id"])

    async def withdrawn(body: Payload, event: Payload) -> None:
        tokens = event.get("tokens") or {}
        bots, people = tokens.get("bot") or [], tokens.get("oauth") or []
        await revoked(services, body["team_id"], bots, people, body["event_time"])
        forget(body["team_id"])

    def forget(team: str) -> None:
        if isinstance(bot.teams, Installations):
            bot.teams.store.forget(team)

    bot.app.event("app_uninstalled")(removed)
    bot.app.event("tokens_revoked")(withdrawn)
