"""Progress of a training on a cluster, read from the names of small files."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from aiok_spark.core import watch
from aiok_spark.core.progress import Counted
from aiok_spark.training.task import TrainTask

_EVERY = 1.0  # seconds between looks


class Progress:
    """Shows where the workers are, as far as the first of them tells.

    Files are listed on the driver, which needs no task slot; the workers may have taken all.
    """

    def __init__(self, spark: SparkSession, task: TrainTask, label: str, verbose: bool) -> None:
        self._spark, self._task, self._looked = spark, task, 0.0
        self._shown = Counted(f"{label}: training", "epochs", task.epochs, verbose and task.epochs > 0)

    def __enter__(self) -> Progress:
        self._shown.__enter__()
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._shown.__exit__(*error)

    def look(self) -> None:
        """Show the present state, if it is time for it."""
        now = time.monotonic()
        if now - self._looked < _EVERY:
            return
        told = self._read() if self._task.progressDir else {}
        self._looked = time.monotonic()
        done = told.get("epoch", 0.0) + told.get("step", 0.0) / max(1.0, told.get("steps", 1.0)) if told else 0.0
        if "ended" in told:
            parts = ((name.removeprefix("ended_"), value) for name, value in told.items() if name.startswith("ended_"))
            watch.tell_epoch(int(told["ended"]), dict(parts))
        hidden = ("epoch", "step", "steps", "ended")
        shown = {name: value for name, value in told.items() if name not in hidden and not name.startswith("ended_")}
        words = " ".join(f"{name} {value:.4g}" for name, value in shown.items())
        self._shown.show(done, words if told or not self._task.progressDir else "(rows are read, workers start)")

    def _read(self) -> dict[str, Any]:
        try:
            files = self._spark.read.format("text").load(self._task.progressDir).inputFiles()
        except PySparkException:
            return {}  # nothing is there yet
        if not files:
            return {}
        _, *pairs = max(name.rpartition("/")[2] for name in files).split(",")
        return {name: float(value) for name, _, value in (pair.partition("=") for pair in pairs)}
