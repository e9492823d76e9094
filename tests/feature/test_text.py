"""ParseNumber."""

import math

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError
from aiok_spark.feature import ParseNumber
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

POINT = {
    "$-1,234.50": -1234.5, "-$1,234.50": -1234.5, "(1,234.5)": -1234.5, "$ (5)": -5.0, "( $5 )": -5.0, "(5) EUR": -5.0,
    "12%": 0.12, "-12.5 %": -0.125, "(3%)": -0.03, " 7 ": 7.0, "\u00a07\u202f\n": 7.0, "+7": 7.0, "\u22127": -7.0,
    "1 234 567.8": 1234567.8, "12,34,567": 1234567.0, "1'000": 1000.0, "1_000": 1000.0, "\u20ac1\u202f000": 1000.0,
    ".5": 0.5, "5.": 5.0, "-0": -0.0, "1e3": 1000.0, "1.5E-3": 0.0015, "5EUR": 5.0, "USD $5": 5.0, "EUR 5e1": 50.0,
    "1e999": math.inf, "-1e999": -math.inf, "1e-999": 0.0, "007": 7.0, "9007199254740993": 9007199254740992.0,
    "179769313486231580793728971405301e270": 179769313486231580793728971405301e270, "0.1" + "0" * 5000 + "1": 0.1,
    **dict.fromkeys([
        None, "", " ", "\n", "abc", "-", "$", "%", "()", ".", "1,23", "1,2345", ",5", "1,234 567", "1.2.3", "--5",
        "(-5)", "(5", "5)", "((5))", "5 5", "1e", "1e5.0", "NaN", "Infinity", "0x10", "1d", "5f", "five", "\u0665",
        "\uff15", "5\u2028", "5\x85", "5\x00", "5-", "12%%", "1e5%e", " " * 5000 + "x", "1," * 3000 + "x", "🙂",
    ]),
}  # fmt: skip
COMMA = {
    "1.234,5": 1234.5, "-1.234.567,89 €": -1234567.89, "1,5": 1.5, ",5": 0.5, "7": 7.0, "1 234,5": 1234.5,
    "12,5 %": 0.125,
    **dict.fromkeys(["1,234.5", "1.23", "1.5", None, "1.234.5"]),
}  # fmt: skip


@pytest.mark.parametrize(("decimal", "texts"), [(".", POINT), (",", COMMA)])
def test_texts_mean_the_same_everywhere(spark, decimal, texts):
    stage = ParseNumber(inputCols=["s"], outputCols=["x"], decimal=decimal)
    data = {"s": list(texts)}
    assert_all_executions_agree(stage, data, "s string", spark, lambda _: {"x": list(texts.values())}, ulps=0)


@SOME
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=10),
    st.lists(st.text("0123456789.,-+()$%eE '\u2212\u00a0\n", max_size=8) | st.text(max_size=4), max_size=60),
)
def test_every_double_comes_back_and_other_texts_agree(spark, numbers, texts):
    stage = ParseNumber(inputCols=["s"], outputCols=["x"])
    written = [*map(repr, numbers), *(f"{x:,}" for x in numbers), *map("${!r}".format, numbers)]
    assert_all_executions_agree(stage, {"s": [*written, *texts]}, "s string", spark, ulps=0)
    assert_all_executions_agree(stage, {"s": written}, "s string", spark, lambda _: {"x": numbers * 3}, ulps=0)


def test_symbols_are_taken_literally(spark):
    symbols = ["Fr.", "kg", "[x]", "a|b", "^", "\\", "元"]
    texts = [f"{symbol} -5" for symbol in symbols] + ["Fr5", "axb 5", "$5", "5 kg"]
    stage = ParseNumber(inputCols=["s"], outputCols=["x"], symbols=symbols)
    expected = [-5.0] * len(symbols) + [None, None, None, 5.0]
    assert_all_executions_agree(stage, {"s": texts}, "s string", spark, lambda _: {"x": expected}, ulps=0)
    none = ParseNumber(inputCols=["s"], outputCols=["x"], symbols=[])
    assert_all_executions_agree(none, {"s": ["5", "$5"]}, "s string", spark, lambda _: {"x": [5.0, None]}, ulps=0)


def test_what_is_no_number_stops_if_asked(spark):
    stage = ParseNumber(inputCols=["s"], outputCols=["x"], invalidPolicy="error")
    good = {"s": ["5", None, " ", ""]}
    assert_all_executions_agree(stage, good, "s string", spark, lambda _: {"x": [5.0, None, None, None]})
    message = r"ParseNumber_\w+\): invalidPolicy='error' and column 's' has a text that is no number: found '?five"
    with pytest.raises(Exception, match=message):
        stage.transform(spark.createDataFrame([("five",)], "s string")).collect()
    with pytest.raises(ValueError, match=message):
        LocalPipeline([stage]).transform(pa.table({"s": ["five"]}))
    with pytest.raises(DataError, match=message):
        LocalPipeline([stage]).transform({"s": "five"})


def test_refusals(spark):
    with pytest.raises(ColumnTypeError, match="inputCols names 'id', found type bigint, expected string; leave the"):
        ParseNumber(inputCols=["id"], outputCols=["x"]).transform(spark.range(1))
    for symbol in ("5", "a b", "-", "(", "%"):
        with pytest.raises(ParamError, match=r"symbols: found .*, expected no blank, digit, sign or parenthesis"):
            ParseNumber(symbols=[symbol])
    with pytest.raises(ParamError, match=r"decimal: found ';' \(str\), expected one of '.', ','"):
        ParseNumber(decimal=";")
