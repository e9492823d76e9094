"""A vision transformer whose layers may differ."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from aiok_spark.nas.networks.images import Pixels
from aiok_spark.nas.networks.transformer import Block
from aiok_spark.training.features import FeatureSpec


class VisionTransformer(nn.Module):
    """Patches of an image as tokens.

    Parameters
    ----------
    features : FeatureSpec
        Pixels as numbers.
    outputs : int
        Values for each row.
    layers : sequence of (int, int)
        Heads and hidden width of each block.
    width : int
        Of a token.
    headWidth : int
        Of a head.
    patch : int
        Pixels of a patch's side.
    imageShape : sequence of int
        Channels, height and width.
    dropout : float
        Share of values that a training step leaves out.

    References
    ----------
    Dosovitskiy et al.: An Image is Worth 16x16 Words, arXiv:2010.11929.
    """

    def __init__(
        self,
        features: FeatureSpec,
        outputs: int,
        layers: Sequence[Sequence[int]],
        width: int,
        headWidth: int,
        patch: int,
        imageShape: Sequence[int],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels, height, across = imageShape
        self.pixels = Pixels(imageShape)
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, (height // patch) * (across // patch) + 1, width) * 0.02)
        self.start = nn.Identity()
        self.blocks = nn.ModuleList(Block(width, heads, headWidth, hidden, dropout) for heads, hidden in layers)
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, outputs)

    def stages(self) -> list[nn.Module]:
        """The tokens, and each block."""
        return [self.start, *self.blocks]

    def forward(self, dense: torch.Tensor) -> torch.Tensor:
        """Pixels [rows, channels * height * width] to values [rows, outputs]."""
        tokens = self.patches(self.pixels(dense)).flatten(2).transpose(1, 2)
        x = self.start(torch.cat([self.first.expand(len(tokens), -1, -1), tokens], 1) + self.places)
        for block in self.blocks:
            x = block(x)
        return self.last(self.norm(x)[:, 0])
