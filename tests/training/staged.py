"""Rows to a worker's shard without Spark, and networks to train on them."""

from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import torch

from aiok_spark.training import packing
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker import loop, orca, weights
from aiok_spark.training.worker.exchange import Solo
from aiok_spark.training.worker.shard import stage

# Where BigDL Orca is, what trains by our own loop elsewhere is tried with its runner.
ENGINE, RUNNER = ("orca", "orca") if find_spec("bigdl") else ("spark", "own")
DENSE, IDS = ("a", "b"), ("c",)
SPEC = FeatureSpec(DENSE, (1, 1), IDS, (7,))


class Small(torch.nn.Module):
    """A table with sparse gradients, dropout and two layers; ``step`` is called before each training step."""

    def __init__(self, features, outputs=1, dropout=0.0, step=None):
        super().__init__()
        self.table = torch.nn.Embedding(features.sizes[0], 3, sparse=True)
        self.hidden = torch.nn.Linear(features.width + 3, 4)
        self.dropout = torch.nn.Dropout(dropout)
        self.last = torch.nn.Linear(4, outputs)
        self.step = step

    def forward(self, dense, categorical):
        if self.training and self.step:
            self.step()
        hidden = torch.tanh(self.hidden(torch.cat([dense, self.table(categorical[:, 0])], 1)))
        return self.last(self.dropout(hidden))


def live(made, **settings):
    """A task whose network is what ``made(features, outputs)`` gives."""
    names = {"features": SPEC, "label": "label", "precision": "float64", "shuffle": False}
    return TrainTask(network="live:Net:1", live={"live:Net:1": made}, **{**names, **settings})


def columns(n=60, seed=0, classes=2):
    """Columns of random rows whose label depends on all inputs."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 7, n)
    score = a - b + np.sin(c) + rng.normal(size=n) / 2
    label = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes)) if classes else score
    return {"a": a, "b": b, "c": c, "label": label.astype(float)}


def shard_of(task, table):
    """Stage columns as one worker does."""
    return stage(packing.pack(iter([pa.RecordBatch.from_pydict(table)]), task, 0), task)


def trained(task, table, report=lambda about: None):
    """Train as the only worker."""
    train = orca.train if RUNNER == "orca" else loop.train
    return train(task, weights.build(task), shard_of(task, table), Solo(), report)
