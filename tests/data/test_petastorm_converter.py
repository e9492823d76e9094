"""PetastormConverter and make_spark_converter."""

import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pyspark.ml import Pipeline
from pyspark.ml.linalg import Vectors
from pyspark.sql import functions as F

import aiok_spark
from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError
from aiok_spark.data import Dataset, PetastormConverter, make_spark_converter
from aiok_spark.data.conversion import dataset_of
from aiok_spark.feature import Categorify
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing import assert_same_rows, check_stage, mixed_frame


@pytest.fixture
def place(tmp_path):
    """Give a directory for datasets."""
    return str(tmp_path / "sets")


@pytest.fixture(scope="module")
def rows(spark):
    """Give 100 rows with a list and a vector."""
    rows = [(i, i / 2, [float(i), 1.0], Vectors.dense(i, -i), f"n{i % 7}") for i in range(100)]
    made = spark.createDataFrame(rows, ["i", "x", "l", "v", "s"])
    return made.withColumn("i", F.col("i").cast("int"))


def test_the_stage_is_a_spark_stage(spark, place):
    check_stage(PetastormConverter(cacheDir=place), mixed_frame(spark))


def test_the_training_form_is_the_rows_themselves(spark, rows, place):
    model, trained = PetastormConverter(cacheDir=place).fitTransform(rows)
    assert_same_rows(trained, rows)
    assert trained.schema == rows.schema
    assert dataset_of(trained).rows == model.dataset.rows == 100
    assert dataset_of(model.transform(rows)) is None  # once
    assert_same_rows(model.transform(rows), rows)


def test_vectors_may_be_null(spark, place):
    rows = spark.createDataFrame([(Vectors.dense(1.0), 1), (None, 2)], ["v", "i"])
    _, trained = PetastormConverter(cacheDir=place).fitTransform(rows)
    assert_same_rows(trained, rows)


def test_metadata_reaches_the_next_stage_and_nothing_before_it_runs_again(spark, rows, place):
    model = Pipeline(stages=[Categorify(inputCols=["s"], outputCols=["id"]), PetastormConverter(cacheDir=place)]).fit(
        rows
    )
    converted = model.stages[1].dataset
    assert converted.schema.field("id").type == "int32"
    read = spark.read.parquet(converted.path)
    assert read.schema["id"].metadata == model.transform(rows).schema["id"].metadata != {}


def test_a_saved_pipeline_passes_rows_through_everywhere(rows, place, tmp_path):
    model = Pipeline(stages=[PetastormConverter(cacheDir=place)]).fit(rows)
    model.write().overwrite().save(str(tmp_path / "model"))
    loaded = aiok_spark.load(str(tmp_path / "model"))
    assert_same_rows(loaded.transform(rows), rows)
    assert LocalPipeline.load(str(tmp_path / "model")).transform({"i": 1}) == {"i": 1}
    loaded.stages[0].delete()
    assert_same_rows(loaded.transform(rows), rows)
    with pytest.raises(DataError, match=r"found no dataset in .*fit again"):
        loaded.stages[0].dataset  # noqa: B018


def test_a_plain_parquet_scan_is_found_again_until_it_changes(spark, rows, place, tmp_path):
    source = str(tmp_path / "source")

    def path(df, **params):
        return PetastormConverter(cacheDir=place, **params).fit(df).dataset.path

    rows.write.parquet(source)
    first = path(spark.read.parquet(source))
    assert path(spark.read.parquet(source)) == first
    others = [
        path(spark.read.parquet(source), dtype="float32"),
        path(spark.read.parquet(source).where("i < 50")),
        path(spark.read.parquet(source).where("i < 50")),
        path(spark.read.parquet(source).select("i", (F.col("x") + 1).alias("x"))),
    ]
    rows.withColumn("x", F.col("x") + 1).write.mode("overwrite").parquet(source)
    others.append(path(spark.read.parquet(source)))
    assert len({first, *others}) == 6
    keyed = path(rows, cacheKey="mine")
    assert path(rows, cacheKey="mine") == keyed != path(rows, cacheKey="other")


def test_what_is_left_of_a_deletion_or_a_killed_writer_is_not_taken_for_whole(rows, place):
    first = PetastormConverter(cacheDir=place, cacheKey="k").fit(rows).dataset
    folder = Path(first.path.removeprefix("file:"))
    (folder / "_aiok_manifest.json").unlink()
    again = PetastormConverter(cacheDir=place, cacheKey="k").fit(rows).dataset
    assert again.path == first.path and again.rows == 100


