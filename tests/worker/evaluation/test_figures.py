"""Figures and their intervals."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from worker.evaluation.figures import auc, mean, median, most_memory, ratio, share


def test_the_interval_of_a_share_is_that_of_wilson() -> None:
    figure = share([True] * 8 + [False] * 2)
    assert (figure.value, figure.count) == (0.8, 10)
    assert figure.low == pytest.approx(0.490, abs=1e-3)
    assert figure.high == pytest.approx(0.943, abs=1e-3)
    assert share([True] * 5).high == 1.0


def test_intervals_hold_what_they_claim() -> None:
    rng = np.random.default_rng(0)
    held = sum(1 for _ in range(300) if (figure := mean(rng.normal(3.0, 1.0, 40).tolist())).low <= 3.0 <= figure.high)
    assert 270 <= held <= 297


def test_more_observations_narrow_the_interval() -> None:
    few, many = (ratio(np.linspace(1, 3, n).tolist(), np.linspace(2, 6, n).tolist()) for n in (10, 200))
    assert few.value == pytest.approx(0.5)
    assert many.high - many.low < few.high - few.low
    assert median(list(range(101))).value == 50


def test_the_area_under_the_curve_counts_pairs_in_order() -> None:
    assert auc([0.9, 0.8], [0.1, 0.2]).value == 1.0
    assert auc([0.1, 0.9], [0.5, 0.5]).value == 0.5
    assert auc([0.5], [0.5]).value == 0.5


def test_of_nothing_there_is_no_figure() -> None:
    assert all(
        math.isnan(figure.value) for figure in (share([]), mean([]), median([]), ratio([], [1.0]), auc([], [1.0]))
    )


def test_memory_is_that_of_the_process_itself_and_not_of_who_started_it() -> None:
    held = np.ones(40_000_000)
    code = "from worker.evaluation.figures import most_memory; print(most_memory())"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert most_memory() > held.nbytes / 1e6
    assert 10 < float(asked.stdout) < held.nbytes / 1e6
