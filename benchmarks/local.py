"""LocalPipeline: 13 numbers and 26 categories scored in plain Python, no JVM."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyspark

from benchmarks import table
from benchmarks.data import CATEGORIES, NUMBERS, make_rows, write_rows
from benchmarks.process import Facts, facts_of
from benchmarks.start import first_score

ROWS, QUICK_ROWS = 200_000, 2_000
SINGLE, BATCH = 2_000, 100_000
_TIMES = 5
_STARTS = 3
_FEW = 2_000  # rows that the network is trained on
_DIVISOR = 100  # of the sizes when quick
START_TARGET, SINGLE_TARGET, NETWORK_TARGET = 2.0, 0.5, 2.0  # seconds, milliseconds, milliseconds
NUMBERS_TARGET, ALL_TARGET = 1e6, 150e3  # rows a second and core


def main(rows: int | None, quick: bool) -> None:
    """Fit with Spark, then score in a process that has none."""
    rows = rows or (QUICK_ROWS if quick else ROWS)
    table.heading("local", spark=pyspark.__version__, rows_of_the_fit=rows)
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder, "rows"), rows)
        facts_of(fit, folder=folder)
        sizes = (
            {"single": SINGLE // _DIVISOR, "batch": BATCH // _DIVISOR} if quick else {"single": SINGLE, "batch": BATCH}
        )
        found = {k: v for facts in facts_of(score, folder=folder, rows=rows, **sizes) for k, v in facts.items()}
        row = _dicts(make_rows(rows, 0, 1))[0]
        starts = [facts_of(first_score, path=f"{folder}/all", row=row)[0] for _ in range(_STARTS)]
    start = {name: median(s[name] for s in starts) for name in starts[0]}
    table.show(
        f"FillMissing + LogTransform on 13 numbers, Categorify on 26 strings; one row {sizes['single']} times, "
        f"batches of {sizes['batch']} rows in one thread",
        ["", "found", "unit", "target"],
        [
            ["import to first score, wall", start["wall"], "s", _most(start["wall"], START_TARGET)],
            *([f"  of it {name}", start[name], "s", ""] for name in ("import", "load", "first row")),
            ["import to first score, CPU", start["cpu"], "s", ""],
            ["a dict of 39 columns, median", found["median"], "ms", _most(found["median"], SINGLE_TARGET)],
            ["a dict of 39 columns, 99th percentile", found["p99"], "ms", ""],
            ["a dict of 39 columns, 99th percentile of CPU", found["p99 CPU"], "ms", ""],
            *(
                [f"the same and the default DLRM by {runtime}, median", ms, "ms", _most(ms, NETWORK_TARGET)]
                for runtime, ms in found["networks"].items()
            ),
            [
                "Arrow, numeric stages",
                found["arrow numbers"],
                "rows/CPU-s",
                _least(found["arrow numbers"], NUMBERS_TARGET),
            ],
            ["Arrow, all stages", found["arrow all"], "rows/CPU-s", _least(found["arrow all"], ALL_TARGET)],
            ["pandas, numeric stages", found["pandas numbers"], "rows/CPU-s", ""],
            ["pandas, all stages", found["pandas all"], "rows/CPU-s", ""],
        ],
    )
    print(f"  JVM started: {'yes' if found['jvm'] else 'no'}")


def _most(found: float, target: float) -> str:
    return table.verdict(found, target, most=True)


def _least(found: float, target: float) -> str:
    return table.verdict(found, target)


def fit(folder: str) -> Iterator[Facts]:
    """Save three pipelines: all feature stages, the numeric ones, and all with a network behind them."""
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.sql import functions as F

    from aiok_spark.feature import Categorify, FillMissing, LogTransform
    from aiok_spark.models import DLRMClassifier
    from benchmarks.session import open_session

    rows = open_session().read.parquet(f"{folder}/rows")
    numeric = [
        FillMissing(inputCols=NUMBERS, outputCols=NUMBERS, strategy="median", verbose=False),
        LogTransform(inputCols=NUMBERS, outputCols=NUMBERS),
    ]
    ids = Categorify(inputCols=CATEGORIES, outputCols=[f"{c}_id" for c in CATEGORIES], verbose=False)
    network = DLRMClassifier(
        denseCols=NUMBERS, categoricalCols=ids.getOutputCols(), labelCol="row", engine="local", verbose=False
    )
    few = rows.where(f"row < {_FEW}").withColumn("row", F.col("row") % 2)  # how well it has learned costs no time
    made = Pipeline(stages=[*numeric, ids]).fit(rows)
    made.save(f"{folder}/all")
    Pipeline(stages=numeric).fit(rows).save(f"{folder}/numbers")
    PipelineModel(stages=[*made.stages, network.fit(made.transform(few))]).save(f"{folder}/network")
    yield {}


def score(folder: str, rows: int, single: int, batch: int) -> Iterator[Facts]:
    """Everything of a warm process; NumPy and Arrow in one thread."""
    pa.set_cpu_count(1)
    from aiok_spark.inference import LocalPipeline

    everything, numbers = (LocalPipeline.load(f"{folder}/{name}") for name in ("all", "numbers"))
    data = make_rows(rows, 0, min(rows, batch)).drop_columns(["row"])
    yield _latency(everything, _dicts(data.slice(0, single)))
    served = {runtime: LocalPipeline.load(f"{folder}/network", runtime) for runtime in ("torch", "onnxruntime")}
    yield {"networks": {r: _latency(p, _dicts(data.slice(0, single)))["median"] for r, p in served.items()}}
    yield {"arrow all": _rate(everything.transform, data)}
    yield {"arrow numbers": _rate(numbers.transform, data.select(NUMBERS))}
    frame = data.to_pandas()
    yield {"pandas all": _rate(everything.transform, frame)}
    yield {"pandas numbers": _rate(numbers.transform, frame[NUMBERS])}
    from pyspark import SparkContext

    yield {"jvm": SparkContext._gateway is not None}


def _latency(pipeline: Any, rows: list[dict[str, Any]]) -> Facts:
    """Milliseconds of single rows; the first has loaded what it needs."""
    pipeline.transform(rows[0])
    wall, cpu = [], []
    for row in rows:
        start, start_cpu = time.perf_counter(), time.thread_time()
        pipeline.transform(row)
        cpu.append(1000 * (time.thread_time() - start_cpu))
        wall.append(1000 * (time.perf_counter() - start))
    p99 = {name: float(np.quantile(spent, 0.99)) for name, spent in {"p99": wall, "p99 CPU": cpu}.items()}
    return {"median": float(np.median(wall)), **p99}


def _rate(transform: Callable[[Any], Any], data: Any) -> float:
    """Rows per CPU-second of this process, the median of some times."""
    transform(data)
    spent = []
    for _ in range(_TIMES):
        start = time.process_time()
        transform(data)
        spent.append(time.process_time() - start)
    return len(data) / max(median(spent), 1e-9)


def _dicts(rows: pa.Table) -> list[dict[str, Any]]:
    return rows.select([*NUMBERS, *CATEGORIES]).to_pylist()
