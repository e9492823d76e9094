"""The functions that Spark's Python workers call.

Each is nested, so that it travels by value and starts where this package is absent; ``unpack``
(see ``ship``) then says so.  No ``from __future__ import annotations`` here: ``pandas_udf`` reads
the annotations of these functions.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa


def arrow_caller(unpack: Callable[[], Any]) -> Callable[..., pa.Array]:
    """For ``arrow_udf``: arrays in, an array or a struct array out."""

    def call(*arrays: pa.Array) -> pa.Array:
        program = unpack()
        made = program(arrays)
        if len(made) == 1:
            return made[0]
        return pa.StructArray.from_arrays(made, names=list(program.outputs))

    return call


def pandas_caller(unpack: Callable[[], Any], types: list[pa.DataType], masked: list[bool]) -> Callable[..., Any]:
    """For ``pandas_udf`` with one output."""
    run = _pandas_runner(unpack, types, masked)

    def call(*columns: pd.Series) -> pd.Series:
        return run(columns)[0]

    return call


def pandas_struct_caller(unpack: Callable[[], Any], types: list[pa.DataType], masked: list[bool]) -> Callable[..., Any]:
    """For ``pandas_udf`` with several outputs, which are one struct for Spark."""
    run = _pandas_runner(unpack, types, masked)

    def call(*columns: pd.Series) -> pd.DataFrame:
        return pd.DataFrame(dict(zip(unpack().outputs, run(columns), strict=True)))

    return call


def _pandas_runner(unpack: Callable[[], Any], types: list[pa.DataType], masked: list[bool]) -> Callable[..., Any]:
    def run(columns: Any) -> Any:
        program = unpack()
        series = iter(columns)
        arrays = []
        for kind, mask in zip(types, masked, strict=True):
            values = next(series)
            if not mask:
                arrays.append(pa.array(values.to_numpy(), kind, from_pandas=False))
            elif pa.types.is_list(kind):
                rows = [unmasked(*row) for row in zip(values, next(series), strict=True)]
                arrays.append(pa.array(rows, kind))
            else:
                arrays.append(pa.array(values.to_numpy(), kind, mask=next(series).to_numpy(bool), from_pandas=False))
        return [to_series(a) for a in program(arrays)]

    def unmasked(values: Any, nulls: Any) -> Any:
        if values is None:
            return None
        return [None if null else value for value, null in zip(values.tolist(), nulls, strict=True)]

    def to_series(array: pa.Array) -> pd.Series:
        if pa.types.is_nested(array.type):  # pyspark takes lists as objects only
            return pd.Series(array.to_pylist(), dtype=object)
        # Backed by Arrow, so that pyspark takes the array as it is: nulls stay nulls, NaN stays NaN.
        return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([array])))

    return run


def map_caller(
    unpack: Callable[[], Any], kept: int, schema: pa.Schema
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """For ``mapInArrow``: the first ``kept`` columns pass, the others are the programs' arguments."""

    def call(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        programs = unpack()
        for batch in batches:
            columns = list(batch.columns[:kept])
            at = kept
            for program in programs:
                columns += program(batch.columns[at : at + len(program.inputs)])
                at += len(program.inputs)
            yield pa.RecordBatch.from_arrays(
                [c if c.type == f.type else c.cast(f.type) for c, f in zip(columns, schema, strict=True)],
                names=schema.names,
            )

    return call


def stream_caller(
    unpack: Callable[[], Any],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """For ``mapInArrow``: a function from batches to batches."""

    def call(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from unpack()(batches)

    return call


def read_caller(
    unpack: Callable[[], Any], carried: list[tuple[str, pa.DataType]], wanted: list[tuple[str, pa.DataType]]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """For ``mapInArrow``: programs, then a function on batches of the wanted columns.

    The batches that come have the carried columns, then the programs' arguments.
    """

    def call(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from aiok_spark.kernels.program import cast

        programs, function = unpack()

        def read() -> Iterator[pa.RecordBatch]:
            for batch in batches:
                there = dict(zip(carried, batch.columns, strict=False))
                made: dict[str, pa.Array] = {}
                at = len(carried)
                for program in programs:
                    made.update(
                        zip(program.outputs, program(batch.columns[at : at + len(program.inputs)]), strict=True)
                    )
                    at += len(program.inputs)
                columns = [there[key] if key in there else cast(made[key[0]], key[1]) for key in wanted]
                yield pa.RecordBatch.from_arrays(columns, names=[f"c{i}" for i in range(len(columns))])

        yield from function(read())

    return call
