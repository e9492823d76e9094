"""Metrics, exact over the rows of all workers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from aiok_spark.training.task import BINARY, MULTICLASS, RAW, REGRESSION, TrainTask
from aiok_spark.training.worker import creators
from aiok_spark.training.worker.exchange import Solo
from aiok_spark.training.worker.losses import logits

LARGER_IS_BETTER = {"auc": True, "accuracy": True, "loss": False, "logLoss": False, "rmse": False}


def auc(score: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
    """Area under the ROC curve: the weighted share of pairs that are in order, ties for a half.

    NaN if only one class is there.
    """
    order = np.argsort(score, kind="stable")
    score, positive = score[order], weight[order] * label[order]
    negative = weight[order] - positive
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # of each run of equal scores
    if not len(score):
        return float("nan")
    above = np.diff(np.cumsum(positive)[last], prepend=0.0)
    below = np.diff(np.cumsum(negative)[last], prepend=0.0)
    pairs = float(above.sum() * below.sum())
    return float(above @ (np.cumsum(below) - below / 2)) / pairs if pairs else float("nan")


class Meter:
    """Adds up outputs of a pass over the rows; ``result`` is over all workers."""

    def __init__(self, task: TrainTask) -> None:
        self._task, self._kind = task, task.kind
        self._real = torch.float64 if task.precision == "float64" else torch.float32  # the same at all workers
        self.sums = torch.zeros(4, dtype=torch.float64)  # loss, weight, metric, log loss
        self._kept: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def add(self, output: torch.Tensor, label: torch.Tensor, losses: torch.Tensor, weight: torch.Tensor) -> None:
        """Add rows; the tensors must have no gradient."""
        output, losses = output.float() if output.dtype == torch.bfloat16 else output, losses.double()
        if self._kind == BINARY:
            output = logits(output, self._task)
            value = (output > 0) == (label > 0.5)
            log_loss = torch.nn.functional.binary_cross_entropy_with_logits(output, label, reduction="none").double()
            self._kept.append((output, label, weight))
        elif self._kind == MULTICLASS:
            value = output.argmax(1) == label
            log_loss = torch.nn.functional.cross_entropy(output, label, reduction="none").double()
        elif self._kind == RAW:
            value = log_loss = torch.zeros(())
        else:
            value, log_loss = (output - label).double().square(), torch.zeros(())
        w = weight.double()
        self.sums += torch.stack([(losses * w).sum(), w.sum(), (value * w).sum(), (log_loss * w).sum()])

    def result(self, exchange: Solo) -> dict[str, float]:
        """Metrics by name, equal at all workers; NaN where they are not defined."""
        loss, weight, value, log_loss = exchange.sum(self.sums.clone()).tolist()
        share: Callable[[float], float] = (lambda x: x / weight) if weight else (lambda x: float("nan"))
        if self._kind == RAW:
            return {"loss": share(loss)}
        if self._kind == REGRESSION:
            return {"loss": share(loss), "rmse": share(value) ** 0.5}
        made = {"loss": share(loss), "logLoss": share(log_loss), "accuracy": share(value)}
        if self._kind == BINARY:
            made["auc"] = self._auc(exchange)
        return made

    def _auc(self, exchange: Solo) -> float:
        everyone = exchange.gather(self._mine())
        value = torch.zeros(1, dtype=torch.float64)
        if everyone is not None:
            everyone = everyone.astype(np.float64)
            value[0] = auc(everyone[:, 0], everyone[:, 1], everyone[:, 2])
        return float(exchange.first(value))

    def _mine(self) -> np.ndarray:
        """Score, label and weight of this worker's rows."""
        kept = [torch.stack([s.to(self._real), y.to(self._real), w.to(self._real)], 1) for s, y, w in self._kept]
        return torch.cat([torch.zeros(0, 3, dtype=self._real), *kept]).numpy()

    def state(self, exchange: Solo) -> dict[str, torch.Tensor]:
        """What was added at all workers so far; the scores are at the first one alone."""
        scores = exchange.gather(self._mine()) if self._kind == BINARY else None
        kept = torch.zeros(0, 3, dtype=self._real) if scores is None else torch.from_numpy(scores)
        return {"sums": exchange.sum(self.sums.clone()), "scores": kept}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Start from what ``state`` gave; the business of one worker."""
        self.sums = state["sums"].clone()
        self._kept = [tuple(state["scores"].unbind(1))]  # type: ignore[list-item]


class HeldOut(Meter):
    """A meter of rows that are held out, by the user's own metrics, too: functions of all outputs and labels."""

    def __init__(self, task: TrainTask) -> None:
        super().__init__(task)
        self._own = creators.metrics(task)
        self._seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def add(self, output: torch.Tensor, label: torch.Tensor, losses: torch.Tensor, weight: torch.Tensor) -> None:
        """Add rows; the tensors must have no gradient."""
        super().add(output, label, losses, weight)
        if self._own:
            self._seen.append((output, label))

    def result(self, exchange: Solo) -> dict[str, float]:
        """Metrics by name, equal at all workers; NaN where they are not defined."""
        made = super().result(exchange)
        if self._own:
            output, label = (_of_all(list(parts), exchange) for parts in zip(*self._seen, strict=True))
            for name, metric in self._own.items():
                value = torch.zeros(1, dtype=torch.float64)
                if output is not None and label is not None:
                    value[0] = float(metric(output, label))
                made[name] = float(exchange.first(value))
        return made


def _of_all(parts: list[torch.Tensor], exchange: Solo) -> torch.Tensor | None:
    """Rows of all workers at the first one."""
    mine = torch.cat(parts)
    everyone = exchange.gather(mine.flatten(1).numpy() if mine.dim() > 1 else mine.numpy())
    return None if everyone is None else torch.from_numpy(everyone).view(-1, *mine.shape[1:])
