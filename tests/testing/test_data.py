"""The generators give what they say, the same in each mode."""

import math

from pyspark.sql import functions as F

from aiok_spark.testing import mixed_frame, odd_columns


def test_a_mixed_frame_holds_what_stages_stumble_over(spark):
    rows = mixed_frame(spark).collect()
    assert rows == mixed_frame(spark).collect() or repr(rows) == repr(mixed_frame(spark).collect())
    assert repr(rows) != repr(mixed_frame(spark, seed=1).collect())
    assert len(rows) == 40
    for name in rows[0].__fields__:
        values = [r[name] for r in rows]
        assert (None in values) == (name != "label"), name
    wild = [r.wild for r in rows if r.wild is not None]
    assert any(map(math.isnan, wild))
    assert math.inf in wild
    assert any(v == 0 and math.copysign(1, v) < 0 for v in wild)
    assert "" in {r.city for r in rows}
    assert [] in [r.tags for r in rows]
    assert any(None in r.tags for r in rows if r.tags)
    assert {r.label for r in rows} == {0.0, 1.0}


def test_odd_columns_differ_from_row_to_row(spark):
    odd = odd_columns(spark.range(3), by="id")
    rows = [r.asDict() for r in odd.collect()]
    constant = {n for n in odd.columns if all(repr(r[n]) == repr(rows[0][n]) for r in rows)}
    assert constant == {"odd null"}
    assert odd.schema["odd.name"].metadata == {"odd": "odd.name"}
    types = {f.dataType.typeName() for f in odd.schema.fields}
    assert {"map", "struct", "array", "binary", "decimal", "timestamp", "timestamp_ntz"} <= types
    assert any("interval" in f.dataType.simpleString() for f in odd.schema.fields)


def test_odd_columns_need_no_key(spark):
    assert odd_columns(spark.range(1).select(F.lit("x").alias("s"))).count() == 1
