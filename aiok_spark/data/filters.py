"""Rows that a condition takes: pushed down to row groups by their statistics, and then to rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq


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


def row_filter(told: Any) -> Filter | None:
    """The condition that a user gives: an expression, or tuples as ``pyarrow.parquet.read_table`` takes them.

    Examples
    --------
    >>> from aiok_spark.data.filters import row_filter
    >>> row_filter([("day", ">", 3), ("city", "in", {"Rome", "Oslo"})]).columns
    ('day', 'city')
    """
    if told is None:
        return None
    if isinstance(told, pc.Expression):
        return Filter(told, None)
    conditions = [c for part in told for c in (part if isinstance(part, list) else [part])]
    return Filter(pq.filters_to_expression(told), tuple(dict.fromkeys(column for column, _, _ in conditions)))
