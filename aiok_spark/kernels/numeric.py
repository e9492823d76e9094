"""Kernels of the numeric stages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aiok_spark.kernels.program import RowKernel, cast


def fill(columns: list[pa.Array], value: object, nan: bool) -> list[pa.Array]:
    """Put ``value`` in place of null and, when ``nan``, of NaN."""
    return [_fill(column, value, nan) for column in columns]


def _fill(column: pa.Array, value: object, nan: bool) -> pa.Array:
    scalar = pa.scalar(value, column.type)
    if nan and pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), scalar, column)  # null stays null here
    return pc.fill_null(column, scalar)


def fill_row(value: object, nan: bool) -> RowKernel:
    """Like ``fill``, for the values of one row."""

    def one(x: object) -> object:
        if x is None or (nan and x != x):
            return value
        if isinstance(x, str) != text:
            raise TypeError(f"expected {'a text' if text else 'a number'}")
        return float(x) if fractional else x  # type: ignore[arg-type]

    fractional, text = isinstance(value, float), isinstance(value, str)

    return lambda row: [one(x) for x in row]


def clip(columns: list[pa.Array], lower: float | None, upper: float | None) -> list[pa.Array]:
    """Limit each value to [lower, upper]; nulls stay null, NaN stays NaN."""

    def one(values: pa.Array) -> pa.Array:
        if lower is not None:
            values = pc.if_else(pc.less(values, lower), lower, values)
        if upper is not None:
            values = pc.if_else(pc.greater(values, upper), upper, values)
        return values

    return [one(cast(c, pa.float64())) for c in columns]


def clip_row(lower: float | None, upper: float | None) -> RowKernel:
    """Like ``clip``, for the values of one row."""

    def one(x: float | None) -> float | None:
        if x is None:
            return None
        if lower is not None and x < lower:
            return lower
        if upper is not None and x > upper:
            return upper
        return float(x)

    return lambda row: [one(x) for x in row]


def log(columns: list[pa.Array], method: str) -> list[pa.Array]:
    """Logarithm by ``method``: "log", "log1p" or "signedLog1p".

    A value outside the domain (not above 0 for log, not above -1 for log1p) gives null; NaN stays
    NaN and null stays null.
    """
    return [_log(cast(column, pa.float64()), method) for column in columns]


def _log(column: pa.Array, method: str) -> pa.Array:
    x = column.to_numpy(zero_copy_only=False)  # nulls become NaN here; their mask is put back below
    valid = np.asarray(pc.is_valid(column)) if column.null_count else np.ones(len(x), bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        if method == "signedLog1p":
            return pa.array(np.copysign(np.log1p(np.abs(x)), x), mask=~valid)
        limit, function = (0.0, np.log) if method == "log" else (-1.0, np.log1p)
        return pa.array(function(x), mask=~valid | (x <= limit))


def log_row(method: str) -> RowKernel:
    """Like ``log``, for the values of one row."""
    limit, function = (0.0, math.log) if method == "log" else (-1.0, math.log1p)

    def plain(x: float | None) -> float | None:
        if x is None or x <= limit:
            return None
        return function(x) if x == x else math.nan

    def signed(x: float | None) -> float | None:
        if x is None:
            return None
        return math.copysign(math.log1p(abs(x)), x) if x == x else math.nan

    one = signed if method == "signedLog1p" else plain
    return lambda row: [one(x) for x in row]


def scale(columns: list[pa.Array], center: float, width: float) -> list[pa.Array]:
    """``(x - center) / width``; nulls stay null, NaN stays NaN."""
    return [pc.divide(pc.subtract(cast(c, pa.float64()), center), width) for c in columns]


def scale_row(center: float, width: float) -> RowKernel:
    """Like ``scale``, for the values of one row."""
    return lambda row: [None if x is None else (float(x) - center) / width for x in row]


def differences_and_ratios(columns: list[pa.Array], operations: Sequence[str]) -> list[pa.Array]:
    """For each pair of neighbouring columns the ``operations``; the ratio to 0 is null."""
    made = []
    for a, b in zip(columns[::2], columns[1::2], strict=True):
        if "difference" in operations:
            made.append(pc.subtract(a, b))
        if "ratio" in operations:
            made.append(pc.divide(a, pc.if_else(pc.equal(b, 0.0), None, b)))
    return made


def differences_and_ratios_row(values: list[Any], operations: Sequence[str]) -> list[Any]:
    """Like ``differences_and_ratios``, for the values of one row."""
    made: list[Any] = []
    for a, b in zip(values[::2], values[1::2], strict=True):
        known = a is not None and b is not None
        if "difference" in operations:
            made.append(float(a) - float(b) if known else None)
        if "ratio" in operations:
            made.append(float(a) / float(b) if known and b != 0 else None)
    return made
