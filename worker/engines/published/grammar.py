"""Holds what an MLLM writes to a JSON schema, token by token, so that nothing else can be written.

It knows llguidance and token ids, and not what the schema is about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from llguidance import LLMatcher, LLTokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast

Schema = Mapping[str, object]


class Grammar:
    """The tokens of one tokenizer, prepared once: that takes about a second for a vocabulary of real size."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, vocabulary: int) -> None:
        """`vocabulary` is the width of the model's logits, which may be more than the tokenizer has tokens."""
        from llguidance.hf import from_tokenizer

        self._tokens: LLTokenizer = from_tokenizer(tokenizer, n_vocab=max(vocabulary, len(tokenizer)))
        self._vocabulary = vocabulary

    def start(self, schema: Schema) -> Held:
        """What is about to be written. Raises `ValueError` for a schema that llguidance cannot hold anybody to."""
        grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults={"whitespace_flexible": False})
        matcher = LLMatcher(self._tokens, grammar)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return Held(matcher, self._tokens, self._vocabulary)


class Held:
    """One JSON value as far as it is written. `ids` are its tokens."""

    def __init__(self, matcher: LLMatcher, tokens: LLTokenizer, vocabulary: int) -> None:
        self._matcher = matcher
        self._tokens = tokens
        self._vocabulary = vocabulary
        self.ids: list[int] = []

    @property
    def ended(self) -> bool:
        """Whether the value is whole: nothing may follow."""
        return bool(self._matcher.is_stopped())

    @property
    def text(self) -> str:
        """What is written so far; a letter whose bytes are not all there is left out."""
        return bytes(self._tokens.decode_bytes(self.ids)).decode("utf-8", "ignore")

    def allowed(self) -> NDArray[np.bool_]:
        """Which tokens may come next, (vocabulary,)."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        return np.unpackbits(bits, count=self._vocabulary, bitorder="little").astype(bool, copy=False)

    def forced(self) -> list[int]:
        """Take the tokens to which there is no other choice, such as the name of the next field, and return them."""
        tokens = list(self._matcher.compute_ff_tokens())
        self.take(tokens)
        return tokens

    def take(self, tokens: Sequence[int]) -> None:
        """These come next. Raises `ValueError` for one that is not allowed."""
        if tokens and not self._matcher.consume_tokens(list(tokens)):
            raise ValueError(self._matcher.get_error())
        self.ids += tokens
