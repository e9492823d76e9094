"""Saving and loading stages.

A directory as Spark ML has it, and nothing in it that runs: ``metadata/`` (one line of JSON: class,
uid, Params; ours adds ``formatVersion``, ``aiokVersion`` and ``state``), ``data/<name>`` (Parquet:
a table, or a blob in chunks).  The metadata is written last, so a directory without it is an
interrupted save, and holds the size of everything else, so damage is seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReader, MLWriter
from pyspark.sql import SparkSession

from aiok_spark._version import __version__
from aiok_spark.core import allow, compat, nested
from aiok_spark.core.errors import NothingSavedError, PathExistsError, PersistenceError, first_line
from aiok_spark.core.state import State

if TYPE_CHECKING:
    from aiok_spark.core.stage import Stage

FORMAT_VERSION = 1
BLOB_CHUNK = 8 << 20  # bytes in a row of a blob
_PART = 64 << 20  # bytes that are written at a time: the driver's JVM holds several copies of them


class StageWriter(MLWriter):
    """Writes a stage with its fitted state, on classic Spark and Connect."""

    def __init__(self, instance: Stage) -> None:
        super().__init__()
        self.instance = instance

    def save(self, path: str) -> None:
        """Write to a path; nothing there is removed before all that can fail on the driver has been done."""
        self.instance._before_save()
        self._metadata = self._metadata_text(path)
        super().save(path)

    def _handleOverwrite(self, path: str) -> None:
        if compat.is_connect(self.sparkSession):
            compat.overwrite_connect(path)
        else:
            super()._handleOverwrite(path)

    def saveImpl(self, path: str) -> None:
        """Write everything; the metadata last."""
        spark, state = self.sparkSession, self._state()
        if compat.path_exists(spark, path):
            raise PathExistsError(
                f"{self.instance._label}: save: found something at {path} already, expected nothing there; "
                "choose another path or call .write().overwrite().save(path)"
            )
        for name in self.instance._nested:
            part_of(self.instance, name).write().save(f"{path}/{name}")
        for name, table in state.tables.items():
            _write_table(spark, table, f"{path}/data/{name}")
        for name, blob in state.blobs.items():
            _write_table(spark, _chunks(blob), f"{path}/data/{name}")
        spark.createDataFrame([(self._metadata,)], "value string").coalesce(1).write.text(f"{path}/metadata")

    def _state(self) -> State:
        return getattr(self.instance, "_state", State())

    def _metadata_text(self, path: str) -> str:
        state = self._state()
        extra = {
            "formatVersion": FORMAT_VERSION,
            "aiokVersion": __version__,
            "state": {
                "facts": dict(state.facts),
                "tables": {name: {"rows": table.num_rows} for name, table in state.tables.items()},
                "blobs": {name: _seal(blob) for name, blob in state.blobs.items()},
            },
        }
        try:
            # A session will do where Spark asks for a SparkContext here: only its version is read.
            given = self.instance._saved_params()
            text = DefaultParamsWriter._get_metadata_to_save(self.instance, self.sparkSession, extra, given)
            json.dumps(json.loads(text), allow_nan=False)
        except (TypeError, ValueError) as e:
            raise PersistenceError(
                f"{self.instance._label}: save: found a Param or fact that JSON cannot hold ({e}), expected text, "
                f"finite numbers, lists and dicts; nothing was written to {path}"
            ) from e
        return text


class StageReader(MLReader):
    """Reads what StageWriter wrote."""

    def __init__(self, cls: type) -> None:
        super().__init__()
        self.cls = cls

    def load(self, path: str) -> Any:
        """The stage; its class must be the reader's."""
        spark = self.sparkSession
        metadata = read_metadata(spark, path)
        cls = allow.resolve(metadata["class"], path)
        if not issubclass(cls, self.cls):
            raise PersistenceError(
                f"{path}: found a saved {cls.__name__}, expected a {self.cls.__name__}; "
                f"use {cls.__name__}.load or aiok_spark.load"
            )
        made = restore(cls, metadata, path, lambda name: compat.read_parquet(spark, f"{path}/data/{name}"))
        for name in made._nested:
            put_part(made, name, load(f"{path}/{name}"))
        return made


def part_of(instance: Any, name: str) -> Any:
    """The stage within another one: a Param, or an attribute."""
    return instance.getOrDefault(name) if instance.hasParam(name) else getattr(instance, name)


def put_part(instance: Any, name: str, part: Any) -> None:
    """Set what ``part_of`` gives."""
    if instance.hasParam(name):
        instance.setParams(**{name: part})
    else:
        setattr(instance, name, part)


