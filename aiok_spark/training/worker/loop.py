"""The training loop: the same for one worker and for many."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from aiok_spark.training.task import METRICS, TrainTask
from aiok_spark.training.worker import creators, metrics, weights
from aiok_spark.training.worker.checkpoints import Checkpoint, Checkpoints
from aiok_spark.training.worker.exchange import Solo
from aiok_spark.training.worker.losses import loss_of, shaped
from aiok_spark.training.worker.optimisers import Gradients, Optimisers
from aiok_spark.training.worker.precision import autocast
from aiok_spark.training.worker.refused import RefusedError
from aiok_spark.training.worker.shard import Shard

_POINTS = 100  # of the curve of the loss

Report = Callable[[dict[str, Any]], None]  # told now and then where the training is


@dataclass
class Trained:
    """What a worker has at the end; all workers have the same weights.

    Attributes
    ----------
    network : torch.nn.Module
        Trained.
    history : list of dict
        One for each epoch.
    facts : dict
        Why it stopped, the best epoch, from where it was resumed.
    """

    network: nn.Module
    history: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def train(task: TrainTask, network: nn.Module, shard: Shard, exchange: Solo, report: Report) -> Trained:
    """Train a network on this worker's rows, in step with the other workers."""
    return Loop(task, shard, exchange, report, network).run()


