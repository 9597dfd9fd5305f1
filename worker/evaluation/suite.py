"""`likeness evaluate`: measures an engine, prints figures with their intervals, writes contact sheets and plots."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from storage.settings import settings
from worker.engines.contract import Engine
from worker.engines.preview.engine import PreviewEngine
from worker.evaluation import by_hand, figures, guarding, history, measures, photographs
from worker.evaluation.figures import Figure
from worker.evaluation.measures import Judges, Observed
from worker.evaluation.remembering import LENGTHS, Remembering, remembering
from worker.evaluation.sheets import sheet_of
from worker.identity import drawn
from worker.identity.drawn import AttributeReader, DrawnEmbedding, guard_threshold
from worker.identity.guard import Guard
from worker.identity.meter import Meter

MB = 1e6
HASTY_STEPS = 2


@dataclass(frozen=True, slots=True)
class Size:
    """How much is looked at."""

    families: int  # of four people each, for the judges themselves
    singles: int  # pictures of one round, of each kind
    dialogues: int  # of twelve rounds
    forgetful: int  # dialogues without a history
    late: int  # conversations of fifty turns
    restored: int  # conversations gone on with in another process
    by_hand: int | None  # messages written by hand; all of them where None
    guarded: int  # dialogues with the guard on, and the same with it off
    remembered: tuple[int, ...]  # turns of histories that are restored and computed


SUITES = {
    "quick": Size(
        families=4, singles=3, dialogues=1, forgetful=1, late=0, restored=1, by_hand=3, guarded=0, remembered=(2, 8)
    ),
    "full": Size(
        families=250,
        singles=100,
        dialogues=60,
        forgetful=10,
        late=24,
        restored=5,
        by_hand=None,
        guarded=12,
        remembered=LENGTHS,
    ),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A figure by the name that it has in JSON, what it says, and the bound that it is to keep."""

    name: str
    meaning: str
    figure: Figure
    least: float | None = None
    most: float | None = None

    @property
    def kept(self) -> bool | None:
        """Whether the measured value keeps the bound; None where there is none, or nothing was measured."""
        if math.isnan(self.figure.value) or (self.least is None and self.most is None):
            return None
        return (self.least is None or self.figure.value >= self.least) and (
            self.most is None or self.figure.value <= self.most
        )


def judges(weights: Path = drawn.WEIGHTS) -> Judges:
    """The meter and the reader that judge. Raises `FileNotFoundError`."""
    return Judges(
        DrawnEmbedding.from_pretrained(weights / "meter.safetensors"), AttributeReader.from_pretrained(weights)
    )


def choose_threshold(file: Path, *, weights: Path | None = None, dialogues: int = 20) -> float:
    """Choose the threshold of the guard for the preview engine, and write it to a file."""
    torch.set_num_threads(settings().threads)
    return guarding.chosen_threshold(PreviewEngine.from_pretrained(weights), judges(), file, range(dialogues))


