"""Fit and transform of a stage of each family, against the same thing written by hand in Spark SQL."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import pyspark
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from aiok_spark import feature as f
from benchmarks import table
from benchmarks.measure import cost
from benchmarks.process import Facts, facts_of
from benchmarks.session import open_session

ROWS, QUICK_ROWS = 1_000_000, 2_000
REPEATS, QUICK_REPEATS = 5, 2
TARGET = 1.0
PRIOR = 20.0  # weight, in rows

Way = Callable[[DataFrame], DataFrame]


def main(rows: int | None, quick: bool) -> None:
    """Run all families in two processes, and print the CPU-seconds of each."""
    rows = rows or (QUICK_ROWS if quick else ROWS)
    table.heading("features", spark=pyspark.__version__, rows=rows)
    print(
        "   CPU-seconds of the process tree for fit and transform together, all columns written to nowhere; the median"
    )
    print("   without the first time. By hand: what a user would write in SQL for the same result.")
    with tempfile.TemporaryDirectory() as folder:
        facts_of(make, folder=folder, rows=rows)
        arguments = {"folder": folder, "repeats": QUICK_REPEATS if quick else REPEATS}
        found = [{r["family"]: r["cpu"] for r in facts_of(way, **arguments)} for way in (ours, by_hand)]
    lines = [
        [family, theirs, mine, theirs / mine, table.verdict(theirs / mine, TARGET)]
        for family, (mine, theirs) in {name: (found[0][name], found[1][name]) for name in found[0]}.items()
    ]
    table.show("CPU-s", ["family", "by hand", "stage", "ratio", "target"], lines)


def make(folder: str, rows: int) -> Iterator[Facts]:
    """Events of users with items."""
    spark = open_session()

    def drawn(number: int, most: int) -> str:
        return f"pmod(xxhash64(id, {number}), {most})"

    spark.range(rows).selectExpr(
        f"concat('user ', {drawn(1, max(20, rows // 50))}) AS user",
        f"concat('item ', cast(pow(5000, {drawn(2, 1_000_000)} / 1000000.0) AS int)) AS item",
        f"concat('city ', {drawn(3, 300)}) AS city",
        f"cast({drawn(4, 2)} AS double) AS label",
        f"{drawn(5, 100_000)} / 7.0D AS price",
        f"{drawn(6, 1_000)} / 3.0D AS weight",
        f"timestamp_seconds(1700000000 + {drawn(7, 20_000_000)}) AS at",
        f"transform(sequence(0, {drawn(8, 4)}), i -> concat('tag ', pmod(xxhash64(id, i), 50))) AS tags",
    ).write.parquet(f"{folder}/rows")
    spark.range(5_001).selectExpr(
        "concat('item ', id) AS item", "id / 3.0D AS size", "cast(id % 9 AS int) AS kind"
    ).write.parquet(f"{folder}/items")
    yield {}


def ours(folder: str, repeats: int) -> Iterator[Facts]:
    """The stages."""
    items = open_session().read.parquet(f"{folder}/items")
    both = ["user", "item"]
    stages: dict[str, Any] = {
        "statistics: TargetEncode": f.TargetEncode(
            inputCols=both, labelCols=["label"], outputCols=["u", "i"], smoothing=PRIOR, verbose=False
        ),
        "statistics: CountEncode": f.CountEncode(inputCols=both, outputCols=["u", "i"], verbose=False),
        "categories: CrossColumns": f.CrossColumns(crosses=[["user", "city"]], outputCols=["x"], numBuckets=1000),
        "numbers: Scale": f.Scale(inputCols=["price", "weight"], outputCols=["p", "w"], verbose=False),
        "numbers: DifferenceAndRatio": f.DifferenceAndRatio(pairs=[["price", "weight"]], outputCols=["d", "r"]),
        "sequences: SequenceBuilder": f.SequenceBuilder(
            keyCols=["user"], orderCol="at", inputCols=["item"], outputCols=["items"], maxLength=20
        ),
        "sequences: SessionFeatures": f.SessionFeatures(
            keyCols=["user"], orderCol="at", gap=1800.0, features=["session"], outputCols=["n"]
        ),
        "joins: LookupJoin": f.LookupJoin(
            keyCols=["item"], valueCols=["size", "kind"], outputCols=["size", "kind"], verbose=False
        ).fitTable(items),
        "joins: TableAggregate": f.TableAggregate(
            keyCols=["user"], aggregates=["count", "mean(price)"], outputCols=["n", "p"], verbose=False
        ),
        "time: DateTimeParts": f.DateTimeParts(inputCols=["at"], parts=["month", "dayOfWeek", "hour"]),
        "lists: ListEncode": f.ListEncode(inputCols=["tags"], outputCols=["t"], outputType="array", verbose=False),
        "splits: HashSplit": f.HashSplit(keyCols=["user"]),
    }

    def way(stage: Any) -> Way:
        return lambda rows: (stage.fit(rows) if hasattr(stage, "fit") else stage).transform(rows)

    yield from _measured(folder, repeats, {name: way(stage) for name, stage in stages.items()})


def by_hand(folder: str, repeats: int) -> Iterator[Facts]:
    """The same results by SQL."""
    items = open_session().read.parquet(f"{folder}/items")

    def target(rows: DataFrame) -> DataFrame:
        prior = rows.agg(F.avg("label")).first()[0]
        for key, name in (("user", "u"), ("item", "i")):
            mean = (F.sum("label") + prior * PRIOR) / (F.count("label") + PRIOR)
            rows = rows.join(F.broadcast(rows.groupBy(key).agg(mean.alias(name))), key, "left")
        return rows

    def counts(rows: DataFrame) -> DataFrame:
        for key, name in (("user", "u"), ("item", "i")):
            rows = rows.join(F.broadcast(rows.groupBy(key).agg(F.count("*").alias(name))), key, "left")
        return rows

    def scale(rows: DataFrame) -> DataFrame:
        found = rows.agg(*[g(n) for n in ("price", "weight") for g in (F.avg, F.stddev_samp)]).first()
        return rows.withColumns(
            {"p": (F.col("price") - found[0]) / found[1], "w": (F.col("weight") - found[2]) / found[3]}
        )

    by_user = Window.partitionBy("user").orderBy("at")

    def sessions(rows: DataFrame) -> DataFrame:
        gap = F.col("at").cast("double") - F.lag("at").over(by_user).cast("double")
        new = F.when(gap > 1800, 1).otherwise(0)
        return rows.withColumn("new", new).withColumn("n", F.sum("new").over(by_user)).drop("new")

    def aggregate(rows: DataFrame) -> DataFrame:
        found = rows.groupBy("user").agg(F.count("*").alias("n"), F.avg("price").alias("p"))
        return rows.join(F.broadcast(found), "user", "left")

    def lists(rows: DataFrame) -> DataFrame:
        counted = rows.select(F.explode("tags").alias("tag")).groupBy("tag").count()
        top = [r["tag"] for r in counted.orderBy(F.desc("count"), "tag").limit(100).collect()]
        return rows.withColumn("t", F.array(*[F.array_contains("tags", t).cast("double") for t in top]))

    split = F.when(F.col("h") < 0.8, "train").when(F.col("h") < 0.9, "validation").otherwise("test")
    ways: dict[str, Way] = {
        "statistics: TargetEncode": target,
        "statistics: CountEncode": counts,
        "categories: CrossColumns": lambda rows: rows.withColumn(
            "x", F.pmod(F.xxhash64("user", "city"), F.lit(1000)) + 1
        ),
        "numbers: Scale": scale,
        "numbers: DifferenceAndRatio": lambda rows: rows.withColumns(
            {"d": F.col("price") - F.col("weight"), "r": F.expr("price / nullif(weight, 0)")}
        ),
        "sequences: SequenceBuilder": lambda rows: rows.withColumn(
            "items", F.collect_list("item").over(by_user.rowsBetween(-20, -1))
        ),
        "sequences: SessionFeatures": sessions,
        "joins: LookupJoin": lambda rows: rows.join(F.broadcast(items), "item", "left"),
        "joins: TableAggregate": aggregate,
        "time: DateTimeParts": lambda rows: rows.withColumns(
            {"m": F.month("at"), "d": F.weekday("at") + 1, "h": F.hour("at")}
        ),
        "lists: ListEncode": lists,
        "splits: HashSplit": lambda rows: (
            rows.withColumn("h", F.pmod(F.xxhash64("user"), F.lit(1_000_000)) / 1_000_000)
            .withColumn("split", split)
            .drop("h")
        ),
    }
    yield from _measured(folder, repeats, ways)


def _measured(folder: str, repeats: int, ways: dict[str, Way]) -> Iterator[Facts]:
    rows = open_session().read.parquet(f"{folder}/rows")
    for family, way in ways.items():
        times = []
        for _ in range(repeats):
            with cost() as spent:
                way(rows).write.format("noop").mode("overwrite").save()
            times.append(spent["cpu"])
        yield {"family": family, "cpu": median(times[1:])}
