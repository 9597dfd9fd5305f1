"""Figures with their counts and 95 % intervals."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Z = 1.96


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value, how many observations it is of, and its 95 % interval."""

    value: float
    low: float
    high: float
    count: int


def most_memory() -> float:
    """The largest resident memory of this process so far, in MB.

    Not `getrusage`: a process that another one started begins there with the memory of that one.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found is not None else math.nan


def share(hits: Sequence[bool]) -> Figure:
    """The share of hits, with the interval of Wilson (1927). NaN of nothing."""
    count = len(hits)
    if not count:
        return Figure(math.nan, math.nan, math.nan, 0)
    part = sum(hits) / count
    middle = (part + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * math.sqrt(part * (1 - part) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    return Figure(part, max(0.0, middle - half), min(1.0, middle + half), count)


def mean(values: Sequence[float]) -> Figure:
    """The mean, with the interval of the normal approximation. NaN of nothing."""
    if not values:
        return Figure(math.nan, math.nan, math.nan, 0)
    middle = float(np.mean(values))
    half = Z * float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return Figure(middle, middle - half, middle + half, len(values))


def ratio(above: Sequence[float], below: Sequence[float], draws: int = 1000) -> Figure:
    """The mean of the one over the mean of the other, with the interval of the bootstrap. NaN of nothing."""
    if not above or not below:
        return Figure(math.nan, math.nan, math.nan, 0)
    rng = np.random.default_rng(0)
    top, bottom = np.asarray(above), np.asarray(below)
    drawn = [
        rng.choice(top, len(top)).mean() / max(float(rng.choice(bottom, len(bottom)).mean()), 1e-9)
        for _ in range(draws)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Figure(float(top.mean() / max(float(bottom.mean()), 1e-9)), float(low), float(high), len(above))


def median(values: Sequence[float]) -> Figure:
    """The median, with the interval of its order statistics. NaN of nothing."""
    count = len(values)
    if not count:
        return Figure(math.nan, math.nan, math.nan, 0)
    ordered = sorted(values)
    half = Z * math.sqrt(count) / 2
    low, high = max(0, math.floor(count / 2 - half)), min(count - 1, math.ceil(count / 2 + half))
    return Figure(float(np.median(ordered)), ordered[low], ordered[high], count)


def largest(values: Sequence[float]) -> Figure:
    """The largest, without an interval. NaN of nothing."""
    top = max(values, default=math.nan)
    return Figure(top, top, top, len(values))


def auc(positive: Sequence[float], negative: Sequence[float]) -> Figure:
    """The chance that a positive is above a negative, with the interval of Hanley and McNeil (1982)."""
    if not positive or not negative:
        return Figure(math.nan, math.nan, math.nan, 0)
    every = np.concatenate([positive, negative])
    order = np.argsort(every, kind="stable")
    ranks = np.empty(len(every))
    ranks[order] = np.arange(1, len(every) + 1)
    for value in np.unique(every[np.isin(every, positive) & np.isin(every, negative)]):
        ranks[every == value] = ranks[every == value].mean()
    n, m = len(positive), len(negative)
    area = (ranks[:n].sum() - n * (n + 1) / 2) / (n * m)
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (area * (1 - area) + (n - 1) * (first - area**2) + (m - 1) * (second - area**2)) / (n * m)
    half = Z * math.sqrt(max(spread, 0.0))
    return Figure(float(area), max(0.0, float(area) - half), min(1.0, float(area) + half), n + m)
