"""A directory of Parquet files with a manifest of their rows: what a conversion leaves, and loaders read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from aiok_spark.core.errors import DataError
from aiok_spark.core.files import open_system

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
    """

    path: str
    files: tuple[tuple[str, int], ...]
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str) -> Dataset | None:
        """The dataset in a directory, if there is one."""
        system, folder = open_system(path)
        if system.get_file_info(f"{folder}/{MANIFEST}").type != fs.FileType.File:
            return None
        with system.open_input_stream(f"{folder}/{MANIFEST}") as source:
            told = json.loads(source.read())
        return cls(path, tuple((name, rows) for name, rows in told.pop("files")), told)

    @classmethod
    def sealed(cls, path: str, rows: Mapping[str, int], about: dict[str, Any]) -> Dataset:
        """Write the manifest of a directory's files, with the rows of each; all else there is removed."""
        system, folder = open_system(path)
        for info in system.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
            if info.base_name not in rows:  # of a task that Spark tried again
                system.delete_file(info.path)
        files = tuple(sorted(rows.items()))
        with system.open_output_stream(f"{folder}/{MANIFEST}") as out:
            out.write(json.dumps({**about, "files": files}, indent=1).encode())
        return cls(path, files, about)

    @property
    def rows(self) -> int:
        """Of all files together."""
        return sum(rows for _, rows in self.files)

    @property
    def urls(self) -> list[str]:
        """Where the files are."""
        return [f"{self.path}/{name}" for name, _ in self.files]

    @property
    def schema(self) -> pa.Schema:
        """Columns of the files; empty, if there is no row."""
        if not self.files:
            return pa.schema([])
        with self._opened(self.files[0][0]) as file:
            return file.schema_arrow.remove_metadata()

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

    def groups(self, start: int, end: int) -> list[Group]:
        """Row groups, or parts of them, that hold the rows from ``start`` to ``end``."""
        made, at = [], 0
        for name, rows in self.files:
            if at < end and start < at + rows:
                made += self._groups_of(name, rows, start - at, end - at)
            at += rows
        return made

    def read(self, group: Group, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a group; DataError if they are not as many as they should be."""
        with self._opened(group.file) as file:
            table = file.read_row_group(group.number, columns and list(columns)).slice(group.start, group.rows)
        if table.num_rows != group.rows:
            raise self._changed(group.file, table.num_rows, group.rows)
        return table

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
                made.append(Group(name, i, low, high - low))
        return made

    @contextmanager
    def _opened(self, name: str) -> Iterator[pq.ParquetFile]:
        system, folder = open_system(self.path)
        try:
            with pq.ParquetFile(system.open_input_file(f"{folder}/{name}"), pre_buffer=True) as file:
                yield file
        except (OSError, pa.ArrowException) as e:
            raise DataError(f"{self._place(name)}: {e}; {_AGAIN}") from e

    def _place(self, name: str) -> str:
        return f"Dataset({self.path}): file {name}"

    def _changed(self, name: str, found: int, expected: int) -> DataError:
        return DataError(f"{self._place(name)}: found {found} rows, expected {expected} as its manifest says; {_AGAIN}")


_AGAIN = "it was changed after it was written, or is not readable from here; delete the directory and convert again"


@dataclass(frozen=True)
class Group:
    """Some rows of a row group."""

    file: str
    number: int
    start: int
    rows: int


def read_ahead(dataset: Dataset, groups: Sequence[Group], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Tables of the groups in their order, each read while the caller is busy with the one before it."""
    with ThreadPoolExecutor(1) as thread:
        ahead = None
        for group in groups:
            coming = thread.submit(dataset.read, group, columns)
            if ahead is not None:
                yield ahead.result()
            ahead = coming
        if ahead is not None:
            yield ahead.result()
