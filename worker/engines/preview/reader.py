"""The reader of the preview engine: reads a conversation with the MLLM, writes a reply, regresses the next picture.

What it computed for a turn stays as a segment, so that the next turn reads only itself. It knows token ids, visual tokens
and segments; whom names mean is the engine's business.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers.cache_utils import DynamicCache

from worker.engines.contract import Record
from worker.engines.preview.mllm import MLLM, Special
from worker.engines.preview.references import Reference
from worker.engines.preview.replies import UNCLEAR
from worker.engines.preview.tokenizer import TOKENS, WIDTH
from worker.history.remembering import kept, layers, remember, shorten
from worker.history.segments import Pace, Segment, next_key, root_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from worker.history import History

log = logging.getLogger(__name__)

CONTEXT = 720  # positions of history; training saw dialogues of about that length
LONGEST_MESSAGE = 160  # tokens
LONGEST_REPLY = 120
TEMPERATURE = 0.5
NEARLY = 0.7  # of the likeliest token's weight, after the temperature

Refer = Callable[[str], "tuple[Reference, ...]"]
"""References of the known people whom a reply shows."""

Correct = Callable[[str], str | None]
"""Corrects the reply that the MLLM wrote, before anything is drawn from it. None: it cannot be, another one is wanted."""


@dataclass(frozen=True, slots=True)
class Read:
    """A turn as it was read. `picture` (K, WIDTH) is None where nothing is to be drawn."""

    reply: str
    token_ids: NDArray[np.int32]
    visual_tokens: NDArray[np.float32]
    picture: NDArray[np.float32] | None
    references: tuple[Reference, ...]  # that it was regressed after
    keys: tuple[Tensor, ...]  # of this turn's positions, a layer each, (heads, positions, numbers)
    values: tuple[Tensor, ...]
    parent_key: str
    cut: bool  # whether the message was too long to be read whole
    tokens_read: int
    tokens_reused: int


class Reader:
    """Reads in float32. One conversation at a time."""

    def __init__(self, mllm: MLLM, text: Tokenizer, fingerprint: str) -> None:
        self._mllm = mllm.eval()
        self._text = text
        self._fingerprint = fingerprint
        self._pace = Pace(self._read_made_up)
        self._computed = 0  # positions, ever

    def ids_of(
        self, message: str, pictures: int, reply: str | None = None, *, drawn: bool = False
    ) -> tuple[list[int], bool]:
        """Positions of a turn as far as it is given, and whether the message had to be cut."""
        words = self._text.encode(message).ids
        run = [int(Special.VISUAL)] * TOKENS
        ids = [int(Special.USER)]
        for _ in range(pictures):
            ids += [int(Special.PICTURE), *run]
        ids += [*words[:LONGEST_MESSAGE], int(Special.BOT)]
        if reply is not None:
            ids += self._text.encode(reply).ids
            ids += [int(Special.IMAGE), *run, int(Special.END)] if drawn else [int(Special.END)]
        return ids, len(words) > LONGEST_MESSAGE

    def kept(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records that fit the context."""
        return kept(records, CONTEXT)

    @torch.inference_mode()
    def read(
        self,
        history: History,
        records: Sequence[Record],
        message: str,
        pictures: Sequence[NDArray[np.float32]],
        correct: Correct,
        refer: Refer,
        *,
        seed: int = 0,
        reply: str | None = None,
    ) -> Read:
        """Read a message after `records`, all of this engine. `pictures` (K, WIDTH) come with the message.

        `seed` chooses among words that are nearly as likely. `reply` is given where there is nothing to decide; then
        nothing is drawn.
        """
        before = self._computed
        cache, parent, _, reused = self.remember(history, records)
        past = cache.get_seq_length()
        ids, cut = self.ids_of(message, len(pictures))
        given = np.concatenate(pictures) if pictures else np.zeros((0, WIDTH), np.float32)
        hidden = self._feed(cache, ids, given)
        if reply is None:
            generator = torch.Generator().manual_seed(seed % 2**63)
            written, draws = self._write(cache, hidden[-1], generator)
            reply = self._text.decode(written)
            corrected = correct(reply)
            if corrected is None:
                log.info("another reply is wanted than %r", reply)
                shorten(cache, past + len(ids))
                written, draws = self._write(cache, hidden[-1], generator, instead_of=written[0])
                reply = self._text.decode(written)
                corrected = correct(reply)
            if corrected is None:
                corrected, draws = UNCLEAR, False
            if corrected != reply:
                reply, written = corrected, self._text.encode(corrected).ids
                shorten(cache, past + len(ids))
                self._feed(cache, written, given[:0])
        else:
            written, draws = self._text.encode(reply).ids, False
            self._feed(cache, written, given[:0])
        ids += written
        picture, references = None, tuple[Reference, ...]()
        if draws:
            self._feed(cache, [int(Special.IMAGE)], given[:0])
            references = refer(reply)
            picture = self._regress(cache, references)
            end = [*[int(Special.VISUAL)] * TOKENS, int(Special.END)]
            self._feed(cache, end, picture)
            ids += [int(Special.IMAGE), *end]
            given = np.concatenate([given, picture])
        else:
            self._feed(cache, [int(Special.END)], given[:0])
            ids.append(int(Special.END))
        keys, values = layers(cache, past, past + len(ids))
        return Read(
            reply.strip(),
            np.array(ids, np.int32),
            given,
            picture,
            references,
            keys,
            values,
            parent,
            cut,
            self._computed - before,
            reused,
        )

    @torch.inference_mode()
    def likeliest(self, told: Sequence[tuple[str, str]], message: str, answers: Sequence[str]) -> int:
        """Which of some answers to a message is the likeliest after messages and replies, with their pictures left out."""
        ids: list[int] = []
        for before, reply in told:
            ids += [*self.ids_of(before, 0, reply)[0][:-1], int(Special.IMAGE), int(Special.END)]
        written = [self._text.encode(answer).ids for answer in answers]
        same = takewhile(lambda some: len(set(some)) == 1, zip(*written, strict=False))
        begun = [first for first, *_ in same]  # as likely in each
        cache = DynamicCache(config=self._mllm.llama.config)
        last = self._feed(cache, [*ids, *self.ids_of(message, 0)[0], *begun], np.zeros((0, WIDTH), np.float32))[-1]
        possible = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(one[len(begun) :], dtype=torch.long) for one in written], batch_first=True
        )
        self._computed += possible.numel()
        if not possible.numel():
            return 0  # there is one only
        start = cache.get_seq_length()
        cache.batch_repeat_interleave(len(answers))
        positions = torch.arange(start, start + possible.shape[1]).expand_as(possible)
        hidden = self._mllm(self._mllm.embed(possible, torch.zeros(0, WIDTH)), positions, cache=cache)
        hidden = torch.cat([last.expand(len(answers), 1, -1), hidden[:, :-1]], dim=1)
        likely = self._mllm.text_logits(hidden).log_softmax(dim=-1).gather(2, possible[..., None])[..., 0]
        return int((likely * (possible != Special.PAD)).sum(dim=1).argmax())

    def segment(self, read: Read, record: Record) -> Segment:
        """The segment that spares reading this turn again."""
        return Segment(next_key(read.parent_key, record), self._fingerprint, read.keys, read.values)

    @torch.inference_mode()
    def remember(
        self, history: History, records: Sequence[Record], *, restore: bool = False
    ) -> tuple[DynamicCache, str, int, int]:
        """Keys and values of the records: restored where that is faster, else computed in one go.

        With `restore`, all that can be is restored, however long that takes. Returns the cache, the key of the last segment,
        and how many positions were computed and reused.
        """
        cache = DynamicCache(config=self._mllm.llama.config)
        remembered = remember(
            history,
            records,
            cache,
            root=root_key(self._fingerprint, history.workspace_salt),
            fingerprint=self._fingerprint,
            pace=self._pace,
            compute=self._recompute,
            restore=restore,
        )
        return cache, remembered.key, remembered.computed, remembered.reused

    def _recompute(self, cache: DynamicCache, records: Sequence[Record]) -> None:
        ids = [int(one) for record in records for one in record.token_ids]
        self._feed(cache, ids, np.concatenate([record.visual_tokens for record in records]))

    def _read_made_up(self, positions: int) -> None:
        """Read a history of so many positions that nobody had, to know how long it takes."""
        cache = DynamicCache(config=self._mllm.llama.config)
        self._feed(cache, [int(Special.PAD)] * positions, np.zeros((0, WIDTH), np.float32))
        self._computed -= positions  # which were of no turn

    def _feed(self, cache: DynamicCache, ids: Sequence[int], visual: NDArray[np.float32]) -> Tensor:
        """Read positions after what the cache holds. Their hidden states, (n, width)."""
        start = cache.get_seq_length()
        self._computed += len(ids)
        embedded = self._mllm.embed(torch.tensor([ids]), torch.from_numpy(np.ascontiguousarray(visual)))
        positions = torch.arange(start, start + len(ids))[None]
        hidden: Tensor = self._mllm(embedded, positions, cache=cache)[0]
        return hidden

    def _write(
        self, cache: DynamicCache, last: Tensor, generator: torch.Generator, instead_of: int | None = None
    ) -> tuple[list[int], bool]:
        """The reply, one likely token after the other, and whether a picture is to follow.

        `instead_of` is a token that it must not begin with. One that comes to no end gives way to an honest sentence.
        """
        written: list[int] = []
        start = cache.get_seq_length()
        while len(written) < LONGEST_REPLY:
            logits = self._mllm.text_logits(last)
            if not written and instead_of is not None:
                logits[instead_of] = -torch.inf
            if len(written) > 1 and written[-1] == written[-2]:  # a small model may run into a loop; words never do
                logits[written[-1]] = -torch.inf
            chosen = _chosen(logits, generator)
            if chosen in {Special.IMAGE, Special.END}:
                return written, chosen == Special.IMAGE
            if chosen < len(Special):
                break
            written.append(chosen)
            last = self._feed(cache, [chosen], np.zeros((0, WIDTH), np.float32))[-1]
        log.warning("the reply did not end: %r", self._text.decode(written))
        instead = self._text.encode(UNCLEAR).ids
        shorten(cache, start)
        self._feed(cache, instead, np.zeros((0, WIDTH), np.float32))
        return instead, False

    def _regress(self, cache: DynamicCache, references: Sequence[Reference]) -> NDArray[np.float32]:
        """Visual tokens (K, WIDTH) of the next picture; the reserved positions leave no trace in the cache."""
        start = cache.get_seq_length()
        reserved: Tensor = self._mllm.queries
        if references:
            shown = self._mllm.refer(
                torch.from_numpy(np.stack([one.visual for one in references])),
                torch.tensor([one.stands for one in references]),
                torch.tensor([one.stood for one in references]),
            )
            reserved = torch.cat([shown, reserved])
        self._computed += len(reserved)
        positions = torch.arange(start, start + len(reserved))[None]
        everything = torch.ones(1, 1, len(reserved), start + len(reserved), dtype=torch.bool)
        hidden = self._mllm(reserved[None], positions, everything, cache)[:, -TOKENS:]
        shorten(cache, start)
        regressed: NDArray[np.float32] = self._mllm.regress(hidden)[0].numpy()
        return regressed


def _chosen(logits: Tensor, generator: torch.Generator) -> int:
    """A token that is nearly as likely as the likeliest: what a message says leaves one, what it leaves open several."""
    likely = torch.softmax(logits.float() / TEMPERATURE, dim=-1)
    likely[likely < NEARLY * likely.max()] = 0
    return int(torch.multinomial(likely, 1, generator=generator))
