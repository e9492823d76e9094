"""Fit and transform of 26 string columns: Categorify against pyspark's StringIndexer."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pyspark
from pyspark.ml import Model
from pyspark.ml.feature import StringIndexer
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from aiok_spark.feature import Categorify
from benchmarks import table
from benchmarks.data import CATEGORIES, write_rows
from benchmarks.measure import cost
from benchmarks.process import Facts, facts_of
from benchmarks.session import open_session

ROWS, QUICK_ROWS = 1_000_000, 2_000
REPEATS, QUICK_REPEATS = 5, 3
IDS = [f"{name}_id" for name in CATEGORIES]
SOURCES = {"plain file scan": False, "an expression on every column": True}
TOTAL_TARGET, ABOVE_TARGET = 2.0, 4.0


def main(rows: int | None, quick: bool) -> None:
    """Measure both kinds of DataFrame and print a table for each."""
    rows = rows or (QUICK_ROWS if quick else ROWS)
    repeats = QUICK_REPEATS if quick else REPEATS
    table.heading("categorify", spark=pyspark.__version__, rows=rows, columns=len(CATEGORIES))
    print("   CPU-seconds of the process tree. cold: first time in a process, session started; warm: median from the")
    print("   third time on. Above scans: without two bare scans of the same plan, measured in a process of their own.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows")
        write_rows(path, rows)
        for source, computed in list(SOURCES.items())[: 1 if quick else None]:
            _compare(source, {"path": str(path), "computed": computed, "repeats": repeats})


def _compare(source: str, arguments: dict) -> None:
    found = {contender.__name__: facts_of(contender, **arguments) for contender in (bare_scan, categorify, indexer)}
    costs: dict[tuple[str, str, str], Facts] = {}
    for name, facts in found.items():
        for step in ("scan", "fit", "transform"):
            times = [f for f in facts if f.get("step") == step]
            if times:
                costs[name, step, "cold"] = times[0]
                costs[name, step, "warm"] = {k: median(f[k] for f in times[2:]) for k in ("cpu", "wall")}
    table.show(
        f"{source}: steps",
        ["contender", "step", "cold CPU-s", "warm CPU-s", "cold wall s", "warm wall s"],
        [
            [name, step, *(costs[name, step, state][what] for what in ("cpu", "wall") for state in ("cold", "warm"))]
            for name, step in dict.fromkeys((n, s) for n, s, _ in costs)
        ],
    )
    table.show(
        f"{source}: fit + transform, StringIndexer / Categorify",
        ["", "StringIndexer", "Categorify", "two scans", "ratio", "target", "wall ratio"],
        [line for state in ("cold", "warm") for line in _ratios(costs, state)],
    )
    same = found["categorify"][-1]["digest"] == found["indexer"][-1]["digest"]
    print(f"  same ids: {'yes' if same else 'NO'} (all rows, all columns; nulls compared as one value)")


def _ratios(costs: dict[tuple[str, str, str], Facts], state: str) -> Iterator[list[object]]:
    def total(name: str, what: str) -> float:
        return costs[name, "fit", state][what] + costs[name, "transform", state][what]

    ours, theirs, scans = (
        total("categorify", "cpu"),
        total("indexer", "cpu"),
        2 * costs["bare_scan", "scan", state]["cpu"],
    )
    wall = total("indexer", "wall") / total("categorify", "wall")
    ratio = theirs / ours
    yield [f"{state}, total CPU-s", theirs, ours, scans, ratio, table.verdict(ratio, TOTAL_TARGET), wall]
    # What is nothing, or less, because the machine's noise is larger, is shown as such.
    above = (theirs - scans) / (ours - scans) if ours > scans else float("inf")
    yield [
        f"{state}, above scans CPU-s",
        theirs - scans,
        ours - scans,
        "",
        above,
        table.verdict(above, ABOVE_TARGET),
        "",
    ]


def bare_scan(path: str, computed: bool, repeats: int) -> Iterator[Facts]:
    rows = _read(path, computed)
    for _ in range(repeats):
        with cost() as spent:
            _run(rows.select(CATEGORIES))
        yield {"step": "scan", **spent}


def categorify(path: str, computed: bool, repeats: int) -> Iterator[Facts]:
    stage = Categorify(inputCols=CATEGORIES, outputCols=IDS, verbose=False)
    # 0 is out of vocabulary and 1 null, so the values start at 2.
    yield from _steps(_read(path, computed), stage.fit, lambda c: F.greatest(c - 2, F.lit(-1)), repeats)


def indexer(path: str, computed: bool, repeats: int) -> Iterator[Facts]:
    rows = _read(path, computed)  # first, as a StringIndexer needs a session to be made
    stage = StringIndexer(inputCols=CATEGORIES, outputCols=IDS, handleInvalid="keep", stringOrderType="frequencyDesc")
    yield from _steps(rows, stage.fit, lambda c: c.cast("int"), repeats)


def _steps(
    rows: DataFrame, fit: Callable[[DataFrame], Model], rank: Callable[[Column], Column], repeats: int
) -> Iterator[Facts]:
    """Each time, and at last the digest of all ids as ranks of values from 0, nulls -1."""
    for _ in range(repeats):
        with cost() as spent:
            model = fit(rows)
        yield {"step": "fit", **spent}
        with cost() as spent:
            _run(model.transform(rows).select(IDS))
        yield {"step": "transform", **spent}
    made = model.transform(rows)
    ranks = [
        F.when(F.col(c).isNull(), -1).otherwise(rank(F.col(i))).cast("int")
        for c, i in zip(CATEGORIES, IDS, strict=True)
    ]
    hashes = made.select(*[F.xxhash64("row", r).alias(i) for i, r in zip(IDS, ranks, strict=True)])
    yield {"digest": list(hashes.agg(*[f(i) for i in IDS for f in (F.bit_xor, _sum)]).first())}


def _sum(name: str) -> Column:
    return F.sum(F.shiftrightunsigned(name, 32))


def _read(path: str, computed: bool) -> DataFrame:
    rows = open_session().read.parquet(path)
    if computed:  # the same values, but nothing that reads only files could know them
        rows = rows.select("row", *[F.lower(name).alias(name) for name in CATEGORIES])
    rows.schema  # noqa: B018, so that the plan is analysed before the clock starts
    return rows


def _run(rows: DataFrame) -> None:
    rows.write.format("noop").mode("overwrite").save()
