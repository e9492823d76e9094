"""Gradients of tables: ids and rows, each id once and in order."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


def touched(p: nn.Parameter) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids of the rows of a table that a step touched, each once, and the sums of their gradients."""
    if p.grad is None:
        return torch.zeros(0, dtype=torch.int64), p.new_zeros(0, *p.shape[1:])
    grad: Any = p.grad
    return grad.indices()[0], grad.values()


def once(ids: torch.Tensor, rows: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """The sparse gradient of rows whose ids are in order, each once."""
    return torch.sparse_coo_tensor(ids.unsqueeze(0), rows, shape, is_coalesced=True, check_invariants=False)


def coalesced(gradient: torch.Tensor) -> torch.Tensor:
    """A sparse gradient with each row once.

    ``Tables`` makes them so, but torch forgets it on the way to ``grad`` and would sort again.
    """
    if gradient.is_coalesced():
        return gradient
    rows = gradient._indices()[0]
    if bool((rows[1:] <= rows[:-1]).any()):
        return gradient.coalesce()
    return once(rows, gradient._values(), gradient.shape)


def sum_by_id(ids: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The ids in order, each once, and the sum of the rows of each.

    Sorts numbers that hold id and position, which numpy does several times faster than torch sorts with indices.
    """
    bits = len(ids).bit_length()
    key = (ids << bits) | torch.arange(len(ids))
    key.numpy().sort()
    order, key = key & ((1 << bits) - 1), key >> bits
    starts = torch.cat([torch.zeros(min(1, len(key)), dtype=torch.int64), (key[1:] != key[:-1]).nonzero().view(-1) + 1])
    return key[starts], F.embedding_bag(order, rows, starts, mode="sum")
