"""Runs a task on a backend."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DataType

from aiok_spark.core import compat, execution
from aiok_spark.core.errors import DataError
from aiok_spark.training.files import files_of
from aiok_spark.training.packing import LOOKED, counted, describe, look, told
from aiok_spark.training.results import no_rows, read_result
from aiok_spark.training.task import TrainResult, TrainTask

BACKENDS = ("spark", "orca", "local")  # each a module of ``backends``
FEEDS = ("stream", "files")


def run(
    df: DataFrame,
    columns: Sequence[tuple[str, DataType]],
    task: TrainTask,
    *,
    backend: str = "spark",
    feed: str = "stream",
    label: str = "training",
    verbose: bool = True,
) -> TrainResult:
    """Train.

    Parameters
    ----------
    df : DataFrame
        The rows.
    columns : sequence of (str, DataType)
        What the task reads, with the types to cast to: dense, categorical, label, weight, validation.
    task : TrainTask
        What to train, with how many workers.
    backend : {"spark", "orca", "local"}
        Where: on the executors, there by BigDL Orca's runner, or in this process.
    feed : {"stream", "files"}
        How the rows come: through Spark, or from the files of a converted dataset.
    label : str
        Who asks, for messages.
    verbose : bool
        Show progress.
    """
    chosen = import_module(f"aiok_spark.training.backends.{backend}")
    with files_of(df, columns, label) if feed == "files" else nullcontext() as files:
        rows = chosen.run(df, columns, task, label, verbose, files)
    if not rows.num_rows and df.isEmpty():  # Spark drops all stages behind a plan that has no rows
        raise DataError(no_rows(label))
    return read_result(rows, task, label)


def check_rows(df: DataFrame, columns: Sequence[tuple[str, DataType]], task: TrainTask, label: str) -> None:
    """Look through the rows in a job of its own, as a training does before its first step.

    Raises
    ------
    DataError
        Values that a network cannot use, or no row.
    """
    looked = execution.map_columns(df, columns, partial(look, task=replace(task, live={})), LOOKED)
    rows = compat.to_arrow(looked)
    if not rows.num_rows:
        raise DataError(no_rows(label))
    if problems := counted(map(json.loads, rows["problems"].to_pylist())):
        raise DataError(f"{label}: {describe(task, told(problems))}")


def train_on_loaders(spark: SparkSession, task: TrainTask, loaders: Any, label: str, verbose: bool) -> TrainResult:
    """Train on the executors, on rows that each worker reads by itself (see ``worker.loaders``)."""
    rows = import_module("aiok_spark.training.backends.spark").run(spark.range(0), (), task, label, verbose, loaders)
    return read_result(rows, task, label)
