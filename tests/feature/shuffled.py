"""The same rows in other orders and partitions, which no result may depend on."""

import random

from aiok_spark.testing.equality import collect_all, difference

PARTITIONS = (1, 4, 37)


def shuffled(spark, rows, schema):
    """Give DataFrames of the rows, each in another order and number of partitions."""
    for n in PARTITIONS:
        mixed = list(rows)
        random.Random(n).shuffle(mixed)
        yield spark.createDataFrame(mixed, schema).repartition(n)


def collected_alike(made, columns=None):
    """Rows, as dicts, of DataFrames that must hold the same ones; one job."""
    made = list(made)
    first, *others = collect_all(made, columns or made[0].columns)
    for n, other in zip(PARTITIONS[1:], others, strict=True):
        what = difference(other, first, [])
        assert what is None, f"{what} with {n} partitions, as with {PARTITIONS[0]}"
    return first