def restore(cls: type, metadata: dict[str, Any], path: str, read_table: Callable[[str], pa.Table]) -> Any:
    """A stage from its parts, however these are read.

    Parameters
    ----------
    cls : type
        The stage's class.
    metadata : dict
        From ``metadata/``.
    path : str
        For messages.
    read_table : callable
        Name under ``data/`` to table.
    """
    check_format(metadata, path)
    instance = cls()
    instance._resetUid(metadata["uid"])
    DefaultParamsReader.getAndSetParams(instance, metadata)
    instance._after_load(path)
    saved = metadata["state"]
    if not (saved["facts"] or saved["tables"] or saved["blobs"]):
        return instance

    def table(name: str) -> pa.Table:
        try:
            return read_table(name)
        except Exception as e:
            raise PersistenceError(
                f"{path}: data/{name}: found no readable Parquet ({first_line(e)}), expected what the save wrote; "
                "restore the directory or save the model again"
            ) from e

    tables = {}
    for name, about in saved["tables"].items():
        tables[name] = table(name)
        if tables[name].num_rows != about["rows"]:
            raise PersistenceError(
                f"{path}: data/{name}: found {tables[name].num_rows} rows, expected {about['rows']}; "
                "files are missing: restore the directory or save the model again"
            )
    blobs = {}
    for name, seal in saved["blobs"].items():
        chunks = table(name).sort_by("chunk")["bytes"].to_pylist()
        blobs[name] = b"".join(chunks)
        if _seal(blobs[name]) != seal:
            raise PersistenceError(
                f"{path}: data/{name}: found {len(blobs[name])} bytes with another digest, expected {seal['bytes']}; "
                "files are damaged: restore the directory or save the model again"
            )
    instance._state = State(saved["facts"], tables, blobs)
    return instance


def check_format(metadata: dict[str, Any], path: str) -> None:
    """Raise PersistenceError if a newer release wrote this."""
    version = metadata.get("formatVersion")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise PersistenceError(
            f"{path}: found formatVersion {version} (saved by aiok_spark {metadata.get('aiokVersion')}), expected at "
            f"most {FORMAT_VERSION}; upgrade aiok_spark from {__version__}"
        )


def load(path: str) -> Any:
    """Load any saved stage, Pipeline or PipelineModel, importing allowed classes only.

    Every class that the directory names, at any depth, is checked before the first is imported.

    Parameters
    ----------
    path : str
        A directory on a file system that Spark reaches.

    Returns
    -------
    object
        The stage.

    Raises
    ------
    UnsafeClassError
        A class is neither ours, nor Spark ML's, nor registered.
    PersistenceError
        Nothing is there, or it is incomplete, damaged, or of a newer format.

    Examples
    --------
    >>> model = aiok_spark.load("hdfs:///models/ctr")  # doctest: +SKIP
    """
    spark = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    saved = list(nested.saved_stages(lambda place: read_metadata(spark, place), path))
    for place, name in saved:
        allow.check(name, place)
    classes = [allow.resolve(name, place) for place, name in saved if nested.is_python(name)]
    top = classes[0] if nested.is_python(saved[0][1]) else allow.resolve(saved[0][1], path)
    return top.load(path)


def read_metadata(spark: SparkSession, path: str) -> dict[str, Any]:
    """The JSON of ``path/metadata``, which must be one line, so that every reader sees the same."""
    if not compat.path_exists(spark, path):
        raise NothingSavedError(f"{path}: found nothing, expected a saved stage; check the path")
    try:
        lines = [row[0] for row in spark.read.text(f"{path}/metadata").limit(2).collect()]
    except AnalysisException:
        lines = []
    if len(lines) != 1:
        raise PersistenceError(
            f"{path}: found {'more than one line of' if lines else 'no'} metadata, expected a saved stage; "
            "the save was interrupted, or this is something else"
        )
    return parse_metadata(lines[0], path)


def parse_metadata(text: str, path: str) -> dict[str, Any]:
    """The JSON of a metadata line."""
    try:
        found = json.loads(text)
        if isinstance(found, dict) and {"class", "uid"} <= found.keys():
            return found
    except ValueError:
        pass
    raise PersistenceError(
        f"{path}: metadata: found {text[:60]!r}, expected JSON with class and uid; "
        "the file is damaged: restore the directory or save the model again"
    )


def _write_table(spark: SparkSession, table: pa.Table, path: str) -> None:
    rows = max(1, _PART * table.num_rows // max(1, table.nbytes))
    for start in range(0, max(1, table.num_rows), rows):
        compat.from_arrow(spark, table.slice(start, rows)).write.mode("append").parquet(path)


def _chunks(blob: bytes) -> pa.Table:
    starts = range(0, max(1, len(blob)), BLOB_CHUNK)
    return pa.table(
        {
            "chunk": pa.array(range(len(starts)), pa.int64()),
            "bytes": pa.array([blob[i : i + BLOB_CHUNK] for i in starts], pa.binary()),
        }
    )


def _seal(blob: bytes) -> dict[str, Any]:
    return {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()}
