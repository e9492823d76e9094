"""Parquet files that others have written, as a dataset: petastorm's, Spark's, or anybody's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from aiok_spark.core.errors import DataError
from aiok_spark.core.files import open_system
from aiok_spark.data.dataset import COMMON, Dataset, partition_values
from aiok_spark.data.unischema import KEY, Unischema

_FOOTERS_AT_ONCE = 16


def find(place: str | Sequence[str], options: Mapping[str, Any] | None = None) -> Dataset:
    """The dataset of a directory, a file or some files.

    A directory that a conversion of ours left is taken at its manifest's word; of all others the
    footers of the files are read.

    Parameters
    ----------
    place : str or sequence of str
        Path or URI of a directory or file, or those of files in one file system.
    options : mapping, optional
        Of the file system, such as credentials.

    Raises
    ------
    DataError
        If there is nothing, no Parquet file, or one that cannot be read.
    """
    if not isinstance(place, str):
        return _of_files(list(place), options)
    place = place.rstrip("/")
    system, folder = open_system(place, options)
    kind = system.get_file_info(folder).type
    if kind == fs.FileType.File:
        return _of_files([place], options)
    if kind == fs.FileType.NotFound:
        raise DataError(
            f"Dataset({place}): found nothing there, expected a directory of Parquet files; see to the path"
        )
    found = Dataset.open(place, options)
    if found is not None:
        return found
    infos = system.get_file_info(fs.FileSelector(folder, recursive=True))
    names = sorted(str(PurePosixPath(info.path).relative_to(folder)) for info in infos if info.is_file)
    return _counted(place, [name for name in names if _is_data(name)], options)


def _of_files(places: list[str], options: Mapping[str, Any] | None) -> Dataset:
    folders = [place.split("/")[:-1] for place in places]
    shared = list(takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False)))
    folder = "/".join(parts[0] for parts in shared)
    return _counted(folder, [place.removeprefix(f"{folder}/") for place in places], options)


def _is_data(name: str) -> bool:
    """Whether a reader of a directory takes a file; what starts with _ or . is others' notes."""
    return not any(part.startswith(("_", ".")) and "=" not in part for part in name.split("/"))


def _counted(place: str, names: list[str], options: Mapping[str, Any] | None) -> Dataset:
    if not names:
        raise DataError(f"Dataset({place}): found no file, expected Parquet files; see to the path")
    system, folder = open_system(place, options)
    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        told = list(pool.map(partial(_footer, system, folder), names))
    for name, (_, columns) in zip(names, told, strict=True):
        if other := sorted(set(columns) ^ set(told[0][1])):
            raise DataError(
                f"Dataset({place}): found {other} in one of {names[0]} and {name} alone, expected the same columns in "
                "all files; write them alike, or name files that are"
            )
    files = tuple((name, count) for name, (count, _) in zip(names, told, strict=True) if count)
    return Dataset(
        place,
        files,
        partitions=_partitions(place, names),
        unischema=_unischema(system, folder, place),
        options=options or {},
    )


def _footer(system: Any, folder: str, name: str) -> tuple[int, list[str]]:
    """How many rows a file has, and its columns."""
    try:
        with system.open_input_file(f"{folder}/{name}") as source:
            found = pq.read_metadata(source)
            return int(found.num_rows), found.schema.to_arrow_schema().names
    except (OSError, pa.ArrowException) as e:
        raise DataError(
            f"Dataset({folder}): file {name}: {e}, expected a Parquet file; remove it, or name the files to read"
        ) from e


def _partitions(place: str, names: list[str]) -> dict[str, pa.DataType]:
    told = [partition_values(name) for name in names]
    if len({tuple(values) for values in told}) > 1:
        raise DataError(
            f"Dataset({place}): found files in directories of different columns ({sorted({*map(tuple, told)})}), "
            "expected the same for all; name a directory in it"
        )
    return {column: _narrowest({values[column] for values in told}) for column in told[0]}


def _narrowest(values: set[str | None]) -> pa.DataType:
    try:
        [int(value) for value in values if value is not None]
    except ValueError:
        return pa.string()
    return pa.int64()


def _unischema(system: Any, folder: str, place: str) -> Unischema | None:
    path = f"{folder}/{COMMON}"
    if system.get_file_info(path).type != fs.FileType.File:
        return None
    with system.open_input_file(path) as source:
        data = (pq.read_schema(source).metadata or {}).get(KEY)
    return None if data is None else Unischema.loads(data, place)
