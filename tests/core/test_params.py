"""Params: converters, defaults, messages."""

import math

import numpy as np
import pytest

from aiok_spark.core import params
from aiok_spark.core.errors import ParamError, ParamTypeError
from aiok_spark.feature import Categorify, Clip, HashBuckets


@pytest.mark.parametrize("value", [3, 3.0, np.int32(3), np.int64(3), np.float32(3), np.float64(3)])
def test_numpy_scalars_are_numbers(value):
    assert type(params.to_float(value)) is float and params.to_float(value) == 3.0
    assert type(params.to_int(value)) is int and params.to_int(value) == 3


@pytest.mark.parametrize("value", [True, np.bool_(True), "3", None, [3]])
def test_what_is_no_number_is_refused(value):
    for convert in (params.to_float, params.to_int, params.to_finite):
        with pytest.raises(TypeError, match="expected"):
            convert(value)


def test_whole_numbers_keep_all_their_digits():
    for value in (2**53 + 1, 2**63 - 1, -(2**63), np.int64(2**53 + 1)):
        assert params.to_int64(value) == int(value)
    with pytest.raises(ValueError, match="expected a whole number in"):
        params.to_int64(2**63)


def test_positive_is_above_zero_and_finite():
    assert params.to_positive(np.float32(0.5)) == 0.5
    for value in (0, -0.0, -1, math.inf, math.nan, True):
        with pytest.raises((TypeError, ValueError), match="expected a"):
            params.to_positive(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused_where_they_cannot_be(spark, value):
    with pytest.raises(
        ParamError, match=r"Clip\(Clip_\w+\): lower: found .* expected a finite number; lower is: inclusive"
    ):
        Clip(lower=value)


@pytest.mark.parametrize("value", ["a", {"a"}, 1, [1], [""]])
def test_names_must_be_a_list_of_texts(value):
    with pytest.raises(TypeError, match="expected a"):
        params.to_names(value)


def test_numpy_and_tuples_of_names_become_plain_lists():
    assert params.to_names(np.array(["a", "b"])) == ["a", "b"] and params.to_names(("a",)) == ["a"]


def test_a_wrong_value_names_stage_param_and_choice():
    with pytest.raises(
        ParamTypeError, match=r"Categorify\(Categorify_\w+\): oovPolicy: found 'drop' \(str\), expected one of"
    ):
        Categorify(oovPolicy="drop")
    with pytest.raises(ParamError, match=r"minFrequency: found 0 \(int\), expected a whole number of at least 1"):
        Categorify().setMinFrequency(0)


def test_an_unknown_param_suggests_the_near_one():
    with pytest.raises(
        ParamError, match=r"found no Param 'inputCol', expected one of its own; did you mean 'inputCols'\?"
    ):
        Clip().setParams(inputCol=["x"])


def test_an_unset_param_is_named():
    with pytest.raises(
        ParamError, match=r"HashBuckets\(.*\): inputCols: found nothing, expected a value; set inputCols="
    ):
        HashBuckets().getInputCols()


def test_getters_and_setters_are_there_and_chain():
    stage = Clip().setInputCols(["x"]).setOutputCols(["y"]).setLower(np.float32(1))
    assert (stage.getInputCols(), stage.getLower(), stage.getUpper()) == (["x"], 1.0, None)
    assert "inclusive lower limit" in Clip.setLower.__doc__
