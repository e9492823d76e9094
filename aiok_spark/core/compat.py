"""The only place that knows what differs between Spark 3.5, 4.x and Connect."""

from __future__ import annotations

import hashlib
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import reduce
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from pyspark import InheritableThread, inheritable_thread_target
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from aiok_spark.core.files import open_system
from aiok_spark.kernels.streams import to_stream

try:  # public since Spark 4.0, private names before
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema, to_arrow_type
except ImportError as missing:  # pragma: no cover
    raise ImportError("aiok_spark needs Spark 3.5 or newer with pyarrow") from missing

_PART = 32 << 20  # bytes of a table in one part
_SMALL = 1 << 20  # bytes of a table that may ride in a Connect message
BatchFunction = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]  # what mapInArrow takes

__all__ = [
    "arrow_schema",
    "arrow_type",
    "from_arrow",
    "has_arrow_udf",
    "is_cached",
    "is_connect",
    "path_exists",
    "read_parquet",
    "session_id",
    "session_of",
    "spark_schema",
    "to_arrow",
]


def is_connect(spark: SparkSession) -> bool:
    """Whether the session is a Spark Connect client, which has no JVM."""
    return "connect" in type(spark).__module__


def session_of(df: DataFrame) -> SparkSession:
    """The session a DataFrame belongs to."""
    return df.sparkSession


def session_id(spark: SparkSession) -> str:
    """A name that stays the same for the life of a session."""
    return spark.session_id if is_connect(spark) else spark.sparkContext.applicationId


def is_cached(df: DataFrame) -> bool:
    """Whether the user has cached this DataFrame."""
    if is_connect(session_of(df)):
        level = df.storageLevel
        return bool(level.useMemory or level.useDisk)
    return bool(df.is_cached)


def has_arrow_udf() -> bool:
    """Scalar UDFs on Arrow arrays came with Spark 4.1."""
    return hasattr(F, "arrow_udf")


def arrow_type(kind: DataType) -> pa.DataType:
    """Arrow's type for a Spark type; timestamps are in UTC."""
    return to_arrow_type(kind)


def arrow_schema(schema: StructType) -> pa.Schema:
    """Arrow's schema for Spark's."""
    return to_arrow_schema(schema)


def spark_schema(schema: pa.Schema) -> StructType:
    """Spark's schema for Arrow's; dictionary columns count as their values, timestamps without zone have none."""
    plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
    return from_arrow_schema(pa.schema(plain), prefer_timestamp_ntz=True)


def to_arrow(df: DataFrame) -> pa.Table:
    """Collect as Arrow, whatever the session's Arrow settings are."""
    if hasattr(df, "toArrow"):
        return df.toArrow()
    if is_connect(df.sparkSession):  # 3.5: the client holds a table already, but no public name for it
        return df._session.client.to_table(df._plan.to_proto(df._session.client))[0]
    batches = df._collect_as_arrow()
    return pa.Table.from_batches(batches, to_arrow_schema(df.schema) if not batches else None)


def from_arrow(spark: SparkSession, table: pa.Table) -> DataFrame:
    """DataFrame of an Arrow table, of any size that the driver holds.

    Handed over in parts, as neither a task nor a Connect message may be large, each given by a task.
    On classic a part travels with the task's function, as a broadcast.  On Connect the parts go ahead
    as artifact files: rows in a message would stay on the server's heap, one object each.
    """
    schema = from_arrow_schema(table.schema)
    if is_connect(spark) and _at_least_4(spark) and table.nbytes <= _SMALL:
        return spark.createDataFrame(table, schema)
    rows = max(1, int(table.num_rows * min(1.0, _PART / max(1, table.nbytes))))
    # As bytes, because a slice of a table is pickled with all that it was cut from.
    streams = [to_stream(table.slice(i, rows)) for i in range(0, max(1, table.num_rows), rows)]
    if is_connect(spark):
        names = [_send(spark, stream) for stream in streams]
        return spark.range(0, len(names), 1, len(names)).mapInArrow(_from_files(names), schema)
    made = [spark.range(0, 1, 1, 1).mapInArrow(_from_bytes(stream), schema) for stream in streams]
    return reduce(lambda a, b: a.union(b), made)


def _send(spark: SparkSession, stream: bytes) -> str:
    """Upload as an artifact; gives its file name, which holds its digest."""
    name = f"aiok_{hashlib.sha256(stream).hexdigest()}.arrow"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(stream)
        spark.addArtifacts(str(path), file=True)
    return name


# Nested functions are pickled by value, so they also run where this package is absent.