class Loop:
    """A training, step by step: ``run`` goes through all of them, another loop may call them itself.

    An epoch is ``batches``, ``forward`` and ``backward`` for each of them, and ``end_epoch``, between ``begin`` and
    ``end``.
    """

    def __init__(self, task: TrainTask, shard: Shard, exchange: Solo, report: Report, network: nn.Module) -> None:
        weights.check_forward(network, task.features.groups)
        self.task, self.shard, self.exchange, self.report, self.network = task, shard, exchange, report, network
        self.called: nn.Module = network  # or what is wrapped around it
        self.loss = loss_of(task)
        self.optimisers = (creators.Optimisers if task.creators.optimizer else Optimisers)(network, task)
        # With averaging, each worker steps by itself in between.
        self.gradients = Gradients(self.optimisers, Solo() if task.averageEvery else exchange)
        counts = exchange.sum(torch.tensor([len(shard.training), len(shard.validation)])).tolist()
        self.rows, self.held_out = counts
        # By which rows are known again, in whatever order and at whichever worker they are.
        self.content = [self.rows, *exchange.sum(shard.sums()).tolist()] if task.checkpointDir else []
        self.steps = max(1, math.ceil(self.rows / task.batchSize))
        kind = torch.float64 if task.precision == "float64" else torch.float32
        self.class_weights = torch.tensor(task.classWeights, dtype=kind) if task.classWeights else None
        self.history: list[dict[str, Any]] = []
        self.curve = _Curve(self.steps, task.epochs)
        self.best: dict[str, torch.Tensor] = {}
        self.resumed: dict[str, int] | None = None
        self.epoch = self.step = 0  # those that are next
        self.metered: dict[str, torch.Tensor] = {}  # of the epoch so far, where a checkpoint was made within it

    def run(self) -> Trained:
        """Train for all epochs."""
        self.begin()
        while self.going():
            for rows in self.batches():
                self.backward(self.forward(rows))
            self.end_epoch()
        return self.end()

    def begin(self) -> None:
        """Have all workers start from the same weights: the first one's, or those of a checkpoint."""
        self.checkpoints = Checkpoints(self.task)
        self._share_first_weights()
        self._resume()

    def going(self) -> bool:
        """Whether there is another epoch."""
        return self.epoch < self.task.epochs and not why_stop(self.task, self.history)

    def batches(self) -> Iterator[torch.Tensor]:
        """Numbers of this worker's rows in each step that is left of the epoch."""
        self._begun, self._first, self._sent = time.perf_counter(), self.step, self.exchange.sent
        self.meter = metrics.Meter(self.task)
        if self.metered:
            self.meter.restore(self.metered)
        order = self._order()
        bounds = np.arange(self.steps + 1) * len(order) // self.steps
        interval = self.task.checkpointInterval if self.checkpoints.wanted else 0
        self.network.train()
        while self.step < self.steps:
            yield torch.from_numpy(order[bounds[self.step] : bounds[self.step + 1]])
            self.step += 1
            if interval and self.step % interval == 0 and self.step < self.steps:
                self._average()
                self._save(self.meter.state(self.exchange))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Sum of the losses of this worker's part of a batch."""
        self.optimisers.clear()
        self.gradients.begin()
        self._seed()
        self._weight = 0.0
        if self._idle(rows):
            return torch.zeros(())
        output, label, weight = self._forward(rows)
        losses = self.loss(output, label)
        self.meter.add(output.detach(), label, losses.detach(), weight)
        self._weight = weight.sum().item()
        return (losses * weight).sum()

    def backward(self, total: torch.Tensor) -> float:
        """Change the weights by what ``forward`` gave; gives the mean loss over all parts of the batch."""
        self._differentiate(total)
        loss, weight = self.gradients.exchange(total.item(), self._weight)
        if weight:
            if not math.isfinite(loss):
                raise RefusedError(
                    f"loss: found {loss / weight} at epoch {self.epoch + 1}, batch {self.step + 1} of {self.steps}, "
                    "expected a finite number; lower learningRate, set gradientClipNorm or warmupSteps, or scale the "
                    "dense columns"
                )
            if self.task.clipNorm is not None:
                self.gradients.clip(self.task.clipNorm)
            self.optimisers.step(self.epoch * self.steps + self.step, self.task.epochs * self.steps)
        if self.task.averageEvery and (self.step + 1) % self.task.averageEvery == 0:
            self._average()
        mean = loss / weight if weight else 0.0
        self.curve.add(self.epoch * self.steps + self.step, mean)
        at = {"epoch": self.epoch, "step": self.step + 1, "steps": self.steps, "loss": mean}
        self.report({**at, **ended(self.history)})
        return mean

    def end_epoch(self) -> None:
        """Measure the epoch, and write a checkpoint."""
        self._average()
        self._share_buffers()
        seconds = time.perf_counter() - self._begun
        done: dict[str, Any] = {"epoch": self.epoch + 1, **self.meter.result(self.exchange)}
        sent = self.exchange.sent - self._sent
        if self.held_out:
            done.update({f"validation_{name}": value for name, value in self._validate().items()})
        done["bytesExchanged"] = int(self.exchange.sum(torch.tensor([sent], dtype=torch.float64)).item())
        done["rowsPerSecond"] = self.rows * (self.steps - self._first) / self.steps / max(seconds, 1e-9)
        done["seconds"] = seconds
        self.history.append({k: v if math.isfinite(v) else None for k, v in done.items()})
        if self.task.patience and best_epoch(self.task, self.history) == self.epoch + 1:
            self.best = {name: t.clone() for name, t in self.network.state_dict().items()}
        at = {"epoch": self.epoch, "step": self.steps, "steps": self.steps}
        self.report({**self.history[-1], **at, **ended(self.history)})
        self.epoch, self.step, self.metered = self.epoch + 1, 0, {}
        self._save({})

    def end(self) -> Trained:
        """What came of it; of no epochs at all, what the weights are that it began with."""
        if not self.task.epochs:
            measured = {f"validation_{name}": value for name, value in self._validate().items()}
            self.history.append({"epoch": 0, "validationRows": self.held_out, **measured})
        if self.best:
            self.network.load_state_dict(self.best)
        if self.exchange.rank == 0:
            self.checkpoints.finish()
        best = best_epoch(self.task, self.history)
        facts = {
            "rows": self.rows,
            "validationRows": self.held_out,
            "stepsPerEpoch": self.steps,
            "stopped": why_stop(self.task, self.history) or "all epochs done",
            "bestEpoch": best,
            "weightsOf": best if self.best else len(self.history),
            "resumed": self.resumed,
            "lossCurve": self.curve.points,
        }
        return Trained(self.network, self.history, facts)

    def _idle(self, rows: torch.Tensor) -> bool:
        """Whether this worker has nothing to do in a step."""
        return not len(rows)

    def _differentiate(self, total: torch.Tensor) -> None:
        if total.requires_grad:
            total.backward()

    def _forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Output, label and weight of rows; the output is in full precision."""
        batch = self.shard.rows(rows)
        label, given = batch.pop("label"), batch.pop("weight", None)
        with autocast(self.task.precision):
            output = shaped(weights.forward(self.network, batch, self.called), len(rows), self.task)
        output = output.float() if output.dtype == torch.bfloat16 else output
        weight = torch.ones(len(rows), dtype=output.dtype) if given is None else given
        if self.class_weights is not None:
            weight = weight * self.class_weights[label.long()]
        return output, label, weight

    def _validate(self) -> dict[str, float]:
        """Metrics of the rows that are held out."""
        meter, mine = metrics.HeldOut(self.task), torch.from_numpy(self.shard.validation)
        self.network.eval()
        with torch.no_grad():
            for rows in mine.split(self.task.batchSize):
                if len(rows) or self.task.creators.metrics:  # whose outputs have a shape that all workers must know
                    output, label, weight = self._forward(rows)
                    meter.add(output, label, self.loss(output, label), weight)
                self.report({})
        return meter.result(self.exchange)

    def _average(self) -> None:
        """Give all workers the mean of their weights, by their numbers of rows; if they step by themselves."""
        if self.task.averageEvery and self.exchange.world > 1:
            with torch.no_grad():
                share = len(self.shard.training) / max(1, self.rows)
                for p in self.network.parameters():
                    self.exchange.sum(p.data.mul_(share))

    def _share_buffers(self) -> None:
        """Give all workers the first one's buffers, such as running means."""
        if self.exchange.world > 1:
            for buffer in self.network.buffers():
                self.exchange.first(buffer)

    def _order(self) -> np.ndarray:
        mine = self.shard.training
        if not self.task.shuffle:
            return mine
        return np.random.default_rng([self.task.seed, self.epoch, self.exchange.rank]).permutation(mine)

    def _seed(self) -> None:
        """Draw dropout anew, so that a resumed training draws what an undisturbed one does."""
        state = np.random.SeedSequence([self.task.seed, self.epoch, self.step, self.exchange.rank]).generate_state(1)
        # Not torch.manual_seed, which tells absent devices, too: in half a millisecond, and keeps what it told.
        torch.default_generator.manual_seed(int(state[0]))

    def _share_first_weights(self) -> None:
        """Start all workers from the first one's weights, whatever a network's constructor drew."""
        if self.exchange.world > 1:
            for tensor in self.network.state_dict().values():
                self.exchange.first(tensor)

    def _save(self, metered: dict[str, torch.Tensor]) -> None:
        if self.exchange.rank or not self.checkpoints.wanted:
            return
        tensors = {f"network/{name}": t for name, t in self.network.state_dict().items()}
        tensors |= {f"optimiser/{name}": t for name, t in self.optimisers.state().items()}
        tensors |= {f"best/{name}": t for name, t in self.best.items()}
        tensors |= {f"metered/{name}": t for name, t in metered.items()}
        about = {"history": self.history, "rows": self.content}
        self.checkpoints.write(Checkpoint(self.epoch, self.step, tensors, about))

    def _resume(self) -> None:
        found = self.checkpoints.read()
        place = [0, 0] if found is None else [found.epoch, found.step]
        if self.exchange.first(torch.tensor(place)).tolist() != place:
            raise RefusedError(
                f"checkpointDir: found another checkpoint, or none, in {self.task.checkpointDir} of this worker's node "
                "than the first worker found, expected a directory that all nodes share; choose one"
            )
        if found is None:
            return
        if not np.allclose(found.about["rows"], self.content, rtol=1e-6):
            raise RefusedError(
                f"checkpointDir: found a checkpoint of a training on {found.about['rows'][0]:.0f} rows, expected one "
                f"on the {self.rows} rows there are now, with the same values; choose another directory, or delete it "
                "to start anew"
            )
        try:
            self.network.load_state_dict(found.part("network"))
        except RuntimeError as e:
            raise RefusedError(
                f"checkpointDir: found a checkpoint of another network in {self.task.checkpointDir} ({e}), expected "
                "one of this; choose another directory, or delete it to start anew"
            ) from e
        self.optimisers.restore(found.part("optimiser"))
        self.best, self.history = found.part("best"), found.about["history"]
        self.resumed = {"epoch": found.epoch + 1, "step": found.step}
        self.epoch, self.step = found.epoch, found.step
        # What was metered is of all workers, so one of them goes on from there.
        self.metered = found.part("metered") if self.exchange.rank == 0 else {}


