"""Keys and values of a whole history, from the segments that are there and from the records where one is not.

It knows caches of transformers, segments and records, and no model: how a record is read is told by whoever asks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from worker.engines.contract import Record
from worker.history import History
from worker.history.segments import Pace, Segment, Wanted, next_key

log = logging.getLogger(__name__)

Compute = Callable[[DynamicCache, Sequence[Record]], None]
"""Reads records after what the cache holds, so that it holds them too."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """How much of a history was computed and how much came from segments, in positions; `key` is its last segment's."""

    key: str
    computed: int
    reused: int


def kept(records: Sequence[Record], context: int) -> Sequence[Record]:
    """The records that fit a context of so many positions. The oldest leave in large steps, so that prefixes stay the same
    for long."""
    start, used = 0, 0
    for number, record in enumerate(records):
        used += len(record.token_ids)
        if used > context:
            while used > context // 2 and start < number:
                used -= len(records[start].token_ids)
                start += 1
    return records[start:]


def remember(
    history: History,
    records: Sequence[Record],
    cache: DynamicCache,
    *,
    root: str,
    fingerprint: str,
    pace: Pace,
    compute: Compute,
    device: torch.device | None = None,
    restore: bool = False,
) -> Remembered:
    """Put the records into the cache: restored where that is faster, else computed, neighbours in one go.

    `root` is the key of what the cache holds already. `pace` is that of computing, and what it took is noted there. What was
    computed is kept as segments. `device` is the model's. With `restore`, all that can be is restored, however long that takes.
    """
    parent, keys = root, []
    for record in records:
        parent = next_key(parent, record)
        keys.append(parent)
    found: list[Segment | None] = [None] * len(records)
    if history.segments is not None and records:
        wanted = [
            Wanted(key, len(record.token_ids), history.fetch.get(record.turn_id))
            for key, record in zip(keys, records, strict=True)
        ]
        restored = history.segments.restore(wanted, fingerprint, computing=None if restore else pace.expected)
        found = [
            one if one is not None and one.positions == these.positions else None
            for one, these in zip(restored, wanted, strict=True)
        ]
    computed = reused = number = 0
    while number < len(records):
        stop = number
        while stop < len(records) and (found[stop] is None) == (found[number] is None):
            stop += 1
        run = [segment for segment in found[number:stop] if segment is not None]
        if run:
            append(cache, run, device)
            reused += sum(segment.positions for segment in run)
        else:
            start = cache.get_seq_length()
            began = time.perf_counter()
            compute(cache, records[number:stop])
            count = cache.get_seq_length() - start
            pace.note(time.perf_counter() - began, count)
            if history.segments is not None:
                log.info("%d turns of the history were read anew (%d positions)", stop - number, count)
                for record, key in zip(records[number:stop], keys[number:stop], strict=True):
                    end = start + len(record.token_ids)
                    history.segments.put(Segment(key, fingerprint, *layers(cache, start, end)))
                    start = end
            computed += count
        number = stop
    return Remembered(parent, computed, reused)


def append(cache: DynamicCache, segments: Sequence[Segment], device: torch.device | None = None) -> None:
    """Segments after what the cache holds, layer by layer."""
    for layer in range(len(segments[0].keys)):
        keys = torch.cat([segment.keys[layer] for segment in segments], dim=1)[None]
        values = torch.cat([segment.values[layer] for segment in segments], dim=1)[None]
        cache.update(keys.to(device), values.to(device), layer)


def layers(cache: DynamicCache, start: int, end: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Keys and values of some positions, a layer each, (heads, positions, numbers), in the machine's memory."""
    return (
        tuple(layer.keys[0, :, start:end].cpu().clone() for layer in cache.layers),
        tuple(layer.values[0, :, start:end].cpu().clone() for layer in cache.layers),
    )


def shorten(cache: DynamicCache, length: int) -> None:
    """Drop what the cache holds beyond `length` positions."""
    if cache.get_seq_length() > length:
        cache.crop(length - cache.get_seq_length())
