"""Columns of a dataset as numpy arrays: what loaders hand to torch, TensorFlow and plain Python."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from aiok_spark.core.errors import ColumnError, ColumnTypeError, DataError, did_you_mean
from aiok_spark.data.codecs import decode
from aiok_spark.data.dataset import Dataset

Arrays = dict[str, np.ndarray]


class Columns:
    """Some columns of a dataset, and how they become arrays.

    Numbers and booleans become ``[rows]``, lists of equal length ``[rows, length]``, encoded arrays and
    images ``[rows, *shape]``, strings ``[rows]`` of objects.

    Parameters
    ----------
    dataset : Dataset
        Whose columns.
    names : sequence of str, optional
        Which; by default all that a tensor can hold.
    reader : str
        Who reads, for messages.

    Raises
    ------
    ColumnError
        If there is no column of a name.
    ColumnTypeError
        If an array cannot hold a column that is asked for.
    """

    def __init__(self, dataset: Dataset, names: Sequence[str] | None, reader: str) -> None:
        self.where = f"{reader}({dataset.path})"
        schema = dataset.schema
        self._codecs = {f.name: f for f in dataset.unischema.fields if f.is_encoded} if dataset.unischema else {}
        if names is None:
            self.names = [f.name for f in schema if f.name in self._codecs or _fits(f.type)]
            return
        for name in names:
            if name not in schema.names:
                raise ColumnError(
                    f"{self.where}: found no column '{name}', expected some of {schema.names}; "
                    f"{did_you_mean(name, schema.names)}"
                )
            kind = schema.field(name).type
            if name not in self._codecs and not _fits(kind) and not pa.types.is_string(kind):
                raise ColumnTypeError(
                    f"{self.where}: column '{name}': found {kind}, expected numbers, booleans, strings or lists of "
                    "numbers; cast it before the conversion, or leave it out"
                )
        self.names = list(names)

    def of(self, table: pa.Table) -> Arrays:
        """Arrays of a table's columns.

        Raises
        ------
        DataError
            If whole numbers have nulls, or lists differ in length.
        """
        return {name: self._array(name, table[name].combine_chunks()) for name in self.names}

    def _array(self, name: str, array: pa.Array) -> np.ndarray:
        if name in self._codecs:
            made = decode(self._codecs[name], array, self.where)
            if made.dtype == object and len(made):
                raise ragged(name, self.where)
            return made
        if pa.types.is_list(array.type):
            lengths = array.value_lengths()
            if array.null_count or len(set(lengths.unique().to_pylist())) > 1:
                raise ragged(name, self.where)
            return self._array(name, array.flatten()).reshape(len(array), -1)
        if array.null_count and not (pa.types.is_floating(array.type) or pa.types.is_string(array.type)):
            raise DataError(
                f"{self.where}: column '{name}': found {array.null_count} nulls, expected none in a column of "
                f"{array.type}; fill them (FillMissing) before the conversion"
            )
        return array.to_numpy(zero_copy_only=False)


def join(parts: Sequence[Arrays], where: str) -> Arrays:
    """Arrays below one another."""
    filled = [part for part in parts if len(next(iter(part.values())))] or list(parts[:1])
    if len(filled) == 1:
        return filled[0]
    joined = {}
    for name in filled[0]:
        if len({part[name].shape[1:] for part in filled}) > 1:
            raise ragged(name, where)
        joined[name] = np.concatenate([part[name] for part in filled])
    return joined


def ragged(name: str, where: str) -> DataError:
    """The error for rows that do not fit into one array."""
    return DataError(
        f"{where}: column '{name}': found lists or arrays of different shapes or nulls, expected all of one shape; "
        "pad them before the conversion, or choose other columns"
    )


def _fits(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return _fits(kind.value_type) and not pa.types.is_list(kind.value_type)
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))
