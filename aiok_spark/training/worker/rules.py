"""How weights change by their gradients, as torch's optimisers have it.

The optimiser classes of torch import its compiler when the first one is made, which takes seconds of every
new process, and their sparse Adam passes over sparse tensors what a few rows are enough for.  So dense
parameters go by torch's functions behind those classes, and tables by their touched rows alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim.adagrad import adagrad
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from aiok_spark.training.task import Group
from aiok_spark.training.worker.refused import RefusedError
from aiok_spark.training.worker.sparse import coalesced

_BETAS, _EPS, _ADAGRAD_EPS = (0.9, 0.999), 1e-8, 1e-10  # torch's own


class Rule:
    """Changes the parameters of a group.

    Attributes
    ----------
    parameters : list of Parameter
        Those that have no gradient at a step stay as they are.
    group : Group
        Says how.
    state : list of dict of str to Tensor
        What is kept of each parameter from one step to the next.
    """

    kept: tuple[str, ...] = ()  # tensors of a parameter's size
    counts = False  # whether the steps of a parameter are counted

    def __init__(self, parameters: Sequence[nn.Parameter], group: Group) -> None:
        self.parameters, self.group = list(parameters), group
        self.state: list[dict[str, torch.Tensor]] = [self._start(p) for p in self.parameters]

    def _start(self, p: nn.Parameter) -> dict[str, torch.Tensor]:
        made = {name: torch.zeros_like(p, memory_format=torch.preserve_format).detach() for name in self.kept}
        return {**made, "step": torch.zeros((), dtype=torch.float32)} if self.counts else made

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Change the parameters at a learning rate."""
        moved = [(p, state) for p, state in zip(self.parameters, self.state, strict=True) if p.grad is not None]
        if moved:
            parameters, state = zip(*moved, strict=True)
            self._change(list(parameters), [p.grad for p in parameters], list(state), rate)

    def _change(
        self, ps: list[nn.Parameter], grads: list[torch.Tensor], state: list[dict[str, torch.Tensor]], rate: float
    ) -> None:
        raise NotImplementedError


class _SGD(Rule):
    def _change(self, ps, grads, state, rate):
        momentum = self.group.momentum
        buffers = [s.get("momentum") for s in state]
        sgd(
            ps,
            grads,
            buffers,
            fused=True,
            weight_decay=self.group.weightDecay,
            momentum=momentum,
            lr=rate,
            dampening=0,
            nesterov=False,
            maximize=False,
        )
        if momentum:
            for s, buffer in zip(state, buffers, strict=True):
                s["momentum"] = buffer


class _Adam(Rule):
    kept, counts = ("mean", "square"), True
    function: Any = staticmethod(adam)

    def _change(self, ps, grads, state, rate):
        self.function(
            ps,
            grads,
            [s["mean"] for s in state],
            [s["square"] for s in state],
            [],
            [s["step"] for s in state],
            fused=True,
            amsgrad=False,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            lr=rate,
            weight_decay=self.group.weightDecay,
            eps=_EPS,
            maximize=False,
        )


class _AdamW(_Adam):
    function = staticmethod(adamw)


class _Adagrad(Rule):
    kept, counts = ("sum",), True

    def _change(self, ps, grads, state, rate):
        adagrad(
            ps,
            grads,
            [s["sum"] for s in state],
            [s["step"] for s in state],
            fused=True,
            lr=rate,
            weight_decay=self.group.weightDecay,
            lr_decay=0.0,
            eps=_ADAGRAD_EPS,
            maximize=False,
        )


class _Rows(Rule):
    """Changes the rows of tables that a step touched, and no others."""

    def __init__(self, parameters: Sequence[nn.Parameter], group: Group) -> None:
        if group.weightDecay or group.momentum:
            raise RefusedError(
                f"parameterGroups: found weightDecay {group.weightDecay} and momentum {group.momentum} for tables "
                "with sparse gradients, expected 0, as each would change all rows; leave them out"
            )
        super().__init__(parameters, group)

    def _change(self, ps, grads, state, rate):
        for p, grad, s in zip(ps, grads, state, strict=True):
            once = coalesced(grad)
            ids, rows = once._indices()[0], once._values()
            if self.counts:
                s["step"] += 1
            if len(ids):
                # Reading and writing whole rows is several times faster here than adding to them.
                p.index_copy_(0, ids, p.index_select(0, ids).sub_(self._change_of(ids, rows, s, rate)))

    def _change_of(
        self, ids: torch.Tensor, rows: torch.Tensor, state: dict[str, torch.Tensor], rate: float
    ) -> torch.Tensor:
        """What is taken from the rows."""
        raise NotImplementedError


class _RowsSGD(_Rows):
    def _change_of(self, ids, rows, state, rate):
        return rows * rate


class _RowsAdagrad(_Rows):
    kept = ("sum",)

    def _change_of(self, ids, rows, state, rate):
        total = state["sum"].index_select(0, ids).addcmul_(rows, rows)
        state["sum"].index_copy_(0, ids, total)
        return (rows / total.sqrt_().add_(_ADAGRAD_EPS)).mul_(rate)


class _RowsAdam(_Rows):
    """torch's ``SparseAdam``: the moments of rows that a step does not touch stay as they are."""

    kept, counts = ("mean", "square"), True

    def _change_of(self, ids, rows, state, rate):
        (beta1, beta2), step = _BETAS, float(state["step"])
        mean = state["mean"].index_select(0, ids).lerp_(rows, 1 - beta1)
        square = state["square"].index_select(0, ids).mul_(beta2).addcmul_(rows, rows, value=1 - beta2)
        state["mean"].index_copy_(0, ids, mean)
        state["square"].index_copy_(0, ids, square)
        size = rate * math.sqrt(1 - beta2**step) / (1 - beta1**step)
        return mean.div_(square.sqrt_().add_(_EPS)).mul_(size)


_DENSE = {"sgd": _SGD, "adam": _Adam, "adamw": _AdamW, "adagrad": _Adagrad}
_SPARSE = {"sgd": _RowsSGD, "adagrad": _RowsAdagrad, "sparseAdam": _RowsAdam}


def rule_of(group: Group, parameters: Sequence[nn.Parameter]) -> Rule:
    """What changes a group's parameters."""
    rules = _SPARSE if group.sparse else _DENSE
    if group.optimizer not in rules:
        raise RefusedError(
            f"parameterGroups: found optimizer '{group.optimizer}' for {'tables' if group.sparse else 'parameters'} "
            f"with {'sparse' if group.sparse else 'dense'} gradients, expected one of {list(rules)}; change it"
        )
    return rules[group.optimizer](parameters, group)
