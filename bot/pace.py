"""How fast requests may be made of a platform that counts them. It knows nothing of what the requests are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

BURST = 5  # requests that may go at once after a pause


class Throttle:
    """Lets so many requests a second through, in the order in which they come (Turner's leaky bucket, 1986)."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic, burst: int = BURST) -> None:
        self._interval = 1 / rate
        self._clock = clock
        self._burst = burst
        self._full_at = 0.0  # when what was let through will have run out

    def delay(self) -> float:
        """Seconds until the next request may go, which is counted with this call."""
        now = self._clock()
        self._full_at = max(self._full_at, now) + self._interval
        return max(0.0, self._full_at - now - self._burst * self._interval)

    def waiting(self) -> float:
        """How many requests have gone or wait of which nothing has run out yet."""
        return round(max(0.0, self._full_at - self._clock()) / self._interval, 6)

    async def turn(self) -> None:
        """Wait for it."""
        if (seconds := self.delay()) > 0:
            await asyncio.sleep(seconds)
