"""How differently rows switch a network's activations on and off.

Mellor, Turner, Storkey, Crowley: Neural Architecture Search without Training, ICML 2021, arXiv:2006.04647.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from aiok_spark.nas.worker.probe import Probe

_ROWS = 128  # at most, as in the paper: a small network has no more codes than that
_SWITCHES = (nn.ReLU, nn.GELU, nn.SiLU)  # on where what they are given is above 0


def naswot(probe: Probe) -> float:
    """Logarithm of the determinant of K, K_ij the number of activations that rows i and j switch alike.

    With the codes c of a row, 1 where an activation's input is above 0: K = c c^T + (1 - c) (1 - c)^T.  Minus infinity
    if two rows switch all of them alike.  Of the first 128 rows at most.
    """
    network, inputs = probe.network().train(), probe.first(_ROWS)
    with _codes(network, len(next(iter(inputs.values())))) as alike, torch.no_grad():
        probe.forward(network, inputs)
    sign, found = torch.linalg.slogdet(alike)
    return float(found) if sign > 0 else float("-inf")


@contextmanager
def _codes(network: nn.Module, rows: int) -> Iterator[torch.Tensor]:
    """Within the block, K grows as activations are called."""
    alike = torch.zeros(rows, rows, dtype=torch.float64)

    def note(_module: nn.Module, given: tuple[Any, ...], _out: Any) -> None:
        code = (given[0] > 0).flatten(1).float()
        alike.add_(code @ code.T + (1 - code) @ (1 - code).T)

    handles = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, _SWITCHES)]
    try:
        yield alike
    finally:
        for handle in handles:
            handle.remove()
