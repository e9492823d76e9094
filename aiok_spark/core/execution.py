"""How Spark runs row-local steps: chosen here, never in a stage.

First what never leaves the JVM: expressions, where Catalyst can say the same exactly, and joins with
fitted tables.  Otherwise kernels run as scalar UDFs, one for each independent component of the run,
so that Spark prunes columns, pushes filters, and leaves all other columns where they are: on Arrow
arrays (Spark 4.1), or on pandas columns with a null mask (before).  ``mapInArrow`` moves whole rows,
hides the plan behind it, and is used only where strings or lists must cross on Spark 3.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.ml.functions import array_to_vector
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DecimalType,
    NumericType,
    StructField,
    StructType,
)

from aiok_spark.core import compat, ship, worker
from aiok_spark.core.fusion import Run, run_of, tag
from aiok_spark.core.schema import as_array, carrier, column, element, is_plain, put_columns
from aiok_spark.core.steps import Prepared, Step
from aiok_spark.kernels.program import Program

if TYPE_CHECKING:
    from aiok_spark.core.stage import RowLocal

WAYS = ("expressions", "arrow_udf", "pandas_udf", "mapInArrow")

_forced: ContextVar[str | None] = ContextVar("aiok_execution", default=None)


@contextmanager
def forced(way: str) -> Iterator[None]:
    """Within the block, run row-local stages this way; for tests and measurements.

    Parameters
    ----------
    way : str
        One of ``WAYS``.  A stage without expressions, and a Spark without Arrow UDFs, use their
        default way instead.
    """
    if way not in WAYS:
        raise ValueError(f"way: found {way!r}, expected one of {WAYS}")
    token = _forced.set(way)
    try:
        yield
    finally:
        _forced.reset(token)


def transform(stage: RowLocal, df: DataFrame) -> DataFrame:
    """Lay a stage's steps over a DataFrame; no job runs."""
    schema = df.schema
    names = stage.transformSchema(schema).names
    run = run_of(df)
    lay = stage._joined(schema) if _forced.get() is None else None
    steps = stage._steps(schema) if lay is None else []  # what a join has no use for may be costly
    if lay is None and _forced.get() in (None, "expressions") and (made := _expressions(stage, steps)) is not None:
        lay = partial(put_columns, made=made)
    if lay is not None:
        if run is None:
            return lay(df)
        read, written = set(stage._inputs()), set(stage._outputs())
        if not (read | written) & run.written and not written & run.read:
            # The stage does not touch what the run makes, so it may as well come before the crossing.
            hoisted = Run(lay(run.source), run.steps, tuple(names))
            return tag(_cross(hoisted), hoisted)
    steps = steps or stage._steps(schema)
    run = run.extended(steps, names) if run else Run(df, tuple(steps), tuple(names))
    return tag(_cross(run), run)


def map_batches(
    df: DataFrame, function: compat.BatchFunction, schema: pa.Schema, *, barrier: bool = False
) -> DataFrame:
    """Run a function from record batches to record batches on each partition.

    Parameters
    ----------
    df : DataFrame
        Its columns reach the function by position.
    function : callable
        Picklable, with its state; it travels by ``ship``.
    schema : pyarrow.Schema
        Of the batches that it gives.
    barrier : bool
        Whether the partitions' tasks start together and may wait for each other.
    """
    call = worker.stream_caller(ship.pack(compat.session_of(df), function))
    return df.mapInArrow(call, compat.spark_schema(schema), barrier=barrier)


def map_columns(
    df: DataFrame, columns: Sequence[tuple[str, DataType]], function: compat.BatchFunction, schema: pa.Schema
) -> DataFrame:
    """Like ``map_batches``, with these columns alone, cast to these types.

    What stages of an open run make goes straight to the function, not back to the JVM in between.

    Parameters
    ----------
    df : DataFrame
        Where the columns are.
    columns : sequence of (str, DataType)
        Names and types; the batches have them in this order.
    function : callable
        Picklable, with its state; it travels by ``ship``.
    schema : pyarrow.Schema
        Of the batches that it gives.
    """
    fields = {f.name: f for f in df.schema.fields}
    run = run_of(df)
    if run is None:
        chosen = [_cast(fields[name], kind).alias(f"c{i}") for i, (name, kind) in enumerate(columns)]
        return map_batches(df.select(*chosen), function, schema)
    run = run.pruned(name for name, _ in columns)
    components = [_Component(steps, run) for steps in run.components()]
    made = run.written
    carried = [(name, kind) for name, kind in dict.fromkeys(columns) if name not in made]
    crossing = run.source.select(
        *[_cast(fields[name], kind).alias(f"k{i}") for i, (name, kind) in enumerate(carried)],
        *[a.value.alias(f"a{i}_{j}") for i, c in enumerate(components) for j, a in enumerate(c.arguments.values())],
    )
    types = [(name, compat.arrow_type(kind)) for name, kind in columns]
    spark = compat.session_of(df)
    unpack = ship.pack(spark, ([c.program for c in components], function))
    call = worker.read_caller(unpack, [(name, compat.arrow_type(kind)) for name, kind in carried], types)
    return crossing.mapInArrow(call, compat.spark_schema(schema))


