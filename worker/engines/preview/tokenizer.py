"""The visual tokenizer: the latents of a picture → 16 continuous visual tokens of 64 numbers.

It is trained together with the painter, which has to reconstruct the picture from them. Tokens have mean 0 and variance 1
in each number, so that a mean square error means the same everywhere. It knows nothing of people or of words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.engines.preview.autoencoder import CHANNELS, ResidualBlock

TOKENS_SIDE = 4  # cells to a side of a picture, one visual token each
TOKENS = TOKENS_SIDE**2  # of one picture
WIDTH = 64  # numbers in one visual token


@dataclass(frozen=True)
class TokenizerConfig:
    """Widths of the feature maps at 16 × 16 and below, and transformer layers over the 4 × 4 cells."""

    fine: int = 96
    coarse: int = 160
    layers: int = 2
    heads: int = 5


class VisualTokenizer(nn.Module):
    """Convolutions down to 4 × 4 cells, then attention among the cells, so that no token is bound to its place."""

    def __init__(self, config: TokenizerConfig | None = None) -> None:
        super().__init__()
        config = config or TokenizerConfig()
        fine, coarse = config.fine, config.coarse
        self.cells = nn.Sequential(
            nn.Conv2d(CHANNELS, fine, 3, padding=1),
            ResidualBlock(fine),
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1),
            ResidualBlock(coarse),
            nn.Conv2d(coarse, coarse, 3, stride=2, padding=1),
        )
        self.places = nn.Parameter(torch.randn(TOKENS, coarse) * 0.1)
        layer = nn.TransformerEncoderLayer(
            coarse, config.heads, coarse * 4, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.mix = nn.TransformerEncoder(layer, config.layers, nn.LayerNorm(coarse), enable_nested_tensor=False)
        self.out = nn.Linear(coarse, WIDTH)
        self.normalise = nn.BatchNorm1d(WIDTH, affine=False, momentum=0.01)

    def forward(self, latents: Tensor) -> Tensor:
        """(b, 16, 16, 16) to visual tokens (b, 16, 64), float32."""
        cells = self.cells(latents).flatten(2).transpose(1, 2)
        tokens = self.out(self.mix(cells + self.places)).float()
        normal: Tensor = self.normalise(tokens.flatten(0, 1)).view_as(tokens)
        return normal
