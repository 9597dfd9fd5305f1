"""Dialogues as sequences for the MLLM, and the mask that its reserved positions need."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from worker.engines.preview.mllm import Special
from worker.engines.preview.tokenizer import TOKENS
from worker.training.dialogues import Said, Seen


@dataclass(frozen=True, slots=True)
class Run:
    """K positions: the tokens of a story's turn as they are given, queries that ask for them, or a reference."""

    turn: int
    asks: bool = False
    refers: Seen | None = None
    attached: bool = False  # given with a message, and not drawn


@dataclass(slots=True)
class Sequence:
    """One dialogue. `runs` says what stands at each [VISUAL] run, in order."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    block: list[int] = field(default_factory=list)  # number of the reserved block that a position is in, or 0
    wanted: list[bool] = field(default_factory=list)  # positions that the text loss teaches
    runs: list[Run] = field(default_factory=list)


def pack(said: list[Said], tokenizer: Tokenizer, *, pictures: bool = True) -> Sequence:
    """A dialogue as one sequence; each picture stands in it twice, as queries after references, and as what they give.

    Without `pictures`, only its words: where somebody would be drawn, nothing is.
    """
    sequence = Sequence()
    place, blocks = 0, 0

    def add(ids: list[int], *, taught: bool = False, block: int = 0, step: bool = True) -> None:
        nonlocal place
        for offset, one in enumerate(ids):
            sequence.ids.append(one)
            sequence.positions.append(place + offset)
            sequence.block.append(block)
            sequence.wanted.append(taught)
        if step:
            place += len(ids)

    run = [int(Special.VISUAL)] * TOKENS
    for one in said:
        add([int(Special.USER)])
        if one.attached_from is not None:
            add([int(Special.PICTURE), *run])
            sequence.runs.append(Run(one.attached_from, attached=True))
        add(tokenizer.encode(one.message).ids)
        add([int(Special.BOT)])
        add(tokenizer.encode(one.reply).ids, taught=True)
        if one.turn is None:
            add([int(Special.END)], taught=True)
            continue
        add([int(Special.IMAGE)], taught=True)
        if not pictures:
            add([int(Special.END)])
            continue
        blocks += 1
        reserved = [*(Run(seen.turn, refers=seen) for seen in one.seen), Run(one.turn, asks=True)]
        add(run * len(reserved), block=blocks, step=False)
        sequence.runs += reserved
        add(run)
        sequence.runs.append(Run(one.turn))
        add([int(Special.END)])
    return sequence


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences side by side, padded: ids, positions (b, n), mask (b, 1, n, n), and where everything is."""

    ids: Tensor
    positions: Tensor
    mask: Tensor
    queries: Tensor  # (b, n) True at reserved positions that ask
    references: Tensor  # (b, n) True at reserved positions that show somebody
    drawn: Tensor  # (b, n) True at the tokens of pictures that were drawn before
    targets: Tensor  # (b, n) next token, or -100
    runs: list[list[Run]]


def collate(sequences: list[Sequence]) -> Batch:
    """Pad to the longest."""
    length = max(len(sequence.ids) for sequence in sequences)
    count = len(sequences)
    ids = np.zeros((count, length), np.int64)
    positions = np.zeros((count, length), np.int64)
    block = np.zeros((count, length), np.int64)
    targets = np.full((count, length), -100, np.int64)
    queries, references, drawn = np.zeros((3, count, length), bool)
    for row, sequence in enumerate(sequences):
        size = len(sequence.ids)
        ids[row, :size], positions[row, :size] = sequence.ids, sequence.positions
        block[row, :size] = sequence.block
        wanted = np.asarray(sequence.wanted)
        visual = np.flatnonzero(ids[row] == Special.VISUAL).reshape(-1, TOKENS)
        for run, places in zip(sequence.runs, visual, strict=True):
            queries[row, places], references[row, places] = run.asks, run.refers is not None
            drawn[row, places] = not (run.asks or run.refers or run.attached)
        targets[row, : size - 1][wanted[1:]] = ids[row, 1:size][wanted[1:]]
    blocks = torch.from_numpy(block)
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    same = blocks[:, :, None] == blocks[:, None, :]
    seen_is_reserved = (blocks > 0)[:, None, :]
    mask = (causal & ~seen_is_reserved) | (seen_is_reserved & same)
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(positions),
        mask[:, None],
        torch.from_numpy(queries),
        torch.from_numpy(references),
        torch.from_numpy(drawn),
        torch.from_numpy(targets),
        [sequence.runs for sequence in sequences],
    )
