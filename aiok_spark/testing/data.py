"""Small deterministic DataFrames that are as awkward as real ones."""

from __future__ import annotations

import datetime
import math
import random
from decimal import Decimal
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from aiok_spark.core.schema import column

_SCHEMA = """
    count INT, total BIGINT, price DOUBLE, wild DOUBLE, share FLOAT, amount DECIMAL(12, 2),
    city STRING, device STRING, active BOOLEAN, day DATE,
    tags ARRAY<STRING>, codes ARRAY<INT>, label DOUBLE NOT NULL
"""
_CITIES = ["Zürich", "東京", "São Paulo", "", " ", "a.b `c`", "null", "NaN", "🙂"]
_WILD = [math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1.7976931348623157e308, -1.0, 0.1, 2.0**53 + 2]


def mixed_frame(spark: SparkSession, rows: int = 40, seed: int = 0) -> DataFrame:
    """Columns of most types, with nulls in all but ``label``.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    rows, seed : int
        The same give the same rows, whatever the Spark version.

    Returns
    -------
    DataFrame
        Numbers: ``count`` (int), ``total`` (bigint, beyond 2^53), ``price`` (double with NaN), ``wild`` (double
        with NaN, infinities, -0.0 and extremes), ``share`` (float), ``amount`` (decimal). Categories: ``city``
        (unicode, empty and blank strings), ``device``, ``active`` (boolean), ``day`` (date). Lists with null
        and empty ones among them: ``tags`` (strings), ``codes`` (ints). ``label``: 0.0 or 1.0.
    """
    rng = random.Random(seed)
    return spark.createDataFrame([_row(rng) for _ in range(rows)], _SCHEMA)


def _row(rng: random.Random) -> tuple[Any, ...]:
    def maybe(value: Any, nulls: float = 0.15) -> Any:
        return None if rng.random() < nulls else value

    return (
        maybe(rng.randrange(-5, 50)),
        maybe(rng.choice([rng.randrange(10), 2**53 + 1, -(2**63), 2**63 - 1])),
        maybe(rng.choice([math.nan, round(rng.uniform(-1, 100), 2), rng.lognormvariate(0, 3)])),
        maybe(rng.choice(_WILD)),
        maybe(rng.randrange(1000) / 8),  # exact as a float
        maybe(Decimal(rng.randrange(-10000, 10**9)) / 100),
        maybe(rng.choice(_CITIES)),
        maybe(rng.choice(["phone", "phone", "tablet", "desktop"])),
        maybe(rng.random() < 0.5),
        maybe(datetime.date(2024, 2, 28) + datetime.timedelta(days=rng.randrange(4))),
        maybe([maybe(rng.choice(_CITIES)) for _ in range(rng.randrange(4))]),
        maybe([maybe(rng.randrange(5)) for _ in range(rng.randrange(4))]),
        float(rng.random() < 0.4),
    )


def odd_columns(df: DataFrame, by: str | None = None) -> DataFrame:
    """Add columns of types and names that stages tend to stumble over.

    Parameters
    ----------
    df : DataFrame
        Any.
    by : str, optional
        An integer column from which the values are made, so that rows differ.

    Returns
    -------
    DataFrame
        With a map, a day-time interval, a nested struct, an array of structs, binary, a wide decimal,
        timestamps with and without time zone, and names with dots, spaces and backticks.
    """
    n = F.lit(1).cast("bigint") if by is None else column(by).cast("bigint")
    moment = F.timestamp_seconds(n * 86399 + F.lit(0.5))
    added = {
        "odd map": F.create_map(F.lit("a"), n, F.lit("b"), F.lit(None).cast("bigint")),
        "odd interval": F.make_dt_interval(n.cast("int"), F.lit(1)),
        "odd struct": F.struct(n.alias("x.y"), F.struct(n.cast("string").alias("text")).alias("inner")),
        "odd structs": F.array(F.struct(n.alias("x"), F.lit(None).cast("date").alias("day"))),
        "odd binary": F.encode(n.cast("string"), "UTF-8"),
        "odd decimal": (n.cast("decimal(20,0)") / 7).cast("decimal(38,18)"),
        "odd timestamp": moment,
        "odd timestamp_ntz": moment.cast("timestamp_ntz"),
        "odd.name with `ticks`": n,
        "odd.name": n.cast("string"),
        "odd null": F.lit(None).cast("string"),
    }
    return df.select("*", *[_named(value, name) for name, value in added.items()])


def _named(value: Column, name: str) -> Column:
    return value.alias(name, metadata={"odd": name})
