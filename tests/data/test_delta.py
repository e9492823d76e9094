"""DeltaSource without Delta's jars: tables that delta-rs writes, versions that stay."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.data import DeltaSource, PetastormConverter, TorchLoader, make_spark_converter

pytestmark = pytest.mark.two_modes


@pytest.fixture
def table(tmp_path):
    """Give a table of three versions: 4 rows, 6, and 2 that replace all."""
    path = f"file://{tmp_path}/a table"
    for rows, mode in [([1, 2, 3, 4], "error"), ([5, 6], "append"), ([7, 8], "overwrite")]:
        days = [["x y/é%", "y", None][row % 3] for row in rows]
        write_deltalake(f"{tmp_path}/a table", pa.table({"day": days, "n": rows}), mode=mode, partition_by=["day"])
    return path


def numbers(df):
    return sorted(row.n for row in df.collect())


def test_a_version_is_what_it_was(spark, table):
    assert numbers(DeltaSource(table, version=0).read(spark)) == [1, 2, 3, 4]
    assert numbers(DeltaSource(table, version=1).read(spark)) == [1, 2, 3, 4, 5, 6]
    now = DeltaSource(table).read(spark)
    write_deltalake(table.removeprefix("file://"), pa.table({"day": ["x y/é%"], "n": [9]}), mode="append")
    assert numbers(now) == [7, 8]
    assert numbers(DeltaSource(table).read(spark)) == [7, 8, 9]
    assert {(row.n, row.day) for row in now.collect()} == {(7, "y"), (8, None)}
    assert {row.day for row in DeltaSource(table, version=0).read(spark).collect()} == {"x y/é%", "y", None}


def test_a_moment_names_a_version(table):
    commits = DeltaTable(table.removeprefix("file://")).history()
    first = min(commit["timestamp"] for commit in commits)
    assert DeltaSource(table, timestamp=datetime.fromtimestamp((first + 1) / 1000, UTC)).pinned().version in (0, 1)
    assert DeltaSource(table, timestamp="2100-01-01T00:00:00Z").pinned().version == 2


def test_a_conversion_of_a_version_is_found_again(spark, table, tmp_path):
    place = f"file://{tmp_path}/cache"
    one = make_spark_converter(DeltaSource(table, version=1).read(spark), parent_cache_dir_url=place)
    again = make_spark_converter(DeltaSource(table, version=1).read(spark), parent_cache_dir_url=place)
    other = make_spark_converter(DeltaSource(table).read(spark), parent_cache_dir_url=place)
    assert one.cache_dir_url == again.cache_dir_url != other.cache_dir_url
    shards = [TorchLoader(one.dataset, ["n"], cur_shard=i, shard_count=4) for i in range(4)]
    rows = [[n for batch in shard for n in batch["n"].tolist()] for shard in shards]
    assert sorted(n for shard in rows for n in shard) == [1, 2, 3, 4, 5, 6]
    assert {len(shard) for shard in rows} == {1, 2}
    model = PetastormConverter(cacheDir=place, verbose=False).fit(DeltaSource(table, version=1).read(spark))
    assert model.source == {"path": table, "version": 1}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"version": 3}, DataError, r"found version 3, expected one in \[0, 2\]"),
        ({"version": 1, "timestamp": "2024-01-01"}, ParamError, "found version and timestamp"),
        ({"timestamp": "2020-01-01"}, DataError, r"found 2020-01-01T00:00:00\+00:00, expected a moment from 20"),
        ({"timestamp": "yesterday"}, ParamError, "found 'yesterday', expected ISO 8601"),
    ],
)
def test_what_is_not_there_is_said(table, options, error, message):
    with pytest.raises(error, match=message):
        DeltaSource(table, **options).pinned()


def test_a_directory_that_is_no_table_is_said(tmp_path):
    with pytest.raises(DataError, match="found no _delta_log with commits"):
        DeltaSource(str(tmp_path)).pinned()


def test_a_table_that_its_files_do_not_tell_is_refused(spark, tmp_path):
    write_deltalake(tmp_path, pa.table({"n": [1]}), configuration={"delta.columnMapping.mode": "name"})
    with pytest.raises(DataError, match=r"found a table with columnMapping.*io\.delta:delta-spark"):
        DeltaSource(f"file://{tmp_path}").read(spark)