def evaluate(
    size: Size,
    *,
    weights: Path | None = None,
    looks: Judges | None = None,
    out: Path | None = None,
    tell: Callable[[Line], None] = lambda _: None,
) -> list[Line]:
    """Measure the preview engine of the package's weights, or of a folder's.

    `tell` hears each figure as soon as it is measured; `out` gets them likewise, and contact sheets and plots at the end.
    """
    torch.set_num_threads(settings().threads)
    looks = looks or judges()
    engine = PreviewEngine.from_pretrained(weights)
    lines: list[Line] = []
    add = _adder(lines, out, tell)
    pairs = measures.pairs(looks, size.families)
    add(
        Line("meter_auc", "the meter tells people apart", figures.auc(pairs.same, pairs.different), least=0.995),
        Line("ceiling", "similarity of two real pictures of one person", figures.mean(pairs.same)),
        Line("reader_accuracy", "the attribute reader is right", figures.share(_flat(pairs.read)), least=0.98),
    )
    plain = PreviewEngine.from_pretrained(weights, personalized=False)
    ours, theirs = (list(measures.single_rounds(one, looks, size.singles)) for one in (engine, plain))
    add(
        Line(
            "single_round_share",
            "one round: similarity to the reference, as a share of the ceiling",
            figures.ratio(ours, pairs.same),
            least=0.9,
        ),
        Line("plain_share", "the same without reference tokens", figures.ratio(theirs, pairs.same)),
        Line("plain_ratio", "ours : plain", figures.ratio(ours, theirs), least=3.1),
    )
    observed = measures.dialogues(engine, looks, range(size.dialogues))
    add(*_of_dialogues(observed))
    add(Line("seconds_p50", "one turn, in seconds", figures.median(observed.seconds), most=2.0))
    forgetful = measures.dialogues(engine, looks, range(size.forgetful), remember=False)
    later = [right for turn, rights in forgetful.right_person.items() if turn > 0 for right in rights]
    add(Line("without_history", "right person without a history, after round 1", figures.share(later)))
    shown = by_hand.asked_and_shown(engine, looks, size.by_hand)
    add(
        Line(
            "attributes_by_hand",
            "asked for and shown, on messages written by hand",
            figures.share(_flat(shown)),
            least=0.85,
        )
    )
    hasty = PreviewEngine.from_pretrained(weights, steps=HASTY_STEPS)
    late = history.late_turns(engine, hasty, partial(history.drawn_again, looks), size.late)
    add(
        *_of_late(late),
        Line("recall_50_told", "recall_50, of who has the colours that words name", figures.share(late.recalled_told)),
    )
    ways = remembering(hasty, size.remembered)
    again = history.restored(weights, size.restored)
    add(
        Line(
            "restore_choice",
            "the chosen way to have a history at hand over the faster one, at worst",
            figures.largest(ways.choices()),
            most=1.1,
        ),
        Line(
            "restore_max_error",
            "largest difference of visual tokens, restored elsewhere",
            figures.largest(again.visual),
            most=1e-3,
        ),
        Line(
            "restore_max_pixels",
            "largest difference of pixels, of 255, restored elsewhere",
            figures.largest(again.pixels),
            most=1,
        ),
    )
    add(*_of_guard(*guarding.guarded(engine, looks, range(size.guarded), guard_threshold())))
    add(
        Line(
            "rss_mb",
            "largest resident memory of a process that reads and draws, without judges",
            figures.largest(again.resident),
            most=1500,
        )
    )
    if out is not None:
        _write(out, observed, late, ways, {"by hand": shown, "dialogues": observed.asked, "real": pairs.read})
    return lines


def evaluate_photographs(
    engine: Engine,
    meter: Meter,
    size: Size,
    *,
    guard: Guard | None = None,
    out: Path | None = None,
    tell: Callable[[Line], None] = lambda _: None,
) -> list[Line]:
    """Measure any engine on the same dialogues, with a meter of faces; what that cannot see is not measured.

    The figures have the names that they have of the preview engine where they say the same.
    """
    lines: list[Line] = []
    add = _adder(lines, out, tell)
    nothing = figures.share([])
    looked = photographs.dialogues(engine, meter, photographs.seeds(size.dialogues))
    observed = looked.observed
    alone = list(photographs.single_rounds(engine, meter, looked, size.singles))
    add(
        Line(
            "faces_found",
            "pictures in which as many faces are found as people are to be seen",
            figures.share(looked.faces_found),
        ),
        Line("single_round", "one round: similarity to the only picture of somebody", figures.mean(alone)),
        *(Line(name, "needs real pictures of the same people", nothing) for name in ("ceiling", "single_round_share")),
        *_of_dialogues(observed),
        Line("seconds_p50", "one turn, in seconds", figures.median(observed.seconds)),
    )
    forgetful = photographs.dialogues(engine, meter, photographs.seeds(size.forgetful), remember=False).observed
    later = figures.share(_flat(forgetful.right_person))
    add(Line("without_history", "right person without a history, after their first picture", later))
    late = history.late_turns(engine, engine, lambda _, __, talk: photographs.recalled(meter, looked, talk), size.late)
    add(*_of_late(late))
    if guard is not None:
        chosen = photographs.seeds(size.guarded)
        off, on = (photographs.dialogues(engine, meter, chosen, guard=one).observed for one in (None, guard))
        add(*_of_guard(off, on))
    add(
        Line(
            "rss_mb",
            "largest resident memory of this process, the meter included",
            _one(figures.most_memory()),
        ),
        Line(
            "gpu_mb",
            "most memory of the GPU that torch held",
            _one(torch.cuda.max_memory_reserved() / MB if torch.cuda.is_available() else math.nan),
        ),
    )
    if out is not None and observed.pictures:
        sheet_of(observed.pictures[:6]).save(out / "dialogues.jpg", quality=85)
    return lines


