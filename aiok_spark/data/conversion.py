"""DataFrames to datasets: written under a name of its own, counted, and renamed when it is whole."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from pyspark.errors import PySparkException
from pyspark.ml.functions import array_to_vector
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DoubleType, FloatType, NullType, StructField, StructType

from aiok_spark.core import compat, execution
from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError, first_line
from aiok_spark.core.files import open_system, renames_directories, stamps
from aiok_spark.core.schema import column, element, is_plain, put_columns, same_shape
from aiok_spark.data.dataset import COMMON, MANIFEST, Dataset
from aiok_spark.data.delta import delta_of
from aiok_spark.data.part import WRITTEN, write_part
from aiok_spark.data.unischema import KEY, ROW_GROUPS_KEY, Unischema

PLACE = "petastorm.spark.converter.parentCacheDirUrl"  # petastorm's own setting, so that its users find theirs used
ROW_GROUP_BYTES = 32 << 20  # petastorm's default, too
CODECS = ("snappy", "uncompressed", "gzip", "zstd")
_DTYPES = {"float32": FloatType(), "float64": DoubleType()}
_SPARK_SCHEMA = "org.apache.spark.sql.parquet.row.metadata"  # where Spark looks for a file's columns and their metadata
_TAG = "_aiok_dataset"
Part = dict[str, Any]


def convert(
    df: DataFrame,
    place: str | None,
    about: dict[str, Any],
    *,
    label: str,
    key: str = "",
    options: Mapping[str, Any] | None = None,
    place_param: str = "cacheDir",
) -> Dataset:
    """Write the rows of a DataFrame as a dataset, or find that it is there.

    Parameters
    ----------
    df : DataFrame
        Numbers, booleans, strings, and lists or vectors of numbers.
    place : str, optional
        Directory for datasets; by default that of ``default_place``.
    about : dict
        How to write: "dtype" (float32, float64 or None), "compression", "rowGroupBytes".
    label : str
        Who asks, for messages.
    key : str
        Name of the content, if it has one that others share; by default known for a plain Parquet scan alone.
    options : mapping, optional
        Of the file system, such as credentials.
    place_param : str
        What the user knows ``place`` by, for messages.
    """
    written = _written(df.schema, about["dtype"], label)
    vectors = [f.name for f in df.schema.fields if isinstance(f.dataType, VectorUDT)]
    told = {"vectors": vectors, "schema": written.jsonValue(), **about}
    spark = compat.session_of(df)
    parent = place or default_place(spark)
    try:
        parent = compat.qualified(spark, parent).rstrip("/")
    except PySparkException as e:  # Connect can only tell by writing
        raise _not_writable(parent, e, label, place_param) from e
    name = source_key(df, told, key)
    if name and (found := Dataset.open(f"{parent}/{name}", options)):
        return found
    own = f"{parent}/{uuid.uuid4().hex}"
    system, folder = open_system(own, options)
    _check_writable(system, folder, label, place_param)
    try:
        system.create_dir(folder, recursive=True)
        schema = compat.arrow_schema(written).with_metadata({_SPARK_SCHEMA: written.json()})
        parts = _write(df, written, schema, own, about, options)
        _describe(system, folder, schema, parts)
        told = {**told, "shared": bool(name), **_source(df)}
        made = Dataset.sealed(own, {p["file"]: p["rows"] for p in parts}, told, options)
    except BaseException:
        delete(own, options)
        raise
    return _renamed(made, f"{parent}/{name}") if name else made


def rows_of(spark: SparkSession, dataset: Dataset) -> DataFrame:
    """The dataset as a DataFrame of the columns that were converted; trainers find its files by it."""
    df = spark.read.schema(StructType.fromJson(dataset.about["schema"])).parquet(dataset.path)
    vectors = set(dataset.about["vectors"])
    if vectors:
        there = [(f, column(f.name)) for f in df.schema.fields if f.name in vectors]
        df = put_columns(df, [(f, F.when(c.isNotNull(), array_to_vector(c))) for f, c in there])
    df.__dict__[_TAG] = dataset
    return df


def dataset_of(df: DataFrame) -> Dataset | None:
    """The dataset that this very DataFrame object reads, if a conversion made it."""
    found = df.__dict__.get(_TAG)
    return found if isinstance(found, Dataset) else None


def delete(path: str, options: Mapping[str, Any] | None = None) -> None:
    """Remove a dataset's directory, if it is there; the manifest first, so that nobody takes a part for the whole."""
    system, folder = open_system(path, options)
    if system.get_file_info(f"{folder}/{MANIFEST}").type == fs.FileType.File:
        system.delete_file(f"{folder}/{MANIFEST}")
    if system.get_file_info(folder).type == fs.FileType.Directory:
        system.delete_dir(folder)


