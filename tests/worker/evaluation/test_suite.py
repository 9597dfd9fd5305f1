"""The suite as a whole, with the package's weights and as little as possible of everything."""

from __future__ import annotations

import json
import math
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from rich.console import Console

from worker.evaluation import measures
from worker.evaluation.figures import Figure
from worker.evaluation.suite import SUITES, Line, Size, evaluate, show, to_json

KEYS = {
    *(
        "meter_auc",
        "ceiling",
        "single_round_share",
        "plain_ratio",
        "right_person_min",
        "right_person_said",
        "right_told_min",
        "right_told_min_said",
        "drift",
        "recall_50",
        "recall_50_told",
        "swap_rate",
        "swap_said",
    ),
    *(
        "rollback",
        "rollback_said",
        "attributes",
        "attributes_by_hand",
        "without_history",
        "restore_max_error",
        "restore_max_pixels",
        "turn50_over_turn2",
    ),
    *("seconds_p50", "rss_mb"),
}
LITTLE = Size(
    families=2, singles=1, dialogues=1, forgetful=0, late=0, restored=1, by_hand=1, guarded=0, remembered=(1,)
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Line], Path]:
    out = tmp_path_factory.mktemp("evaluation")
    told: list[str] = []

    def tell(line: Line) -> None:
        told.append(line.name)
        assert set(told) <= set(json.loads((out / "figures.json").read_text())), "kept before the rest is measured"

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measures, "GALLERY", 5)  # people to be told apart from; all of them are minutes of drawing
        lines = evaluate(LITTLE, out=out, tell=tell)
    assert told == [line.name for line in lines]
    return lines, out


def test_every_figure_has_its_count_and_its_interval(measured: tuple[list[Line], Path]) -> None:
    told = json.loads(to_json(measured[0]))
    assert set(told) >= KEYS
    assert told["recall_50"] is None, "it was not measured"
    for name, detail in told["details"].items():
        assert told[name] == detail["value"]
        if detail["count"] > 1:
            assert detail["low"] <= detail["value"] <= detail["high"], name


def test_a_history_restored_in_another_process_gives_the_same_picture(measured: tuple[list[Line], Path]) -> None:
    found = {line.name: line.figure.value for line in measured[0]}
    assert found["restore_max_error"] < 1e-3
    assert found["restore_max_pixels"] <= 1


def test_pictures_and_figures_are_written(measured: tuple[list[Line], Path]) -> None:
    written = {file.name for file in measured[1].iterdir()}
    assert {"figures.json", "attributes.json", "dialogues.jpg", "plots.png"} <= written


def test_what_falls_short_is_shown_as_short(capsys: pytest.CaptureFixture[str]) -> None:
    figure = Figure(0.9, 0.8, 1.0, 40)
    lines = [
        Line("good", "kept", figure, least=0.85),
        Line("poor", "not kept", figure, least=0.95),
        Line("unknown", "not measured", Figure(math.nan, math.nan, math.nan, 0), most=1.0),
    ]
    assert [line.kept for line in lines] == [True, False, None]
    show(lines, Console(width=120))
    shown = capsys.readouterr().out
    assert "short" in shown
    assert "not measured" in shown


def test_the_full_suite_looks_at_more_of_everything() -> None:
    def amounts(size: Size) -> list[int]:
        return [len(one) if isinstance(one, tuple) else one for one in astuple(size)]

    quick, full = SUITES["quick"], replace(SUITES["full"], by_hand=1000)
    assert all(more >= less for more, less in zip(amounts(full), amounts(quick), strict=True))
    assert max(full.remembered) > max(quick.remembered)
