"""Which part of a data set a row belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aiok_spark.kernels.hashing import hash_rows, hash_value
from aiok_spark.kernels.program import RowKernel, cast

SHARES = 53  # bits of a hash that are compared: as many as a double holds
_DROPPED = np.uint64(64 - SHARES)
_DAY_0 = date(1970, 1, 1).toordinal()


def hash_split(columns: list[pa.Array], bounds: Sequence[int], names: Sequence[str], seed: int) -> list[pa.Array]:
    """Part by the top bits of the hash of a row's keys; part i ends below ``bounds[i]``, in [0, 2^53]."""
    share = hash_rows(columns, seed).view(np.uint64) >> _DROPPED
    return [_named(np.searchsorted(np.asarray(bounds, np.uint64), share, side="right"), names)]


def hash_split_row(bounds: Sequence[int], names: Sequence[str], seed: int) -> RowKernel:
    """Like ``hash_split``, for the keys of one row."""

    def part(values: list[Any]) -> list[Any]:
        found = seed
        for value in values:
            if value is not None:
                found = hash_value(value.isoformat() if type(value) is date else value, found) % 2**64
        share = found >> int(_DROPPED)
        return [names[sum(bound <= share for bound in bounds)]]

    return part


def cut_split(columns: list[pa.Array], cuts: Sequence[float], names: Sequence[str]) -> list[pa.Array]:
    """Part by value: part i ends below ``cuts[i]``; null where there is no value.

    Dates count days and timestamps microseconds, since 1970 and in UTC.
    """
    (values,) = columns
    numbers = _numbers(values)
    missing = np.asarray(pc.is_null(values)) | np.isnan(numbers)
    return [_named(np.searchsorted(np.asarray(cuts, np.float64), numbers, side="right"), names, missing)]


def cut_split_row(cuts: Sequence[float], names: Sequence[str]) -> RowKernel:
    """Like ``cut_split``, for a number or a date."""

    def part(values: list[Any]) -> list[Any]:
        (value,) = values
        if value is None or value != value:
            return [None]
        number = float(value.toordinal() - _DAY_0 if isinstance(value, date) else value)
        return [names[sum(cut <= number for cut in cuts)]]

    return part


def _numbers(values: pa.Array) -> npt.NDArray[np.float64]:
    if pa.types.is_date32(values.type):
        values = pc.cast(values, pa.int32())
    elif pa.types.is_timestamp(values.type):
        values = pc.cast(values, pa.int64())
    return pc.fill_null(cast(values, pa.float64()), 0.0).to_numpy(zero_copy_only=False)


def _named(parts: npt.NDArray[np.intp], names: Sequence[str], missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.array(list(names), pa.string()).take(pa.array(parts, mask=missing))