def _from_bytes(stream: bytes) -> BatchFunction:
    def give(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in rows:  # Spark does not use a worker again that leaves its input unread
            pass
        yield from pa.ipc.open_stream(stream)

    return give


def _from_files(names: list[str]) -> BatchFunction:
    def give(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import SparkFiles

        for batch in numbers:
            for number in batch.column(0).to_pylist():
                with pa.memory_map(SparkFiles.get(names[number])) as file:
                    yield from pa.ipc.open_stream(file)

    return give


def read_parquet(spark: SparkSession, path: str) -> pa.Table:
    """A Parquet directory as Arrow.

    File by file, as the driver's JVM holds all that a task gives several times over.
    """
    rows = spark.read.parquet(path)
    files = [unquote(file) for file in sorted(rows.inputFiles())]  # Spark gives URIs and takes paths
    return pa.concat_tables(to_arrow(spark.read.schema(rows.schema).parquet(file)) for file in files or [path])


def is_parquet_scan(df: DataFrame) -> bool:
    """Whether the DataFrame is all rows and columns of Parquet files, and nothing else."""
    if is_connect(df.sparkSession):
        plan = df._plan
        return type(plan).__name__ == "DataSource" and plan._format == "parquet"
    plan = df._jdf.queryExecution().analyzed()
    if plan.getClass().getSimpleName() != "LogicalRelation":
        return False
    relation = plan.relation()
    return bool(
        relation.getClass().getSimpleName() == "HadoopFsRelation"
        and relation.fileFormat().getClass().getSimpleName() == "ParquetFileFormat"
    )


def _at_least_4(spark: SparkSession) -> bool:
    return int(spark.version.split(".")[0]) >= 4


def add_python_file(spark: SparkSession, path: str) -> None:
    """Put a zip of Python modules on the path of every executor of the session."""
    if is_connect(spark):
        spark.addArtifacts(path, pyfile=True)
    else:
        spark.sparkContext.addPyFile(path)


@contextmanager
def tagged(spark: SparkSession, tag: str) -> Iterator[None]:
    """Jobs that this thread starts within can be cancelled by the tag."""
    owner = spark if is_connect(spark) else spark.sparkContext
    add, remove = ("addTag", "removeTag") if is_connect(spark) else ("addJobTag", "removeJobTag")
    getattr(owner, add)(tag)
    try:
        yield
    finally:
        getattr(owner, remove)(tag)


def cancel(spark: SparkSession, tag: str) -> None:
    """Cancel the jobs of a tag."""
    if is_connect(spark):
        spark.interruptTag(tag)
    else:
        spark.sparkContext.cancelJobsWithTag(tag)


def thread(spark: SparkSession, run: Callable[[], None]) -> threading.Thread:
    """A thread whose jobs have the properties (pool, group, description) of this one's."""
    if not is_connect(spark):
        return InheritableThread(target=run)
    # Unlike InheritableThread it sets the active session too, which Spark's own models ask for.
    return threading.Thread(target=inheritable_thread_target(spark)(run))


def slots(spark: SparkSession) -> int:
    """How many tasks can run at the same time on the executors that there are."""
    if not is_connect(spark):
        # What the scheduler itself asks before it starts a barrier stage.
        context = spark.sparkContext._jsc.sc()
        return int(context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile()))
    splits = re.search(r"splits=Some\((\d+)\)|splits=(\d+)", spark.range(10)._explain_string())
    return int(next(filter(None, splits.groups()))) if splits else 1


def seconds_up(spark: SparkSession) -> float:
    """Age of the application; long, where that is not known."""
    return float("inf") if is_connect(spark) else time.time() - spark.sparkContext.startTime / 1000


def path_exists(spark: SparkSession, path: str) -> bool:
    """Whether there is a file or directory, on any file system that Spark reaches."""
    if not is_connect(spark):
        # By the JVM: a DataFrame reader that finds nothing makes Spark 4 log a long stack trace.
        place = spark._jvm.org.apache.hadoop.fs.Path(path)
        return bool(place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()).exists(place))
    try:
        # The schema of text is known, so this only looks the path up.
        _ = spark.read.text(path).schema
    except AnalysisException as e:
        if "PATH_NOT_FOUND" in str(e):
            return False
        raise
    return True


def qualified(spark: SparkSession, path: str) -> str:
    """A path with the scheme and host of its file system, which code outside Spark needs to know."""
    if "://" in path or path.startswith("file:"):
        return path
    if not is_connect(spark):
        place = spark._jvm.org.apache.hadoop.fs.Path(path)
        return str(place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()).makeQualified(place))
    # A client has no word for it but that files are listed with both.
    name = f"place_{uuid.uuid4().hex}"
    told = f"{path.rstrip('/')}/{name}"
    spark.range(1).selectExpr("'of aiok_spark, may be deleted'").write.text(told)
    found = unquote(spark.read.text(told).inputFiles()[0].rpartition(f"/{name}/")[0])
    with suppress(OSError, ImportError):
        system, folder = open_system(f"{found}/{name}")
        system.delete_dir(folder)
    return found


def overwrite_connect(path: str) -> None:
    """Remove what is at ``path``, for a Python writer on Connect, where MLWriter reaches for the JVM."""
    from pyspark.ml.connect.readwrite import RemoteMLWriter

    RemoteMLWriter.handleOverwrite(path, True)
