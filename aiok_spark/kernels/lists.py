"""Apply a function on values to list columns, order and nulls kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def is_list(kind: pa.DataType) -> bool:
    """Whether the type is a list of values."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def map_values(array: pa.Array, function: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """``function`` on a flat array, or on the values of a list array.

    ``function`` must keep the number of values.  A null list stays null, an empty one empty.
    """
    if not is_list(array.type):
        return function(array)
    values = function(array.flatten())
    return list_of(values, _lengths(array), pc.is_null(array) if array.null_count else None)


def rows_of(array: pa.Array) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """The values of a list array with the row of each; a flat array is one value a row."""
    if not is_list(array.type):
        return np.arange(len(array)), array
    return np.repeat(np.arange(len(array)), _lengths(array)), array.flatten()


def list_of(values: pa.Array | npt.NDArray[Any], lengths: npt.NDArray[Any], mask: pa.Array | None = None) -> pa.Array:
    """A list array of the values, so many for each row; null where ``mask`` is true."""
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, values, mask=mask)


def _lengths(array: pa.Array) -> npt.NDArray[Any]:
    return pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
