"""``TransformSpec``: a function of the user's between the files and the batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from aiok_spark.core.errors import ColumnError, DataError, ParamError, did_you_mean
from aiok_spark.data.arrays import Arrays, Columns


@dataclass(frozen=True)
class TransformSpec:
    """What to make of the rows of each row group, in petastorm's words.

    Attributes
    ----------
    func : callable, optional
        From a pandas DataFrame of the columns to one of the results; arrays are values of it.
    edit_fields : sequence of (str, type, tuple, bool)
        Columns that ``func`` makes or changes: name, numpy type, shape of a value, and whether it may be null.
    removed_fields : sequence of str
        Columns that are not passed on.
    selected_fields : sequence of str, optional
        Columns that are passed on, in this order; not together with ``removed_fields``.
    """

    func: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    edit_fields: Sequence[tuple[str, Any, tuple[int | None, ...], bool]] = field(default_factory=list)
    removed_fields: Sequence[str] = field(default_factory=list)
    selected_fields: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.removed_fields and self.selected_fields is not None:
            raise ParamError(
                "TransformSpec: found removed_fields and selected_fields, expected one of them; leave one out"
            )

    def passed(self, there: Iterable[str]) -> list[str]:
        """The names that are passed on, of those that are there."""
        return list(self.selected_fields or [name for name in there if name not in self.removed_fields])


@dataclass(frozen=True)
class Change:
    """From a table to the arrays that batches are cut from.

    Attributes
    ----------
    columns : Columns
        What is read.
    names : tuple of str
        What is given.
    spec : TransformSpec, optional
        What the user makes of it.
    """

    columns: Columns
    names: tuple[str, ...]
    spec: TransformSpec | None

    @property
    def known(self) -> set[str]:
        """Columns that are read, and those that the specification names."""
        return {*self.columns.names, *(name for name, *_ in (self.spec.edit_fields if self.spec else []))}

    @property
    def keeps_rows(self) -> bool:
        """Whether as many rows come out as go in."""
        return self.spec is None or self.spec.func is None

    def __call__(self, table: pa.Table) -> Arrays:
        """Arrays of the table's rows."""
        arrays = self.columns.of(table)
        if self.spec is None or self.spec.func is None:
            return {name: arrays[name] for name in self.names}
        made = self.spec.func(frame_of(arrays))
        if new := [name for name in made.columns if name not in self.known]:
            raise DataError(
                f"{self.columns.where}: transform_spec: found new columns {new} in what func gives, expected them in "
                "edit_fields, with their types and shapes; add them, or let func leave them out"
            )
        kinds = {name: (np.dtype(kind), shape) for name, kind, shape, _ in self.spec.edit_fields}
        return {name: self._array(made, name, *kinds.get(name, (None, None))) for name in self.names}

    def _array(self, made: pd.DataFrame, name: str, kind: Any, shape: tuple[int | None, ...] | None) -> np.ndarray:
        if name not in made:
            raise DataError(
                f"{self.columns.where}: transform_spec: found no column '{name}' in what func gives, expected it; "
                f"{did_you_mean(name, list(made.columns))}"
            )
        values = made[name].to_numpy()
        if len(values) and isinstance(values[0], np.ndarray):
            try:
                values = np.stack(list(values))
            except ValueError as e:
                raise DataError(
                    f"{self.columns.where}: transform_spec: column '{name}': found arrays of different shapes, "
                    "expected one; let func make them equal"
                ) from e
        values = values if kind is None or values.dtype == kind else values.astype(kind)
        sides = values.shape[1:]
        if shape is not None and len(values) and not _complies(sides, shape):
            raise DataError(
                f"{self.columns.where}: transform_spec: column '{name}': found values of shape {sides}, expected "
                f"{shape} as edit_fields says; change one of them"
            )
        return values


def frame_of(arrays: Arrays) -> pd.DataFrame:
    """Columns for pandas, where arrays are values of a column."""
    return pd.DataFrame({name: list(values) if values.ndim > 1 else values for name, values in arrays.items()})


def change_of(columns: Columns, spec: TransformSpec | None) -> Change:
    """How the columns become batches.

    Raises
    ------
    ColumnError
        If the specification names a column that there will not be.
    """
    if spec is None:
        return Change(columns, tuple(columns.names), None)
    there = [*columns.names, *(name for name, *_ in spec.edit_fields if name not in columns.names)]
    for name in [*spec.removed_fields, *(spec.selected_fields or ())]:
        if name not in there:
            raise ColumnError(
                f"{columns.where}: transform_spec: found no column '{name}', expected some of {there}; "
                f"{did_you_mean(name, there)}"
            )
    return Change(columns, tuple(spec.passed(there)), spec)


def _complies(sides: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(sides) == len(shape) and all(w is None or s == w for s, w in zip(sides, shape, strict=True))
