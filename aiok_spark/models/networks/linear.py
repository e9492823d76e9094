"""A linear function."""

from __future__ import annotations

import torch
from torch import nn

from aiok_spark.training.features import FeatureSpec


class Linear(nn.Module):
    """A weighted sum of the numbers and an intercept; first weights are zero."""

    def __init__(self, features: FeatureSpec) -> None:
        super().__init__()
        self.weights = nn.Linear(features.width, 1)
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)

    def forward(self, dense: torch.Tensor) -> torch.Tensor:
        """Margins [rows, 1]."""
        return self.weights(dense)
