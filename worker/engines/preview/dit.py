"""The painter: a diffusion transformer (DiT) that leads from noise, or a noisy sketch, to a picture's latents.

Its sequence is the 64 patches of the latents, the 16 visual tokens of the picture to be, and for each character in it the
16 visual tokens of a reference; the patches of a sketch, where there is one, are added to those of the latents. It knows
nothing of words: the MLLM has put them into visual tokens.

Sources: Peebles and Xie, "Scalable Diffusion Models with Transformers" (adaLN); Chen et al., "PixArt-α" (one adaLN for all
blocks); Lipman et al., "Flow Matching for Generative Modeling"; Meng et al., "SDEdit" (from a sketch with noise on it); Albergo
et al., "Stochastic interpolants with data-dependent couplings" (the flow leads from there to the picture).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn

from worker.engines.preview.autoencoder import CHANNELS
from worker.engines.preview.tokenizer import TOKENS, TOKENS_SIDE, WIDTH

LATENT_SIDE = 16
PATCH = 2
_SIDE = LATENT_SIDE // PATCH
_CELL = _SIDE // TOKENS_SIDE  # patches to a side of what one visual token covers
_TIMES = 32  # numbers that are enough to say what a time changes in all blocks
TAUGHT = 0.2  # the part of noise on a sketch from which the DiT learns to paint
BEGIN = 0.1  # the same where it paints: it mends the ground, and leaves people nearer to their sketch


@dataclass(frozen=True)
class DiTConfig:
    """Width of the stream, blocks, attention heads, width within a perceptron."""

    width: int = 320
    blocks: int = 6
    heads: int = 5
    feed_forward: int = 1216


class Block(nn.Module):
    """Attention and a perceptron, both shifted, scaled and gated by the time."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv = nn.Linear(width, width * 3)
        self.query_norm = nn.RMSNorm(width // config.heads, eps=1e-6)
        self.key_norm = nn.RMSNorm(width // config.heads, eps=1e-6)
        self.mixed = nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, config.feed_forward),
            nn.GELU(approximate="tanh"),
            nn.Linear(config.feed_forward, width),
        )
        self.table = nn.Parameter(torch.zeros(6, width))

    def forward(self, stream: Tensor, time: Tensor) -> Tensor:
        """`stream` (b, n, width), `time` (b, 6, width)."""
        shift, scale, gate, shift2, scale2, gate2 = (time + self.table).unsqueeze(2).unbind(1)
        batch, length, width = stream.shape
        query, key, value = (
            self.qkv(self.norm(stream) * (1 + scale) + shift)
            .view(batch, length, 3, self.heads, width // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        query, key = self.query_norm(query).to(value.dtype), self.key_norm(key).to(value.dtype)
        seen = _attend(query, key, value)
        stream = stream + gate * self.mixed(seen.transpose(1, 2).reshape(batch, length, width))
        inner: Tensor = self.perceptron(self.norm(stream) * (1 + scale2) + shift2)
        return stream + gate2 * inner


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Scaled dot-product attention (b, heads, n, d), as two products: on a CPU torch's own takes five times as long to train."""
    shape = query.shape
    query, key, value = (one.flatten(0, 1) for one in (query, key, value))
    weights = (torch.bmm(query, key.transpose(1, 2)) * shape[-1] ** -0.5).softmax(-1)
    return torch.bmm(weights, value).view(shape)


class DiT(nn.Module):
    """Predicts the velocity from a picture to where it begins."""

    def __init__(self, config: DiTConfig | None = None) -> None:
        super().__init__()
        config = config or DiTConfig()
        width = config.width
        self.patches = nn.Linear(CHANNELS * PATCH * PATCH, width)
        self.visual = nn.Linear(WIDTH, width)
        self.spread = nn.Linear(WIDTH, width * _CELL * _CELL)
        self.sketch = nn.Linear(CHANNELS * PATCH * PATCH, width)
        self.reference = nn.Linear(WIDTH, width)
        self.patch_places = nn.Parameter(torch.randn(_SIDE * _SIDE, width) * 0.02)
        self.visual_places = nn.Parameter(torch.randn(TOKENS, width) * 0.02)
        self.reference_places = nn.Parameter(torch.randn(TOKENS, width) * 0.02)
        self.stands = nn.Embedding(3, width)  # where the character stands in the picture to be
        self.stood = nn.Embedding(3, width)  # and in the reference
        self.time = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, _TIMES), nn.Linear(_TIMES, width * 6)
        )
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.out = nn.Linear(width, CHANNELS * PATCH * PATCH)
        self.width = width
        nn.init.zeros_(self.spread.weight)
        nn.init.zeros_(self.spread.bias)
        nn.init.zeros_(self.sketch.weight)
        nn.init.zeros_(self.sketch.bias)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self,
        latents: Tensor,
        sigma: Tensor,
        visual: Tensor,
        references: Tensor | None = None,
        stands: Tensor | None = None,
        stood: Tensor | None = None,
        sketch: Tensor | None = None,
    ) -> Tensor:
        """Velocity (b, 16, 16, 16), float32.

        `latents` (b, 16, 16, 16) on the way, `sigma` (b,) from 0, the picture, to 1, noise, or to TAUGHT, a sketch with noise
        on it, `visual` (b, 16, 64). `references` (b, people, 16, 64) with `stands` and `stood`, (b, people) of ALONE, LEFT,
        RIGHT; without them, nobody's. `sketch` (b, 16, 16, 16), latents; without it, the visual tokens alone say what is to be
        seen.
        """
        batch = latents.shape[0]
        drawn = self.patches(_patches(latents)) + self.patch_places + self._spread(visual)
        if sketch is not None:
            drawn = drawn + self.sketch(_patches(sketch))
        parts = [drawn, self.visual(visual) + self.visual_places]
        if references is not None and stands is not None and stood is not None:
            who = (self.stands(stands) + self.stood(stood)).unsqueeze(2)
            parts.append((self.reference(references) + self.reference_places + who).flatten(1, 2))
        stream = torch.cat(parts, dim=1)
        time = self.time(_waves(sigma, self.width)).view(batch, 6, self.width)
        for block in self.blocks:
            stream = block(stream, time)
        velocity = self.out(self.norm(stream[:, : _SIDE * _SIDE])).float()
        return nn.functional.pixel_shuffle(velocity.transpose(1, 2).reshape(batch, -1, _SIDE, _SIDE), PATCH)

    def _spread(self, visual: Tensor) -> Tensor:
        """What each visual token says to the patches of its own cell, (b, 64, width)."""
        cells = self.spread(visual).transpose(1, 2).reshape(visual.shape[0], -1, TOKENS_SIDE, TOKENS_SIDE)
        return nn.functional.pixel_shuffle(cells, _CELL).flatten(2).transpose(1, 2)


