"""Losses of each row, and what a network's output means."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

from aiok_spark.training.references import resolve
from aiok_spark.training.task import BINARY, MULTICLASS, RAW, REGRESSION, TrainTask
from aiok_spark.training.worker import creators
from aiok_spark.training.worker.refused import RefusedError

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # outputs and labels to a value for each row


def _log_loss(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(output, label, reduction="none")


def _hinge(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return F.relu(1 - (2 * label - 1) * output)


def _cross_entropy(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output, label, reduction="none")


def _squared(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return (output - label).square()


def _absolute(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return (output - label).abs()


def _huber(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return F.huber_loss(output, label, reduction="none")


_LOSSES: dict[str, dict[str, Loss]] = {
    BINARY: {"logLoss": _log_loss, "hinge": _hinge},
    MULTICLASS: {"logLoss": _cross_entropy},
    REGRESSION: {"squared": _squared, "absolute": _absolute, "huber": _huber},
}


def loss_of(task: TrainTask) -> Loss:
    """The task's loss: one of ours by name ("auto" is the first of its kind), or the user's own."""
    ours = _LOSSES.get(task.kind, {})
    if task.creators.loss:
        loss = creators.loss(task)
    elif task.loss == "auto":
        return next(iter(ours.values()))
    elif task.loss in ours:
        return ours[task.loss]
    else:
        loss = resolve(task.loss, task.live)

    def checked(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        values = loss(output, label)
        if values.shape == label.shape[:1]:
            return values
        if values.dim() == 0 and not (task.weight or task.classWeights):
            return values.expand(len(label))  # a mean over the rows, which all weigh the same
        raise RefusedError(
            f"loss: found values of shape {tuple(values.shape)} for {len(label)} rows, expected one for each row"
            + ("" if values.dim() else ", as rows have weights")
            + "; return them without reduction (reduction='none')"
        )

    return checked


def logits(output: torch.Tensor, task: TrainTask) -> torch.Tensor:
    """Logits of the output of a binary network, which may end in probabilities."""
    return torch.logit(output, 1e-7) if task.probabilities else output


def shaped(output: torch.Tensor, rows: int, task: TrainTask) -> torch.Tensor:
    """The network's output as [rows], or [rows, classes]; RefusedError if it has another shape."""
    if task.kind == RAW:
        if isinstance(output, torch.Tensor) and output.shape[:1] == (rows,):
            return output
        found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise RefusedError(f"module: found an output {found}, expected a tensor with a row for each of {rows} rows")
    if task.kind == MULTICLASS:
        wanted: tuple[int, ...] = (rows, task.numClasses)
    else:
        wanted = (rows,)
        if isinstance(output, torch.Tensor) and output.shape == (rows, 1):
            output = output.squeeze(1)
    if not isinstance(output, torch.Tensor) or tuple(output.shape) != wanted:
        found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise RefusedError(
            f"module: found an output of shape {found}, expected {wanted} for {task.kind}: "
            f"{'one score for each class' if task.kind == MULTICLASS else 'one number for each row'}; "
            "change the last layer"
        )
    return output
