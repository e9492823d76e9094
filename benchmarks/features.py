"""Fit and transform of a stage of each family, against the same thing written by hand in Spark SQL."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import pyspark
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType

from aiok_spark import feature as f
from benchmarks import table
from benchmarks.measure import cost
from benchmarks.process import Facts, facts_of
from benchmarks.session import open_session

ROWS, QUICK_ROWS = 4_000_000, 2_000
REPEATS, QUICK_REPEATS = 4, 1
TARGET = 1.0
PRIOR = 20.0  # weight, in rows

Way = Callable[[DataFrame], DataFrame]


def main(rows: int | None, quick: bool) -> None:
    """Run all families, and print the CPU-seconds of each way."""
    rows = rows or (QUICK_ROWS if quick else ROWS)
    table.heading("features", spark=pyspark.__version__, rows=rows)
    print(
        "   CPU-seconds of the process tree for fit and transform together, all columns written to nowhere: median of"
    )
    print("   the second half of the times. By hand: what a user would write in SQL for the same result. Same: whether")
    print("   both give as many values and the same weighted sums (crosses are hashed in another way: as many).")
    with tempfile.TemporaryDirectory() as folder:
        facts_of(make, folder=folder, rows=rows)
        found = facts_of(both, folder=folder, repeats=QUICK_REPEATS if quick else REPEATS)
    lines = []
    for facts in found:
        mine, hand = facts["cpu"]
        same = _near(*facts["sums"])
        lines.append(
            [facts["family"], hand, mine, hand / mine, table.verdict(hand / mine, TARGET), "yes" if same else "NO"]
        )
    table.show("CPU-s", ["family", "by hand", "stage", "ratio", "target", "same"], lines)


def _near(a: list[float], b: list[float]) -> bool:
    return len(a) == len(b) and all(math.isclose(x, y, rel_tol=1e-9) for x, y in zip(a, b, strict=True))


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
        f"cast({drawn(9, 5)} AS int) AS fold",
    ).write.parquet(f"{folder}/rows")
    spark.range(5_001).selectExpr(
        "concat('item ', id) AS item", "id / 3.0D AS size", "cast(id % 9 AS int) AS kind"
    ).write.parquet(f"{folder}/items")
    yield {}


def both(folder: str, repeats: int) -> Iterator[Facts]:
    """Both ways in turns in one process, so that the JVM has compiled as much for each."""
    spark = open_session()
    rows, items = spark.read.parquet(f"{folder}/rows"), spark.read.parquet(f"{folder}/items")
    by_sql = by_hand(items)
    for family, stage in ours(items).items():
        ways = (stage, by_sql[family])
        times: list[list[float]] = [[], []]
        for _ in range(repeats):
            for way, taken in zip(ways, times, strict=True):
                with cost() as spent:
                    way(rows).write.format("noop").mode("overwrite").save()
                taken.append(spent["cpu"])
                spark.catalog.clearCache()
        sums = [_sums(rows, way(rows), "Cross" in family) for way in ways]
        yield {"family": family, "cpu": [median(taken[repeats // 2 :]) for taken in times], "sums": sums}


def ours(items: DataFrame) -> dict[str, Way]:
    """The stages."""
    both = ["user", "item"]
    stages: dict[str, Any] = {
        "statistics: TargetEncode": f.TargetEncode(
            inputCols=both, labelCols=["label"], outputCols=["u", "i"], smoothing=PRIOR, foldCol="fold", verbose=False
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

    return {name: way(stage) for name, stage in stages.items()}


def by_hand(items: DataFrame) -> dict[str, Way]:
    """The same results by SQL; tables by key are kept (``persist``), as the stages' models keep them."""

    def target(rows: DataFrame) -> DataFrame:
        def others(df: DataFrame, *keys: str) -> DataFrame:
            """Sum and count of each key and fold in the other folds."""
            of_key = Window.partitionBy(*keys)
            found = df.groupBy(*keys, "fold").agg(F.sum("label").alias("s"), F.count("label").alias("n"))
            return found.select(*keys, "fold", *[(F.sum(n).over(of_key) - F.col(n)).alias(n) for n in ("s", "n")])

        priors = F.broadcast(others(rows).select("fold", (F.col("s") / F.col("n")).alias("prior")))
        made = rows
        for key, name in (("user", "u"), ("item", "i")):
            mean = (F.col("s") + F.col("prior") * PRIOR) / (F.col("n") + PRIOR)
            means = others(rows, key).join(priors, "fold").select(key, "fold", mean.alias(name))
            made = made.join(F.broadcast(means.persist()), [key, "fold"], "left")
        return made

    def counts(rows: DataFrame) -> DataFrame:
        made = rows
        for key, name in (("user", "u"), ("item", "i")):
            found = rows.groupBy(key).agg(F.count("*").alias(name)).persist()
            made = made.join(F.broadcast(found), key, "left")
        return made

    def scale(rows: DataFrame) -> DataFrame:
        found = rows.agg(*[g(n) for n in ("price", "weight") for g in (F.avg, F.stddev_samp)]).first()
        return rows.withColumns(
            {"p": (F.col("price") - found[0]) / found[1], "w": (F.col("weight") - found[2]) / found[3]}
        )

    by_user = Window.partitionBy("user").orderBy("at")
    tie = F.xxhash64("item")

    def sequences(rows: DataFrame) -> DataFrame:
        """Of events at one time, all have what was before the first of them."""
        before = F.collect_list("item").over(Window.partitionBy("user").orderBy("at", tie).rowsBetween(-20, -1))
        at_once = Window.partitionBy("user", "at").orderBy(tie)
        return rows.withColumn("before", before).withColumn("items", F.first("before").over(at_once)).drop("before")

    def sessions(rows: DataFrame) -> DataFrame:
        gap = F.col("at").cast("double") - F.lag("at").over(by_user).cast("double")
        new = F.when(gap.isNull() | (gap > 1800), 1).otherwise(0)
        return rows.withColumn("new", new).withColumn("n", F.sum("new").over(by_user)).drop("new")

    def aggregate(rows: DataFrame) -> DataFrame:
        found = rows.groupBy("user").agg(F.count("*").alias("n"), F.avg("price").alias("p")).persist()
        return rows.join(F.broadcast(found), "user", "left")

    def lists(rows: DataFrame) -> DataFrame:
        counted = rows.select(F.explode("tags").alias("tag")).groupBy("tag").count()
        top = [r["tag"] for r in counted.orderBy(F.desc("count"), "tag").limit(100).collect()]
        return rows.withColumn("t", F.array(*[F.array_contains("tags", t).cast("double") for t in top]))

    share = F.shiftrightunsigned(F.xxhash64(F.lit(0).cast("long"), "user"), 11) / 2.0**53
    split = F.when(share < 0.8, "train").when(share < 0.9, "validation").otherwise("test")
    return {
        "statistics: TargetEncode": target,
        "statistics: CountEncode": counts,
        "categories: CrossColumns": lambda rows: rows.withColumn(
            # Whether a value is there is hashed, too, or (null, 'a') would be ('a', null).
            "x",
            (F.pmod(F.xxhash64("user", F.isnull("user"), "city", F.isnull("city")), F.lit(1000)) + 1).cast("int"),
        ),
        "numbers: Scale": scale,
        "numbers: DifferenceAndRatio": lambda rows: rows.withColumns(
            {"d": F.col("price") - F.col("weight"), "r": F.expr("price / nullif(weight, 0)")}
        ),
        "sequences: SequenceBuilder": sequences,
        "sequences: SessionFeatures": sessions,
        "joins: LookupJoin": lambda rows: rows.join(F.broadcast(items), "item", "left"),
        "joins: TableAggregate": aggregate,
        "time: DateTimeParts": lambda rows: rows.withColumns(
            {"at_month": F.month("at"), "at_dayOfWeek": F.weekday("at") + 1, "at_hour": F.hour("at")}
        ),
        "lists: ListEncode": lists,
        "splits: HashSplit": lambda rows: rows.withColumn("split", split),
    }


def _sums(rows: DataFrame, made: DataFrame, counts_alone: bool) -> list[float]:
    """Of each new column, by name: how many values, and their sum, each weighted by the hash of its row's others."""
    weight = F.pmod(F.xxhash64(*sorted(rows.columns)), F.lit(1009)).cast("double")
    sums = []
    for field in sorted(made.schema.fields, key=lambda f: f.name):
        if field.name not in rows.columns:
            value = F.col(field.name)
            number = value if isinstance(field.dataType, NumericType) else F.xxhash64(value) / 2.0**63
            sums += [F.count(value), F.lit(0.0) if counts_alone else F.sum(number.cast("double") * weight)]
    return [float(x) for x in made.agg(*sums).first()]
