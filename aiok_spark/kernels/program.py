"""A sequence of kernels over named columns: the one form in which every execution runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

Kernel = Callable[[list[pa.Array]], list[pa.Array]]
RowKernel = Callable[[list[Any]], list[Any]]


@dataclass(frozen=True)
class Instruction:
    """One kernel with the names it reads and writes.

    Attributes
    ----------
    label : str
        The stage, as error messages name it.
    kernel : callable
        Arrays of ``reads`` to arrays of ``writes``.
    reads, writes : tuple of str
        Column names; a name that is written again replaces the column for what follows.
    read_types, write_types : tuple of pyarrow.DataType
        What the inputs are cast to before the kernel, and the outputs after it.
    """

    label: str
    kernel: Kernel
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    read_types: tuple[pa.DataType, ...]
    write_types: tuple[pa.DataType, ...]

    def run(self, columns: dict[str, pa.Array]) -> None:
        """Add the outputs to ``columns``."""
        inputs = [cast(columns[name], kind) for name, kind in zip(self.reads, self.read_types, strict=True)]
        outputs = self.kernel(inputs)
        if len(outputs) != len(self.writes):
            raise ValueError(
                f"{self.label}: the kernel gave {len(outputs)} arrays, expected {len(self.writes)}: one for "
                f"each of {list(self.writes)}; return them in the order of the output columns"
            )
        for name, kind, values in zip(self.writes, self.write_types, outputs, strict=True):
            if inputs and len(values) != len(inputs[0]):
                raise ValueError(
                    f"{self.label}: the kernel gave {len(values)} values for '{name}', expected "
                    f"{len(inputs[0])}: one for each input row; a row-local kernel keeps rows and their order"
                )
            columns[name] = cast(values, kind)


@dataclass(frozen=True)
class SideBySide:
    """Several kernels (or row kernels) of one column each as one, all inputs read before any output is written."""

    kernels: tuple[Callable[[list[Any]], list[Any]], ...]

    def __call__(self, columns: list[Any]) -> list[Any]:
        """Run each on its own column."""
        return [made for kernel, column in zip(self.kernels, columns, strict=True) for made in kernel([column])]


@dataclass(frozen=True)
class Program:
    """Instructions run in order; reads ``inputs``, gives ``outputs``."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    instructions: tuple[Instruction, ...]

    def __call__(self, arrays: Sequence[pa.Array]) -> list[pa.Array]:
        """Run on arrays of equal length, in the order of ``inputs``."""
        columns = dict(zip(self.inputs, arrays, strict=True))
        for instruction in self.instructions:
            instruction.run(columns)
        return [columns[name] for name in self.outputs]


def cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast as Spark does, unless the type is right already; a chunked array becomes one array."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
        if isinstance(values, pa.ChunkedArray):  # no chunk at all, in older pyarrow
            values = pa.array([], values.type)
    if values.type == kind:
        return values
    if pa.types.is_floating(kind):
        if pa.types.is_decimal(values.type):  # by its digits: Arrow's own way is off by one ulp in some values
            return pc.cast(pc.cast(values, pa.string()), kind)
        if pa.types.is_integer(values.type):  # to the nearest, also beyond 2^53
            return pc.cast(values, kind, safe=False)
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(values.type) and values.type.unit == "ns":
        return pc.cast(values, kind, safe=False)  # pandas counts nanoseconds, Spark microseconds
    return pc.cast(values, kind)


def as_columns(batch: pa.RecordBatch | pa.Table) -> Mapping[str, pa.Array]:
    """Columns by name, each as a single array."""
    return {name: cast(batch.column(i), batch.schema.field(i).type) for i, name in enumerate(batch.schema.names)}
