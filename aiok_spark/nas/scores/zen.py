"""How much a network's features change with its input.

Lin et al.: Zen-NAS: A Zero-Shot NAS for High-Performance Deep Image Recognition, ICCV 2021, arXiv:2102.01063.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from aiok_spark.nas.worker.probe import Inputs, Probe, batch, normal, outputs_of, stages

_STEP = 0.01  # alpha of the paper


def zen(probe: Probe) -> float:
    """A sum of logarithms: log E|f(x) - f(x + 0.01 e)|, and log s of each batch norm (algorithm 1).

    f is what the last stage makes, with weights of N(0, 1); x and e are normal noise; s^2 is the mean variance of a
    batch norm's inputs, which puts back the scale that the norm takes out.  Unlike the paper's, links around blocks
    stay.
    """
    network = probe.network(normal).train()
    spreads: list[torch.Tensor] = []

    def note(_module: nn.Module, given: tuple[Any, ...], _out: Any) -> None:
        values = given[0]
        spreads.append(values.var([d for d in range(values.ndim) if d != 1], unbiased=False).mean().sqrt().log())

    last = stages(network)[-1]
    near, beside = _near(probe)
    with torch.no_grad(), outputs_of([last]) as made:
        norms = [m for m in network.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
        handles = [norm.register_forward_hook(note) for norm in norms]
        probe.forward(network, near)
        for handle in handles:
            handle.remove()
        probe.forward(network, beside)
    change = (made[0] - made[1]).abs().flatten(1).sum(1).mean().log()
    return float(change + sum(spreads))


def _near(probe: Probe) -> tuple[Inputs, Inputs]:
    """Rows, and rows that differ a little in their numbers; ids are the same."""
    noise = batch(probe.task.features, probe.rows, probe.random("noise"))
    moved = {
        name: values + _STEP * noise[name] if values.is_floating_point() else values
        for name, values in probe.inputs.items()
    }
    return probe.inputs, moved
