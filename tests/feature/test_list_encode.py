"""ListEncode."""

import datetime
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import aiok_spark
from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError
from aiok_spark.feature import ListEncode
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CELLS = st.none() | st.sampled_from("abcdeé") | st.text(max_size=2)
LISTS = st.lists(st.none() | st.lists(CELLS, max_size=5), min_size=1, max_size=15)


def most_frequent(values, size, least=1):
    """Values in the documented order, in plain Python."""
    counts = Counter(v for v in values if v is not None)
    kept = [v for v in counts if counts[v] >= least]
    return sorted(kept, key=lambda v: (-counts[v], str(v).encode()))[:size]


def hot(row, values, counts=False, place=False):
    there = Counter(v for v in row or [] if v is not None)
    numbers = [there[v] for v in values] + [sum(n for v, n in there.items() if v not in values)] * place
    return [float(n if counts else min(n, 1)) for n in numbers]


def fit(df, **params):
    return ListEncode(inputCols=["s"], outputCols=["x"], outputType="array", **params).fit(df)


def frame(spark, values, kind="array<string>"):
    return spark.createDataFrame([(v,) for v in values], f"s {kind}")


@SOME
@given(LISTS, LISTS, st.integers(1, 4), st.booleans(), st.booleans())
def test_lists_are_encoded_the_same_everywhere(spark, train, test, size, counts, place):
    train = [*train, ["z"]]
    policy = "place" if place else "ignore"
    model = fit(frame(spark, train), maxSize=size, counts=counts, oovPolicy=policy)
    values = most_frequent([v for row in train for v in row or []], size)
    assert model.values("s") == values
    expected = {"x": [hot(row, values, counts, place) for row in test]}
    assert_all_executions_agree(model, {"s": test}, "s array<string>", spark, lambda _: expected)


@pytest.mark.parametrize(
    ("kind", "values", "asked", "found"),
    [
        ("string", ["b", "b", "a", None], ["a", None, "b", "q", ""], [[0, 1], [0, 0], [1, 0], [0, 0], [0, 0]]),
        ("long", [5, 5, -(2**63), None], [-(2**63), None, 5, 6], [[0, 1], [0, 0], [1, 0], [0, 0]]),
        ("boolean", [True, False, True], [False, True, None], [[0, 1], [1, 0], [0, 0]]),
        ("date", [datetime.date(2024, 1, 2)], [datetime.date(2024, 1, 2), None], [[1], [0]]),
        ("array<int>", [[1, 1, 2], None, []], [[2, None, 7, 2], [], None], [[0, 1], [0, 0], [0, 0]]),
    ],
)
def test_other_types(spark, kind, values, asked, found):
    expected = {"x": [[float(n) for n in row] for row in found]}
    model = fit(frame(spark, values, kind))
    assert_all_executions_agree(model, {"s": asked}, f"s {kind}", spark, lambda _: expected)


@pytest.mark.parametrize("partitions", [1, 4, 37])
def test_places_do_not_depend_on_partitions_or_order(spark, partitions):
    rows = [[f"v{i % 30 * (i % 7)}", "v1"] for i in range(300)]
    df = frame(spark, rows[::-1] if partitions > 1 else rows).repartition(partitions)
    assert fit(df, maxSize=10).values("s") == most_frequent([v for row in rows for v in row], 10)


def test_vectors_tell_their_width_and_survive_saving(spark, tmp_path):
    df = frame(spark, [["a", "b", "b"], None, ["q"]])
    model = ListEncode(inputCols=["s"], outputCols=["x"], minFrequency=2, oovPolicy="place").fit(df.limit(1))
    model.save(str(tmp_path / "m"))
    made = aiok_spark.load(str(tmp_path / "m")).transform(df)
    assert made.schema["x"].metadata == {"ml_attr": {"num_attrs": 2}}
    assert sorted(r.x.toArray().tolist() for r in made.collect()) == [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    local = LocalPipeline.load(str(tmp_path / "m"))
    assert local.transform({"n": 1, "s": ["b", "b", "q"]})["x"] == [1.0, 1.0]
    assert local.transform(pa.table({"s": pa.array(["b", None, "q"]).dictionary_encode()}))["x"].to_pylist() == [
        [1.0, 0.0],
        [0.0, 0.0],
        [0.0, 1.0],
    ]


def test_unknown_values_stop_if_asked(spark):
    model = fit(frame(spark, [["a"]]), oovPolicy="error")
    assert model.transform(frame(spark, [["a", None]])).first().x == [1.0]
    message = r"oovPolicy='error' and column 's' has a value that the fit did not see: found 'new'"
    with pytest.raises(Exception, match=message):
        model.transform(frame(spark, [["new"]])).collect()
    with pytest.raises(DataError, match=message):
        LocalPipeline([model]).transform({"n": 1, "s": ["new"]})


def test_refusals(spark):
    df = frame(spark, [["a", "b"], None])
    with pytest.raises(DataError, match=r"found no value in column 's', expected .* not null, minFrequency=2"):
        fit(df, minFrequency=2)
    with pytest.raises(DataError, match=r"found no value in column 's', expected .* minFrequency=1"):
        fit(df.limit(0))
    with pytest.raises(ParamError, match="maxSize: found 100001, expected at most 100000, as each row has a number"):
        fit(df, maxSize=100_001)
    model = fit(df)
    with pytest.raises(ColumnTypeError, match="found 's' to hold bigint values, expected string as at fit; cast"):
        model.transform(frame(spark, [1], "int"))
    with pytest.raises(ParamError, match="inputCol: found 't', expected one of inputCols"):
        model.values("t")
    with pytest.raises(ColumnTypeError, match="found type double, expected string, integer, boolean or date, or an"):
        fit(frame(spark, [1.5], "double"))
