"""Scores of one gradient: of a loss, or of the flow of positive weights.

Abdelfattah, Mehrotra, Dudziak, Lane: Zero-Cost Proxies for Lightweight NAS, ICLR 2021, arXiv:2101.08134, brought them
from pruning to whole networks.  w are the matrices of linear layers, convolutions and tables, biases and norms are not.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F

from aiok_spark.nas.worker.probe import Probe
from aiok_spark.training.task import BINARY, MULTICLASS

Pair = tuple[torch.Tensor, torch.Tensor]  # a weight, and its gradient


def grad_norm(probe: Probe) -> float:
    """Sum over layers of ||dL/dw||, L the loss of labels by chance."""
    return float(sum(gradient.norm() for _, gradient in _of_loss(probe)))


def snip(probe: Probe) -> float:
    """Sum of |w dL/dw|, L the loss of labels by chance (Lee, Ajanthan, Torr, ICLR 2019, arXiv:1810.02340)."""
    return float(sum((weight * gradient).abs().sum() for weight, gradient in _of_loss(probe)))


def synflow(probe: Probe) -> float:
    """Sum of w dR/dw, R the summed output for inputs of 1 by a network of |w| (Tanaka et al., arXiv:2006.05467).

    In double precision, norms left out, so that it grows with the number of paths.
    """
    return float(sum((weight * gradient).sum() for weight, gradient in of_flow(probe)))


def log_synflow(probe: Probe) -> float:
    """Sum of w log(|dR/dw| + 1), which no longer explodes (Cavagnero et al.: FreeREA, WACV 2023, arXiv:2207.05135)."""
    return float(sum((weight * gradient.abs().log1p()).sum() for weight, gradient in of_flow(probe)))


def _of_loss(probe: Probe) -> Iterator[Pair]:
    network = probe.network().train()
    return _pairs(network, loss(probe, probe.forward(network)))


def loss(probe: Probe, values: torch.Tensor) -> torch.Tensor:
    """Mean loss of values for labels by chance."""
    chance, kind = probe.random("labels"), probe.task.kind
    if kind == MULTICLASS:
        return F.cross_entropy(values, torch.randint(values.shape[1], (len(values),), generator=chance))
    if kind == BINARY:
        labels = torch.randint(2, (len(values),), generator=chance).to(values.dtype)
        return F.binary_cross_entropy_with_logits(values.flatten(), labels)
    return F.mse_loss(values.flatten(), torch.randn(len(values), generator=chance))


def of_flow(probe: Probe) -> Iterator[Pair]:
    """Weights and their gradients as SynFlow takes them."""
    network = probe.network().double().eval()
    for module in list(network.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)):
                setattr(module, name, nn.Identity())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    ones = {name: torch.ones_like(v).double() if v.is_floating_point() else v for name, v in probe.inputs.items()}
    return _pairs(network, probe.forward(network, {name: values[:1] for name, values in ones.items()}).sum())


def _pairs(network: nn.Module, value: torch.Tensor) -> Iterator[Pair]:
    weights = [p for p in network.parameters() if p.ndim > 1]
    for weight, gradient in zip(weights, torch.autograd.grad(value, weights, allow_unused=True), strict=True):
        if gradient is not None:  # a layer that no way leads through counts nothing
            yield weight.detach(), gradient.to_dense() if gradient.is_sparse else gradient