def _adder(lines: list[Line], out: Path | None, tell: Callable[[Line], None]) -> Callable[..., None]:
    """Takes figures as they are measured: keeps them, writes all so far, and tells of them."""

    def add(*more: Line) -> None:
        lines.extend(more)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / "figures.json").write_text(to_json(lines) + "\n")
        for one in more:
            tell(one)

    return add


def _of_late(late: history.Late) -> list[Line]:
    last = history.LATE
    return [
        Line("recall_50", f"right person in turn {last}, after turn 1", figures.share(late.recalled), least=0.95),
        Line(
            "turn50_over_turn2",
            f"time to read turn {last} over turn 2",
            figures.ratio(late.read_seconds.get(last, []), late.read_seconds.get(2, [])),
            most=1.1,
        ),
        Line(
            "tokens50_over_tokens2",
            f"positions read in turn {last} over turn 2",
            figures.ratio(late.tokens_read.get(last, []), late.tokens_read.get(2, [])),
            most=1.1,
        ),
    ]


def _of_dialogues(observed: Observed) -> list[Line]:
    first, last = ([pair[end] for pair in observed.drift] for end in (0, 1))
    return [
        Line(
            "right_person_min",
            "right person among 100, in the worst of 12 rounds",
            _worst(observed.right_person),
            least=0.95,
        ),
        Line("right_person", "right person among 100, in all rounds", figures.share(_flat(observed.right_person))),
        Line(
            "right_person_said",
            "the same of real pictures in the colours that words name: more is not said of people",
            figures.share(observed.said),
        ),
        Line(
            "right_told_min",
            "right person among 100, who has the colours that words name if words told of them, in the worst round",
            _worst(observed.right_told),
        ),
        Line("right_told", "the same in all rounds", figures.share(_flat(observed.right_told))),
        Line("right_told_min_said", "right_told_min, of real pictures", _worst(observed.said_told)),
        Line("right_told_said", "right_told, of real pictures", figures.share(_flat(observed.said_told))),
        Line("drift", "similarity in a person's last round over their first", figures.ratio(last, first), least=0.97),
        Line("swap_rate", "two people swapped, merged or one missing", figures.share(observed.together), most=0.03),
        Line("swap_said", "the same of real pictures", figures.share(observed.said_together)),
        Line("rollback", "recalled pictures restored", figures.share(observed.rollback), least=0.95),
        Line("rollback_said", "the same of real pictures", figures.share(observed.said_rollback)),
        Line("attributes", "asked for and shown", figures.share(_flat(observed.asked)), least=0.92),
    ]


def _worst(rounds: dict[int, list[bool]]) -> Figure:
    """The share of the round in which it is smallest."""
    return min(map(figures.share, rounds.values()), key=lambda figure: figure.value, default=figures.share([]))


def _of_guard(off: Observed, on: Observed) -> list[Line]:
    rights = [_flat(one.right_person) for one in (off, on)]
    likenesses = [[value for values in one.similarity.values() for value in values] for one in (off, on)]
    return [
        Line("guard_redrawn", "pictures that the guard has drawn again", figures.share([n > 1 for n in on.drawings])),
        Line(
            "guard_off_right",
            "right person among 100, in the same dialogues without the guard",
            figures.share(rights[0]),
        ),
        Line("guard_on_right", "right person among 100, with the guard", figures.share(rights[1])),
        Line("guard_similarity", "similarity with the guard over without", figures.ratio(likenesses[1], likenesses[0])),
        Line("guard_seconds", "time of a turn with the guard over without", figures.ratio(on.seconds, off.seconds)),
    ]


