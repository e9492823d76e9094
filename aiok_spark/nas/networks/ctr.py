"""Networks for clicks: tables of any widths, several ways for their vectors to meet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from aiok_spark.models.networks.dlrm import pair_products
from aiok_spark.models.networks.layers import Tables, mlp
from aiok_spark.training.features import FeatureSpec

INTERACTIONS = ("none", "dot", "fm", "cross")


class ClickNetwork(nn.Module):
    """Ids to vectors, numbers through the bottom layers; both meet, and go through the top layers.

    Parameters
    ----------
    features : FeatureSpec
        Columns that it reads; numbers may be absent.
    outputs : int
        Values for each row.
    dims : sequence of int
        Length of the vectors of each column of ids.
    interaction : str
        What the top layers read beside all vectors side by side: "none", "fm" (the sum of all products of two vectors,
        number by number, as in NFM and DeepFM), "cross" (``cross`` layers of DCN-V2 before them), or, in place of the
        vectors, "dot" (dot products of all pairs, as in DLRM).
    common : int
        Length that vectors are brought to where they meet ("dot", "fm"), as in mixed dimension embeddings.
    cross : int
        Layers of "cross".
    bottomLayers, topLayers : sequence of int
        Widths of the hidden layers.
    dropout : float
        Share of hidden values of the top layers that a training step leaves out.

    References
    ----------
    Naumov et al. (DLRM), arXiv:1906.00091; He, Chua (NFM), arXiv:1708.05027; Guo et al. (DeepFM), arXiv:1703.04247;
    Wang et al. (DCN-V2), arXiv:2008.13535; Ginart et al. (mixed dimensions), arXiv:1909.11810.
    """

    def __init__(
        self,
        features: FeatureSpec,
        outputs: int,
        dims: Sequence[int],
        interaction: str,
        bottomLayers: Sequence[int],
        topLayers: Sequence[int],
        common: int = 0,
        cross: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.interaction = interaction
        self.columns = [[i for i, own in enumerate(dims) if own == dim] for dim in sorted(set(dims))]
        self.tables = nn.ModuleList(
            Tables([features.sizes[i] for i in columns], dims[columns[0]]) for columns in self.columns
        )
        meet = interaction in ("dot", "fm")
        self.alike = nn.ModuleList(
            nn.Identity() if dims[columns[0]] == common else nn.Linear(dims[columns[0]], common, bias=False)
            for columns in (self.columns if meet else ())
        )
        bottom = [*bottomLayers, common] if meet else [*bottomLayers]
        self.bottom = mlp(features.width, bottom) if features.dense else None
        below = [features.width, *bottom][-1] if features.dense else 0
        vectors = len(dims) + bool(features.dense)
        beside = {"dot": vectors * (vectors - 1) // 2, "fm": sum(dims) + common}.get(interaction, sum(dims))
        width = below + beside
        self.crossed = nn.ModuleList(nn.Linear(width, width) for _ in range(cross))
        self.joined = nn.Identity()
        self.top = nn.ModuleList(
            mlp(before, [behind], dropout) for before, behind in zip([width, *topLayers], topLayers, strict=False)
        )
        self.last = nn.Linear([width, *topLayers][-1], outputs)

    def stages(self) -> list[nn.Module]:
        """What the top layers read, and each of them."""
        return [self.joined, *self.top]

    def forward(self, categorical: torch.Tensor, dense: torch.Tensor | None = None) -> torch.Tensor:
        """Values [rows, outputs]."""
        below = None if self.bottom is None or dense is None else self.bottom(dense)
        found = [table(categorical[:, columns]) for table, columns in zip(self.tables, self.columns, strict=True)]
        parts = [] if below is None else [below]
        if self.interaction != "dot":
            parts += [vectors.flatten(1) for vectors in found]
        if self.alike:
            alike = [same(vectors) for same, vectors in zip(self.alike, found, strict=True)]
            together = torch.cat(([] if below is None else [below.unsqueeze(1)]) + alike, 1)
            parts.append(pair_products(together) if self.interaction == "dot" else pooled(together))
        x = first = torch.cat(parts, 1)
        for layer in self.crossed:
            x = first * layer(x) + x
        x = self.joined(x)
        for layer in self.top:
            x = layer(x)
        return self.last(x)


def pooled(vectors: torch.Tensor) -> torch.Tensor:
    """Sum of the products of all pairs of vectors, number by number: [rows, n, dim] to [rows, dim]."""
    return (vectors.sum(1).square() - vectors.square().sum(1)) / 2
