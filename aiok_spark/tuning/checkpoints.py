"""A place of its own for the checkpoints of each trial: two trainings cannot share one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pyspark.sql import SparkSession

from aiok_spark.core import compat
from aiok_spark.core.files import open_system
from aiok_spark.tuning.binding import stages_of
from aiok_spark.tuning.pruning import Pruned


class TrialCheckpoints:
    """Folders for the trials of a search, within the directories that its networks have for checkpoints."""

    def __init__(self) -> None:
        self._pruned: list[str] = []

    @contextmanager
    def of(self, spark: SparkSession, estimator: Any, name: str) -> Iterator[None]:
        """Inside, the estimator's networks use the folder ``name``.

        It is removed when the trial has come to its end or was pruned.  After anything else it stays, so that the
        same trial goes on from there.
        """
        places = []
        for stage in stages_of(estimator):
            if stage.hasParam("checkpointDir") and (place := stage.getOrDefault("checkpointDir")):
                places.append(f"{compat.qualified(spark, place).rstrip('/')}/{name}")
                stage.set(stage.getParam("checkpointDir"), places[-1])
        try:
            yield
        except Pruned:
            self._pruned += places  # the workers may write once more before they end
            _remove(places)
            raise
        _remove(places)

    def close(self) -> None:
        """Remove what came after a trial was pruned."""
        _remove(self._pruned)


def _remove(places: list[str]) -> None:
    for place in places:
        with suppress(OSError, ImportError):  # what is left there harms nobody
            system, folder = open_system(place)
            system.delete_dir(folder)
