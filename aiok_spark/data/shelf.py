"""The datasets that conversions have left in a directory: what they are, whether they are whole, and their end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
from pyarrow import fs

from aiok_spark.core.errors import DataError
from aiok_spark.core.files import open_system
from aiok_spark.data.conversion import delete
from aiok_spark.data.dataset import MANIFEST, Dataset

_DAY = 24 * 3600.0


@dataclass(frozen=True)
class Entry:
    """A directory of a shelf.

    Attributes
    ----------
    path : str
        Where it is.
    dataset : Dataset, optional
        What it holds; None for what a conversion that ended early has left.
    bytes : int
        Of its files.
    changed : float
        When something was last written there, in seconds since 1970.
    """

    path: str
    dataset: Dataset | None
    bytes: int
    changed: float

    @property
    def days(self) -> float:
        """Since something was written there."""
        return (time.time() - self.changed) / _DAY

    def problems(self) -> list[str]:
        """What differs between the files and the manifest; the files' footers are read."""
        if self.dataset is None:
            return ["no manifest: a conversion that has not ended, or ended early"]
        system, folder = open_system(self.path)
        found = []
        for name, rows in self.dataset.files:
            try:
                with system.open_input_file(f"{folder}/{name}") as source:
                    there = pq.read_metadata(source).num_rows
            except (OSError, ValueError) as e:
                found.append(f"{name}: {e}")
                continue
            if there != rows:
                found.append(f"{name}: found {there} rows, expected {rows}")
        return found


def entries(place: str) -> Iterator[Entry]:
    """The directories of a shelf, in the order of their names.

    Raises
    ------
    DataError
        If there is no such directory.
    """
    system, folder = open_system(place.rstrip("/"))
    if system.get_file_info(folder).type != fs.FileType.Directory:
        raise DataError(f"Datasets({place}): found no directory, expected one with datasets; see to the path")
    for info in sorted(system.get_file_info(fs.FileSelector(folder)), key=lambda info: info.base_name):
        if info.type == fs.FileType.Directory:
            yield _entry(f"{place.rstrip('/')}/{info.base_name}", system, info)


def remove(entry: Entry) -> None:
    """Delete a directory of a shelf.

    Raises
    ------
    DataError
        If it is none that a conversion has left.
    """
    system, folder = open_system(entry.path)
    names = {info.base_name for info in system.get_file_info(fs.FileSelector(folder))}
    if names - {MANIFEST} and not any("part-" in name for name in names):
        raise DataError(f"Dataset({entry.path}): found other files in it, expected a conversion's; delete it yourself")
    delete(entry.path)


def _entry(path: str, system: Any, info: fs.FileInfo) -> Entry:
    files = system.get_file_info(fs.FileSelector(info.path, recursive=True))
    changed = [_seconds(f.mtime) for f in [*files, info] if f.mtime is not None]
    return Entry(path, Dataset.open(path), sum(f.size or 0 for f in files if f.is_file), max(changed, default=0.0))


def _seconds(moment: Any) -> float:
    return float(moment.timestamp())
