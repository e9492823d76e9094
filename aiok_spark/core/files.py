"""Files on any file system, without Spark: local paths, what pyarrow reads, and what fsspec adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from pyarrow import fs

from aiok_spark.core.object_store import SCHEMES, open_s3


def open_system(place: str, options: Mapping[str, Any] | None = None) -> tuple[Any, str]:
    """The file system of a path or URI, and the path on it.

    Parameters
    ----------
    place : str
        A local path, or a URI.
    options : mapping, optional
        Such as credentials and the endpoint of an object store: for S3 those of ``open_s3``, for any other scheme
        those of its file system in fsspec.

    Raises
    ------
    ImportError
        If the URI's scheme needs a library that is absent.
    """
    if place.startswith("dbfs:"):  # Databricks mounts it on every node
        place = "/dbfs/" + place.removeprefix("dbfs:").lstrip("/")
    if "://" not in place and not place.startswith("file:"):
        return fs.LocalFileSystem(), place
    if place.startswith("file:"):  # Spark writes file:/a and file:///a
        return fs.LocalFileSystem(), "/" + place.removeprefix("file:").lstrip("/")
    if place.partition("://")[0] in SCHEMES:
        return open_s3(place, options or {})
    if options:
        return _by_fsspec(place, "not tried, as there are storage options", options)
    try:
        return fs.FileSystem.from_uri(place)
    except (OSError, ValueError) as first:
        return _by_fsspec(place, first, {})


def renames_directories(system: Any) -> bool:
    """Whether the file system renames a directory in one step, as object stores cannot."""
    return system.type_name == "local" or "hdfs" in system.type_name


def stamps(files: Iterable[str], options: Mapping[str, Any] | None = None) -> list[list[Any]]:
    """Path, bytes and time of change of each file, as Spark's ``inputFiles`` names them: what tells their content."""
    made = []
    for file in sorted(files):
        system, path = open_system(unquote(file), options)
        info = system.get_file_info(path)
        made.append([file, info.size, info.mtime_ns])
    return made


def _by_fsspec(place: str, first: object, options: Mapping[str, Any]) -> tuple[Any, str]:
    scheme = place.partition("://")[0]
    try:
        import fsspec

        if scheme == "hdfs":
            from hdfs_native.fsspec import HdfsFileSystem

            host, _, _ = place.removeprefix("hdfs://").partition("/")
            name, _, port = host.partition(":")
            system: Any = HdfsFileSystem(host=name, port=int(port) if port else None, **options)
            return fs.PyFileSystem(fs.FSSpecHandler(system)), place.removeprefix(f"hdfs://{host}")
        system, path = fsspec.core.url_to_fs(place, **options)
        return fs.PyFileSystem(fs.FSSpecHandler(system)), path
    except (ImportError, ValueError) as e:
        remedy = "install hdfs-native and fsspec" if scheme == "hdfs" else f"install fsspec's file system for {scheme}"
        raise ImportError(
            f"{place}: found no library that reads it (pyarrow: {first}; fsspec: {e}), expected one; {remedy}, "
            "or use a path that every node has mounted"
        ) from e
