"""How often each value occurs: counted where the rows are, merged by the hash of the value.

Counts travel as blobs, Arrow streams of ``value`` and ``count``, so that what moves them (a shuffle of
Spark's) handles a few large cells instead of one row for every value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aiok_spark.kernels.hashing import xxhash64
from aiok_spark.kernels.lists import is_list
from aiok_spark.kernels.streams import to_stream

PARTIAL = pa.schema([("group", pa.int32()), ("bucket", pa.int32()), ("counts", pa.binary())])
_BUCKETS = 8  # of a group's values, so that several workers may merge a large group
_WAITING_BYTES = 128 << 20  # of values that wait to be counted, all groups together
_HELD_BYTES = 64 << 20  # of counts that a worker keeps before it passes them on
_BLOB_ROWS = 1 << 18


def count(batches: Iterator[pa.RecordBatch], groups: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Partial counts of some rows, in bounded memory.

    Parameters
    ----------
    batches : iterator of RecordBatch
        One column of values, or of lists of values, for each of ``groups``.
    groups : sequence of int
        Number of the group that a column's values belong to.

    Yields
    ------
    RecordBatch
        In the schema ``PARTIAL``; nulls are not counted.
    """
    counts = _Counts()
    for batch in batches:
        for group, column in zip(groups, batch.columns, strict=True):
            values = column.flatten() if is_list(column.type) else column
            counts.add(group, pa.table({"value": values}))
        if counts.held_bytes > _HELD_BYTES:
            yield from _partials(counts)
    yield from _partials(counts)


def merge(batches: Iterator[pa.RecordBatch], least: int) -> Iterator[pa.RecordBatch]:
    """Totals of partial counts, also in the schema ``PARTIAL``.

    Parameters
    ----------
    batches : iterator of RecordBatch
        Partial counts, among them all that there are of a group's bucket.
    least : int
        Values seen less often are left out.
    """
    counts = _Counts()
    for batch in batches:
        for row in batch.to_pylist():
            counts.add((row["group"], row["bucket"]), read_counts(row["counts"]))
    for (group, bucket), table in counts.take():
        yield from _blobs(group, bucket, table.filter(pc.greater_equal(table["count"], least)))


def read_counts(blob: bytes) -> pa.Table:
    """Columns ``value`` and ``count`` of a blob."""
    return pa.ipc.open_stream(blob).read_all()


class _Counts:
    """Tables of values, or of values and counts, added up by name from time to time.

    Memory follows the distinct values, not the rows.
    """

    def __init__(self) -> None:
        self._held: dict[Any, pa.Table] = {}
        self._waiting: defaultdict[Any, list[pa.Table]] = defaultdict(list)
        self._waiting_bytes = 0
        self.held_bytes = 0

    def add(self, name: Hashable, table: pa.Table) -> None:
        self._waiting[name].append(table)
        self._waiting_bytes += table.nbytes
        if self._waiting_bytes > max(_WAITING_BYTES, self.held_bytes):
            self._fold()

    def _fold(self) -> None:
        for name, tables in self._waiting.items():
            total = _total(pa.concat_tables(tables))
            self._held[name] = _total(pa.concat_tables([self._held[name], total])) if name in self._held else total
        self._waiting.clear()
        self._waiting_bytes = 0
        self.held_bytes = sum(table.nbytes for table in self._held.values())

    def take(self) -> list[tuple[Any, pa.Table]]:
        """Everything, so that nothing is held any more."""
        self._fold()
        taken, self._held, self.held_bytes = list(self._held.items()), {}, 0
        return taken


def _total(table: pa.Table) -> pa.Table:
    counted = "count" in table.column_names
    # One thread: Spark runs as many of these as there are cores.
    made = table.group_by("value", use_threads=False).aggregate([("count", "sum") if counted else ([], "count_all")])
    made = made.rename_columns(["value", "count"])
    return made.filter(pc.is_valid(made["value"])) if made["value"].null_count else made


def _partials(counts: _Counts) -> Iterator[pa.RecordBatch]:
    for group, table in counts.take():
        buckets = pa.array(xxhash64(table["value"].combine_chunks(), 0) % _BUCKETS)
        for bucket in range(_BUCKETS):
            yield from _blobs(group, bucket, table.filter(pc.equal(buckets, bucket)))


def _blobs(group: int, bucket: int, table: pa.Table) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(table), _BLOB_ROWS):
        blob = to_stream(table.slice(start, _BLOB_ROWS))
        yield pa.RecordBatch.from_pydict({"group": [group], "bucket": [bucket], "counts": [blob]}, schema=PARTIAL)
