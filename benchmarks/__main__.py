"""`make bench`: measures everything, prints it beside its targets, and writes benchmarks/results.json."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import gpu_engines, measures, on_discord, on_slack
from benchmarks.measures import Figures
from benchmarks.system import System, stack_with_commit_times, system

RESULTS = Path(__file__).parent / "results.json"
TARGETS: dict[str, tuple[str, float]] = {
    "overhead_ratio_p50": ("≤", 2.0),
    "overhead_ratio_p95": ("≤", 4.0),
    "commits_per_turn": ("≤", 5.0),
    "turns_per_s": ("≥", 100.0),
    "turns_out_of_order": ("≤", 0.0),
    "flood_ratio": ("≤", 2.0),
    "claim_growth": ("≤", 1.5),
    "preview_seconds_p50": ("≤", 2.5),
    "mention_ms_p99": ("≤", 250.0),
    "mentions_lost": ("≤", 0.0),
    "interaction_ms_p99": ("≤", 250.0),
    "interactions_lost": ("≤", 0.0),
    "discord_reply_ratio_p50": ("≤", 1.3),
    "slack_ack_ms_p99": ("≤", 250.0),
    "slack_events_lost": ("≤", 0.0),
    "slack_reply_ratio_p50": ("≤", 1.3),
    "discord_rss_mb": ("≤", 180.0),
    "discord_ready_s": ("≤", 3.0),
    **gpu_engines.TARGETS,
}


def benchmarks(*, quick: bool) -> dict[str, tuple[str, Callable[[System], Figures]]]:
    """Name, engine and function of each."""
    return {
        "overhead": ("echo", partial(measures.overhead, count=60 if quick else 300)),
        "throughput": ("echo", partial(measures.throughput, count=400 if quick else 2000)),
        "flood": ("echo", partial(measures.flood, count=200 if quick else 1000)),
        "claim": ("echo", partial(measures.claim_growth, large=100_000 if quick else 1_000_000)),
        "preview": ("preview", partial(measures.preview, count=6 if quick else 20)),
        "memory": ("echo", measures.bot_memory),
        "mentions": ("echo", partial(on_discord.mentions, seconds=10 if quick else 60)),
        "interactions": ("echo", partial(on_discord.interactions, seconds=10 if quick else 60)),
        "discord-reply": ("echo", partial(on_discord.reply_latency, count=60 if quick else 300)),
        "slack-events": ("echo", partial(on_slack.acknowledgements, seconds=10 if quick else 60)),
        "slack-reply": ("echo", partial(on_slack.reply_latency, count=60 if quick else 300)),
        "discord-guilds": ("echo", partial(on_discord.many_guilds, guilds=1000)),
        "gpu-engines": ("echo", partial(gpu_engines.measure, quick=quick)),
    }


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", help="one benchmark; may be given several times")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions; not for quoting")
    given = parser.parse_args()
    chosen = benchmarks(quick=given.quick)
    unknown = set(given.only or ()) - set(chosen)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(chosen)}")
    figures: Figures = {}
    console = Console()
    with tempfile.TemporaryDirectory() as folder, stack_with_commit_times(Path(folder)) as stack:
        for name, (engine, measure) in chosen.items():
            if given.only and name not in given.only:
                continue
            with console.status(f"measuring {name} …"), system(stack, f"bench-{name}", engine) as target:
                figures |= measure(target)
    console.print(table(figures))
    RESULTS.write_text(json.dumps({"cores": os.cpu_count(), "quick": given.quick, **figures}, indent=1) + "\n")


def table(figures: Figures) -> Table:
    """Figures beside their targets."""
    table = Table("figure", "measured", "target", "")
    for name, value in figures.items():
        shown = "none" if value is None else f"{value:,.2f}"
        sign, target = TARGETS.get(name, ("", None))
        if target is None or value is None:
            table.add_row(name, shown, "", "")
        else:
            good = value <= target if sign == "≤" else value >= target
            table.add_row(name, shown, f"{sign} {target:g}", "ok" if good else "short")
    return table


if __name__ == "__main__":
    main()
