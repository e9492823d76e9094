"""Rules of change by parameter group, learning rates by step, and gradients of all workers as one."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import nn

from aiok_spark.training.task import Group, TrainTask
from aiok_spark.training.worker.exchange import Solo
from aiok_spark.training.worker.refused import RefusedError
from aiok_spark.training.worker.rules import rule_of
from aiok_spark.training.worker.sparse import coalesced, once, sum_by_id, touched


def sparse_parameters(network: nn.Module) -> set[str]:
    """Names of the parameters whose gradients are sparse: tables made with ``sparse=True``."""
    tables = (nn.Embedding, nn.EmbeddingBag)
    return {
        f"{name}.weight" if name else "weight"
        for name, module in network.named_modules()
        if isinstance(module, tables) and module.sparse
    }


def rate(task: TrainTask, group: Group, step: int, steps: int) -> float:
    """A group's learning rate at a step, counted from 0, of ``steps`` in all."""
    if step < task.warmupSteps:
        return group.learningRate * (step + 1) / task.warmupSteps
    done = (step - task.warmupSteps) / max(1, steps - task.warmupSteps)
    if task.schedule == "linear":
        return group.learningRate * (1 - done)
    if task.schedule == "cosine":
        return group.learningRate * (1 + math.cos(math.pi * done)) / 2
    if task.schedule == "pegasos":
        # An intercept has no decay, but the rate of the weights.
        decay = max([group.weightDecay, *(other.weightDecay for other in task.groups)])
        return group.learningRate / (1 + group.learningRate * decay * step)
    return group.learningRate


class Optimisers:
    """One optimiser for each group that has parameters."""

    def __init__(self, network: nn.Module, task: TrainTask) -> None:
        self._task = task
        sparse = sparse_parameters(network)
        members: dict[Group, list[nn.Parameter]] = {}
        self.dense: list[nn.Parameter] = []
        self.sparse: list[nn.Parameter] = []
        for name, parameter in network.named_parameters():
            if not parameter.requires_grad:
                continue
            is_sparse = name in sparse
            group = next((g for g in task.groups if g.sparse == is_sparse and re.search(g.match, name)), None)
            if group is None:
                what = "a table with sparse gradients" if is_sparse else "a parameter"
                raise RefusedError(
                    f"parameterGroups: found no group for '{name}', {what}, expected one that matches its name; "
                    "add a group with match='' for the rest"
                )
            members.setdefault(group, []).append(parameter)
            (self.sparse if is_sparse else self.dense).append(parameter)
        self._rules = [rule_of(group, ps) for group, ps in members.items()]

    def step(self, step: int, steps: int) -> None:
        """Change the weights, at the learning rates of this step of all."""
        for rule in self._rules:
            rule.step(rate(self._task, rule.group, step, steps))

    def clear(self) -> None:
        """Forget all gradients."""
        for p in (*self.dense, *self.sparse):
            p.grad = None

    def state(self) -> dict[str, torch.Tensor]:
        """What the rules keep of each parameter, by a name for each."""
        return {
            f"{i}/{number}/{name}": value
            for i, rule in enumerate(self._rules)
            for number, kept in enumerate(rule.state)
            for name, value in kept.items()
        }

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """What ``state`` gave, of the same groups."""
        for name, value in state.items():
            i, number, key = name.split("/")
            self._rules[int(i)].state[int(number)][key] = value.clone()


class Gradients:
    """Gradients of the sum over all rows of all workers: dense ones in full, sparse ones by touched rows.

    Besides them each worker adds its loss and its weight of rows, so a step needs one exchange, and one
    more for each table.
    """

    def __init__(self, optimisers: Any, exchange: Solo) -> None:
        self._dense, self._sparse, self._exchange = optimisers.dense, optimisers.sparse, exchange
        world = exchange.world
        kind = self._dense[0].dtype if self._dense else torch.float32
        size = sum(p.numel() for p in self._dense)
        # Behind the gradients: loss, weight, and the number of touched rows of each table at each worker.
        self._flat = torch.zeros(size + 2 + world * len(self._sparse), dtype=kind)
        self._views, at = [], 0
        for p in self._dense:
            self._views.append(self._flat[at : at + p.numel()].view_as(p))
            at += p.numel()
        self._told = self._flat[at : at + 2]
        self._counts = self._flat[at + 2 :].view(len(self._sparse), world)

    def begin(self) -> None:
        """Have the next backward pass write into one buffer, which is what is exchanged."""
        if self._exchange.world > 1:
            self._flat.zero_()
            for p, view in zip(self._dense, self._views, strict=True):
                p.grad = view

    def exchange(self, loss: float, weight: float) -> tuple[float, float]:
        """Make every worker's gradients those of the mean over all rows.

        Parameters
        ----------
        loss, weight : float
            Sums over this worker's rows of the step.

        Returns
        -------
        tuple of float
            The same sums over all workers.
        """
        self._coalesce()
        if self._exchange.world == 1:
            self._scale(weight)
            return loss, weight
        mine = [touched(p) for p in self._sparse]
        self._told[0], self._told[1] = loss, weight
        for i, (ids, _) in enumerate(mine):
            self._counts[i, self._exchange.rank] = len(ids)
        self._exchange.sum(self._flat)
        loss, weight = self._told.tolist()
        for p, (ids, rows), counts in zip(self._sparse, mine, self._counts.tolist(), strict=True):
            p.grad = self._gathered(p, ids, rows, [int(n) for n in counts])
        self._scale(weight)
        return loss, weight

    def _gathered(self, p: nn.Parameter, ids: torch.Tensor, rows: torch.Tensor, counts: list[int]) -> torch.Tensor:
        """All workers' touched rows as one sparse gradient; ids travel beside their rows, bit for bit."""
        kind = torch.int32 if rows.dtype == torch.float32 else torch.int64
        sent = torch.cat([ids.to(kind).view(rows.dtype).unsqueeze(1), rows], 1)
        everyone = torch.cat(self._exchange.rows(sent, counts))
        found = everyone[:, 0].contiguous().view(kind).long()
        return once(*sum_by_id(found, everyone[:, 1:]), p.shape)

    def _coalesce(self) -> None:
        for p in self._sparse:
            if p.grad is not None:
                p.grad = coalesced(p.grad)

    def _scale(self, weight: float) -> None:
        if weight:
            for p in [*self._dense, *self._sparse]:
                if p.grad is not None:
                    p.grad.mul_(1 / weight) if not p.grad.is_sparse else p.grad._values().mul_(1 / weight)

    def clip(self, limit: float) -> None:
        """Shrink all gradients together so that their norm is at most ``limit``."""
        self._coalesce()
        values = [
            p.grad.values() if p.grad.is_sparse else p.grad for p in [*self._dense, *self._sparse] if p.grad is not None
        ]
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(v) for v in values]))
        if (shrink := float(limit / (norm + 1e-6))) < 1:
            for v in values:
                v.mul_(shrink)
