"""``DeltaSource``: a version of a Delta table as a DataFrame that stays what it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StringType, StructType

from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.core.files import open_system

_LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})(\.checkpoint.*\.parquet|\.json)")
_TAG = "_aiok_delta"
# What Spark says where the jars, or their settings, are not there.
_SKEW = 1000  # milliseconds
_NO_JARS = re.compile(r"DATA_SOURCE_NOT_FOUND|ClassNotFoundException|CONFIGURE_SPARK_SESSION_WITH_EXTENSION")
_NOT_BY_FILES = {"columnMapping", "deletionVectors", "v2Checkpoint", "rowTracking"}


@dataclass(frozen=True)
class DeltaSource:
    """A table at a version, or as it was at a moment; by default as it is now.

    Attributes
    ----------
    path : str
        Of the table, which driver and executors reach.
    version : int, optional
        Of the table, from 0.
    timestamp : datetime or str, optional
        A moment (ISO 8601; UTC if it names no zone), for the last version before it; not together with ``version``.
    storage_options : mapping
        Of the file system, for this process, such as credentials.

    Examples
    --------
    >>> from aiok_spark.data import DeltaSource
    >>> df = DeltaSource("hdfs:///tables/clicks", version=12).read(spark)  # doctest: +SKIP
    """

    path: str
    version: int | None = None
    timestamp: datetime | str | None = None
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.version is not None and self.timestamp is not None:
            raise ParamError(
                f"DeltaSource({self.path}): found version and timestamp, expected one of them; leave one out"
            )

    def pinned(self) -> DeltaSource:
        """The same with the number of the version that it means now.

        Raises
        ------
        DataError
            If there is no table, or none of that version or moment.
        """
        versions = self._versions()
        if self.timestamp is not None:
            return DeltaSource(self.path, self._table(None).version(), storage_options=self.storage_options)
        if self.version is not None and not 0 <= self.version <= max(versions):
            raise DataError(
                f"DeltaSource({self.path}): found version {self.version}, expected one in "
                f"[0, {max(versions)}]; change it"
            )
        return DeltaSource(
            self.path, max(versions) if self.version is None else self.version, storage_options=self.storage_options
        )

    def read(self, spark: SparkSession) -> DataFrame:
        """The rows of the version; later changes of the table are not seen.

        By Delta's own reader where the session has its jars, else by ``deltalake``, which names the files
        that Spark then reads as Parquet.

        Raises
        ------
        DataError
            If there is no such table or version, or the table needs Delta's own reader.
        ImportError
            If there is neither.
        """
        source = self.pinned()
        try:
            df = spark.read.format("delta").option("versionAsOf", source.version).load(source.path)
            df.schema  # noqa: B018, Connect asks the server only now
        except Exception as e:  # on 3.5 Java's own
            if not _NO_JARS.search(str(e)):
                raise
            df = source._by_files(spark)
        df.__dict__[_TAG] = {"path": source.path, "version": source.version}
        return df

    def _versions(self) -> list[int]:
        system, folder = open_system(self.path.rstrip("/"), self.storage_options)
        log = system.get_file_info(fs.FileSelector(f"{folder}/{_LOG}", allow_not_found=True))
        found = [int(commit[1]) for info in log if (commit := _COMMIT.fullmatch(info.base_name))]
        if not found:
            raise DataError(
                f"DeltaSource({self.path}): found no {_LOG} with commits, expected a Delta table; see to the path"
            )
        return found

    def _by_files(self, spark: SparkSession) -> DataFrame:
        table = self._table(self.version)
        needs = sorted(_NOT_BY_FILES & set(table.protocol().reader_features or ()))
        if "delta.columnMapping.mode" in table.metadata().configuration:
            needs.append("columnMapping")
        if needs:
            raise DataError(
                f"DeltaSource({self.path}): found a table with {', '.join(needs)}, which its Parquet files alone do "
                "not tell, expected Delta's jars in the session; add io.delta:delta-spark to spark.jars.packages"
            )
        schema = StructType.fromJson(json.loads(table.schema().to_json()))
        actions = pa.table(table.get_add_actions(flatten=True))
        names = [unquote(path) for path in actions["path"].to_pylist()]  # quoted once more than the files are
        if not names:
            return spark.createDataFrame([], schema)
        files = [f"{self.path.rstrip('/')}/{name}" for name in names]
        df = spark.read.schema(schema).option("basePath", self.path).parquet(*files).select(schema.names)
        for column in table.metadata().partition_columns:
            if isinstance(schema[column].dataType, StringType):
                values = actions[f"partition.{column}"].to_pylist()
                wrong = self._misread(column, names, values)
                df = df.replace(wrong, subset=[column]) if wrong else df
        return df

    def _misread(self, column: str, names: list[str], values: list[str | None]) -> dict[str, str]:
        """What Spark takes a directory's name for, where that is not the value: delta-rs quotes what Spark does not."""
        wrong = {}
        for name, value in zip(names, values, strict=True):
            found = re.search(rf"(?:^|/){re.escape(column)}=([^/]*)/", name)
            if found is None:
                raise DataError(
                    f"DeltaSource({self.path}): found the file {name}, expected its directory to name '{column}'; read "
                    "the table with Delta's jars"
                )
            read = re.sub("%([0-9A-Fa-f]{2})", lambda quoted: chr(int(quoted[1], 16)), found[1])
            if value is not None and read != value:
                wrong[read] = value
        return wrong

    def _moment(self) -> datetime:
        """The timestamp; without a zone it is UTC."""
        told = self.timestamp
        if isinstance(told, str):
            try:
                told = datetime.fromisoformat(told.replace("Z", "+00:00"))
            except ValueError as e:
                raise ParamError(
                    f"DeltaSource({self.path}): timestamp: found {self.timestamp!r}, expected ISO 8601, such as "
                    "'2026-01-31' or '2026-01-31T12:00:00+01:00'; correct it"
                ) from e
        assert told is not None
        return told if told.tzinfo else told.replace(tzinfo=timezone.utc)

    def _table(self, version: int | None) -> Any:
        try:
            from deltalake import DeltaTable
            from deltalake.exceptions import DeltaError
        except ImportError as e:
            raise ImportError(
                f"DeltaSource({self.path}): found neither Delta's jars in the session nor deltalake, expected one; "
                "install aiok_spark[delta], or add io.delta:delta-spark to spark.jars.packages"
            ) from e
        options = {key: str(value) for key, value in self.storage_options.items()}
        place = self.path.removeprefix("file://") if self.path.startswith("file:///") else self.path
        try:
            table = DeltaTable(place, version=version, storage_options=options or None)
            if self.timestamp is not None:
                moment = self._moment()
                table.load_as_version(moment)
                # delta-rs takes the oldest version for what is before it; it goes by files' times, a bit later ones.
                first = table.history(1)[0].get("timestamp") if table.version() == min(self._versions()) else None
                if first and first > moment.timestamp() * 1000 + _SKEW:
                    written = datetime.fromtimestamp(first / 1000, timezone.utc).isoformat()
                    raise DataError(
                        f"DeltaSource({self.path}): timestamp: found {moment.isoformat()}, expected a moment from "
                        f"{written} on, when the oldest version was written; change it"
                    )
        except DeltaError as e:
            raise DataError(f"DeltaSource({self.path}): {e}; expected a version that is there") from e
        return table


def delta_of(df: DataFrame) -> dict[str, Any] | None:
    """Path and version of the table that this very DataFrame object reads, if ``DeltaSource`` made it."""
    return df.__dict__.get(_TAG)