def _flat(rights: dict[str, list[bool]] | dict[int, list[bool]]) -> list[bool]:
    """All of what was right or not, by name or by round."""
    return [right for some in rights.values() for right in some]


def _one(value: float) -> Figure:
    return Figure(value, value, value, 1)


# -- what is shown ----------------------------------------------------------------------------------------------------


def show(lines: Sequence[Line], console: Console) -> None:
    """Print a table."""
    table = Table("figure", "measured", "95 % interval", "of", "aim", "")
    for line in lines:
        figure = line.figure
        aim = f"≥ {line.least:g}" if line.least is not None else f"≤ {line.most:g}" if line.most is not None else ""
        measured, interval = (
            ("not measured", "")
            if math.isnan(figure.value)
            else (
                f"{figure.value:.3g}",
                f"{figure.low:.3g} – {figure.high:.3g}",
            )
        )
        table.add_row(
            f"{line.name}\n[dim]{line.meaning}[/]",
            measured,
            interval,
            str(figure.count),
            aim,
            {True: "[green]ok[/]", False: "[yellow]short[/]", None: ""}[line.kept],
        )
    console.print(table)


def in_words(line: Line) -> str:
    """A figure in one line, as it is measured."""
    figure = line.figure
    if math.isnan(figure.value):
        return f"{line.name}: not measured"
    return f"{line.name}: {figure.value:.3g} ({figure.low:.3g} – {figure.high:.3g}, of {figure.count})"


def to_json(lines: Sequence[Line]) -> str:
    """One object: each figure by name, null where it was not measured, and `details` with intervals and counts."""
    details = {line.name: _finite(line.figure) for line in lines}
    return json.dumps({**{name: detail["value"] for name, detail in details.items()}, "details": details})


def _finite(figure: Figure) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in asdict(figure).items()}


def _write(
    out: Path,
    observed: Observed,
    late: history.Late,
    ways: Remembering,
    shown: dict[str, dict[str, list[bool]]],
) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    attributes = {
        kind: {name: _finite(figures.share(right)) for name, right in by_name.items()}
        for kind, by_name in shown.items()
    }
    (out / "attributes.json").write_text(json.dumps(attributes, indent=1) + "\n")
    if observed.pictures:
        sheet_of(observed.pictures[:6]).save(out / "dialogues.jpg", quality=85)
    figure, (left, right, third) = plt.subplots(1, 3, figsize=(16, 4.5))
    rounds = sorted(observed.right_person)
    left.plot(
        [turn + 1 for turn in rounds], [figures.share(observed.right_person[turn]).value for turn in rounds], "o-"
    )
    left.set(title="right person among 100", xlabel="round", ylim=(0, 1.02))
    turns = sorted(late.read_seconds)
    right.plot(turns, [figures.median(late.read_seconds[turn]).value for turn in turns], label="with segments")
    anew = sorted(late.read_anew_seconds)
    right.plot(anew, [figures.median(late.read_anew_seconds[turn]).value for turn in anew], label="without")
    right.set(title="time to read a turn", xlabel="turn", ylabel="seconds", ylim=(0, None))
    right.legend()
    third.plot(ways.turns, ways.computed, "k--", label="computed")
    for tier, seconds in ways.restored.items():
        (line,) = third.plot(ways.turns, seconds, "o-", label=f"{tier} (from {ways.break_even(tier) or '–'})")
        third.plot(ways.turns, ways.chosen[tier], "x", color=line.get_color())
    third.set(
        title="a history at hand (×: as chosen; from: break-even)",
        xlabel="turns",
        ylabel="seconds",
        xscale="log",
        yscale="log",
    )
    third.legend(fontsize=8)
    figure.savefig(out / "plots.png", dpi=110, bbox_inches="tight")
    plt.close(figure)
