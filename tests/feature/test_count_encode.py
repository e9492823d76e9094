"""CountEncode and FrequencyEncode."""

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import DataError
from aiok_spark.feature import CountEncode, FrequencyEncode
from aiok_spark.feature import key_tables as key_tables_module
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = st.none() | st.sampled_from(["", "a", "b"]) | st.text(max_size=3)
NUMBERS = st.none() | st.sampled_from([-(2**63), 0, 1, 2**63 - 1])
PAIRS = st.lists(st.tuples(TEXTS, NUMBERS), min_size=1, max_size=20)
KEYS = {"inputCols": ["i"], "crosses": [["s", "i"], ["i", "s"]], "outputCols": ["a", "b", "c"]}
SCHEMA = "s string, i long"


@SOME
@given(PAIRS, PAIRS, st.booleans())
def test_counts_are_the_same_everywhere(spark, train, test, share):
    train = [*train, ("z", 0)]
    numbers, pairs = Counter(i for _, i in train), Counter(train)
    by = len(train) if share else 1

    def reference(rows):
        crossed = [pairs[p] / by for p in zip(rows["s"], rows["i"], strict=True)]
        return {"a": [numbers[i] / by for i in rows["i"]], "b": crossed, "c": crossed}

    model = (FrequencyEncode if share else CountEncode)(**KEYS).fit(spark.createDataFrame(train, SCHEMA))
    columns = {"s": [s for s, _ in test], "i": [i for _, i in test]}
    wanted = {name: values if share else list(map(int, values)) for name, values in reference(columns).items()}
    assert_all_executions_agree(model, columns, SCHEMA, spark, reference=lambda _: wanted, ulps=0)


def test_counts_do_not_depend_on_partitions_or_order_nor_on_whose_rows_they_are(spark):
    rng = random.Random(0)
    rows = [(rng.choice("abc"), rng.randrange(3)) for _ in range(200)]
    for partitions in (1, 4, 37):
        rng.shuffle(rows)
        df = spark.createDataFrame(rows, SCHEMA).repartition(partitions)
        model, own = CountEncode(crosses=[["s", "i"]], outputCols=["n"]).fitTransform(df)
        assert {(r.s, r.i): r.n for r in own.collect()} == Counter(rows)
    shown = {tuple(r["values"]): r.rows for r in model.statistics().collect()}
    assert shown == {(s, str(i)): n for (s, i), n in Counter(rows).items()}
    assert [r[0] for r in model.statistics().select("columns").distinct().collect()] == [["s", "i"]]


def test_colliding_keys_lead_to_another_salt(spark, monkeypatch):
    real, first = key_tables_module.value_keys, key_tables_module.seed_of(0)

    def colliding(values, seed):
        return real(values, seed) * 0 + 5 if seed == first else real(values, seed)

    monkeypatch.setattr(key_tables_module, "value_keys", colliding)
    df = spark.createDataFrame([("a", 1), ("b", 1), ("b", 1)], SCHEMA)
    model = CountEncode(inputCols=["s"], outputCols=["n"]).fit(df)
    assert model._state.facts["salt"] == 1
    assert [r.n for r in model.transform(df).collect()] == [1, 2, 2]


def test_what_has_no_keys_is_refused(spark):
    df = spark.createDataFrame([(None, 1)], SCHEMA)
    with pytest.raises(DataError, match=r"CountEncode\(.*\): inputCols: found no value in column 's', expected at le"):
        CountEncode(inputCols=["s"], outputCols=["n"]).fit(df)
    with pytest.raises(DataError, match=r"FrequencyEncode\(.*\): inputCols: found no rows, expected at least one"):
        FrequencyEncode(inputCols=["i"], outputCols=["n"]).fit(df.limit(0))
