"""The sweeper: mends what dead processes left behind, rings workers for work that nobody rang for, collects old blobs.

Every bot process runs one; an advisory lock lets one at a time work.
"""

from __future__ import annotations

import asyncio
import logging

from bot.services import Services
from bot.turns import Turns
from storage import forgetting, forms, turns
from storage.blobs import BlobError
from storage.collector import collect
from storage.database import DatabaseUnavailable

log = logging.getLogger(__name__)

COLLECT_SECONDS = 86_400.0


class Sweeper:
    """Sweeps until cancelled."""

    def __init__(self, services: Services, receiving: Turns) -> None:
        self._services = services
        self._turns = receiving
        self._collected = -COLLECT_SECONDS

    async def run(self) -> None:
        """Sweep every `sweep_seconds`, beginning at once."""
        while True:
            try:
                await self.sweep()
            except (DatabaseUnavailable, BlobError) as error:
                log.warning("this sweep was cut short: %s", error)
            except Exception:  # a sweeper that dies leaves turns behind; the next round may well succeed
                log.exception("a sweep failed")
            await asyncio.sleep(self._services.settings.sweep_seconds)

    async def sweep(self) -> None:
        """One round."""
        settings, database, bell = self._services.settings, self._services.database, self._services.bell
        swept = await database.arun(
            turns.sweep,
            strikes=settings.strikes,
            admit_seconds=settings.admit_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
        )
        if swept is None:
            return
        if swept.taken_back or swept.failed:
            log.warning("took back %d turns of lost workers, ended %d", swept.taken_back, swept.failed)
        for engine, count in swept.runnable.items():
            await asyncio.to_thread(bell.ring_until, engine, min(count, swept.live_workers.get(engine, 0)))
        for turn_id in swept.admit:
            try:
                await self._turns.admit(turn_id)
            except DatabaseUnavailable:
                raise
            except Exception:  # one that cannot be admitted must not keep the others waiting
                log.exception("turn %s could not be admitted", turn_id)
        now = asyncio.get_running_loop().time()
        if now - self._collected >= COLLECT_SECONDS:
            self._collected = now
            await database.arun(turns.mend_counts)
            await database.arun(forgetting.finish)
            await database.arun(forms.clear)
            await asyncio.to_thread(collect, database, self._services.blobs, grace_seconds=settings.blob_grace_seconds)
