"""What it takes to have a long history at hand: restored from each tier, computed in one go, and as the worker chooses."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from uuid import UUID

from worker.engines.contract import Record
from worker.engines.preview.engine import PreviewEngine
from worker.evaluation.talk import Talk
from worker.history import History
from worker.history.segments import Fetch, SegmentStore, next_key, root_key
from worker.training.dialogues import PLACE_WORDS

LENGTHS = (1, 2, 4, 8, 16, 32, 50)  # turns
LATENCIES = (0, 10, 40)  # milliseconds until the blob store answers
REPEATS = 31
SALT = UUID(int=0)


@dataclass
class Remembering:
    """Seconds to have histories of so many turns at hand, by way; `chosen` by the way that would restore them."""

    turns: tuple[int, ...]
    computed: list[float] = field(default_factory=list)
    restored: dict[str, list[float]] = field(default_factory=dict)
    chosen: dict[str, list[float]] = field(default_factory=dict)

    def choices(self) -> list[float]:
        """The chosen way over the faster one, for each tier and length."""
        return [
            chosen / min(restored, computed)
            for tier, times in self.chosen.items()
            for chosen, restored, computed in zip(times, self.restored[tier], self.computed, strict=True)
        ]

    def break_even(self, tier: str) -> int | None:
        """The fewest of the measured turns from which on restoring is never slower than computing."""
        faster = [restored <= computed for restored, computed in zip(self.restored[tier], self.computed, strict=True)]
        return next((turns for number, turns in enumerate(self.turns) if all(faster[number:])), None)


def remembering(engine: PreviewEngine, lengths: Sequence[int] = LENGTHS) -> Remembering:
    """Measure one conversation of `engine`, also beyond what its context keeps.

    The blob store is a folder that answers each request after so many milliseconds. Lengths and ways come in any order, as in
    serving, so that a choice rests on what histories of other lengths took, too, and on nothing that it did not choose itself;
    and so that none always follows on a wait, after which computing is slower. The first time of each is not counted.
    """
    rng = random.Random("lengths")
    times: dict[tuple[str, str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records, fetch = _conversation(engine, max(lengths), folder)
        tiers = [  # memory takes up what it is to have the first time
            _Tier("memory", partial(SegmentStore, memory_bytes=2**30), fetch),
            _Tier("disk", partial(SegmentStore, memory_bytes=0, disk_folder=folder, disk_bytes=2**30), {}),
            *(
                _Tier(
                    f"blobs, {one} ms",
                    partial(SegmentStore, memory_bytes=0),
                    {turn: partial(_slowly, get, one / 1000) for turn, get in fetch.items()},
                )
                for one in LATENCIES
            ),
        ]

        ways = {("computed", ""): History((), SALT)}
        for one in tiers:
            ways |= {(way, one.name): History((), SALT, one.store(), one.fetch) for way in ("restored", "chosen")}
        for _ in range(REPEATS + 1):
            for length in rng.sample(lengths, len(lengths)):
                some = records[:length]
                for (way, tier), history in rng.sample(list(ways.items()), len(ways)):
                    began = time.perf_counter()
                    engine.reader.remember(replace(history, records=tuple(some)), some, restore=way == "restored")
                    times.setdefault((way, tier, length), []).append(time.perf_counter() - began)

    def medians(way: str, tier: str) -> list[float]:
        return [median(times[way, tier, length][1:]) for length in lengths]

    names = [tier.name for tier in tiers]
    return Remembering(
        tuple(lengths),
        medians("computed", ""),
        {name: medians("restored", name) for name in names},
        {name: medians("chosen", name) for name in names},
    )


@dataclass(frozen=True, slots=True)
class _Tier:
    """Where segments lie: what makes a store, and what gets them from the blob store."""

    name: str
    store: Callable[[], SegmentStore]
    fetch: Mapping[UUID, Fetch]


def _conversation(engine: PreviewEngine, turns: int, folder: Path) -> tuple[list[Record], Mapping[UUID, Fetch]]:
    """A conversation of so many turns whose segments lie in the folder, and what gets them from there."""
    rng = random.Random("remembering")
    talk = Talk(engine, segments=SegmentStore(memory_bytes=2**30))
    while len(talk.rounds) < turns:
        where = PLACE_WORDS[rng.choice(list(PLACE_WORDS))][0]
        talk.say(f"Olivia {where}" if talk.rounds else "Olivia, red curly hair and round glasses")
    records = list(talk.records())
    kept = SegmentStore(memory_bytes=0, disk_folder=folder, disk_bytes=2**30)
    engine.reader.remember(History(tuple(records), SALT, kept), records)
    fetch: dict[UUID, Fetch] = {}
    key = root_key(engine.fingerprint, SALT)
    for record in records:
        key = next_key(key, record)
        fetch[record.turn_id] = (folder / f"{key}.safetensors").read_bytes
    return records, fetch


def _slowly(get: Fetch, seconds: float) -> bytes:
    time.sleep(seconds)
    return get()
