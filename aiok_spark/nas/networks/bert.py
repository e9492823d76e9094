"""A transformer encoder over tokens."""

from __future__ import annotations

import torch
from torch import nn

from aiok_spark.models.networks.layers import Tables
from aiok_spark.nas.networks.transformer import Block
from aiok_spark.training.features import FeatureSpec


class Encoder(nn.Module):
    """Ids of tokens, 0 for none, through blocks that are all alike; the mean of the tokens decides.

    Parameters
    ----------
    features : FeatureSpec
        One column of ids.
    outputs : int
        Values for each row.
    layers, width, heads, hidden : int
        Blocks, width of a token, heads of a block, width of its hidden layer.
    headWidth : int
        Of a head.
    dropout : float
        Share of values that a training step leaves out.

    References
    ----------
    Devlin et al.: BERT, arXiv:1810.04805; with the norms before the layers (Xiong et al., arXiv:2002.04745).
    """

    def __init__(
        self,
        features: FeatureSpec,
        outputs: int,
        layers: int,
        width: int,
        heads: int,
        hidden: int,
        headWidth: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        (size,), (length,) = features.sizes, features.lengths
        self.tokens = Tables([size], width)
        self.places = nn.Parameter(torch.randn(1, length, width) * 0.02)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.start = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout))
        self.blocks = nn.ModuleList(Block(width, heads, headWidth, hidden, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, outputs)

    def stages(self) -> list[nn.Module]:
        """The tokens, and each block."""
        return [self.start, *self.blocks]

    def forward(self, categorical: torch.Tensor) -> torch.Tensor:
        """Ids [rows, length] to values [rows, outputs]."""
        there = categorical != 0
        there[:, 0] = True  # so that a row of nothing has something to look at
        x = self.start(self.tokens(categorical) + self.places)
        for block in self.blocks:
            x = block(x, there)
        weight = there.unsqueeze(-1).to(x.dtype)
        return self.last((self.norm(x) * weight).sum(1) / weight.sum(1))
