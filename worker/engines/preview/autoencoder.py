"""The autoencoder: a picture of 256 × 256 pixels ↔ latents of 16 × 16 × 16.

Convolutional, so it is trained on crops and used on whole pictures. Pixels enter by a 4 × 4 space-to-depth and leave by its
inverse, so no layer works at full resolution. Latents have mean 0 and variance 1 in each channel, by a normalisation
without parameters, and noise is added to them in training, so that the painter's small errors stay small in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

CHANNELS = 16  # of the latents
STRIDE = 16  # pixels to a side of one latent


@dataclass(frozen=True)
class AutoencoderConfig:
    """Widths of the feature maps at strides 4, 8 and 16, and residual blocks at each."""

    encoder: tuple[int, int, int] = (48, 96, 160)
    decoder: tuple[int, int, int] = (64, 128, 192)
    encoder_blocks: tuple[int, int, int] = (1, 1, 2)
    decoder_blocks: tuple[int, int, int] = (2, 2, 2)
    noise: float = 0.1


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """(b, width, h, w) to the same."""
        inner = self.first(nn.functional.silu(self.norm(features)))
        change: Tensor = self.second(nn.functional.silu(inner))
        return features + change


class Autoencoder(nn.Module):
    """Encoder and decoder."""

    def __init__(self, config: AutoencoderConfig | None = None) -> None:
        super().__init__()
        config = config or AutoencoderConfig()
        self.noise = config.noise
        fine, middle, coarse = config.encoder
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, fine, 3, padding=1),
            *(ResidualBlock(fine) for _ in range(config.encoder_blocks[0])),
            nn.Conv2d(fine, middle, 3, stride=2, padding=1),
            *(ResidualBlock(middle) for _ in range(config.encoder_blocks[1])),
            nn.Conv2d(middle, coarse, 3, stride=2, padding=1),
            *(ResidualBlock(coarse) for _ in range(config.encoder_blocks[2])),
            nn.GroupNorm(8, coarse),
            nn.SiLU(),
            nn.Conv2d(coarse, CHANNELS, 3, padding=1),
        )
        self.normalise = nn.BatchNorm2d(CHANNELS, affine=False, momentum=0.01)
        fine, middle, coarse = config.decoder
        self.decoder = nn.Sequential(
            nn.Conv2d(CHANNELS, coarse, 3, padding=1),
            *(ResidualBlock(coarse) for _ in range(config.decoder_blocks[2])),
            nn.Conv2d(coarse, middle * 4, 1),
            nn.PixelShuffle(2),
            *(ResidualBlock(middle) for _ in range(config.decoder_blocks[1])),
            nn.Conv2d(middle, fine * 4, 1),
            nn.PixelShuffle(2),
            *(ResidualBlock(fine) for _ in range(config.decoder_blocks[0])),
            nn.GroupNorm(8, fine),
            nn.SiLU(),
            nn.Conv2d(fine, 48, 3, padding=1),
            nn.PixelShuffle(4),
        )

    def encode(self, pictures: Tensor) -> Tensor:
        """(b, 3, h, w) in -1..1 to latents (b, 16, h / 16, w / 16)."""
        latents: Tensor = self.normalise(self.encoder(pictures).float())
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to pictures; values may leave -1..1 a little."""
        pictures: Tensor = self.decoder(latents)
        return pictures

    def forward(self, pictures: Tensor) -> Tensor:
        """The pictures after encoding and decoding, with noise on the latents in training."""
        latents = self.encode(pictures)
        if self.training:
            latents = latents + self.noise * torch.randn_like(latents)
        return self.decode(latents)


def to_tensor(pictures: Tensor) -> Tensor:
    """Bytes (b, h, w, 3) to (b, 3, h, w) in -1..1."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1.0


def to_bytes(pictures: Tensor) -> Tensor:
    """(b, 3, h, w) in -1..1 to bytes (b, h, w, 3)."""
    return ((pictures.float().clamp(-1, 1) + 1.0) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
