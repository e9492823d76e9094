"""A multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from aiok_spark.models.networks.layers import Tables, mlp
from aiok_spark.training.features import FeatureSpec


class MLP(nn.Module):
    """Numbers, and vectors of the ids, through linear layers with ReLU.

    Parameters
    ----------
    features : FeatureSpec
        Columns that it reads.
    outputs : int
        Values for each row.
    hiddenLayers : sequence of int
        Widths of the hidden layers.
    embeddingDim : int
        Length of an id's vector.
    dropout : float
        Share of hidden values that a training step leaves out.
    """

    def __init__(
        self, features: FeatureSpec, outputs: int, hiddenLayers: Sequence[int], embeddingDim: int, dropout: float
    ) -> None:
        super().__init__()
        self.tables = Tables(features.sizes, embeddingDim) if features.categorical else None
        width = features.width + embeddingDim * len(features.categorical)
        self.hidden = mlp(width, hiddenLayers, dropout)
        self.last = nn.Linear([width, *hiddenLayers][-1], outputs)

    def forward(self, dense: torch.Tensor | None = None, categorical: torch.Tensor | None = None) -> torch.Tensor:
        """Values [rows, outputs]."""
        parts = [] if dense is None else [dense]
        if self.tables is not None and categorical is not None:
            parts.append(self.tables(categorical).flatten(1))
        return self.last(self.hidden(torch.cat(parts, 1)))
