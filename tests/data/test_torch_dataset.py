"""TorchDataset in torch's own DataLoader, whose workers are processes."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch.utils.data import DataLoader

from aiok_spark.core.errors import ColumnError
from aiok_spark.data.found import find
from aiok_spark.data.torch_dataset import TorchDataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    for i, numbers in enumerate(np.split(np.arange(100), [40])):
        pq.write_table(
            pa.table({"row": numbers, "name": numbers.astype(str)}), folder / f"{i}.parquet", row_group_size=7
        )
    return find(str(folder))


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.parametrize("shards", [1, 3])
def test_each_row_is_given_by_one_worker(dataset, context, shards):
    found = []
    for shard in range(shards):
        options = {"columns": ["row", "name"], "batch_size": 8, "shuffling_queue_capacity": 20, "seed": 3}
        batches = TorchDataset(dataset, cur_shard=shard, shard_count=shards, **options)
        for batch in DataLoader(batches, batch_size=None, num_workers=2, multiprocessing_context=context, timeout=60):
            assert batch["name"] == [str(row) for row in batch["row"].tolist()]
            found += batch["row"].tolist()
    assert sorted(found) == list(range(100))


def test_without_workers_it_is_a_loader(dataset):
    batches = DataLoader(TorchDataset(dataset, batch_size=30), batch_size=None)
    assert [len(batch["row"]) for batch in batches] == [30, 30, 30, 10]


def test_what_cannot_be_read_is_said_before_a_worker_starts(dataset):
    with pytest.raises(ColumnError, match="no column 'rwo'"):
        TorchDataset(dataset, columns=["rwo"])
