"""Parameters and operations of a network, counted on tensors without memory."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from aiok_spark.nas.worker.probe import batch
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker.weights import build, forward


def counts(task: TrainTask) -> dict[str, int]:
    """Parameters that train, and floating-point operations of scoring a row.

    Returns
    -------
    dict
        ``params``, and ``flops`` as torch counts them: two for each product that is added up, in linear layers,
        convolutions and attention.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = build(task).eval()
    params = sum(p.numel() for p in network.parameters() if p.requires_grad)
    inputs = {name: values.to("meta") for name, values in batch(task.features, 1, torch.Generator()).items()}
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        forward(network, inputs)
    return {"params": params, "flops": counter.get_total_flops()}
