"""The files of a dataset as Spark's Python workers write them, with no way back through the JVM."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aiok_spark.core.files import open_system
from aiok_spark.kernels.program import cast

WRITTEN = pa.schema([("file", pa.string()), ("rows", pa.int64()), ("groups", pa.int64())])
_UNFINISHED = "_"  # readers of Parquet directories leave out names that start with it


def write_part(
    batches: Iterator[pa.RecordBatch],
    place: str,
    schema: pa.Schema,
    compression: str,
    group_bytes: int,
    options: Mapping[str, Any] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Write a partition's rows as one Parquet file, and tell its name; no rows, no file.

    The file has a name that nobody else has, and gets it when it is whole, so a task that Spark repeats
    leaves the file of its first try beside: only what is told counts.

    Parameters
    ----------
    batches : iterator of pyarrow.RecordBatch
        Columns in the order of the schema.
    place : str
        Directory or URI, which exists.
    schema : pyarrow.Schema
        Of the file, with Spark's own metadata.
    compression : str
        A codec of pyarrow's; "uncompressed" for none.
    group_bytes : int
        Size of a row group in memory.
    options : mapping, optional
        Of the file system, such as credentials.

    Yields
    ------
    RecordBatch
        In the schema ``WRITTEN``.
    """
    from pyspark import TaskContext

    system, folder = open_system(place, options)
    # The rows of a dataset are in the order of its files' names, which is that of the partitions.
    name = f"part-{TaskContext.get().partitionId():05d}-{uuid.uuid4().hex}.parquet"
    codec = compression.replace("uncompressed", "none")
    texts = [f.name for f in schema if pa.types.is_string(f.type)]  # numbers are read faster without a dictionary
    rows = groups = 0
    for group in _groups(batches, schema, group_bytes):
        if not rows:
            out = system.open_output_stream(f"{folder}/{_UNFINISHED}{name}")
            writer = pq.ParquetWriter(out, schema, compression=codec, use_dictionary=texts)
        writer.write_table(group, row_group_size=len(group))
        rows, groups = rows + len(group), groups + 1
    if rows:
        writer.close()
        out.close()
        system.move(f"{folder}/{_UNFINISHED}{name}", f"{folder}/{name}")
        yield pa.RecordBatch.from_pydict({"file": [name], "rows": [rows], "groups": [groups]}, schema=WRITTEN)


def _groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema, group_bytes: int) -> Iterator[pa.Table]:
    """Batches together, as large as a row group may be."""
    waiting: list[Any] = []
    size = 0
    for batch in batches:
        if size and size + batch.nbytes > group_bytes:
            yield pa.Table.from_batches(waiting, schema)
            waiting, size = [], 0
        columns = [cast(c, f.type) for c, f in zip(batch.columns, schema, strict=True)]  # instants come in a time zone
        waiting.append(pa.RecordBatch.from_arrays(columns, schema=schema))
        size += batch.nbytes
    if size:
        yield pa.Table.from_batches(waiting, schema)
