"""Pickles as data: the same as pickle reads, without running any of it."""

import os
import pickle
from collections import OrderedDict
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiok_spark.data import plain_pickle
from aiok_spark.data.plain_pickle import Made, Name

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
WRITTEN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**1000), 2**1000) | st.text(),
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Thing:
    def __init__(self, value):
        self.value = value


class Harmful:
    def __reduce__(self):
        return os.system, ("exit 7",)


@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_is_what_pickle_reads(value, protocol):
    assert plain_pickle.loads(pickle.dumps(value, protocol)) == value


@given(WRITTEN)
def test_pickle_reads_what_is_written(value):
    assert pickle.loads(plain_pickle.dumps(value)) == value
    assert plain_pickle.loads(plain_pickle.dumps(value)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_objects_are_what_they_were_made_of(protocol):
    made = plain_pickle.loads(pickle.dumps([Thing(3), OrderedDict(a=1), dict], protocol))
    name = Name(__name__, "Thing")
    assert made[0] == Made(name, (), {"value": 3})
    assert made[1].name == Name("collections", "OrderedDict")
    assert made[1].items == [("a", 1)]
    assert made[2].name == "dict"


def test_nothing_is_called(capfd):
    made = plain_pickle.loads(pickle.dumps(Harmful()))
    assert made == Made(Name("posix", "system"), ("exit 7",))


@given(st.binary(max_size=60))
def test_anything_else_is_a_value_error(data):
    with suppress(ValueError):
        plain_pickle.loads(b"\x80\x04" + data + b".")


@pytest.mark.parametrize(
    "data", [b"", b"abc", b"\x80\x02(u.", b"\x80\x04.", pickle.dumps(3)[:-1], b"\x80\x02K\x01K\x02."]
)
def test_damaged_pickles_are_refused(data):
    with pytest.raises(ValueError):
        plain_pickle.loads(data)


def test_objects_are_written_for_pickle_to_make():
    made = Made(Name("collections", "OrderedDict"), ())
    made.items = [("a", (1, None)), ("b", Name("decimal", "Decimal"))]
    assert pickle.loads(plain_pickle.dumps(made)) == OrderedDict(a=(1, None), b=Decimal)
    with pytest.raises(TypeError, match="found float"):
        plain_pickle.dumps(1.5)
