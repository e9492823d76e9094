"""A directory of Parquet files with a manifest of their rows: what a conversion leaves, and loaders read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from aiok_spark.core.errors import DataError
from aiok_spark.core.files import open_system
from aiok_spark.data.filters import Filter
from aiok_spark.data.prefetch import Call, ahead
from aiok_spark.data.unischema import Unischema

_LIMIT = 600.0  # seconds that a row group may take
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
COMMON = "_common_metadata"  # petastorm's notes
MANIFEST = "_aiok_manifest.json"  # readers of Parquet directories leave out names with an underscore


@dataclass(frozen=True)
class Dataset:
    """Files that are whole: a directory without a manifest is none.

    Attributes
    ----------
    path : str
        The directory, with the scheme of its file system.
    files : tuple of (str, int)
        Their names in it and their rows.
    about : dict
        What else the conversion noted, such as which columns were vectors.
    partitions : dict of str to pyarrow.DataType
        Columns whose values the files' directories name, such as ``day=1``.
    unischema : Unischema, optional
        What petastorm's codecs have made the columns of.
    options : mapping
        Of the file system, such as credentials; never written.
    """

    path: str
    files: tuple[tuple[str, int], ...]
    about: dict[str, Any] = field(default_factory=dict)
    partitions: dict[str, pa.DataType] = field(default_factory=dict)
    unischema: Unischema | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, path: str, options: Mapping[str, Any] | None = None) -> Dataset | None:
        """The dataset in a directory, if a conversion left one there."""
        system, folder = open_system(path, options)
        if system.get_file_info(f"{folder}/{MANIFEST}").type != fs.FileType.File:
            return None
        with system.open_input_stream(f"{folder}/{MANIFEST}") as source:
            told = json.loads(source.read())
        return cls(path, tuple((name, rows) for name, rows in told.pop("files")), told, options=options or {})

    @classmethod
    def sealed(
        cls, path: str, rows: Mapping[str, int], about: dict[str, Any], options: Mapping[str, Any] | None = None
    ) -> Dataset:
        """Write the manifest of a directory's files, with the rows of each; all else there is removed."""
        system, folder = open_system(path, options)
        for info in system.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
            if info.base_name not in (*rows, COMMON):  # of a task that Spark tried again
                system.delete_file(info.path)
        files = tuple(sorted(rows.items()))
        with system.open_output_stream(f"{folder}/{MANIFEST}") as out:
            out.write(json.dumps({**about, "files": files}, indent=1).encode())
        return cls(path, files, about, options=options or {})

    @property
    def rows(self) -> int:
        """Of all files together."""
        return sum(rows for _, rows in self.files)

    @property
    def digest(self) -> str:
        """Of the files' names and rows: what tells one dataset from another, wherever it is."""
        return hashlib.sha256(json.dumps(self.files).encode()).hexdigest()[:16]

    @property
    def urls(self) -> list[str]:
        """Where the files are."""
        return [f"{self.path}/{name}" for name, _ in self.files]

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of the files, and of their directories' names; empty, if there is no row."""
        if not self.files:
            return pa.schema([])
        with self._opened(self.files[0][0]) as file:
            schema = file.schema_arrow.remove_metadata()
        return pa.schema([*schema, *(pa.field(name, kind) for name, kind in self.partitions.items())])

    def shard(self, number: int, of: int, equal: bool = False) -> tuple[int, int]:
        """The rows of a shard, from and to: each row in one of them, and sizes that differ by at most one.

        Parameters
        ----------
        number, of : int
            Which, from 0, and how many there are.
        equal : bool
            Whether all are of the smaller size; then up to ``of - 1`` rows at the end are in none.
        """
        if not 0 <= number < of:
            raise ValueError(f"shard: found {number} of {of}, expected a number in [0, {of}); change it")
        if equal:
            size = self.rows // of
            return number * size, (number + 1) * size
        return self.rows * number // of, self.rows * (number + 1) // of

    def groups(self, start: int, end: int, rows: Filter | None = None) -> list[Group]:
        """Row groups, or parts of them, that hold the rows from ``start`` to ``end``.

        With a filter, those that have no such rows by their statistics are left out.
        """
        made, at = [], 0
        for name, count in self.files:
            if at < end and start < at + count:
                found = self._groups_of(name, count, start - at, end - at)
                there = None if rows is None else self._meet(name, rows)
                made += [g for g in found if there is None or g.number in there]
            at += count
        return made

    def _meet(self, name: str, rows: Filter) -> set[int]:
        system, folder = open_system(self.path, self.options)
        return rows.row_groups(system, f"{folder}/{name}", self.schema)

    def read(self, group: Group, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a group; DataError if they are not as many as they should be."""
        stored = None if columns is None else [name for name in columns if name not in self.partitions]
        with self._opened(group.file, group.metadata) as file:
            self._check_types(group.file, file.schema_arrow, stored)
            table = file.read_row_group(group.number, stored).slice(group.start, group.rows)
        if table.num_rows != group.rows:
            raise self._changed(group.file, table.num_rows, group.rows)
        for name, kind in self.partitions.items():
            if columns is None or name in columns:
                value = pa.scalar(partition_values(group.file)[name], pa.string()).cast(kind)
                table = table.append_column(name, pa.repeat(value, len(table)))
        return table

    def _check_types(self, name: str, found: pa.Schema, columns: Sequence[str] | None) -> None:
        """Raise DataError unless the columns are those of the first file, which all are taken for."""
        for wanted in self.schema:
            if wanted.name in self.partitions or (columns is not None and wanted.name not in columns):
                continue
            kind = found.field(wanted.name).type if wanted.name in found.names else pa.null()
            if not _alike(kind, wanted.type):
                raise DataError(
                    f"{self._place(name)}: column '{wanted.name}': found {kind}, expected {wanted.type} as in "
                    f"{self.files[0][0]}; write the files alike, or read them apart"
                )

    def _groups_of(self, name: str, rows: int, start: int, end: int) -> list[Group]:
        with self._opened(name) as file:
            about = file.metadata
        if about.num_rows != rows:
            raise self._changed(name, about.num_rows, rows)
        sizes = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        made = []
        for i, size in enumerate(sizes):
            low, high = max(start - int(starts[i]), 0), min(end - int(starts[i]), size)
            if low < high:
                share = (high - low) / size
                made.append(Group(name, i, low, high - low, int(share * about.row_group(i).total_byte_size), about))
        return made

    @contextmanager
    def _opened(self, name: str, metadata: pq.FileMetaData | None = None) -> Iterator[pq.ParquetFile]:
        system, folder = open_system(self.path, self.options)
        try:
            source = system.open_input_file(f"{folder}/{name}")
            with pq.ParquetFile(source, metadata=metadata, pre_buffer=True) as file:
                yield file
        except (OSError, pa.ArrowException) as e:
            raise DataError(f"{self._place(name)}: {e}; {_AGAIN}") from e

    def _place(self, name: str) -> str:
        return f"Dataset({self.path}): file {name}"

    def _changed(self, name: str, found: int, expected: int) -> DataError:
        return DataError(f"{self._place(name)}: found {found} rows, expected {expected} as its manifest says; {_AGAIN}")


_AGAIN = "it was changed after it was written, or is not readable from here; delete the directory and convert again"


def _alike(a: pa.DataType, b: pa.DataType) -> bool:
    """Whether two types are the same, but for nulls that may be in lists."""
    if pa.types.is_list(a) and pa.types.is_list(b):
        return _alike(a.value_type, b.value_type)
    return bool(a == b)


def partition_values(name: str) -> dict[str, str | None]:
    """What the directories of a file's name say: values of columns, as Hive and Spark write them."""
    parts = [part.partition("=") for part in name.split("/")[:-1] if "=" in part]
    return {unquote(column): None if value == _NO_VALUE else unquote(value) for column, _, value in parts}


@dataclass(frozen=True)
class Group:
    """Some rows of a row group.

    Attributes
    ----------
    file, number : str, int
        Which row group.
    start, rows : int
        Which of its rows.
    size : int
        Their bytes, before compression.
    metadata : pyarrow.parquet.FileMetaData
        The file's footer, so that it is read once.
    """

    file: str
    number: int
    start: int
    rows: int
    size: int
    metadata: pq.FileMetaData = field(repr=False, compare=False)


def read_ahead(dataset: Dataset, groups: Sequence[Group], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Tables of the groups in their order, each read while the caller is busy with the one before it."""
    calls = (Call(partial(dataset.read, g, columns), g.size, f"Dataset({dataset.path}): file {g.file}") for g in groups)
    return ahead(calls, threads=1, budget=0, limit=_LIMIT)
