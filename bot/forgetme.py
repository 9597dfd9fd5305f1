"""Forgetting a person: what they are told before and after. It knows sentences; what goes is in `storage.forgetting`."""

from __future__ import annotations

import asyncio
import logging

from bot.services import Services
from storage import forgetting
from storage.forgetting import Kept

log = logging.getLogger(__name__)

NOTHING = "I keep nothing of you here."
COUNTED = "There is a quota here: how much of it you used today is kept with your id, and gone within two days."
FOREVER = "This cannot be undone. The files of pictures are gone within two days. A block is kept, should there be one."


class Forgetting:
    """Of one process's services."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def question(self, platform: str, workspace: str, author: str) -> str | None:
        """What would be deleted of a person, as sentences to them. None: nothing is kept."""
        kept = await self._services.database.arun(forgetting.kept, platform, workspace, author)
        return None if kept is None else "\n".join([_listed(kept), *([COUNTED] if kept.counted else []), FOREVER])

    async def forget(self, platform: str, workspace: str, author: str) -> str:
        """Delete it, and return what to say. May be repeated."""
        gone = await self._services.database.arun(forgetting.forget, platform, workspace, author)
        if gone is None:
            return NOTHING
        log.info("somebody was forgotten: %s", gone)
        # What waited for a turn that was cancelled can be drawn now.
        await asyncio.to_thread(self._services.bell.ring_until, self._services.settings.engine, 1)
        return "Done. What I kept of you here is deleted."


def _listed(kept: Kept) -> str:
    counted = [
        _many(kept.turns, "message"),
        _many(kept.pictures, "picture"),
        _many(kept.characters, "character"),
        _many(kept.photos, "photo"),
        _many(kept.votes, "vote"),
    ]
    return (
        f"This deletes what I keep of you here: {', '.join(counted)}, your agreements, how much you used, and your name. "
        "What you wait for is cancelled. Pictures that others asked for stay; your characters are not drawn any more."
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
