"""Parquet files of others as datasets."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiok_spark.core.errors import DataError
from aiok_spark.data import TorchLoader
from aiok_spark.data.found import find


def write(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def rows(dataset, columns=None):
    return [
        batch for table in TorchLoader(dataset, columns, batch_size=1000) for batch in zip(*table.values(), strict=True)
    ]


def test_a_directory_a_file_and_files_are_found(tmp_path):
    write(tmp_path / "a b" / "é.parquet", x=[1, 2])
    write(tmp_path / "a b" / "deep" / "c.parquet", x=[3])
    write(tmp_path / "a b" / "empty.parquet", x=pa.array([], pa.int64()))
    for note in ("_SUCCESS", ".part.crc", "_temporary/d.parquet"):
        (tmp_path / "a b" / note).parent.mkdir(exist_ok=True)
        (tmp_path / "a b" / note).write_text("no Parquet")
    place = str(tmp_path / "a b")
    files = [f"file://{place}/é.parquet", f"file://{place}/deep/c.parquet"]
    for told, wanted in [
        (place, [1, 2, 3]),
        (f"file://{place}/", [1, 2, 3]),
        (f"{place}/é.parquet", [1, 2]),
        (files, [1, 2, 3]),
        (files[1:], [3]),
    ]:
        assert sorted(int(x) for (x,) in rows(find(told))) == wanted


def test_directories_name_values(tmp_path):
    write(tmp_path / "day=1" / "city=a%2Fb" / "x.parquet", x=[1.0, 2.0])
    write(tmp_path / "day=2" / "city=__HIVE_DEFAULT_PARTITION__" / "x.parquet", x=[3.0])
    dataset = find(str(tmp_path))
    assert dataset.schema.field("day").type == pa.int64()
    assert dataset.schema.field("city").type == pa.string()
    (batch,) = TorchLoader(dataset, ["day", "x", "city"])
    assert batch["day"].tolist() == [1, 1, 2]
    assert batch["x"].tolist() == [1, 2, 3]
    assert batch["city"] == ["a/b", "a/b", None]
    (batch,) = TorchLoader(dataset, ["x"], filters=[("day", "=", 2)])
    assert batch["x"].tolist() == [3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "found nothing there"),
        (lambda folder: folder.mkdir(), "found no file, expected Parquet files"),
        (
            lambda folder: (folder.mkdir(), (folder / "x.csv").write_text("a,b")),
            "file x.csv: .*expected a Parquet file",
        ),
        (
            lambda folder: (write(folder / "a=1" / "x.parquet", x=[1]), write(folder / "b=1" / "x.parquet", x=[1])),
            r"directories of different columns \(\[\('a',\), \('b',\)\]\)",
        ),
    ],
)
def test_what_is_no_dataset_is_said(tmp_path, make, message):
    make(tmp_path / "x")
    with pytest.raises(DataError, match=message):
        find(str(tmp_path / "x"))


def test_files_that_are_not_alike_are_named(tmp_path):
    def folder(name, *tables):
        (tmp_path / name).mkdir()
        for i, columns in enumerate(tables):
            pq.write_table(pa.table(columns), tmp_path / name / f"{i}.parquet")
        return str(tmp_path / name)

    mixed = find(folder("types", {"id": [1, 2], "x": [1.0, 2.0]}, {"id": [1.5, 2.5], "x": [3.0, 4.0]}))
    for options in ({}, {"local_cache": str(tmp_path / "cache")}):
        with pytest.raises(DataError, match=r"1\.parquet: column 'id': found double, expected int64 as in 0\.parquet"):
            list(TorchLoader(mixed, batch_size=1, **options))
        assert len(list(TorchLoader(mixed, ["x"], batch_size=1, **options))) == 4  # it does not matter
    few, more = {"id": [1]}, {"id": [1], "q": [2]}
    for name, tables in {"more": (few, more), "less": (more, few)}.items():
        with pytest.raises(DataError, match=r"found \['q'\] in one of 0\.parquet and 1\.parquet alone"):
            find(folder(name, *tables))
