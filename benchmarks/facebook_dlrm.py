"""The peer of DLRM: the network and the step of facebookresearch/dlrm (``dlrm_s_pytorch.py``, MIT), eager, float32.

One ``EmbeddingBag`` with sparse gradients for each column, indices of pairs made anew in each pass, plain SGD.  Other
than there, the loss is taken of logits, which costs the peer no more.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]  # numbers, offsets and ids by column, label


class FacebookDLRM(nn.Module):
    """As ``DLRM_Net``, with the same first weights; draws them from NumPy's global generator, as it does."""

    def __init__(self, sizes: list[int], dim: int, bottom: list[int], top: list[int]) -> None:
        super().__init__()
        vectors = len(sizes) + 1
        self.emb_l = nn.ModuleList(_table(size, dim) for size in sizes)
        self.bot_l = _mlp([*bottom, dim], last_relu=True)
        self.top_l = _mlp([dim + vectors * (vectors - 1) // 2, *top, 1], last_relu=False)
        self.loss_fn = nn.BCEWithLogitsLoss()

    def forward(self, dense: torch.Tensor, offsets: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Logits [rows, 1]."""
        x = self.bot_l(dense)
        ly = [table(i, o) for table, i, o in zip(self.emb_l, indices, offsets, strict=True)]
        return self.top_l(_interact(x, ly))


def facebook_batch(dense: torch.Tensor, ids: torch.Tensor, label: torch.Tensor) -> Batch:
    """What its data loader gives: ids by column, each row a bag of one id."""
    return dense, torch.arange(len(ids)).repeat(ids.shape[1], 1), ids.t().contiguous(), label.view(-1, 1)


def facebook_step(model: FacebookDLRM, optimizer: torch.optim.Optimizer, batch: Batch) -> torch.Tensor:
    """One step, as its loop does it; gives the loss."""
    dense, offsets, indices, label = batch
    loss = model.loss_fn(model(dense, offsets, indices), label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def _interact(x: torch.Tensor, ly: list[torch.Tensor]) -> torch.Tensor:
    """``interact_features`` with op "dot"."""
    batch, d = x.shape
    vectors = torch.cat([x, *ly], dim=1).view((batch, -1, d))
    products = torch.bmm(vectors, torch.transpose(vectors, 1, 2))
    _, ni, nj = products.shape
    li = torch.tensor([i for i in range(ni) for j in range(i)])
    lj = torch.tensor([j for i in range(nj) for j in range(i)])
    return torch.cat([x, products[:, li, lj]], dim=1)


def _table(size: int, dim: int) -> nn.EmbeddingBag:
    made = nn.EmbeddingBag(size, dim, mode="sum", sparse=True)
    limit = np.sqrt(1 / size)
    made.weight.data = torch.tensor(np.random.uniform(-limit, limit, (size, dim)).astype(np.float32))
    return made


def _mlp(widths: list[int], last_relu: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (n, m) in enumerate(pairwise(widths)):
        linear = nn.Linear(n, m)
        linear.weight.data = torch.tensor(np.random.normal(0, np.sqrt(2 / (m + n)), (m, n)).astype(np.float32))
        linear.bias.data = torch.tensor(np.random.normal(0, np.sqrt(1 / m), m).astype(np.float32))
        layers.append(linear)
        if last_relu or i < len(widths) - 2:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)
