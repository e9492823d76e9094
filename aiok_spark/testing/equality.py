"""What counts as equal: null is not NaN, 1 is not 1.0, 0.0 is not -0.0, and NaN equals NaN."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from pyspark.ml.linalg import Vector
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from aiok_spark.core.schema import column

_WHICH = "__aiok_which__"

Rows = Sequence[Mapping[str, Any]] | Sequence[Row]


def same(a: Any, b: Any, ulps: int = 0, tolerance: float = 0.0) -> bool:
    """Whether two values are equal in type and value.

    Parameters
    ----------
    a, b : object
        As ``DataFrame.collect`` gives them.
    ulps : int
        How many representable numbers two floats may lie apart.
    tolerance : float
        How far two floats may lie apart, relative to the larger of them and 1.
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        near = tolerance > 0 and abs(a - b) <= tolerance * max(1.0, abs(a), abs(b))
        return _same_float(a, b, ulps) or near
    if isinstance(a, (list, tuple)):  # a Row is a tuple
        alike = len(a) == len(b) and getattr(a, "__fields__", None) == getattr(b, "__fields__", None)
        return alike and all(same(x, y, ulps, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k], ulps, tolerance) for k in a)
    if isinstance(a, Vector):
        return same(a.toArray().tolist(), b.toArray().tolist(), ulps, tolerance)
    return bool(a == b)


def _same_float(a: float, b: float, ulps: int) -> bool:
    if a != a or b != b:
        return a != a and b != b
    return np.signbit(a) == np.signbit(b) and abs(_position(a) - _position(b)) <= ulps


def _position(x: float) -> int:
    """Number of a float among those of its sign; neighbours differ by one."""
    return struct.unpack("<q", struct.pack("<d", abs(x)))[0]


def difference(found: Rows, expected: Rows, key: Sequence[str], ulps: int = 0, tolerance: float = 0.0) -> str | None:
    """What distinguishes two sets of rows, or None.

    Parameters
    ----------
    found, expected : sequence of Row or dict
        In any order.
    key : sequence of str
        Columns that say which rows belong together; rows of the same key are compared as a multiset.
        None at all: all rows are.
    ulps, tolerance : int, float
        See ``same``.
    """
    left, right = _grouped(found, key), _grouped(expected, key)
    if len(found) != len(expected):
        odd = [k for k in {**left, **right} if len(left.get(k, ())) != len(right.get(k, ()))]
        return f"{len(found)} rows instead of {len(expected)}" + (f", first at {_shown(key, odd[0])}" if key else "")
    different = []
    for k, rows in right.items():
        others = left.get(k, [])
        if len(others) != len(rows):
            return f"{len(others)} rows instead of {len(rows)} at {_shown(key, k)}"
        for a, b in zip(_sorted(others), _sorted(rows), strict=True):
            if (what := _first_difference(a, b, ulps, tolerance)) is not None:
                different.append((k, what))
    if not different:
        return None
    where, what = different[0]
    at = f" at {_shown(key, where)}" if key else ""
    return f"{what}{at} ({len(different)} of {len(expected)} rows differ)"


def collect_all(frames: Sequence[DataFrame], columns: Sequence[str]) -> list[list[dict[str, Any]]]:
    """The same columns of several DataFrames, by one job."""
    tagged = [df.select(F.lit(i).alias(_WHICH), *map(column, columns)) for i, df in enumerate(frames)]
    rows = reduce(DataFrame.union, tagged).collect()
    return [[{n: r[n] for n in columns} for r in rows if r[_WHICH] == i] for i in range(len(frames))]


def _first_difference(a: Mapping[str, Any], b: Mapping[str, Any], ulps: int, tolerance: float) -> str | None:
    if a.keys() != b.keys():
        return f"columns {list(a)} instead of {list(b)}"
    for name in b:
        if not same(a[name], b[name], ulps, tolerance):
            return f"{a[name]!r} instead of {b[name]!r} in '{name}'"
    return None


def _grouped(rows: Rows, key: Sequence[str]) -> dict[tuple, list[dict[str, Any]]]:
    groups: dict[tuple, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        values = dict(zip(row.__fields__, row, strict=True)) if isinstance(row, Row) else dict(row)
        groups[tuple(values.get(name) for name in key)].append(values)
    return groups


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In an order that does not depend on how the rows came."""
    return rows if len(rows) == 1 else sorted(rows, key=lambda r: repr(sorted(r.items())))


def _shown(key: Sequence[str], values: tuple) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in zip(key, values, strict=True))
