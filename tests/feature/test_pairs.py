"""DifferenceAndRatio."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import ColumnError, ColumnTypeError, ParamError
from aiok_spark.feature import DifferenceAndRatio
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = st.none() | st.floats() | st.sampled_from([0.0, -0.0, 1e300, 1e-300, float("inf")])


def difference(a, b):
    return None if a is None or b is None else a - b


def ratio(a, b):
    return None if a is None or b is None or b == 0 else a / b


@SOME
@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.none() | st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=20))
def test_differences_and_ratios_are_the_same_everywhere(spark, rows):
    x, y, n = map(list, zip(*rows, strict=True))
    m = [None if v is None else float(v) for v in n]
    stage = DifferenceAndRatio(pairs=[["x", "y"], ["n", "x"], ["x", "x"]])
    expected = {
        "x_minus_y": list(map(difference, x, y)),
        "x_per_y": list(map(ratio, x, y)),
        "n_minus_x": list(map(difference, m, x)),
        "n_per_x": list(map(ratio, m, x)),
        "x_minus_x": list(map(difference, x, x)),
        "x_per_x": list(map(ratio, x, x)),
    }
    data, schema = {"x": x, "y": y, "n": n}, "x double, y double, n long"
    assert_all_executions_agree(stage, data, schema, spark, lambda _: expected, ulps=0)


def test_one_operation_and_names_of_ones_own(spark):
    df = spark.createDataFrame([(6, 3)], "a int, b int")
    stage = DifferenceAndRatio(pairs=[["a", "b"], ["b", "a"]], operations=["ratio"])
    assert stage.transform(df).first().asDict() == {"a": 6, "b": 3, "a_per_b": 2.0, "b_per_a": 0.5}
    named = stage.copy({stage.outputCols: ["b", "a"]})
    assert named.transform(df).first().asDict() == {"b": 2.0, "a": 0.5}
    with pytest.raises(ParamError, match=r"outputCols: found 1 names, expected 2: one for each of \['a_per_b', 'b_per"):
        stage.copy({stage.outputCols: ["r"]}).transform(df)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (
            {"pairs": [["a"]]},
            ParamError,
            r"pairs, operations: found \['a'\], expected at least one pair of two columns",
        ),
        ({"pairs": []}, ParamError, "found 0 pairs and 2 operations"),
        ({"pairs": [["a", "b"]], "operations": []}, ParamError, "found 1 pairs and 0 operations"),
        ({"pairs": [["a", "s"]]}, ColumnTypeError, "pairs names 's', found type string, expected a numeric type"),
        ({"pairs": [["a", "z"]]}, ColumnError, "pairs names 'z', found no such column"),
        ({"pairs": [["a", "b"], ["a", "b"]]}, ColumnError, "outputCols has 'a_minus_b' 2 times, expected different"),
    ],
)
def test_refusals(spark, params, error, message):
    df = spark.createDataFrame([(6, 3, "x")], "a int, b int, s string")
    with pytest.raises(error, match=message) as raised:
        DifferenceAndRatio(**params).transform(df)
    assert "\n" not in str(raised.value)