def test_a_failed_conversion_leaves_nothing(spark, place, tmp_path):
    bad = spark.range(10).select(F.raise_error(F.lit("no such luck")).cast("int").alias("x"))
    with pytest.raises(Exception, match="no such luck"):
        PetastormConverter(cacheDir=place).fit(bad)
    assert not list(Path(place).glob("*"))


def test_a_place_that_cannot_be_written_is_told_before_the_first_job(rows, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ParamError, match=r"PetastormConverter\(\w+\): cacheDir: found that .* cannot be written"):
        PetastormConverter(cacheDir=str(tmp_path / "file" / "sets")).fit(rows)


def test_what_the_converter_does_not_know_is_told_in_its_own_words(rows, place, tmp_path):
    (tmp_path / "file").write_text("")
    for options, message in {
        ("dtype", "float16"): "dtype: found 'float16', expected one of",
        ("compression_codec", "zip"): "compression_codec: found 'zip', expected one of",
        (
            "parent_cache_dir_url",
            f"file://{tmp_path}/file/sets",
        ): "parent_cache_dir_url: found that .* cannot be",
    }.items():
        with pytest.raises(ParamError, match=message):
            make_spark_converter(rows, **dict([options]))


def test_nested_columns_are_refused_by_name(rows, place):
    with pytest.raises(ColumnTypeError, match="column 'm' of type map<string,int>, expected numbers"):
        PetastormConverter(cacheDir=place).fit(rows.select(F.create_map("s", "i").alias("m")))


def test_a_converter_in_petastorms_words(rows, place):
    converter = make_spark_converter(rows, parent_cache_dir_url=f"file://{place}")
    assert len(converter) == converter.dataset_size == 100
    assert sum(pq.read_metadata(url.removeprefix("file:")).num_rows for url in converter.file_urls) == 100
    with converter.make_torch_dataloader(batch_size=40, num_epochs=1, cur_shard=0, shard_count=1) as loader:
        batches = list(loader)
    assert [len(b["i"]) for b in batches] == [40, 40, 20]
    assert {n: v.dtype for n, v in batches[0].items()} == {
        "i": torch.int32,
        "x": torch.float32,
        "l": torch.float32,
        "v": torch.float32,
    }
    joined = {name: torch.cat([b[name] for b in batches]) for name in batches[0]}
    order = np.argsort(joined["i"].numpy())
    assert joined["v"][order].tolist() == [[i, -i] for i in range(100)]
    converter.delete()
    assert Dataset.open(converter.cache_dir_url) is None


def test_petastorms_setting_says_where(spark, rows, place):
    name = "petastorm.spark.converter.parentCacheDirUrl"
    spark.conf.set(name, f"file://{place}")
    try:
        converter = make_spark_converter(rows)
    finally:
        spark.conf.unset(name)
    assert converter.cache_dir_url.startswith(f"file://{place}/")
    shutil.rmtree(place)


def test_all_plain_types_come_back_as_they_were(spark, place):
    kinds = "a tinyint, b smallint, c boolean, d date, e timestamp, f timestamp_ntz, g decimal(12, 2), h binary"
    more = ", i array<string>, j array<double>, k string, l float"
    noon = datetime(2026, 7, 1, 12, 30, 0, 5)
    row = (1, 2, True, date(1969, 7, 20), noon, noon, Decimal("-1.50"), b"\x00\xff", ["x", None], [1.5, None], "é", 0.1)
    rows = spark.createDataFrame([row, (None,) * len(row)], kinds + more)
    _, trained = PetastormConverter(cacheDir=place).fitTransform(rows)
    assert trained.schema == rows.schema
    assert_same_rows(trained, rows)


def test_no_rows_are_a_dataset_too(spark, rows, place):
    model, trained = PetastormConverter(cacheDir=place).fitTransform(rows.where("i < 0"))
    assert model.dataset.rows == 0 and not model.dataset.files
    assert trained.schema == rows.schema and trained.count() == 0


def test_rows_keep_the_order_of_their_partitions(spark, place):
    partitions = spark.range(4000, numPartitions=3)
    found = PetastormConverter(cacheDir=place).fit(partitions).dataset
    assert [v for group in found.groups(0, 4000) for v in found.read(group)["id"].to_pylist()] == list(range(4000))


def test_what_a_repeated_task_left_beside_does_not_count(tmp_path):
    pq.write_table(pa.table({"i": [1, 2]}), tmp_path / "part-0.parquet")
    pq.write_table(pa.table({"i": [1]}), tmp_path / "part-0-first-try.parquet")
    (tmp_path / "_part-1.parquet").write_bytes(b"half")
    made = Dataset.sealed(str(tmp_path), {"part-0.parquet": 2}, {})
    assert made.rows == 2 and sorted(p.name for p in tmp_path.iterdir()) == ["_aiok_manifest.json", "part-0.parquet"]