def default_place(spark: SparkSession) -> str:
    """Where datasets go: where petastorm's setting says, or ``aiok_datasets`` in the warehouse."""
    told = spark.conf.get(PLACE, None)
    return told or f"{spark.conf.get('spark.sql.warehouse.dir')}/aiok_datasets"


def source_key(df: DataFrame, told: dict[str, Any], key: str) -> str | None:
    """Digest of what is converted, the same in all sessions: of a key, a Delta version, or a Parquet scan's files.

    None for any other DataFrame, whose rows nobody can tell without computing them.
    """
    if key:
        content: Any = key
    elif (table := delta_of(df)) is not None:
        content = table
    elif not compat.is_parquet_scan(df):
        return None
    else:
        content = stamps(df.inputFiles())
    text = json.dumps([content, df.schema.jsonValue(), told], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _written(schema: StructType, dtype: str | None, label: str) -> StructType:
    """What is written: vectors as arrays, real numbers as ``dtype``."""
    real = _DTYPES[dtype] if dtype else None
    made = []
    for f in schema.fields:
        kind = f.dataType
        if isinstance(kind, VectorUDT):
            kind = ArrayType(real or DoubleType())
        elif not is_plain(element(kind)) or isinstance(element(kind), (ArrayType, NullType)):
            raise ColumnTypeError(
                f"{label}: found column '{f.name}' of type {kind.simpleString()}, expected numbers, strings, and lists "
                "or vectors of them; select its parts as columns, or drop it"
            )
        elif real and isinstance(element(kind), (FloatType, DoubleType)):
            kind = same_shape(kind, real)
        made.append(StructField(f.name, kind, True, f.metadata))
    return StructType(made)


def _write(
    df: DataFrame,
    written: StructType,
    schema: pa.Schema,
    place: str,
    about: dict[str, Any],
    options: Mapping[str, Any] | None,
) -> list[Part]:
    """Write the rows; gives what is told of each file: its name, rows and row groups."""
    write = partial(
        write_part,
        place=place,
        schema=schema,
        compression=about["compression"],
        group_bytes=about["rowGroupBytes"],
        options=options,
    )
    told = execution.map_columns(df, [(f.name, f.dataType) for f in written.fields], write, WRITTEN)
    return compat.to_arrow(told).to_pylist()


def _describe(system: Any, folder: str, schema: pa.Schema, parts: list[Part]) -> None:
    """What petastorm's ``make_reader`` asks for: the fields, and how many row groups each file has."""
    groups = json.dumps({part["file"]: part["groups"] for part in parts})
    notes = {KEY: Unischema.of(schema).dumps(), ROW_GROUPS_KEY: groups}
    with system.open_output_stream(f"{folder}/{COMMON}") as out:
        pq.write_metadata(schema.with_metadata({**(schema.metadata or {}), **notes}), out)


def _source(df: DataFrame) -> dict[str, Any]:
    """What is known of where the rows come from, for the manifest."""
    table = delta_of(df)
    return {} if table is None else {"delta": table}


def _check_writable(system: Any, folder: str, label: str, param: str) -> None:
    """Before the first job, as a conversion may take hours."""
    try:
        system.create_dir(folder, recursive=True)
        system.delete_dir(folder)
    except OSError as e:
        raise _not_writable(folder, e, label, param) from e


def _not_writable(folder: str, error: Exception, label: str, param: str) -> ParamError:
    return ParamError(
        f"{label}: {param}: found that {folder} cannot be written ({first_line(error)}), expected a directory of "
        f"yours that driver and executors share; set {param}, or the session's {PLACE}"
    )


def _renamed(made: Dataset, target: str) -> Dataset:
    """The dataset under its shared name; who comes second takes what the first has left there."""
    system, source = open_system(made.path, made.options)
    _, folder = open_system(target, made.options)
    if Dataset.open(target, made.options) is None:
        if renames_directories(system):
            delete(target)  # what a deletion has left
            with suppress(OSError):  # of the second, where directories are not renamed onto one another
                system.move(source, folder)
        else:
            _copied(system, made, source, folder)
    found = Dataset.open(target, made.options)
    if found is None:
        raise DataError(f"Dataset({target}): found that {made.path} cannot be renamed to it; set another cacheDir")
    delete(made.path, made.options)
    return found


def _copied(system: Any, made: Dataset, source: str, folder: str) -> None:
    """File by file, the manifest last: files of two writers have different names, and one manifest is the last."""
    for name in [*(name for name, _ in made.files), COMMON, MANIFEST]:
        system.copy_file(f"{source}/{name}", f"{folder}/{name}")