class _Curve:
    """The loss as it falls: epochs done, and the mean over the batches since the point before, as they were met."""

    def __init__(self, steps: int, epochs: int) -> None:
        self.points: list[list[float]] = []
        self._steps, self._every = steps, max(1, steps * epochs // _POINTS)
        self._sum, self._count = 0.0, 0

    def add(self, step: int, loss: float) -> None:
        """The loss of a step, counted over all epochs."""
        self._sum, self._count = self._sum + loss, self._count + 1
        if self._count == self._every:
            self.points.append([(step + 1) / self._steps, self._sum / self._count])
            self._sum, self._count = 0.0, 0


def judged(task: TrainTask, epoch: dict[str, Any]) -> tuple[str, float | None]:
    """Name and value of the metric that decides, of the rows that are held out if there are any."""
    name = METRICS[task.kind][0] if task.metric == "auto" else task.metric
    return name, epoch.get(f"validation_{name}", epoch.get(name))


def best_epoch(task: TrainTask, history: list[dict[str, Any]]) -> int:
    """The epoch with the best value, counted from 1; 0 if none has any."""
    values = [(value, done["epoch"]) for done in history for name, value in [judged(task, done)] if value is not None]
    if not values:
        return 0
    sign = 1 if metrics.LARGER_IS_BETTER[judged(task, history[0])[0]] else -1
    return max(values, key=lambda pair: (sign * pair[0], -pair[1]))[1]


def ended(history: list[dict[str, Any]]) -> dict[str, Any]:
    """What a marker tells of the last epoch: it may be the first one after it that is seen."""
    if not history:
        return {}
    told = {f"ended_{name}": history[-1][name] for name in ("loss", "validation_loss") if name in history[-1]}
    return {"ended": len(history), **told}


def why_stop(task: TrainTask, history: list[dict[str, Any]]) -> str | None:
    """Why the training should end now, or None."""
    if not history:
        return None
    name, value = judged(task, history[-1])
    if task.targetMetric is not None and value is not None:
        larger = metrics.LARGER_IS_BETTER[name]
        if value >= task.targetMetric if larger else value <= task.targetMetric:
            return f"{name} {value:.6g} reached the target {task.targetMetric}"
    if task.patience and len(history) - best_epoch(task, history) >= task.patience:
        return f"{name} is no better since epoch {best_epoch(task, history)}"
    return None
