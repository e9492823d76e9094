"""One row at a time: row kernels on plain values, for answers in well under a millisecond."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from aiok_spark.core import compat
from aiok_spark.core.errors import AiokError, ColumnError, DataError, did_you_mean
from aiok_spark.core.stage import RowLocal


@dataclass(frozen=True)
class _Part:
    """One row kernel with the columns it reads and writes."""

    label: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    kernel: Callable[[list[Any]], list[Any]]


class RowProgram:
    """The stages of a pipeline for the values of one row.

    A stage without a row kernel runs its kernel on arrays of length one.
    """

    def __init__(self, stages: Sequence[RowLocal]) -> None:
        self._parts = [part for stage in stages for part in _parts_of(stage)]
        made: set[str] = set()
        self._reads: list[str] = []
        for part in self._parts:
            self._reads += [name for name in part.reads if name not in made and name not in self._reads]
            made.update(part.writes)

    def run(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row with the outputs of all stages."""
        values = dict(row)
        for name in self._reads:
            if name not in values:
                raise ColumnError(
                    f"LocalPipeline: found no '{name}' in the row, expected {self._reads}; {did_you_mean(name, values)}"
                )
        for part in self._parts:
            inputs = [values[name] for name in part.reads]
            try:
                made = part.kernel(inputs)
            except AiokError:
                raise
            except Exception as e:
                if str(e).startswith(part.label):  # a kernel that says it all
                    raise DataError(str(e)) from None
                found = ", ".join(f"{n}={v!r} ({type(v).__name__})" for n, v in zip(part.reads, inputs, strict=True))
                raise DataError(f"{part.label}: found {found}, expected values of the columns' types; {e}") from e
            for name, value in zip(part.writes, made, strict=True):
                values[name] = value
        return values


def _parts_of(stage: RowLocal) -> list[_Part]:
    reads, writes = stage._inputs(), stage._outputs()
    parts = stage._parts(stage._row_kernel() or _on_arrays(stage))
    return [_Part(stage._label, tuple(reads[at]), tuple(writes[at]), kernel) for at, kernel in parts]


def _on_arrays(stage: RowLocal) -> Callable[[list[Any]], list[Any]]:
    """The kernel of a stage on arrays of one value, typed as the values are."""
    names = stage._inputs()

    def run(values: list[Any]) -> list[Any]:
        batch = pa.table({name: pa.array([value]) for name, value in zip(names, values, strict=True)})
        columns: dict[str, pa.Array] = {name: batch[name].combine_chunks() for name in names}
        steps = stage._steps(compat.spark_schema(batch.schema))
        for step in steps:
            step.instruction().run(columns)
        return [columns[name][0].as_py() for step in steps for name in step.writes]

    return run
