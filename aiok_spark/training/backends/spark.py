"""Training in a barrier stage: one task for each worker, all started together."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from aiok_spark.core import compat, execution, jobs, watch
from aiok_spark.training.backends.cluster import check_cluster
from aiok_spark.training.files import Files
from aiok_spark.training.packing import pack_partition, packed_schema
from aiok_spark.training.progress import Progress
from aiok_spark.training.results import RESULT
from aiok_spark.training.task import TrainTask

_RESULT_PARTS = 8  # partitions of the result, so that no task gives all of the weights


def run(
    df: DataFrame,
    columns: Sequence[tuple[str, DataType]],
    task: TrainTask,
    label: str,
    verbose: bool,
    files: Files | None = None,
    needs: Sequence[str] = (),
) -> pa.Table:
    """Train on the executors, which have to have the packages ``needs``, too.

    Each row crosses into Python once, to be packed into blocks; Spark deals the blocks to the workers.  From
    files, each worker reads and packs its own.

    Raises
    ------
    ClusterError
        If the cluster has too few slots, allocates executors dynamically, or lacks a package.
    """
    spark = compat.session_of(df)
    check_cluster(spark, task.workers, label, needs)
    heard = verbose or watch.is_heard()
    if task.checkpointDir is not None:
        place = compat.qualified(spark, task.checkpointDir)
        told = f"{place.rstrip('/')}/progress/{task.run}" if heard else None
        task = replace(task, checkpointDir=place, progressDir=told)
    task = replace(task, resultLimit=_size(spark.conf.get("spark.driver.maxResultSize", "1g")))
    if files:
        dealt = spark.range(0, task.workers, 1, task.workers)
    else:
        dealt = _dealt(execution.map_columns(df, columns, pack_partition(task), packed_schema(task)), task.workers)
    with tempfile.TemporaryDirectory(prefix="aiok_progress_") as folder:
        if heard and task.progressDir is None and _shares_files(spark):
            task = replace(task, progressDir=folder)
        trained = execution.map_batches(dealt, _Worker(task, files), RESULT, barrier=True)
        # Spark restarts a barrier stage that has lost an executor only if another stage follows.
        result = trained.repartition(_RESULT_PARTS)
        with Progress(spark, task, label, verbose) as progress:
            return jobs.run_watched(spark, lambda: compat.to_arrow(result), progress.look)


def _dealt(packed: DataFrame, workers: int) -> DataFrame:
    """Piece i of each batch in partition i.

    Spark chooses the partition by a hash, so each piece gets a number with the right one; Spark itself knows which.
    """
    numbers = f"sequence(0L, {32 * workers}L)"
    place = f"SELECT transform({numbers}, i -> pmod(hash(i), {workers})) FROM VALUES (0)"  # no job: Catalyst folds it
    ((places,),) = packed.sparkSession.sql(place).collect()
    keys = F.array(*[F.lit(places.index(piece)).cast("long") for piece in range(workers)])
    return packed.repartition(workers, keys[F.col("piece").cast("int")])


class _Worker:
    """The function of the barrier stage."""

    def __init__(self, task: TrainTask, files: Files | None) -> None:
        self._task, self._files = task, files

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import BarrierTaskContext, SparkFiles

        from aiok_spark.training.worker.work import Place, executor_name, work

        context = BarrierTaskContext.get()
        place = Place(
            rank=context.partitionId(),  # a process may be another worker each time
            addresses=[info.address for info in context.getTaskInfos()],
            threads=context.cpus(),
            folder=SparkFiles.getRootDirectory(),
            executor=executor_name(),
        )
        blocks = self._files.blocks(self._task, place.rank) if self._files else batches
        yield from work(blocks, self._task, place)


def _size(text: str) -> int:
    """Bytes of a size as Spark's settings have it, such as "1g"."""
    number, unit = re.fullmatch(r"(\d+)([kmgtp]?)b?", text.strip().lower()).groups()  # type: ignore[union-attr]
    return int(number) << 10 * " kmgtp".index(unit or " ")


def _shares_files(spark: SparkSession) -> bool:
    """Whether the workers surely see the driver's own directories."""
    master = spark.conf.get("spark.master", "")
    return not compat.is_connect(spark) and master.startswith("local") and Path(tempfile.gettempdir()).is_dir()