def _expressions(stage: RowLocal, steps: list[Step]) -> list[tuple[StructField, Column]] | None:
    """All outputs of a stage in Catalyst, if it can say them."""
    inputs = [(f, t) for step in steps for f, t in zip(step.inputs, step.types, strict=True)]
    made = stage._expressions([_cast(f, t) for f, t in inputs], [t for _, t in inputs])
    if made is None:
        return None
    outputs = [field for step in steps for field in step.outputs]
    if len(made) != len(outputs):
        raise ValueError(
            f"{stage._label}: _expressions gave {len(made)} columns, expected {len(outputs)}: one for each of "
            f"{[f.name for f in outputs]}; return them in the order of the output columns"
        )
    return [(f, c.cast(f.dataType)) for f, c in zip(outputs, made, strict=True)]


def _cross(run: Run) -> DataFrame:
    """All outputs of a run's steps, through Python."""
    components = [_Component(steps, run) for steps in run.components()]
    components = [c for c in components if c.outputs]
    if _way(run, components) == "mapInArrow":
        return _map_in_arrow(run, components)
    flat = "arrow_udf" if _way(run, components) == "arrow_udf" else "pandas_udf"
    spark = compat.session_of(run.source)
    packed: list[tuple[str, Column]] = []
    made: list[tuple[StructField, Column]] = []
    for i, component in enumerate(components):
        value = _udf(component, spark, flat)
        if len(component.outputs) == 1:
            made.append(_landed(component.outputs[0], value))
        else:  # several outputs come as one struct, so that the kernel runs once for all of them
            packed.append((f"__aiok_{i}", value))
            made += [_landed(field, F.col(f"__aiok_{i}").getField(field.name)) for field in component.outputs]
    source = run.source.select("*", *[value.alias(name) for name, value in packed]) if packed else run.source
    return put_columns(source, made, run.names)


class _Component:
    """Dependent steps, as a program and the Catalyst columns that it reads."""

    def __init__(self, steps: list[Step], run: Run) -> None:
        makers = run.makers()
        self.outputs: list[StructField] = [f for s in steps for f in s.outputs if makers[f.name] is s]
        self.arguments: dict[str, _Argument] = {}
        inside: set[str] = set()
        instructions = []
        for i, step in enumerate(steps):
            if step.prepared and not inside & set(step.reads):
                instructions.append(step.instruction(self._add_prepared(i, step, step.prepared), step.prepared))
            else:
                names = [
                    field.name if field.name in inside else self._add_plain(field, kind)
                    for field, kind in zip(step.inputs, step.types, strict=True)
                ]
                instructions.append(step.instruction(names))
            inside.update(step.writes)
        self.program = Program(tuple(self.arguments), tuple(f.name for f in self.outputs), tuple(instructions))

    def _add_plain(self, field: StructField, kind: DataType) -> str:
        # Two steps may want one column in two types.
        name = f"__aiok_{kind.simpleString()}_{field.name}"
        self.arguments[name] = _Argument(_cast(field, kind), kind, True)
        return name

    def _add_prepared(self, i: int, step: Step, prepared: Prepared) -> list[str]:
        inputs = [_cast(f, t) for f, t in zip(step.inputs, step.types, strict=True)]
        added = {
            f"__aiok_prepared_{i}_{j}": _Argument(value, kind, False)
            for j, (value, kind) in enumerate(zip(prepared.columns(inputs), prepared.types, strict=True))
        }
        self.arguments.update(added)
        return list(added)

    @property
    def result(self) -> DataType:
        """Type of the UDF: the single output's, or a struct of all."""
        if len(self.outputs) == 1:
            return carrier(self.outputs[0].dataType)
        return StructType([StructField(f.name, carrier(f.dataType), True) for f in self.outputs])


