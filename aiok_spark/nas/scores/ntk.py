"""How evenly a network can learn from its rows: the condition of its neural tangent kernel.

Chen, Gong, Wang: Neural Architecture Search on ImageNet in Four GPU Hours (TE-NAS), ICLR 2021, arXiv:2102.11535.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from aiok_spark.nas.worker.probe import Probe, kaiming

_SMALL = 1e-12
_ROWS = 32  # at most: the kernel's smallest eigenvalue soon says more about rounding than about the network


def ntk(probe: Probe) -> float:
    """Minus log of the condition number of G G^T, G a row's gradients of its summed outputs by all weights.

    Norms have no statistics of the batch here, so that a row's outputs are its own; then a single pass back gives all
    rows' gradients.  w are those of linear layers and convolutions.
    """
    found = torch.linalg.eigvalsh(kernel(probe))
    return float(-torch.log(found[-1] / found[0])) if found[0] > _SMALL * found[-1] else float("-inf")


def kernel(probe: Probe) -> torch.Tensor:
    """G G^T, [rows, rows], in double precision, of the first 32 rows at most."""
    network = probe.network(kaiming).double().eval()
    inputs = {name: v.double() if v.is_floating_point() else v for name, v in probe.first(_ROWS).items()}
    rows = len(next(iter(inputs.values())))
    total = torch.zeros(rows, rows, dtype=torch.float64)

    def note(module: nn.Module, given: tuple[Any, ...], out: torch.Tensor) -> None:
        values = given[0].detach()
        if out.requires_grad:
            out.register_hook(lambda gradient: add(module, values, gradient))

    def add(module: nn.Module, values: torch.Tensor, gradient: torch.Tensor) -> None:
        each = _gradients(module, values, gradient)
        total.add_(each @ each.T)

    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.register_forward_hook(note)
    probe.forward(network, inputs).sum().backward()
    return total


def _gradients(module: nn.Module, values: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """The gradient of a layer's weight for each row, [rows, weights]."""
    if isinstance(module, nn.Conv2d):
        places = F.unfold(values, module.kernel_size, module.dilation, module.padding, module.stride)  # type: ignore[arg-type]
        if module.groups > 1:
            rows, groups = len(values), module.groups
            each = torch.einsum(
                "ngop,ngip->ngoi",
                gradient.reshape(rows, groups, -1, places.shape[-1]),
                places.reshape(rows, groups, -1, places.shape[-1]),
            )
            return each.flatten(1)
        return torch.bmm(gradient.flatten(2), places.mT).flatten(1)
    rows = len(values)
    inner = values.reshape(rows, -1, values.shape[-1])
    return torch.bmm(gradient.reshape(rows, -1, gradient.shape[-1]).mT, inner).flatten(1)
