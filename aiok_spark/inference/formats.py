"""The kinds of rows that LocalPipeline takes and gives back."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from aiok_spark.core.errors import DataError


def is_row(data: Mapping[str, Any]) -> bool:
    """Whether a dict is one row: it has a value that is not a list, or none at all that is.

    A list in a row is a value of a list column, so a dict is many rows only if all its values are lists.
    """
    return not data or not all(
        isinstance(v, list) or (hasattr(v, "__array__") and getattr(v, "ndim", 0)) for v in data.values()
    )


def table_of_lists(data: Mapping[str, Any]) -> pa.Table:
    """Table of a dict of equally long lists."""
    lengths = {name: len(values) for name, values in data.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            f"LocalPipeline: found lists of unequal length {lengths}, expected one length; fill the shorter with None"
        )
    arrays = {}
    for name, values in data.items():
        try:
            arrays[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
            raise DataError(
                f"LocalPipeline: column '{name}': found values of several types ({e}), expected one type"
            ) from None
    return pa.table(arrays)


def is_pandas(data: Any) -> bool:
    """Whether this is a pandas DataFrame, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def table_of_pandas(data: Any) -> pa.Table:
    """Table of a DataFrame; NaN is missing there, so it becomes null."""
    plain = data.copy(deep=False)
    plain.attrs = {}  # Spark 4's toPandas leaves some there that pyarrow warns of
    try:
        return pa.Table.from_pandas(plain, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        raise DataError(
            f"LocalPipeline: found a pandas column of several types ({e}), expected one type in each"
        ) from None


def with_series(data: Any, made: Mapping[str, pa.Array]) -> Any:
    """A DataFrame of the same index with the made columns; the others are untouched."""
    out = data.copy(deep=False)
    for name, values in made.items():
        series = values.to_pandas()
        series.index = data.index
        out[name] = series
    return out


def with_columns(data: pa.Table | pa.RecordBatch, made: Mapping[str, pa.Array]) -> pa.Table | pa.RecordBatch:
    """The same kind with the made columns put in their places."""
    there = data.schema.names
    columns = [(name, made.get(name, column)) for name, column in zip(there, data.columns, strict=True)]
    columns += [(name, column) for name, column in made.items() if name not in there]
    result = type(data).from_arrays([column for _, column in columns], names=[name for name, _ in columns])
    return result.replace_schema_metadata(data.schema.metadata)
