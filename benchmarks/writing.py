"""From Spark to a dataset: our conversion against Spark's own Parquet writer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pyspark

from benchmarks import table
from benchmarks.loader import write
from benchmarks.measure import cost
from benchmarks.process import Facts, facts_of
from benchmarks.session import open_session

ROWS, QUICK_ROWS = 2_000_000, 20_000
REPEATS, QUICK_REPEATS = 4, 2
TARGET = 1.0


def main(rows: int | None, quick: bool) -> None:
    """Run both in processes of their own and print a table."""
    rows = rows or (QUICK_ROWS if quick else ROWS)
    table.heading("writing", spark=pyspark.__version__, rows=rows)
    print("   39 numbers from Parquet to Parquet (snappy), and one that is computed on the way; the median without the")
    print("   first time. Ours counts the rows and writes petastorm's notes and the manifest besides.")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, "rows"), rows)
        for name, way in (("df.write.parquet", by_spark), ("make_spark_converter", ours)):
            facts = facts_of(way, folder=folder, repeats=QUICK_REPEATS if quick else REPEATS)[1:]
            found[name] = [median(f[what] for f in facts) for what in ("wall", "cpu", "size")]
    theirs, mine = found.values()
    lines = [[name, wall, theirs[0] / wall, cpu, theirs[1] / cpu, size] for name, (wall, cpu, size) in found.items()]
    lines[-1].append(table.verdict(theirs[0] / mine[0], TARGET))
    lines[0].append("")
    table.show("rows to files", ["writer", "wall s", "ratio", "CPU-s", "ratio", "MB", "target"], lines)


def by_spark(folder: str, repeats: int) -> Iterator[Facts]:
    """``df.write.parquet``."""
    df = open_session().read.parquet(f"{folder}/rows").selectExpr("*", "i0 * 2 AS twice")
    for i in range(repeats):
        with cost() as spent:
            df.write.parquet(f"{folder}/spark{i}")
        yield {**spent, "size": _size(f"{folder}/spark{i}")}


def ours(folder: str, repeats: int) -> Iterator[Facts]:
    """Our conversion, as the rows are."""
    from aiok_spark.data import make_spark_converter

    df = open_session().read.parquet(f"{folder}/rows").selectExpr("*", "i0 * 2 AS twice")
    for i in range(repeats):
        with cost() as spent:
            make_spark_converter(
                df, compression_codec="snappy", dtype=None, parent_cache_dir_url=f"file://{folder}/ours{i}"
            )
        yield {**spent, "size": _size(f"{folder}/ours{i}")}


def _size(folder: str) -> float:
    return sum(file.stat().st_size for file in Path(folder).rglob("*.parquet")) / 1e6
