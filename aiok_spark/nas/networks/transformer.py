"""Transformer blocks whose heads, width of a head and hidden layer are free."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Self-attention of ``heads`` heads, each ``headWidth`` wide, whatever the width of the tokens is."""

    def __init__(self, width: int, heads: int, headWidth: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, heads * headWidth) for _ in range(3))
        self.out = nn.Linear(heads * headWidth, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Tokens [rows, n, width] to the same; ``mask`` [rows, n] is true where there is a token."""
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        seen = None if mask is None else mask[:, None, None, :]
        return self.out(F.scaled_dot_product_attention(q, k, v, seen).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and two linear layers, each with a norm before it and a link around it."""

    def __init__(self, width: int, heads: int, headWidth: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.attention = Attention(width, heads, headWidth)
        self.between = nn.LayerNorm(width)
        self.hidden = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Tokens [rows, n, width] to the same."""
        x = x + self.dropout(self.attention(self.before(x), mask))
        return x + self.dropout(self.hidden(self.between(x)))
