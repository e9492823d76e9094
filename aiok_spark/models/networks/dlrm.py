"""The deep learning recommendation model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from aiok_spark.models.networks.layers import Tables, exporting, mlp
from aiok_spark.training.features import FeatureSpec

_SLICE = 256  # rows at a time, so that the products of all pairs stay in the processor's caches


class DLRM(nn.Module):
    """Numbers through the bottom layers, ids to vectors; dot products of all pairs through the top layers.

    Parameters
    ----------
    features : FeatureSpec
        Columns that it reads; numbers may be absent.
    embeddingDim : int
        Length of the vectors.
    bottomLayers, topLayers : sequence of int
        Widths of the hidden layers; behind the bottom ones comes one of ``embeddingDim``, behind the top ones one
        of 1.

    References
    ----------
    Naumov et al.: Deep Learning Recommendation Model for Personalization and Recommendation Systems,
    arXiv:1906.00091.  First weights as in its reference implementation, github.com/facebookresearch/dlrm.
    """

    def __init__(
        self, features: FeatureSpec, embeddingDim: int, bottomLayers: Sequence[int], topLayers: Sequence[int]
    ) -> None:
        super().__init__()
        self.tables = Tables(features.sizes, embeddingDim)
        self.bottom = mlp(features.width, [*bottomLayers, embeddingDim]) if features.dense else None
        vectors = len(features.categorical) + bool(features.dense)
        width = vectors * (vectors - 1) // 2 + (embeddingDim if features.dense else 0)
        self.top = mlp(width, topLayers)
        self.last = nn.Linear([width, *topLayers][-1], 1)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):  # the reference implementation's; torch's own learn slower here
                nn.init.xavier_normal_(layer.weight)
                nn.init.normal_(layer.bias, std=layer.out_features**-0.5)

    def forward(self, categorical: torch.Tensor, dense: torch.Tensor | None = None) -> torch.Tensor:
        """Logits [rows, 1]."""
        vectors = self.tables(categorical)
        if self.bottom is None or dense is None:
            return self.last(self.top(pair_products(vectors)))
        below = self.bottom(dense)
        pairs = pair_products(torch.cat([below.unsqueeze(1), vectors], 1))
        return self.last(self.top(torch.cat([below, pairs], 1)))


def pair_products(vectors: torch.Tensor) -> torch.Tensor:
    """Dot products of all pairs of a row's vectors: [rows, n, dim] to [rows, n (n - 1) / 2]."""
    if exporting():
        n = vectors.shape[1]
        i, j = torch.tril_indices(n, n, -1)
        return (vectors @ vectors.mT).flatten(1).index_select(1, i * n + j)
    return _PairProducts.apply(vectors)


class _PairProducts(torch.autograd.Function):
    """In slices, and with one matrix product each way: the gradient's matrix is symmetric."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx: Any, vectors: torch.Tensor) -> torch.Tensor:
        rows, n, _ = vectors.shape
        ctx.save_for_backward(vectors)
        cells, _ = _places(n)
        out = vectors.new_empty(rows, len(cells))
        for part, made in zip(vectors.split(_SLICE), out.split(_SLICE), strict=True):
            torch.index_select(torch.bmm(part, part.mT).view(-1, n * n), 1, cells, out=made)
        return out

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (vectors,) = ctx.saved_tensors
        rows, n, _ = vectors.shape
        cells, places = _places(n)
        pairs = len(cells)
        out = torch.empty_like(vectors)
        padded = gradient.new_zeros(min(rows, _SLICE), pairs + 1)  # the last column is the diagonal's
        for part, given, made in zip(vectors.split(_SLICE), gradient.split(_SLICE), out.split(_SLICE), strict=True):
            padded[: len(given), :pairs] = given
            symmetric = padded[: len(given)].index_select(1, places).view(-1, n, n)
            torch.bmm(symmetric, part, out=made)
        return out


@lru_cache
def _places(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The pairs' cells in a matrix [n, n]; and for each cell of the symmetric matrix, which pair is its value.

    The diagonal has none, which is the number of pairs.
    """
    i, j = torch.tril_indices(n, n, -1)
    places = torch.full((n, n), len(i))
    places[i, j] = places[j, i] = torch.arange(len(i))
    return i * n + j, places.view(-1)
