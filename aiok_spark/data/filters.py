"""Rows that a condition takes: pushed down to row groups by their statistics, and then to rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from aiok_spark.core.errors import ColumnError, ParamError, did_you_mean

_OPERATORS = ("=", "==", "!=", "<", ">", "<=", ">=", "in", "not in")


@dataclass(frozen=True)
class Filter:
    """A condition on rows.

    Attributes
    ----------
    expression : pyarrow.compute.Expression
        The condition.
    columns : tuple of str, optional
        Those that it reads; None if that is not known.
    """

    expression: pc.Expression
    columns: tuple[str, ...] | None

    def row_groups(self, system: Any, path: str, schema: pa.Schema) -> set[int]:
        """Those of a file which may have such rows, as far as their statistics tell."""
        whole = ds.ParquetFileFormat().make_fragment(path, system)
        part = whole.subset(self.expression, schema=schema)
        return {group.id for group in part.row_groups}


def row_filter(told: Any, schema: pa.Schema, where: str) -> Filter | None:
    """The condition that a user gives: an expression, or tuples as ``pyarrow.parquet.read_table`` takes them.

    Parameters
    ----------
    told : pyarrow.compute.Expression or list, optional
        Tuples of column, operator and value, all of which must hold; or lists of such, one of which must.
    schema : pyarrow.Schema
        Of the rows.
    where : str
        Who asks, for messages.

    Raises
    ------
    ColumnError
        If there is no such column.
    ParamError
        If it is no condition on rows of this schema.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from aiok_spark.data.filters import row_filter
    >>> schema = pa.schema([("day", pa.int32()), ("city", pa.string())])
    >>> row_filter([("day", ">", 3), ("city", "in", {"Rome", "Oslo"})], schema, "me").columns
    ('day', 'city')
    """
    if told is None:
        return None
    if not schema.names:  # there is no row
        return Filter(pc.scalar(True), ())
    made = Filter(told, None) if isinstance(told, pc.Expression) else _of_tuples(told, schema, where)
    try:
        schema.empty_table().filter(made.expression)
    except (pa.ArrowException, ValueError) as e:
        raise ParamError(
            f"{where}: filters: found {made.expression}, expected a condition on {schema.names} ({e}); correct it"
        ) from e
    return made


def _of_tuples(told: Any, schema: pa.Schema, where: str) -> Filter:
    parts = [part if isinstance(part, list) else [part] for part in told] if isinstance(told, list) else []
    conditions = [condition for part in parts for condition in part]
    wrong = [c for c in conditions if not (isinstance(c, tuple) and len(c) == 3 and c[1] in _OPERATORS)]
    if wrong or not conditions:
        raise ParamError(
            f"{where}: filters: found {wrong[0] if wrong else told!r}, expected tuples of column, operator and value "
            f"in a list, such as [('day', '>', 3)], with an operator of {_OPERATORS}; correct it"
        )
    for name, operator, value in conditions:
        if name not in schema.names:
            raise ColumnError(
                f"{where}: filters: found no column '{name}', expected some of {schema.names}; "
                f"{did_you_mean(name, schema.names)}"
            )
        if value is None:
            raise ParamError(
                f"{where}: filters: found a comparison of '{name}' with None, which takes no row, expected a value; "
                f"for nulls give an expression: pyarrow.compute.field('{name}').is_null()"
            )
        if "in" in operator and not isinstance(value, (list, tuple, set, frozenset)):
            raise ParamError(
                f"{where}: filters: found {value!r} for '{name}' {operator}, expected a list or set of values"
            )
    return Filter(pq.filters_to_expression(told), tuple(dict.fromkeys(name for name, _, _ in conditions)))
