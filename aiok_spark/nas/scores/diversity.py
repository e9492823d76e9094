"""How full the rank of a transformer's attention is, layer by layer.

Zhou et al.: Training-free Transformer Architecture Search, CVPR 2022, arXiv:2203.12217 (DSS).
"""

from __future__ import annotations

import torch
from torch import nn

from aiok_spark.nas.networks.transformer import Attention
from aiok_spark.nas.scores.gradients import loss
from aiok_spark.nas.worker.probe import Probe


def diversity(probe: Probe) -> float:
    """Sum over attention layers and their weights w of ||dL/dw|| ||w||, both nuclear norms (equation 5).

    L is the loss of labels by chance.  NaN for a network without attention.
    """
    network = probe.network().train()
    layers = [m for m in network.modules() if isinstance(m, (Attention, nn.MultiheadAttention))]
    weights = [w for layer in layers for w in layer.parameters() if w.ndim == 2]
    if not weights:
        return float("nan")
    gradients = torch.autograd.grad(loss(probe, probe.forward(network)), weights)
    return float(sum(_nuclear(g) * _nuclear(w.detach()) for w, g in zip(weights, gradients, strict=True)))


def _nuclear(matrix: torch.Tensor) -> torch.Tensor:
    return torch.linalg.svdvals(matrix).sum()
