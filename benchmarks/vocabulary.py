"""A large vocabulary on a driver of default size: does it fit, transform, save and load, and in how much memory."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyspark
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from aiok_spark.feature import Categorify
from aiok_spark.feature.categorify import CategorifyModel
from benchmarks import table
from benchmarks.measure import cost, peak
from benchmarks.process import ROOT, Facts, Outcome, run

VALUES, QUICK_VALUES = 3_000_000, 20_000  # distinct, of 35 characters: 105 MB
_TWICE = 10  # every tenth value comes twice, so it has one of the first ids
_SAMPLE = 1000
_PARTS = ("driver", "jvm", "workers", "worker")


def main(rows: int | None, quick: bool) -> None:
    """Run both environments, each with its own Python, and print a table for each."""
    values = rows or (QUICK_VALUES if quick else VALUES)
    memory = None if values <= VALUES else "4g"  # a heap of 1 GB does not hold more
    table.heading(
        "vocabulary",
        values=values,
        megabytes=values * len(_text_of(0)) / 1e6,
        spark_driver_memory=memory or "default",
    )
    print("   Peak resident MiB, sampled; workers: sum over all Python workers, worker: the largest.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "values")
        _write(path, values)
        environments = {"classic": sys.executable, "Spark 4 Connect": str(ROOT / ".venv-spark4/bin/python")}
        for name, python in environments.items():
            if Path(python).exists():
                remote = name != "classic"
                arguments = {
                    "path": str(path),
                    "values": values,
                    "memory": memory,
                    "remote": remote,
                    "saved": f"{folder}/{remote}",
                }
                _show(name, run(steps, python, **arguments))
            else:
                print(f"\n{name}: skipped, there is no {table.relative(Path(python))} (scripts/setup.sh makes it)")


def _show(name: str, outcome: Outcome) -> None:
    lines = [
        [f["step"], f["wall"], f["cpu"], *(f[part] for part in _PARTS), f.get("checked", "")] for f in outcome.facts
    ]
    what = f"{name}, Spark {outcome.facts[0]['spark']}, JVM {outcome.facts[0]['heap']}" if lines else name
    header = ["step", "wall s", "CPU-s", "driver MiB", "JVM MiB", "workers MiB", "worker MiB", "checked"]
    table.show(what, header, lines)
    print(f"  {name}: " + (f"FAILED after the last line above: {outcome.failure}" if outcome.failure else "passed"))


def steps(path: str, values: int, memory: str | None, remote: bool, saved: str) -> Iterator[Facts]:
    with _watched("start") as facts:
        spark = _open(remote, memory)
        rows = spark.read.parquet(path)
        rows.schema  # noqa: B018, the plan is analysed here
    yield {**facts, "spark": pyspark.__version__, "heap": _heap()}
    with _watched("fit") as facts:
        model = Categorify(inputCols=["value"], outputCols=["id"], verbose=False).fit(rows)
    yield facts
    for step in ("transform", "transform again"):
        with _watched(step) as facts:
            _run(model.transform(rows))
        yield facts
    with _watched("ids of a sample") as facts:
        facts["checked"] = _check(spark, model, values)
    yield facts
    with _watched("transform by a join") as facts:
        joined = model.copy({model.joinAbove: 0})
        _run(joined.transform(rows))
    yield facts
    with _watched("both ways compared") as facts:
        facts["checked"] = _compare(model.transform(rows), joined.transform(rows), values)
    yield facts
    with _watched("save") as facts:
        model.write().overwrite().save(saved)
    yield facts
    with _watched("load") as facts:
        loaded = CategorifyModel.load(saved)
    yield facts
    with _watched("ids by the loaded model") as facts:
        facts["checked"] = _check(spark, loaded, values)
    yield facts
    spark.stop()


@contextmanager
def _watched(step: str) -> Iterator[Facts]:
    facts: Facts = {"step": step}
    with cost() as spent, peak() as highest:
        yield facts
    facts.update(spent | highest)


def _open(remote: bool, memory: str | None) -> SparkSession:
    """Only what says where to run, and memory if Spark's default is too little."""
    builder = SparkSession.builder.remote("local[2]") if remote else SparkSession.builder.master("local[2]")
    builder = builder.config("spark.ui.enabled", "false")
    return (builder.config("spark.driver.memory", memory) if memory else builder).getOrCreate()


def _heap() -> str:
    """The heap limit that the JVM was started with."""
    for process in psutil.Process().children(recursive=True):
        for argument in process.cmdline() if process.name() == "java" else []:
            if argument.startswith("-Xmx"):
                return argument
    return "without -Xmx"


def _run(rows: DataFrame) -> None:
    rows.write.format("noop").mode("overwrite").save()


def _check(spark: SparkSession, model: CategorifyModel, values: int) -> str:
    """Compare with what the ids must be: values that come twice first, then the others, each in order."""
    numbers = np.random.default_rng(0).choice(values, min(_SAMPLE, values), replace=False)
    twice = -(-values // _TWICE)
    before = numbers // _TWICE  # how many of those that come twice are smaller
    expected = np.where(numbers % _TWICE == 0, 2 + before, 2 + twice + numbers - before - 1)
    sample = [(int(e), _text_of(int(n))) for n, e in zip(numbers, expected, strict=True)]
    rows = spark.createDataFrame([*sample, (1, None), (0, "unseen")], "expected int, value string")
    wrong = model.transform(rows).where(~F.col("id").eqNullSafe(F.col("expected"))).count()
    if wrong:
        raise AssertionError(f"{wrong} of {len(sample) + 2} ids are not as expected")
    return f"{len(sample) + 2} ids right"


def _compare(sent: DataFrame, joined: DataFrame, values: int) -> str:
    """Compare the ids of all rows, whose order differs, by the sum of their hashes."""
    same = F.sum(F.xxhash64("value", "id").cast("decimal(38, 0)"))
    ids = F.count_distinct("id")
    found = [df.agg(same, ids).first() for df in (sent, joined)]
    if found[0] != found[1] or found[0][1] != values:
        raise AssertionError(f"the join gives other ids, or not {values} different ones: {found}")
    return f"{values} ids the same"


def _text_of(number: int) -> str:
    return f"https://example.org/item/{number:010d}"


def _write(path: Path, values: int) -> None:
    """All values in mixed order, in parts."""
    path.mkdir()
    numbers = np.arange(values)
    numbers = np.random.default_rng(0).permutation(np.append(numbers, numbers[::_TWICE]))
    for i, part in enumerate(np.array_split(numbers, 8)):
        digits = pc.utf8_lpad(pa.array(part).cast(pa.string()), 10, "0")
        text = pc.binary_join_element_wise("https://example.org/item/", digits, "")
        pq.write_table(pa.table({"value": text}), path / f"part-{i}.parquet")
