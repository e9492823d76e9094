"""Parts that several networks share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from aiok_spark.training.worker.sparse import once, sum_by_id

# Whether torch.export follows this very call.  It knows none of the tricks that make training fast.
exporting = getattr(torch.compiler, "is_exporting", lambda: False)  # since torch 2.7


def mlp(width: int, layers: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Linear layers, each with ReLU behind it and dropout if there is any."""
    parts: list[nn.Module] = []
    for size in layers:
        parts += [nn.Linear(width, size), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
        width = size
    return nn.Sequential(*parts)


class Tables(nn.Embedding):
    """Embeddings of all categorical columns in one table, so that a step looks up and updates once.

    The gradient is sparse and coalesced: the rows that a step touched, each once.

    Parameters
    ----------
    sizes : sequence of int
        Ids of each column.
    dim : int
        Length of a vector.
    """

    first: torch.Tensor

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__(sum(sizes), dim, sparse=True)
        starts = list(accumulate(sizes[:-1], initial=0))
        self.register_buffer("first", torch.tensor(starts, dtype=torch.int64), persistent=False)
        with torch.no_grad():  # as in DLRM: the larger a column's table, the smaller its values
            for start, size in zip(starts, sizes, strict=True):
                self.weight[start : start + size].uniform_(-(size**-0.5), size**-0.5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids [rows, columns] to vectors [rows, columns, dim]."""
        places = ids + self.first
        return F.embedding(places, self.weight) if exporting() else _LookUp.apply(self.weight, places)


class _LookUp(torch.autograd.Function):
    """Rows of a table by id.  Its gradient is cheaper to coalesce here, where the ids are, than afterwards."""

    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(ids)
        ctx.shape = table.shape
        return table.index_select(0, ids.view(-1)).view(*ids.shape, table.shape[1])

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (ids,) = ctx.saved_tensors
        return once(*sum_by_id(ids.view(-1), gradient.reshape(-1, ctx.shape[1])), ctx.shape), None