def _patches(latents: Tensor) -> Tensor:
    """(b, 16, 16, 16) to (b, 64, 64): patches, row by row."""
    return nn.functional.pixel_unshuffle(latents, PATCH).flatten(2).transpose(1, 2)


def _waves(sigma: Tensor, width: int) -> Tensor:
    """Sines and cosines of sigma, (b, width)."""
    angles = sigma[:, None] * 1000 * torch.exp(-math.log(10_000) * torch.arange(width // 2) / (width // 2))
    return torch.cat([angles.sin(), angles.cos()], dim=1)


OnEstimate = Callable[[int, int, Tensor], None]
"""Called after each step with its number from 1, the count of steps, and the estimate of the clean latents."""


def beginning(sketch: Tensor | None, noise: Tensor, part: float) -> tuple[float, Tensor]:
    """The part of noise that a picture begins from, and its latents there (b, 16, 16, 16): noise, or a sketch with some on it."""
    return (1.0, noise) if sketch is None else (part, (1 - part) * sketch + part * noise)


def sample(
    model: DiT,
    visual: Tensor,
    *,
    sketch: Tensor | None = None,
    steps: int,
    generator: torch.Generator,
    on_estimate: OnEstimate | None = None,
    **references: Tensor,
) -> Tensor:
    """Draw latents (b, 16, 16, 16) for visual tokens (b, 16, 64). Equal generators give equal latents.

    It begins from noise alone, or from a `sketch` (b, 16, 16, 16) with some noise on it. `references` are what the model is
    told of them.
    """
    noise = torch.randn((visual.shape[0], CHANNELS, LATENT_SIDE, LATENT_SIDE), generator=generator)
    begin, latents = beginning(sketch, noise, BEGIN)
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[begin * (1 - step / steps) for step in range(steps)])
    sigmas = scheduler.sigmas
    for number, timestep in enumerate(scheduler.timesteps):
        sigma = sigmas[number]
        with torch.inference_mode():
            velocity = model(latents, sigma.expand(visual.shape[0]), visual, **references, sketch=sketch)
        if on_estimate is not None:
            on_estimate(number + 1, steps, latents - sigma * velocity)
        latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
    return latents
