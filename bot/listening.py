"""Whether a workspace wants every message to count in the threads that the bot made, without a mention. Platform-neutral.

The wish is `every_message` in the workspace's settings. It is asked for with nearly every message that people write to each
other, so what the database said is believed for some seconds.
"""

from __future__ import annotations

import logging
import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.services import Services
from storage.database import DatabaseUnavailable
from storage.tables import Workspace

log = logging.getLogger(__name__)

EVERY_MESSAGE = "every_message"
BELIEVED_SECONDS = 5.0


class Listening:
    """The wishes of one platform's workspaces."""

    def __init__(self, services: Services, platform: str) -> None:
        self._services = services
        self._platform = platform
        self._known: dict[str, tuple[float, bool]] = {}

    async def to_every_message(self, workspace: str) -> bool:
        """Whether a workspace, by the platform's own id, wants that. While the database is away, what it wanted last."""
        asked_at, wanted = self._known.get(workspace, (float("-inf"), False))
        if time.monotonic() - asked_at < BELIEVED_SECONDS:
            return wanted
        try:
            wanted = await self._services.database.arun(_wants, self._platform, workspace)
        except DatabaseUnavailable as error:
            log.warning("what workspace %s wants cannot be read: %s", workspace, error)
        self._known[workspace] = (time.monotonic(), wanted)
        return wanted


def _wants(session: Session, platform: str, workspace: str) -> bool:
    settings = session.scalar(
        select(Workspace.settings).where(Workspace.platform == platform, Workspace.external_id == workspace)
    )
    return settings is not None and settings.get(EVERY_MESSAGE) is True
