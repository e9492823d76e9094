"""How long a network takes for rows, measured or reckoned."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch

from aiok_spark.nas.worker.probe import Inputs, batch
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker.weights import build, forward

_WARM, _LEAST, _MOST, _SECONDS = 3, 10, 200, 0.2

FLOPS, BYTES, LAYER = 20e9, 10e9, 10e-6  # a second, of one thread; seconds of a layer's call: for "predicted"


def measured(task: TrainTask, rows: int) -> float:
    """Median milliseconds of scoring ``rows`` rows by this process's threads, behind a few calls that warm up."""
    with torch.random.fork_rng(devices=[]):
        network = build(task).eval()
    inputs = batch(task.features, rows, torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for _ in range(_WARM):
            forward(network, inputs)
        return 1000 * median(_times(network, inputs))


def _times(network: Any, inputs: Inputs) -> list[float]:
    found: list[float] = []
    while len(found) < _LEAST or (sum(found) < _SECONDS and len(found) < _MOST):
        begun = time.perf_counter()
        forward(network, inputs)
        found.append(time.perf_counter() - begun)
    return found


def predicted(params: int, flops: int, layers: int, rows: int) -> float:
    """Milliseconds by what must be computed, read and called: 20 GFLOP and 10 GB a second, 10 us a layer everywhere."""
    return 1000 * (rows * flops / FLOPS + 4 * params / BYTES + layers * LAYER)
