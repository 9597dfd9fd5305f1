"""The reader: a small multi-modal language model, causal over text and visual tokens, on transformers' Llama.

One turn is a run of positions:

    [USER] message [BOT] reply [IMAGE] v₁ … v_K [END]          a turn with a picture
    [USER] message [BOT] reply [END]                            a turn without one

A reference picture is [PICTURE] v₁ … v_K inside the message. The next picture is regressed at reserved positions after
[IMAGE]: first the visual tokens of the known people whom the reply names, as an earlier picture shows them, then K learned
queries. They see everything before them and each other, and are seen by nothing. What the queries give goes into the
history in their place, through the input projection. It knows tokens; who is meant by them is the engine's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaModel
from transformers.cache_utils import DynamicCache

from worker.engines.preview.tokenizer import TOKENS, WIDTH


class Special(IntEnum):
    """Ids of the tokens that are no text; they come first in the vocabulary."""

    PAD = 0
    USER = 1
    BOT = 2
    IMAGE = 3
    END = 4
    PICTURE = 5
    VISUAL = 6  # stands in the ids wherever a visual token is


SPECIALS = [f"<|{one.name.lower()}|>" for one in Special]


@dataclass(frozen=True)
class MLLMConfig:
    """Sizes of the language model."""

    vocabulary: int = 1536
    width: int = 256
    layers: int = 6
    heads: int = 4
    key_value_heads: int = 2
    feed_forward: int = 576
    positions: int = 8192


class MLLM(nn.Module):
    """Embeddings of text and visual tokens, the Llama, a head for text and a head for visual tokens."""

    def __init__(self, config: MLLMConfig | None = None) -> None:
        super().__init__()
        self.config = config or MLLMConfig()
        self.llama = LlamaModel(
            LlamaConfig(
                vocab_size=self.config.vocabulary,
                hidden_size=self.config.width,
                intermediate_size=self.config.feed_forward,
                num_hidden_layers=self.config.layers,
                num_attention_heads=self.config.heads,
                num_key_value_heads=self.config.key_value_heads,
                max_position_embeddings=self.config.positions,
                pad_token_id=int(Special.PAD),
                attn_implementation="sdpa",
                rope_theta=10_000.0,
            )
        )
        width = self.config.width
        self.enter = nn.Linear(WIDTH, width)
        self.queries = nn.Parameter(torch.randn(TOKENS, width) * 0.02)
        self.stands = nn.Embedding(3, width)  # where a known person stands in the picture to be
        self.stood = nn.Embedding(3, width)  # and in the reference
        self.regress = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, WIDTH))

    def embed(self, ids: Tensor, visual: Tensor) -> Tensor:
        """Ids (n,) or (b, n) with [VISUAL] where `visual` (m, WIDTH) goes, in order; embeddings (…, n, width)."""
        embedded: Tensor = self.llama.embed_tokens(ids)
        here = ids == Special.VISUAL
        if here.any():
            embedded = embedded.clone()
            embedded[here] = self.enter(visual).to(embedded.dtype)
        return embedded

    def refer(self, visual: Tensor, stands: Tensor, stood: Tensor) -> Tensor:
        """References (m, K, WIDTH) of people with where they stand and stood (m,), to embeddings (m · K, width)."""
        shown: Tensor = self.enter(visual) + (self.stands(stands) + self.stood(stood))[:, None]
        return shown.flatten(0, 1)

    def text_logits(self, hidden: Tensor) -> Tensor:
        """Hidden states (…, width) to logits over the vocabulary."""
        return nn.functional.linear(hidden, self.llama.embed_tokens.weight)

    def forward(
        self, embedded: Tensor, positions: Tensor, mask: Tensor | None = None, cache: DynamicCache | None = None
    ) -> Tensor:
        """Hidden states (b, n, width). `mask` (b, 1, n, past + n) is True where a position may look; None is causal."""
        hidden: Tensor = self.llama(
            inputs_embeds=embedded,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state
        return hidden


def load_text_tokenizer(file: Path) -> Tokenizer:
    """The tokenizer of text. Byte-level, so that any text has tokens."""
    return Tokenizer.from_file(str(file))
