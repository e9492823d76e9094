"""Parameters and operations of a network, counted on tensors without memory."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from aiok_spark.nas.worker.probe import batch
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker.weights import build, forward


def sketched(task: TrainTask) -> nn.Module:
    """The network with shapes and no numbers."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return build(task).eval()


def params_of(network: nn.Module) -> int:
    """Numbers that train."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def layers_of(network: nn.Module) -> int:
    """Modules that have none within them."""
    return sum(1 for module in network.modules() if not any(module.children()))


def flops_of(network: nn.Module, task: TrainTask) -> int:
    """Floating-point operations of scoring a row by a network without numbers, as torch counts them.

    Two for each product that is added up, in linear layers, convolutions and attention.
    """
    counter = FlopCounterMode(display=False)
    with counter:
        run_sketch(network, task)
    return counter.get_total_flops()


def run_sketch(network: nn.Module, task: TrainTask) -> None:
    """Score a row by a network without numbers, for those who watch it."""
    inputs = {name: values.to("meta") for name, values in batch(task.features, 1, torch.Generator()).items()}
    with torch.inference_mode():
        forward(network, inputs)
