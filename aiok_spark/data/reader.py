"""``make_reader`` and ``make_batch_reader``: rows of Parquet files as named tuples, in petastorm's words."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa

from aiok_spark.core.errors import ColumnError, ParamError
from aiok_spark.data.codecs import decode, stacked
from aiok_spark.data.dataset import Group
from aiok_spark.data.filters import row_filter
from aiok_spark.data.found import find
from aiok_spark.data.prefetch import PREFETCH_BYTES, Call, ahead
from aiok_spark.data.transform import TransformSpec, frame_of
from aiok_spark.data.unischema import Unischema, selected

_POOLS = ("thread", "process", "dummy")


def make_reader(dataset_url: str | Sequence[str], schema_fields: Sequence[Any] | None = None, **options: Any) -> Reader:
    """Rows, one by one, as named tuples of values: numpy scalars, strings, arrays and images.

    Parameters
    ----------
    dataset_url : str or sequence of str
        Directory, file, or files; written by petastorm, by ``make_spark_converter``, or any Parquet.
    schema_fields : sequence, optional
        Names, regular expressions that match whole names, or fields of a schema; by default all.
    **options
        Those of ``Reader``. ``transform_spec.func`` takes and gives a dict, ``predicate`` looks at dicts.

    Returns
    -------
    Reader
        To be used in a ``with`` block.

    Examples
    --------
    >>> from aiok_spark.data import make_reader
    >>> with make_reader("hdfs:///images", ["id", "image"]) as reader:  # doctest: +SKIP
    ...     for row in reader:
    ...         show(row.id, row.image.shape)
    """
    return Reader(dataset_url, schema_fields, batched=False, **options)


def make_batch_reader(
    dataset_url_or_urls: str | Sequence[str], schema_fields: Sequence[Any] | None = None, **options: Any
) -> Reader:
    """Row groups, as named tuples of numpy arrays.

    Parameters
    ----------
    dataset_url_or_urls : str or sequence of str
        Directory, file, or files of any Parquet.
    schema_fields : sequence, optional
        Names, regular expressions that match whole names, or fields of a schema; by default all.
    **options
        Those of ``Reader``. ``transform_spec.func`` takes and gives a pandas DataFrame, ``predicate`` looks at
        a DataFrame's columns.
    """
    return Reader(dataset_url_or_urls, schema_fields, batched=True, **options)


class Reader:
    """An iterator over the rows of a shard, each exactly once in a pass.

    Parameters
    ----------
    place : str or sequence of str
        What to read.
    schema_fields : sequence, optional
        Which columns.
    batched : bool
        Whether a row group is given at a time, or a row.
    shuffle_rows, shuffle_row_groups : bool
        What comes in another order in each pass.
    seed : int, optional
        Of these orders; without, another one for each reader.
    num_epochs : int, optional
        Passes; None for no end.
    cur_shard, shard_count : int, optional
        Which part of the rows, of how many; sizes differ by at most one row.
    filters : optional
        As ``TorchLoader`` takes it: row groups that have no such rows are not read.
    predicate : optional
        petastorm's: ``get_fields()`` names columns, ``do_include(values)`` says which rows to take. The other
        columns of a row group are read only if there is one.
    transform_spec : TransformSpec, optional
        What to make of the rows, in the reading threads.
    workers_count : int
        Threads that read.
    storage_options : mapping, optional
        Of the file system.
    timeout : float
        Seconds that a row group may take.
    reader_pool_type : {"thread", "process", "dummy"}
        Taken for petastorm's sake; it is always threads that read.
    """

    def __init__(
        self,
        place: str | Sequence[str],
        schema_fields: Sequence[Any] | None = None,
        *,
        batched: bool,
        shuffle_rows: bool = False,
        shuffle_row_groups: bool = True,
        seed: int | None = None,
        num_epochs: int | None = 1,
        cur_shard: int | None = None,
        shard_count: int | None = None,
        filters: Any = None,
        predicate: Any = None,
        transform_spec: TransformSpec | None = None,
        workers_count: int = 2,
        storage_options: Mapping[str, Any] | None = None,
        timeout: float = 600.0,
        reader_pool_type: str = "thread",
    ) -> None:
        if reader_pool_type not in _POOLS:
            raise ParamError(f"Reader: reader_pool_type: found '{reader_pool_type}', expected one of {_POOLS}")
        if (cur_shard is None) != (shard_count is None):
            raise ParamError(f"Reader: found cur_shard={cur_shard}, shard_count={shard_count}, expected both or none")
        self._dataset = find(place, storage_options)
        self._whole = self._dataset.unischema or Unischema.of(self._dataset.schema)
        self.schema = self._whole if schema_fields is None else selected(self._whole, schema_fields, f"Reader({place})")
        self.batched_output, self._predicate, self._spec = batched, predicate, transform_spec
        self._filter = row_filter(filters, self._dataset.schema, f"Reader({place})")
        self._shuffle, self._epochs = (shuffle_rows, shuffle_row_groups), num_epochs
        self._seed = int(np.random.default_rng().integers(1 << 62)) if seed is None else seed
        self._threads, self._limit = workers_count, timeout
        span = self._dataset.shard(cur_shard or 0, shard_count or 1)
        self._groups = self._dataset.groups(*span, self._filter)
        self._rows: Iterator[Any] = iter(())
        self.reset()

    def __enter__(self) -> Reader:
        """The reader itself."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Let go of the threads."""
        self.stop()

    def __iter__(self) -> Reader:
        """The reader itself."""
        return self

    def __next__(self) -> Any:
        """The next row, or row group."""
        return next(self._rows)

    def reset(self) -> None:
        """Start again with the first pass."""
        self.stop()
        self.last_row_consumed = False
        self._rows = self._all()

    def stop(self) -> None:
        """Read no further."""
        close = getattr(self._rows, "close", None)
        if close:
            close()

    def join(self) -> None:
        """Nothing to wait for; petastorm's readers have it."""

    def _all(self) -> Iterator[Any]:
        for epoch in count() if self._epochs is None else range(self._epochs):
            random = np.random.default_rng((self._seed, epoch))
            groups = (
                [self._groups[i] for i in random.permutation(len(self._groups))] if self._shuffle[1] else self._groups
            )
            where = f"Reader({self._dataset.path})"
            calls = (
                Call(partial(self._read, g, int(random.integers(1 << 62))), g.size, f"{where}: file {g.file}")
                for g in groups
            )
            for made in ahead(calls, self._threads, PREFETCH_BYTES, self._limit):
                yield from made
            if not groups:
                break
        self.last_row_consumed = True

    def _read(self, group: Group, seed: int) -> list[Any]:
        """The named tuples of a row group."""
        names = [f.name for f in self.schema.fields]
        table = self._table(group, names)
        if not len(table):
            return []
        if self._shuffle[0]:
            table = table.take(pa.array(np.random.default_rng(seed).permutation(len(table))))
        columns = {name: values_of(self.schema, name, table[name], self._dataset.path) for name in names}
        return self._batch(columns) if self.batched_output else self._single_rows(columns, len(table))

    def _table(self, group: Group, names: list[str]) -> pa.Table:
        """The rows that filter and predicate take; the predicate's columns are read first."""
        wanted = names if self._filter is None or self._filter.columns is None else [*names, *self._filter.columns]
        everything = self._filter is not None and self._filter.columns is None
        keep = None
        if self._predicate is not None:
            fields = list(self._predicate.get_fields())
            keep = self._included(self._dataset.read(group, fields), fields)
            if not keep.any():
                return pa.table({name: [] for name in names})
        table = self._dataset.read(group, None if everything else list(dict.fromkeys(wanted)))
        table = table if keep is None else table.filter(pa.array(keep))
        return table if self._filter is None else table.filter(self._filter.expression)

    def _included(self, table: pa.Table, fields: list[str]) -> np.ndarray:
        columns = {name: values_of(self._whole, name, table[name], self._dataset.path) for name in fields}
        if self.batched_output:
            return np.asarray(self._predicate.do_include(frame_of(columns)), bool)
        rows = (dict(zip(fields, row, strict=True)) for row in zip(*columns.values(), strict=True))
        return np.fromiter((self._predicate.do_include(row) for row in rows), bool, len(table))

    def _batch(self, columns: dict[str, np.ndarray]) -> list[Any]:
        if self._spec is not None and self._spec.func is not None:
            made = self._spec.func(frame_of(columns))
            given = {name: made[name].to_numpy() for name in made.columns}
            columns = {name: stacked(v) if v.dtype == object else v for name, v in given.items()}
        names = self._given(columns)
        return [_tuple_of(self.schema.name, tuple(names))(*(columns[name] for name in names))]

    def _single_rows(self, columns: dict[str, np.ndarray], rows: int) -> list[Any]:
        if self._spec is None or self._spec.func is None:
            names = self._given(columns)
            return list(map(_tuple_of(self.schema.name, tuple(names)), *(columns[name] for name in names)))
        func = self._spec.func
        dicts = [func({name: v[i] for name, v in columns.items()}) for i in range(rows)]
        names = self._given(dicts[0])
        return [_tuple_of(self.schema.name, tuple(names))(*(row[name] for name in names)) for row in dicts]

    def _given(self, there: Mapping[str, Any]) -> list[str]:
        """The names that are passed on."""
        if self._spec is None:
            return list(there)
        names = self._spec.passed(there)
        for name in names:
            if name not in there:
                raise ColumnError(
                    f"Reader({self._dataset.path}): transform_spec: found no column '{name}', expected some of "
                    f"{list(there)}; change selected_fields, or let func make it"
                )
        return names


def values_of(schema: Unischema, name: str, column: pa.ChunkedArray, where: str) -> np.ndarray:
    """A column's values, whatever they are: ``[rows, ...]``, or objects where a row may lack one or differ in shape."""
    field, array = schema[name], column.combine_chunks()
    if field.is_encoded:
        return decode(field, array, where)
    if pa.types.is_list(array.type):
        return stacked([None if v is None else np.asarray(v) for v in array.to_pylist()])
    if array.null_count and pa.types.is_integer(array.type):
        return np.array(array.to_pylist(), object)
    if pa.types.is_decimal(array.type) or pa.types.is_string(array.type) or pa.types.is_binary(array.type):
        return np.fromiter(array.to_pylist(), object, len(array))
    return array.to_numpy(zero_copy_only=False)


@lru_cache(maxsize=64)
def _tuple_of(name: str, names: tuple[str, ...]) -> Callable[..., Any]:
    return namedtuple(f"{name}_view", names, rename=True)
