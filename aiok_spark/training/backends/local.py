"""Training in the driver's own process: no barrier, no executors; for small data and quick trials."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from tempfile import TemporaryDirectory

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import DataType

from aiok_spark.core import compat, execution
from aiok_spark.core.errors import ParamError
from aiok_spark.core.progress import working
from aiok_spark.training.files import Files
from aiok_spark.training.packing import pack_partition, packed_schema
from aiok_spark.training.results import RESULT
from aiok_spark.training.task import TrainTask

_alone = threading.Lock()  # torch has one number of threads and one random state for all of a process


def run(
    df: DataFrame,
    columns: Sequence[tuple[str, DataType]],
    task: TrainTask,
    label: str,
    verbose: bool,
    files: Files | None = None,
) -> pa.Table:
    """Collect the rows and train here, as the only worker.

    Raises
    ------
    ParamError
        If more than one worker is asked for.
    """
    if task.workers != 1:
        raise ParamError(
            f"{label}: numWorkers: found {task.workers} with engine='local', expected 1; use engine='spark'"
        )
    import torch

    from aiok_spark.training.worker.work import Place, work

    with working(f"{label}: training", verbose):
        if files:
            blocks = files.blocks(task, 0)
        else:
            packed = compat.to_arrow(execution.map_columns(df, columns, pack_partition(task), packed_schema(task)))
            blocks = iter(packed.to_batches(max_chunksize=1))
        with TemporaryDirectory(prefix="aiok_local_") as folder:
            place = Place(0, ["localhost:0"], os.cpu_count() or 1, folder, "driver", True)
            with _alone, torch.random.fork_rng(devices=[]):
                threads = torch.get_num_threads()
                try:
                    rows = list(work(blocks, task, place))
                finally:
                    torch.set_num_threads(threads)
    return pa.Table.from_batches(rows, RESULT)
