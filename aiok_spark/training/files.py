"""The rows of a training from the files of a dataset, without Spark in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import DataType

from aiok_spark.core import compat
from aiok_spark.core.schema import column
from aiok_spark.data.conversion import ROW_GROUP_BYTES, convert, dataset_of, delete
from aiok_spark.data.dataset import Dataset, read_ahead
from aiok_spark.training.packing import pack
from aiok_spark.training.task import TrainTask

_ABOUT = {"dtype": None, "compression": "uncompressed", "rowGroupBytes": ROW_GROUP_BYTES}


@dataclass(frozen=True)
class Files:
    """Where the rows are, and which columns to read as what.

    Attributes
    ----------
    dataset : Dataset
        The files.
    columns : tuple of (str, pyarrow.DataType)
        Names and types, in the order of the task.
    """

    dataset: Dataset
    columns: tuple[tuple[str, pa.DataType], ...]

    def blocks(self, task: TrainTask, rank: int) -> Iterator[pa.RecordBatch]:
        """What ``pack`` makes of a worker's rows: as many as those of the others, but for one."""
        groups = self.dataset.groups(*self.dataset.shard(rank, task.workers))
        names = list(dict.fromkeys(name for name, _ in self.columns))
        alone = replace(task, workers=1, live={})
        yield from pack(map(self._cast, read_ahead(self.dataset, groups, names)), alone, rank)

    def _cast(self, table: pa.Table) -> pa.RecordBatch:
        made = [table[name].combine_chunks().cast(kind, safe=False) for name, kind in self.columns]
        return pa.RecordBatch.from_arrays(made, [f"c{i}" for i in range(len(made))])


@contextmanager
def files_of(df: DataFrame, columns: Sequence[tuple[str, DataType]], label: str) -> Iterator[Files]:
    """The files that the DataFrame reads, if a conversion made it; else those of a conversion for this training."""
    found = dataset_of(df)
    names = dict.fromkeys(name for name, _ in columns)
    dataset = found or convert(df.select(*map(column, names)), None, _ABOUT, label=label)
    try:
        yield Files(dataset, tuple((name, compat.arrow_type(kind)) for name, kind in columns))
    finally:
        if found is None and not dataset.about["shared"]:
            delete(dataset.path)
