"""A network as boxes: its parts in their order, with shapes and parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from aiok_spark.nas.worker.counting import params_of, run_sketch, sketched
from aiok_spark.training.task import TrainTask


@dataclass(frozen=True)
class Box:
    """A part of a network: its name, what it is, the shape of what it makes for a row, its parameters."""

    name: str
    what: str
    shape: tuple[int, ...]
    params: int


def boxes(task: TrainTask) -> list[Box]:
    """Parts of a network in the order in which a row goes through them; lists of parts one by one."""
    network = sketched(task)
    made: list[Box] = []

    def note(name: str, module: nn.Module, out: Any) -> None:
        if isinstance(out, torch.Tensor):
            made.append(Box(name, _what(module), tuple(out.shape[1:]), params_of(module)))

    for name, module in _parts(network, ""):
        module.register_forward_hook(lambda m, _given, out, name=name: note(name, m, out))
    run_sketch(network, task)
    return made


def _parts(network: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    for name, module in network.named_children():
        if isinstance(module, nn.ModuleList) or (isinstance(module, nn.Sequential) and _large(module)):
            yield from _parts(module, f"{prefix}{name}.")
        elif not isinstance(module, nn.Identity):
            yield f"{prefix}{name}", module


def _large(module: nn.Sequential) -> bool:
    """Whether the parts are networks themselves, not single layers."""
    return any(list(part.children()) for part in module)


def _what(module: nn.Module) -> str:
    if isinstance(module, nn.Sequential):
        return ", ".join(_what(part) for part in module)
    inner = [f"{name} {_what(part)}" for name, part in getattr(module, "edges", nn.ModuleDict()).items()]
    return f"{type(module).__name__}({_told(module)})" + (f": {'; '.join(inner)}" if inner else "")


def _told(module: nn.Module) -> str:
    return module.extra_repr() if len(module.extra_repr()) < 60 else ""
