"""What the user's own functions make, as BigDL Orca has them: network, optimizer, loss and schedule."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.references import resolve
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker.optimisers import sparse_parameters
from aiok_spark.training.worker.refused import RefusedError


class Created(nn.Module):
    """The user's network, which takes a tensor for each column, one after the other.

    Parameters
    ----------
    features : FeatureSpec
        The columns.
    live : mapping
        Code by name.
    creator : str
        Name of the function that makes the network from ``config``.
    config : dict
        Its argument.
    columns : list of str
        Order of the tensors.
    scalars : list of str
        The columns of numbers: [rows]; all others are [rows, length].
    """

    def __init__(
        self,
        features: FeatureSpec,
        live: Mapping[str, Any],
        creator: str,
        config: dict[str, Any],
        columns: Sequence[str],
        scalars: Sequence[str],
    ) -> None:
        super().__init__()
        made = resolve(creator, live)(dict(config))
        if not isinstance(made, nn.Module):
            raise RefusedError(f"modelCreator: gave {type(made).__name__}, expected a torch.nn.Module; return one")
        self.network = made
        places: dict[str, tuple[str, int, int]] = {}
        groups = (("dense", features.dense, features.widths), ("categorical", features.categorical, features.lengths))
        for group, names, widths in groups:
            at = 0
            for name, width in zip(names, widths, strict=True):
                places[name] = (group, at, at + width)
                at += width
        self._places = [(*places[name], name in scalars) for name in columns]

    def forward(
        self,
        dense: torch.Tensor | None = None,
        categorical: torch.Tensor | None = None,
        columns: Sequence[torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """What the user's network gives for its columns, taken apart, or as its own loader gave them."""
        if columns is not None:
            return self.network(*columns)
        groups = {"dense": dense, "categorical": categorical}
        parts = [(groups[group][:, start:end], scalar) for group, start, end, scalar in self._places]  # type: ignore[index]
        return self.network(*(part[:, 0] if scalar else part for part, scalar in parts))


def loss(task: TrainTask) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The user's loss, as one that gives a value for each row, or their mean if they all weigh the same."""
    made = resolve(task.creators.loss, task.live)
    if isinstance(made, type):
        made = made()
    elif not isinstance(made, nn.Module):
        made = made(dict(task.creators.config))
    if not callable(made):
        raise RefusedError(
            f"lossCreator: gave {type(made).__name__}, expected a function of output and label; return one, such as "
            "torch.nn.MSELoss()"
        )
    if (task.weight or task.classWeights) and hasattr(made, "reduction"):
        made.reduction = "none"
    summed = getattr(made, "reduction", "") == "sum"

    def called(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        values = made(output, label)
        if not isinstance(values, torch.Tensor):
            raise RefusedError(f"lossCreator: its loss gave {type(values).__name__}, expected a tensor; return one")
        if values.dim() > 1:  # several values for each row
            values = values.flatten(1).mean(1)
        return values / max(1, len(label)) if summed else values

    return called


class Optimisers:
    """The user's optimizers and schedule, behind the interface of our own."""

    def __init__(self, network: nn.Module, task: TrainTask) -> None:
        creators, mine = task.creators, network.network if isinstance(network, Created) else network
        tables = sparse_parameters(network)
        named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
        self.dense = [p for name, p in named if name not in tables]
        self.sparse = [p for name, p in named if name in tables]
        self._epochs = task.epochs
        self._made = _listed(resolve(creators.optimizer, task.live)(mine, dict(creators.config)))
        for made in self._made:
            if not isinstance(made, torch.optim.Optimizer):
                raise RefusedError(
                    f"optimizerCreator: gave {type(made).__name__}, expected a torch.optim.Optimizer; return one"
                )
        self._schedules: list[Any] = []
        if creators.scheduler:
            given = self._made if len(self._made) > 1 else self._made[0]
            self._schedules = _listed(resolve(creators.scheduler, task.live)(given, dict(creators.config)))
        for made in self._schedules:
            if not isinstance(made, torch.optim.lr_scheduler.LRScheduler) or hasattr(made, "patience"):
                raise RefusedError(
                    f"schedulerCreator: gave {type(made).__name__}, expected a schedule of torch.optim.lr_scheduler "
                    "that needs no metric; return one"
                )

    def step(self, step: int, steps: int) -> None:
        """Change the weights, and after the last step of an epoch the learning rates."""
        for made in self._made:
            made.step()
        if (step + 1) % (steps // self._epochs) == 0:
            for schedule in self._schedules:
                schedule.step()

    def clear(self) -> None:
        """Forget all gradients."""
        for p in (*self.dense, *self.sparse):
            p.grad = None

    def state(self) -> dict[str, torch.Tensor]:
        """What the optimizers keep, as tensors."""
        kept: dict[str, torch.Tensor] = {}
        for i, made in enumerate([*self._made, *self._schedules]):
            about, tensors = _parted(made.state_dict())
            kept[f"{i}/about"] = torch.from_numpy(np.frombuffer(json.dumps(about).encode(), np.uint8).copy())
            kept |= {f"{i}/{name}": tensor for name, tensor in tensors.items()}
        return kept

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """What ``state`` gave."""
        for i, made in enumerate([*self._made, *self._schedules]):
            mine = {n.removeprefix(f"{i}/"): t for n, t in state.items() if n.startswith(f"{i}/")}
            made.load_state_dict(_whole(json.loads(mine.pop("about").numpy().tobytes()), mine))


def metrics(task: TrainTask) -> dict[str, Callable[[torch.Tensor, torch.Tensor], Any]]:
    """The user's metrics, by name."""
    found = [resolve(name, task.live) for name in task.creators.metrics]
    made = [metric() if isinstance(metric, type) else metric for metric in found]
    return {getattr(metric, "__name__", type(metric).__name__): metric for metric in made}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _parted(value: Any, name: str = "t", tensors: dict[str, torch.Tensor] | None = None) -> tuple[Any, dict[str, Any]]:
    """A state as JSON can hold it, and its tensors; dicts become lists of pairs, as their keys may be numbers."""
    tensors = {} if tensors is None else tensors
    if isinstance(value, torch.Tensor):
        tensors[name] = value
        return {"tensor": name}, tensors
    if isinstance(value, dict):
        return {"dict": [[k, _parted(v, f"{name}.{k}", tensors)[0]] for k, v in value.items()]}, tensors
    if isinstance(value, (list, tuple)):
        return [_parted(v, f"{name}.{i}", tensors)[0] for i, v in enumerate(value)], tensors
    return value, tensors


def _whole(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]].clone()
        return {k: _whole(v, tensors) for k, v in value["dict"]}
    return [_whole(v, tensors) for v in value] if isinstance(value, list) else value
