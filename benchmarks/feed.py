"""DataFrame to torch: the engine's blocks against the DataFrame feed of pyspark's TorchDistributor."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import torch
from pyspark.ml.torch.distributor import TorchDistributor, _get_spark_partition_data_loader
from pyspark.sql import DataFrame
from pyspark.sql.types import FloatType

from aiok_spark.core import execution
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.packing import pack_partition, packed_schema
from aiok_spark.training.task import REGRESSION, TrainTask
from aiok_spark.training.worker.shard import stage
from benchmarks import table
from benchmarks.measure import cost
from benchmarks.process import Facts, facts_of
from benchmarks.session import open_session

ROWS, QUICK_ROWS = 400_000, 10_000
REPEATS, QUICK_REPEATS = 3, 1
BATCH = 4096
COLUMNS = [f"x{i}" for i in range(40)]  # the last is our label; the feed has no such thing
TARGET = 70.0
_PASSES = 3  # of ours; the first counts with the staging
_FILES = 4
_RESULT = pa.schema([("facts", pa.string())])


def main(rows: int | None, quick: bool) -> None:
    """Read the same rows by both, and compare rows a second within the worker."""
    rows = rows or (QUICK_ROWS if quick else ROWS)
    repeats = QUICK_REPEATS if quick else REPEATS
    table.heading("feed", spark=pyspark.__version__, torch=torch.__version__, rows=rows, columns=len(COLUMNS))
    print(
        f"   One worker, batches of {BATCH}, a pass over all rows. rows/s: within the worker, from asking for the first"
    )
    print(
        "   batch to having the last, median of jobs. Ours is in random order, and the first pass counts the staging of"
    )
    print(
        "   the blocks; the feed's is in the order of the file. The job's wall and CPU-s hold all: scan, crossing into"
    )
    print("   Python, the starts of processes, and the passes (ours: as many as in the last column).")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows")
        _write(path, rows)
        arguments: dict[str, Any] = {"path": str(path), "repeats": repeats, "rows": rows}
        loaders = {
            f"TorchDistributor, num_workers={n}" + " (default)" * n: facts_of(distributor, loaders=n, **arguments)
            for n in (1, 0)
        }
        ours = facts_of(engine, **arguments)
    _show(loaders, ours)


def _show(loaders: dict[str, list[Facts]], ours: list[Facts]) -> None:
    rates = {name: median(f["rate"] for f in facts) for name, facts in loaders.items()}
    best = max(rates.values())
    lines = [[name, rate, "", "", *_job(loaders[name], 1)] for name, rate in rates.items()]
    for name, key in (("ours, first pass", "first"), ("ours, each later pass", "later")):
        rate = median(f[key] for f in ours)
        job = _job(ours, _PASSES) if key == "first" else ["", "", ""]
        lines.append([name, rate, rate / best, table.verdict(rate / best, TARGET), *job])
    header = ["", "rows/s", "ratio to the better", "target", "job's wall s", "job's CPU-s", "passes"]
    table.show(f"float columns of {BATCH} rows as tensors", header, lines)
    sums = {name: facts[-1]["sum"] for name, facts in {**loaders, "ours": ours}.items()}
    expected = sums["ours"]
    same = all(abs(s - expected) <= 1e-9 * max(1, abs(expected)) for s in sums.values())
    print("  sum of all values: " + ", ".join(f"{name} {s:.6f}" for name, s in sums.items()))
    print(f"  same sums: {'yes' if same else 'NO'}")


def _job(facts: list[Facts], passes: int) -> list[object]:
    return [median(f["wall"] for f in facts), median(f["cpu"] for f in facts), passes]


def distributor(path: str, rows: int, repeats: int, loaders: int) -> Iterator[Facts]:
    """The feed; each job starts a process that makes the pass."""
    data = _read(path)
    for _ in range(repeats):
        made = TorchDistributor(num_processes=1, local_mode=False, use_gpu=False)
        with cost() as spent:
            found = made._train_on_dataframe(feed_pass, data.repartition(1), rows, BATCH, loaders)
        yield {**found, **spent}


def feed_pass(rows: int, batch: int, loaders: int) -> Facts:
    """The train function: a pass over the data loader; summing is not timed."""
    total, seen, seconds = 0.0, 0, 0.0
    batches = iter(_get_spark_partition_data_loader(rows, batch, num_workers=loaders))
    while True:
        begun = time.perf_counter()
        columns = next(batches, None)
        seconds += time.perf_counter() - begun
        if columns is None:
            break
        total += sum(column.double().sum().item() for column in columns)
        seen += len(columns[0])
    if seen != rows:
        raise AssertionError(f"found {seen} rows in a pass, expected {rows}")
    return {"rate": rows / seconds, "sum": total}


def engine(path: str, rows: int, repeats: int) -> Iterator[Facts]:
    """The steps of a fit up to the network: pack, deal, stage in a barrier task, and batches of rows."""
    data = _read(path)
    spec = FeatureSpec(tuple(COLUMNS[:-1]), (1,) * (len(COLUMNS) - 1))
    task = TrainTask("", spec, kind=REGRESSION, numClasses=0, label=COLUMNS[-1], batchSize=BATCH)
    columns = [(name, FloatType()) for name in COLUMNS]
    for _ in range(repeats):
        with cost() as spent:
            packed = execution.map_columns(data, columns, pack_partition(task), packed_schema(task))
            told = execution.map_batches(packed.repartition(1), shard_passes(task, rows), _RESULT, barrier=True)
            found = json.loads(told.first()["facts"])
        yield {**found, **spent}


def shard_passes(task: TrainTask, rows: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function of the barrier task: staging, passes in random orders, and the sum of all values."""

    def call(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)  # as a worker of one processor does
        at = [time.perf_counter()]
        shard = stage(batches, task)
        for number in range(_PASSES):
            order = torch.from_numpy(np.random.default_rng(number).permutation(shard.training))
            seen = sum(len(shard.rows(part)["label"]) for part in order.split(task.batchSize))
            at.append(time.perf_counter())
            if seen != rows:
                raise AssertionError(f"found {seen} rows in a pass, expected {rows}")
        every = shard.rows(torch.from_numpy(shard.training))
        total = sum(values.double().sum().item() for values in every.values())
        later = (at[-1] - at[1]) / (_PASSES - 1)
        facts = {"first": rows / (at[1] - at[0]), "later": rows / later, "sum": total}
        yield pa.RecordBatch.from_pydict({"facts": [json.dumps(facts)]}, schema=_RESULT)

    return call


def _read(path: str) -> DataFrame:
    rows = open_session(**{"spark.master": "local[2]"}).read.parquet(path)
    rows.schema  # noqa: B018, so that the plan is analysed before the clock starts
    return rows


def _write(path: Path, rows: int) -> None:
    path.mkdir()
    for i, count in enumerate(np.diff(np.linspace(0, rows, _FILES + 1).astype(int))):
        values = np.random.default_rng(i).standard_normal((len(COLUMNS), int(count)), np.float32)
        pq.write_table(pa.table(dict(zip(COLUMNS, values, strict=True))), path / f"part-{i}.parquet")
