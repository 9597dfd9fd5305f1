"""What people choose for a workspace or a conversation, and sentences about it. It knows nothing of menus.

What cannot be chosen is raised as `NoSuchEngine`, a sentence to the person.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from bot.aspects import Aspects
from bot.services import Services
from storage import conversations, preferences
from storage.aspects import named
from storage.preferences import ENGINE, EVERY_MESSAGE, Preferences


class NoSuchEngine(Exception):
    """Why an engine cannot be chosen, as a sentence to the person."""


class Choices:
    """Of one process's services."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._heartbeat = services.settings.heartbeat_seconds

    async def read(self, workspace_id: UUID, conversation_id: UUID | None) -> tuple[Preferences, list[str]]:
        """What holds there, and the engines that could be chosen now."""

        def look(session: Session) -> tuple[Preferences, list[str]]:
            engine = self._services.settings.engine
            held = preferences.read(session, workspace_id, conversation_id, engine=engine)
            return held, list(preferences.live_engines(session, heartbeat_seconds=self._heartbeat))

        return await self._services.database.arun(look)

    async def choose_engine(self, workspace_id: UUID, conversation_id: UUID | None, engine: str | None) -> None:
        """Choose what draws in a conversation, or without one in all that have no engine of their own; None unchooses.

        Raises `NoSuchEngine` for one that no worker holds.
        """

        def choose(session: Session) -> None:
            live = preferences.live_engines(session, heartbeat_seconds=self._heartbeat)
            if engine is not None and engine not in live:
                raise NoSuchEngine(f"No machine that runs {engine} is there just now. Please choose another engine.")
            if conversation_id is None:
                preferences.set_workspace_setting(session, workspace_id, ENGINE, engine)
            else:
                preferences.set_conversation_setting(session, workspace_id, conversation_id, ENGINE, engine)

        await self._services.database.arun(choose)

    async def count_every_message(self, workspace_id: UUID, *, counts: bool) -> None:
        """Choose whether every message in a thread that the bot made is a turn, or only those that mean it."""
        await self._services.database.arun(
            preferences.set_workspace_setting, workspace_id, EVERY_MESSAGE, counts or None
        )

    async def aspects(self, platform: str, workspace: str, channel: str, thread: str) -> Aspects:
        """What pictures can be of what would draw in a thread, by the platform's own ids; none while nothing draws."""

        def look(session: Session) -> Aspects:
            live = preferences.live_engines(session, heartbeat_seconds=self._heartbeat)
            found = conversations.find(session, platform, workspace, channel, thread)
            engine = self._services.settings.engine
            if found is not None:
                engine = preferences.read(session, *found, engine=engine).engine
            return named(live.get(engine, []))

        return await self._services.database.arun(look)