class _Argument:
    """A column that crosses into Python."""

    def __init__(self, value: Column, kind: DataType, nullable: bool) -> None:
        self.value, self.kind, self.nullable = value, kind, nullable


def _way(run: Run, components: list[_Component]) -> str:
    """The measured choice, unless a test forces another."""
    way = _forced.get()
    if (way == "arrow_udf" and compat.has_arrow_udf()) or way in ("pandas_udf", "mapInArrow"):
        return way
    if compat.has_arrow_udf():
        return "arrow_udf"
    if all(_is_number(a.kind) for c in components for a in c.arguments.values()):
        return "pandas_udf"
    if any("timestamp" in a.kind.simpleString() for c in components for a in c.arguments.values()):
        return "mapInArrow"  # pandas would read them in another time zone
    # Strings and lists are slow as pandas objects, but only plain columns survive mapInArrow.
    written = run.written
    carried = [f.dataType for f in run.source.schema.fields if f.name not in written]
    unique = len(set(run.source.columns)) == len(run.source.columns)
    return "mapInArrow" if unique and all(map(is_plain, carried)) else "pandas_udf"


def _is_number(kind: DataType) -> bool:
    """Types that pandas holds exactly, beside a mask."""
    return isinstance(kind, (NumericType, BooleanType)) and not isinstance(kind, DecimalType)


def _udf(component: _Component, spark: object, way: str) -> Column:
    unpack = ship.pack(spark, component.program)
    arguments = list(component.arguments.values())
    result = component.result
    if way == "arrow_udf":
        return F.arrow_udf(worker.arrow_caller(unpack), result)(*[a.value for a in arguments])
    # pandas cannot tell null from NaN, nor hold a null among integers, so the mask crosses by itself.
    masked = [a.nullable and _is_number(element(a.kind)) for a in arguments]
    columns = [c for a, mask in zip(arguments, masked, strict=True) for c in (_with_mask(a) if mask else [a.value])]
    types = [compat.arrow_type(a.kind) for a in arguments]
    make: Callable[..., object] = worker.pandas_caller if len(component.outputs) == 1 else worker.pandas_struct_caller
    return F.pandas_udf(make(unpack, types, masked), result)(*columns)


def _with_mask(argument: _Argument) -> list[Column]:
    """The numbers with zero in place of null, and where the nulls are; lists element by element."""
    kind = element(argument.kind)

    def filled(value: Column) -> Column:
        return F.coalesce(value, F.lit(0).cast(kind))

    if isinstance(argument.kind, ArrayType):
        return [F.transform(argument.value, filled), F.transform(argument.value, F.isnull)]
    return [filled(argument.value), argument.value.isNull()]


def _map_in_arrow(run: Run, components: list[_Component]) -> DataFrame:
    """Carry every kept column through Python with the arguments beside them."""
    fields = {f.name: f for f in run.source.schema.fields}
    outputs = {f.name: f for c in components for f in c.outputs}
    kept = [name for name in fields if name not in outputs]
    arguments = [(f"__aiok_{i}_{name}", a) for i, c in enumerate(components) for name, a in c.arguments.items()]
    crossing = run.source.select(*[column(n) for n in kept], *[a.value.alias(name) for name, a in arguments])
    made = [StructField(f.name, carrier(f.dataType), True) for f in outputs.values()]
    schema = StructType([fields[n] for n in kept] + made)
    spark = compat.session_of(run.source)
    programs = ship.pack(spark, [c.program for c in components])
    # Column positions, as duplicates are impossible here but odd names are not.
    crossed = crossing.mapInArrow(worker.map_caller(programs, len(kept), compat.arrow_schema(schema)), schema)
    landed = [_landed(f, column(n)) for n, f in outputs.items()]
    return put_columns(crossed, [(fields[n], column(n)) for n in kept] + landed, run.names)


def _cast(field: StructField, kind: DataType) -> Column:
    value = as_array(field, kind)
    return value if field.dataType == kind else value.cast(kind)


def _landed(field: StructField, value: Column) -> tuple[StructField, Column]:
    """A column that came back from Python, in its own type."""
    if not isinstance(field.dataType, VectorUDT):
        return field, value
    if not compat.has_arrow_udf():  # pandas took NaN in a list for null, which a vector cannot hold
        value = F.transform(value, lambda x: F.coalesce(x, F.lit(float("nan"))))
    return field, array_to_vector(value)
