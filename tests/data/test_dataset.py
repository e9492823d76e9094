"""Datasets and TorchLoader, on files that pyarrow writes: no Spark needed to read."""

import datetime
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import ColumnError, ColumnTypeError, DataError
from aiok_spark.data import Dataset, TorchLoader
from aiok_spark.data.dataset import MANIFEST, read_ahead

SIZES = [7, 0, 100, 1, 42]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give a dataset of 150 rows in four files, with row groups of ten."""
    made = tmp_path_factory.mktemp("dataset")
    starts = np.cumsum([0, *SIZES])
    for i, size in enumerate(SIZES):
        numbers = np.arange(starts[i], starts[i] + size)
        table = pa.table(
            {
                "row": numbers,
                "half": numbers / 2,
                "even": numbers % 2 == 0,
                "pair": pa.array([[n, -n] for n in numbers.tolist()], pa.list_(pa.float32())),
                "name": [str(n) for n in numbers],
                "day": pa.array([datetime.date(2024, 1, 1)] * size),
            }
        )
        pq.write_table(table, made / f"part-{i}.parquet", row_group_size=10)
    Dataset.sealed(str(made), {f"part-{i}.parquet": size for i, size in enumerate(SIZES) if size}, {})
    return str(made)


def rows_of(loader):
    return torch.cat([batch["row"] for batch in loader]).tolist()


def test_a_directory_without_a_manifest_is_no_dataset(tmp_path):
    assert Dataset.open(str(tmp_path)) is None
    assert Dataset.open(str(tmp_path / "absent")) is None


def test_a_manifest_counts_the_rows_of_each_file(folder):
    dataset = Dataset.open(folder)
    assert dataset.rows == 150
    assert [rows for _, rows in dataset.files] == [7, 100, 1, 42]
    assert all(pq.read_metadata(url).num_rows for url in dataset.urls)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 200), st.booleans())
def test_each_row_is_in_one_shard_and_shards_are_even(folder, shards, equal):
    dataset = Dataset.open(folder)
    rows = [
        [row for table in read_ahead(dataset, dataset.groups(*span), ["row"]) for row in table["row"].to_pylist()]
        for span in (dataset.shard(i, shards, equal) for i in range(shards))
    ]
    sizes = {len(shard) for shard in rows}
    flat = [row for shard in rows for row in shard]
    assert max(sizes) - min(sizes) <= (0 if equal else 1)
    assert flat == list(range(150 - 150 % shards if equal else 150))


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 60), st.integers(0, 200), st.integers(1, 5), st.integers(1, 3), st.integers(0, 9))
def test_every_pass_gives_every_row_once(folder, batch, window, shards, epochs, seed):
    dataset = Dataset.open(folder)
    found = []
    for shard in range(shards):
        loader = TorchLoader(
            dataset,
            ["row"],
            batch_size=batch,
            num_epochs=epochs,
            cur_shard=shard,
            shard_count=shards,
            shuffling_queue_capacity=window,
            seed=seed,
        )
        sizes = [len(b["row"]) for b in loader]
        assert len(sizes) == epochs * len(loader)
        assert set(sizes[: len(loader) - 1]) <= {batch}
        found.append(rows_of(loader))
        assert found[-1] == rows_of(loader)  # the same seed, the same order
    assert sorted(row for rows in found for row in rows) == sorted(list(range(150)) * epochs)


def test_a_shuffle_mixes_and_each_pass_differs(folder):
    rows = rows_of(TorchLoader(Dataset.open(folder), ["row"], num_epochs=2, shuffling_queue_capacity=150))
    assert rows[:150] != rows[150:]
    assert np.corrcoef(rows[:150], range(150))[0, 1] < 0.5


def test_columns_become_tensors(folder):
    (batch,) = TorchLoader(Dataset.open(folder), batch_size=150)
    assert {name: (values.dtype, tuple(values.shape)) for name, values in batch.items()} == {
        "row": (torch.int64, (150,)),
        "half": (torch.float64, (150,)),
        "even": (torch.bool, (150,)),
        "pair": (torch.float32, (150, 2)),
    }
    assert batch["half"].tolist() == [n / 2 for n in range(150)]
    assert batch["pair"][149].tolist() == [149, -149]
    batch["half"] += 1  # the tensor's own memory


def test_strings_that_are_asked_for_are_a_list(folder):
    first, *_ = TorchLoader(Dataset.open(folder), ["name", "row"], batch_size=3)
    assert first["name"] == ["0", "1", "2"]
    assert first["row"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"columns": ["rwo"]}, ColumnError, "found no column 'rwo'.*'row'"),
        ({"columns": ["day"]}, ColumnTypeError, "'day': found date32.*, expected numbers.*cast it"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"cur_shard": 1}, ValueError, "cur_shard=1, shard_count=None, expected both"),
        ({"cur_shard": 3, "shard_count": 3}, ValueError, "found 3 of 3"),
    ],
)
def test_what_cannot_be_read_is_said_at_once(folder, options, error, message):
    with pytest.raises(error, match=message):
        TorchLoader(Dataset.open(folder), **options)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, None]), "column 'c': found 1 nulls, expected none in a column of int64"),
        (pa.array([[1.0], [1.0, 2.0]]), "column 'c': found lists or arrays of different shapes"),
        (pa.array([[1.0], None]), "column 'c': found lists or arrays of different shapes or nulls"),
    ],
)
def test_what_a_tensor_cannot_hold_is_named(tmp_path, column, message):
    pq.write_table(pa.table({"c": column}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        list(TorchLoader(Dataset.sealed(str(tmp_path), {"a.parquet": len(column)}, {})))


def test_a_null_real_number_is_nan(tmp_path):
    pq.write_table(pa.table({"c": [1.0, None]}), tmp_path / "a.parquet")
    ((batch),) = TorchLoader(Dataset.sealed(str(tmp_path), {"a.parquet": 2}, {}))
    assert batch["c"][0] == 1 and batch["c"][1].isnan()


def damaged(folder, how):
    path = next(folder.glob("*.parquet"))
    if how == "deleted":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-10])
    elif how == "shorter":
        pq.write_table(pq.read_table(path).slice(1), path)
    else:
        told = json.loads((folder / MANIFEST).read_text())
        told["files"][0][1] += 1
        (folder / MANIFEST).write_text(json.dumps(told))


@pytest.mark.parametrize("how", ["deleted", "truncated", "shorter", "manifest"])
def test_files_that_are_not_those_of_the_manifest_stop_the_reader(tmp_path, how):
    pq.write_table(pa.table({"c": [1.0, 2.0]}), tmp_path / "a.parquet")
    Dataset.sealed(str(tmp_path), {"a.parquet": 2}, {})
    damaged(tmp_path, how)
    with pytest.raises(DataError, match=r"^Dataset\(.*\): file a.parquet: .*delete the directory and convert again"):
        list(TorchLoader(Dataset.open(str(tmp_path)), ["c"]))


def test_no_rows_give_no_batches(tmp_path):
    assert list(TorchLoader(Dataset.sealed(str(tmp_path), {}, {}), num_epochs=None)) == []
