"""What benchmarks of a bot on a platform share: an even load, waiting, and replies beside those without the platform.

It knows no platform.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from benchmarks.measures import Bot, Figures
from benchmarks.system import percentile

PATIENCE_SECONDS = 60.0
SETTLE_SECONDS = 0.03  # before each reply: what is left of the one before, noting it above all, is no part of this one
WARM = 20  # replies before those that count


async def comes(condition: Callable[[], object]) -> bool:
    """Wait until a condition holds, or for a minute. Returns whether it does."""
    for _ in range(round(PATIENCE_SECONDS / 0.05)):
        if condition():
            return True
        await asyncio.sleep(0.05)
    return False


async def until(condition: Callable[[], object], what: str) -> None:
    if not await comes(condition):
        raise RuntimeError(f"not within {PATIENCE_SECONDS:.0f} s: {what}")


@contextmanager
def uncollected() -> Iterator[None]:
    """Without full garbage collections of this process: it would stand still for a fifth of a second, and so would its clock."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def at_a_rate(per_second: int, seconds: float, act: Callable[[int], Awaitable[None]]) -> list[float]:
    """Act so often, evenly, each act when it is due or as soon as the one before is done. Returns how late each was, in s."""
    began = time.perf_counter() + 0.1
    late = []
    for number in range(round(per_second * seconds)):
        due = began + number / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        late.append(max(0.0, time.perf_counter() - due))
        await act(number)
    return late


async def beside_bare(
    bare: Bot, reply: Callable[[int], Awaitable[float]], *, threads: int, count: int
) -> tuple[list[float], list[float]]:
    """Seconds of replies on a platform, and in turn with them of the same turns received and delivered without it."""

    async def settled(reply: Callable[[int], Awaitable[float]], number: int) -> float:
        await asyncio.sleep(SETTLE_SECONDS)
        return await reply(number)

    async def without(number: int) -> float:
        start = time.perf_counter()
        receipt = await bare.say(f"turn {number}", f"thread {number % threads}")
        return await bare.watch.wait(receipt.turn_id) - start

    taken = [(await settled(reply, number), await settled(without, number)) for number in range(WARM + count)][WARM:]
    return [one for one, _ in taken], [one for _, one in taken]


def latencies(platform: str, on: list[float], without: list[float]) -> Figures:
    """The figures of such replies; the names of those on a platform begin with its name."""
    return {
        f"{platform}_reply_ms_p50": statistics.median(on) * 1e3,
        f"{platform}_bare_reply_ms_p50": statistics.median(without) * 1e3,
        f"{platform}_reply_ratio_p50": statistics.median(on) / statistics.median(without),
        f"{platform}_reply_ratio_p95": percentile(on, 0.95) / percentile(without, 0.95),
    }
