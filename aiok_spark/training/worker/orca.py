"""The training loop of BigDL Orca, which does with each batch what ours does.

Of Orca's torch estimator this takes what trains at a worker, its ``TorchRunner``: epochs, batches,
DistributedDataParallel, hooks.  Rows, first weights, rules of change, metrics and checkpoints are this package's, so
model, summary and errors are the same.  What Orca starts and ends a training with stays out, for its defects:

* importing it changes ``BIGDL_JARS`` and ``sys.path``, starting it ``PYTHONHOME``, without which no interpreter of a
  virtual environment finds its library: the import is contained here, and nothing of its start is called;
* it closes the process group while DistributedDataParallel still holds it, and two workers wait for each other;
* it takes a worker's rank from addresses that begin alike (10.0.0.1 and 10.0.0.10): here the barrier stage gives it;
* it reads models by ``torch.load`` and pickle: here weights travel as safetensors.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker.exchange import Solo
from aiok_spark.training.worker.loop import Loop, Report, Trained
from aiok_spark.training.worker.optimisers import Gradients
from aiok_spark.training.worker.shard import Shard


def train(task: TrainTask, network: nn.Module, shard: Shard, exchange: Solo, report: Report) -> Trained:
    """Train a network by Orca's runner; arguments and result are those of ``loop.train``."""
    return _OrcaLoop(task, shard, exchange, report, network).run()


class _OrcaLoop(Loop):
    """Our steps, called by Orca's hooks."""

    def __init__(self, task: TrainTask, shard: Shard, exchange: Solo, report: Report, network: nn.Module) -> None:
        super().__init__(task, shard, exchange, report, network)
        if exchange.world > 1:
            self.gradients = _Averaged(self.optimisers, exchange)

    def run(self) -> Trained:
        self.begin()
        runner = _runner(self)
        try:
            runner.train_epochs(
                data_creator=lambda config, batch_size: _Batches(self),
                epochs=self.task.epochs - self.epoch,
                wrap_dataloader=False,
                callbacks=[_hooks(self)],
            )
        except Exception as e:
            traceback.clear_frames(e.__traceback__)  # they would keep DistributedDataParallel alive
            raise self.exchange.why(e) from e
        finally:
            # Before the process group closes, as both hold a lock that the other one waits for.
            runner.training_models, self.called = None, self.network
        return self.end()

    def _idle(self, rows: torch.Tensor) -> bool:
        return self.exchange.world == 1 and super()._idle(rows)  # all workers' modules have to be called together

    def _differentiate(self, total: torch.Tensor) -> None:
        self.exchange.waiting = self.exchange.world > 1  # gradients are exchanged meanwhile
        super()._differentiate(total)
        self.exchange.waiting = False


class _Averaged(Gradients):
    """Gradients that DistributedDataParallel has averaged over the workers."""

    def __init__(self, optimisers: Any, exchange: Solo) -> None:
        super().__init__(optimisers, exchange)
        self._flat = self._flat[:0]
        self._bytes = sum(2 * (exchange.world - 1) * p.nbytes // exchange.world for p in optimisers.dense)
        for p in optimisers.sparse:
            p.register_hook(self._count)

    def _count(self, gradient: torch.Tensor) -> None:
        if gradient.is_sparse:
            sent = gradient._indices().nbytes + gradient._values().nbytes
            self._exchange.sent += (self._exchange.world - 1) * sent

    def begin(self) -> None:
        """Leave the gradients to DistributedDataParallel."""

    def exchange(self, loss: float, weight: float) -> tuple[float, float]:
        """Make gradients those of the mean over all rows; gives sums over all workers."""
        loss, weight = self._exchange.sum(self._flat.new_tensor([loss, weight])).tolist()
        self._exchange.sent += self._bytes
        self._coalesce()
        self._scale(weight / self._exchange.world)
        return loss, weight


class _Batches:
    """What Orca takes for its data loader: the steps of the next epoch, none if there is no other."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def __iter__(self) -> Iterator[torch.Tensor]:
        return self._loop.batches() if self._loop.going() else iter(())

    def __len__(self) -> int:
        return self._loop.steps


def _runner(loop: Loop) -> Any:
    """Orca's runner with the loop's network; in DistributedDataParallel, if there are several workers."""
    runner_class, _ = import_orca()

    class Runner(runner_class):  # type: ignore[valid-type, misc]
        backend, rank, size = "torch-distributed", loop.exchange.rank, loop.exchange.world

    runner = Runner(
        model_creator=lambda config: loop.network,
        optimizer_creator=lambda model, config: [loop.optimisers],
        sync_stats=False,
        log_level="WARNING",
    )
    runner.setup_components()
    if loop.exchange.world > 1:
        runner.setup_ddp_components()
    else:
        runner.training_models = runner.models
        runner.setup_operator(runner.models)
    return runner


def _hooks(loop: Loop) -> Any:
    _, hooks_class = import_orca()

    class Hooks(hooks_class):  # type: ignore[valid-type, misc]
        def before_train_epoch(self, runner: Any) -> None:
            self.going = loop.going()

        def on_train_forward(self, runner: Any) -> None:
            loop.called = runner.model
            runner.loss = loop.forward(runner.batch)
            loop.called = loop.network  # which is what is measured

        def on_iter_backward(self, runner: Any) -> None:
            runner.loss = torch.tensor(loop.backward(runner.loss))

        def after_train_iter(self, runner: Any) -> None:
            runner.metrics_stats["num_samples"] = max(1, len(runner.batch))  # which Orca divides by

        def on_lr_adjust(self, runner: Any) -> None:
            """Rates are those of the task."""

        def after_train_epoch(self, runner: Any) -> None:
            if self.going:
                loop.end_epoch()

    return Hooks()


def import_orca() -> tuple[type, type]:
    """Orca's runner and its main hooks; the environment and the module path stay as they are."""
    environment, path = dict(os.environ), list(sys.path)
    try:
        from bigdl.orca.learn.pytorch.callbacks.maincallback import MainCallback
        from bigdl.orca.learn.pytorch.torch_runner import TorchRunner
    finally:
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path
    return TorchRunner, MainCallback
