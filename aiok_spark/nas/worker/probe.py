"""A candidate as scores see it: its network, rows to feed it with, what lies between its stages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker.weights import build, forward

Inputs = dict[str, torch.Tensor]


class Probe:
    """A candidate; all that is random follows from its own seed, whatever was looked at before.

    Parameters
    ----------
    task : TrainTask
        Network, arguments, columns and label.
    rows : int
        Of a batch.
    seed : int
        Of the search; with the arguments it makes the candidate's own.
    """

    def __init__(self, task: TrainTask, rows: int, seed: int) -> None:
        self.task, self.rows, self.seed = task, rows, seed

    def random(self, what: str) -> torch.Generator:
        """Random numbers for one purpose."""
        text = f"{self.seed} {sorted(self.task.arguments.items())} {what}"
        digest = hashlib.sha256(text.encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def network(self, weights: Callable[[nn.Module, torch.Generator], None] | None = None) -> nn.Module:
        """A new network, with first weights of its own or by a rule for each module."""
        chance = self.random("weights")
        with torch.random.fork_rng(devices=[]):
            made = build(replace(self.task, seed=int(torch.randint(2**31, (), generator=chance))))
        if weights is not None:
            for module in made.modules():
                weights(module, chance)
        return made

    @cached_property
    def inputs(self) -> Inputs:
        """Normal numbers and ids by chance, by name."""
        return batch(self.task.features, self.rows, self.random("inputs"))

    def first(self, rows: int) -> Inputs:
        """So many of the rows, for scores whose costs grow faster than they do."""
        return {name: values[:rows] for name, values in self.inputs.items()}

    def forward(self, network: nn.Module, inputs: Inputs | None = None) -> torch.Tensor:
        """Values of the network for the rows, or for others."""
        return forward(network, self.inputs if inputs is None else inputs)

    @cached_property
    def traced(self) -> list[torch.Tensor]:
        """What each stage of a network with Kaiming's first weights makes of the rows, with its graph."""
        network = self.network(kaiming).train()
        with outputs_of(stages(network)) as made:
            self.forward(network)
        return made


def batch(features: FeatureSpec, rows: int, chance: torch.Generator) -> Inputs:
    """Tensors by name, as a network gets them."""
    made: Inputs = {}
    if features.dense:
        made["dense"] = torch.randn(rows, features.width, generator=chance)
    if features.categorical:
        sizes = torch.tensor([s for s, n in zip(features.sizes, features.lengths, strict=True) for _ in range(n)])
        drawn = torch.rand(rows, len(sizes), generator=chance, dtype=torch.float64)
        made["categorical"] = (drawn * sizes).long()
    return made


def stages(network: nn.Module) -> list[nn.Module]:
    """Modules between which information is followed: as the network says, or all that have weights."""
    named: Any = getattr(network, "stages", None)
    if named is not None:
        return list(named())
    return [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


@contextmanager
def outputs_of(modules: list[nn.Module]) -> Iterator[list[torch.Tensor]]:
    """Within the block, what the modules make, in the order of the calls."""
    made: list[torch.Tensor] = []

    def note(_module: nn.Module, _given: Any, out: torch.Tensor) -> None:
        made.append(out)

    handles = [module.register_forward_hook(note) for module in modules]
    try:
        yield made
    finally:
        for handle in handles:
            handle.remove()


def kaiming(module: nn.Module, chance: torch.Generator) -> None:
    """First weights by the module's inputs, for ReLU (He et al., arXiv:1502.01852); biases 0, norms 1."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=chance)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def normal(module: nn.Module, chance: torch.Generator) -> None:
    """First weights of variance 1; biases 0."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.normal_(module.weight, generator=chance)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def channels_last(values: torch.Tensor) -> torch.Tensor:
    """What a stage makes as [places, channels]: images by place, tokens by token, rows by row."""
    if values.ndim == 4:  # [rows, channels, height, width]
        return values.movedim(1, -1).flatten(0, -2)
    return values.flatten(0, -2)
