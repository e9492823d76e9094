"""A step: one row-local stage (or one column of it) as the executions see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql.types import DataType, StructField

from aiok_spark.core import compat
from aiok_spark.core.schema import carrier
from aiok_spark.kernels.program import Instruction, Kernel, SideBySide

Expressions = Callable[[list[Column]], list[Column]]


@dataclass(frozen=True)
class Prepared:
    """A cheaper way through Spark: Catalyst turns the inputs into other arrays, with a kernel for those.

    Attributes
    ----------
    columns : callable
        Input columns (cast to the kernel's types) to prepared columns, one for each.  These, and the elements of
        arrays among them, must not be null: code a null as a value.
    types : tuple of DataType
        Types of the prepared columns.
    kernel : callable
        Arrays of the prepared columns to the same outputs as the stage's own kernel.
    """

    columns: Expressions
    types: tuple[DataType, ...]
    kernel: Kernel


def merged(prepared: Sequence[Prepared]) -> Prepared:
    """Prepared forms of one column each as one; a single one is given back."""
    if len(prepared) == 1:
        return prepared[0]

    def columns(inputs: list[Column]) -> list[Column]:
        return [made for one, column in zip(prepared, inputs, strict=True) for made in one.columns([column])]

    types = tuple(t for one in prepared for t in one.types)
    return Prepared(columns, types, SideBySide(tuple(one.kernel for one in prepared)))


@dataclass(frozen=True)
class Step:
    """What to compute from which columns; how, each execution decides.

    Attributes
    ----------
    label : str
        The stage, as messages name it.
    inputs : tuple of StructField
        Columns as they come.
    types : tuple of DataType
        What the inputs are cast to, for kernel and expressions alike.
    outputs : tuple of StructField
        Columns it makes, metadata included.
    kernel, prepared
        See ``RowLocal``.
    """

    label: str
    inputs: tuple[StructField, ...]
    types: tuple[DataType, ...]
    outputs: tuple[StructField, ...]
    kernel: Kernel
    prepared: Prepared | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(f.name for f in self.inputs)

    @property
    def writes(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(f.name for f in self.outputs)

    def instruction(self, names: Sequence[str] | None = None, prepared: Prepared | None = None) -> Instruction:
        """The step for a Program; ``names`` if it reads its inputs, or their prepared form, by other names."""
        types = prepared.types if prepared else self.types
        return Instruction(
            label=self.label,
            kernel=prepared.kernel if prepared else self.kernel,
            reads=tuple(names or self.reads),
            writes=self.writes,
            read_types=tuple(compat.arrow_type(t) for t in types),
            write_types=tuple(compat.arrow_type(carrier(f.dataType)) for f in self.outputs),
        )
