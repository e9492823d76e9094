"""Networks and their weights: built from a task, kept as safetensors."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load, save
from torch import nn

from aiok_spark.training.references import resolve
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker.refused import RefusedError


def build(task: TrainTask) -> nn.Module:
    """The task's network, with first weights that its seed decides."""
    made = resolve(task.network, task.live)
    name = task.network.rpartition(":")[2] if not task.network.startswith("live:") else task.network.split(":")[1]
    arguments = dict(task.arguments)
    try:
        parameters = set(inspect.signature(made).parameters)
    except (TypeError, ValueError):  # such as of a class written in C
        parameters = set()
    given = {"features": task.features, "outputs": task.outputs, "live": task.live}
    arguments |= {name: value for name, value in given.items() if name in parameters}
    torch.manual_seed(task.seed)
    try:
        network = made(**arguments)
    except TypeError as e:
        raise RefusedError(
            f"module: {name}: found arguments {sorted(arguments)} ({e}), expected those of {inspect.signature(made)}; "
            "change moduleArgs"
        ) from e
    if not isinstance(network, nn.Module):
        raise RefusedError(f"module: {name} gave {type(network).__name__}, expected a torch.nn.Module; return one")
    return network.double() if task.precision == "float64" else network


def forward(network: nn.Module, inputs: Mapping[str, torch.Tensor], call: nn.Module | None = None) -> torch.Tensor:
    """Call a network, or what is wrapped around it, with its tensors, by the names of ``forward``'s parameters.

    A network takes the only tensor there is, whatever it calls it.  Ids come as int64: they may be kept as int32, which
    not all of torch takes.
    """
    call = network if call is None else call
    if "categorical" in inputs:
        inputs = {**inputs, "categorical": inputs["categorical"].long()}
    if len(inputs) == 1 and not inputs.keys() & inspect.signature(network.forward).parameters.keys():
        return call(*inputs.values())
    return call(**inputs)


def check_forward(network: nn.Module, groups: tuple[str, ...]) -> None:
    """RefusedError if ``forward`` does not take the tensors that there are."""
    parameters = inspect.signature(network.forward).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    any_name = any(p.kind is p.VAR_KEYWORD for p in parameters)
    needed = [p.name for p in parameters if p.default is p.empty and p.name in names]
    any_number = not needed and any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(groups) == 1 and groups[0] not in names and (len(needed) == 1 or any_number):
        return
    if (not set(groups) <= set(names) and not any_name) or not set(needed) <= set(groups):
        raise RefusedError(
            f"module: found forward({', '.join(names)}) of {type(network).__name__}, expected forward"
            f"({', '.join(groups)}), as the columns make the tensors {list(groups)}; rename its parameters, "
            "or set denseCols and categoricalCols to what it reads"
        )


def to_bytes(tensors: Mapping[str, torch.Tensor], about: dict[str, str] | None = None) -> bytes:
    """Tensors in the format of safetensors."""
    # Tensors that share memory are saved each by itself.
    return save({name: t.detach().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}, about)


def from_bytes(data: bytes) -> dict[str, torch.Tensor]:
    """What ``to_bytes`` gave."""
    return load(data)


def load_state(network: nn.Module, data: bytes) -> Any:
    """Put saved weights into a network; RefusedError if they are another network's."""
    try:
        return network.load_state_dict(from_bytes(data))
    except RuntimeError as e:
        raise RefusedError(f"found weights of another network ({e}), expected those of {type(network).__name__}") from e
