"""What goes wrong while datasets are written and read: full disks, killed writers, races, deletions."""

import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiok_spark.core.errors import DataError
from aiok_spark.data import Dataset, TorchLoader, make_spark_converter

ROWS = 3000


def noise(spark, rows=ROWS):
    """Give rows that no codec makes smaller."""
    return spark.range(rows, numPartitions=2).selectExpr("id", *[f"xxhash64(id, {i}) AS x{i}" for i in range(100)])


@pytest.fixture
def small_disk():
    """Give a directory on a file system of a megabyte, which all users may write."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "none", folder], check=False)
        if mounted.returncode:
            pytest.skip("this user may not mount a small disk")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_stops_the_conversion_and_leaves_nothing(spark, small_disk):
    with pytest.raises(Exception, match=r"No space left|\[Errno 28\]"):
        make_spark_converter(noise(spark), parent_cache_dir_url=f"file://{small_disk}")
    assert not list(Path(small_disk).iterdir())
    fewer = make_spark_converter(noise(spark, 100), parent_cache_dir_url=f"file://{small_disk}")
    assert fewer.dataset_size == 100


def test_two_jobs_that_race_for_one_key_share_one_dataset(spark, tmp_path):
    start = threading.Barrier(2, timeout=60)

    def convert(_):
        start.wait()
        return make_spark_converter(noise(spark, 200), parent_cache_dir_url=f"file://{tmp_path}", cache_key="both")

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(convert, range(2)))
    assert made[0].file_urls == made[1].file_urls
    assert len(list(tmp_path.iterdir())) == 1
    for converter in made:
        with converter.make_torch_dataloader(columns=["id"], batch_size=64) as loader:
            assert sorted(i for batch in loader for i in batch["id"].tolist()) == list(range(200))


KILLED = """
import os, signal, sys, time
from pathlib import Path
from threading import Thread
from aiok_spark.data import make_spark_converter
from aiok_spark.session import get_session

place = sys.argv[1]

def kill():  # once the first file is whole
    while not any(p.suffix == ".parquet" and not p.name.startswith("_") for p in Path(place).glob("*/*")):
        time.sleep(0.01)
    os.killpg(0, signal.SIGKILL)

spark = get_session(**{"spark.master": "local[1]"})
Thread(target=kill, daemon=True).start()
slow = spark.range(40, numPartitions=20).selectExpr("id", "java_method('java.lang.Thread', 'sleep', 200L) AS s")
make_spark_converter(slow, parent_cache_dir_url=place, cache_key="k")
"""


@pytest.mark.cluster
@pytest.mark.once
def test_a_killed_writer_leaves_nothing_that_looks_whole(tmp_path):
    place = tmp_path / "sets"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(place)],
        capture_output=True,
        timeout=120,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == -9, done.stderr.decode()[-2000:]
    left = list(place.glob("*"))
    assert len(left) == 1 and list(left[0].glob("*.parquet"))
    assert Dataset.open(str(left[0])) is None


def written(folder, rows, groups_of=50):
    folder.mkdir(parents=True)
    table = pa.table({"row": np.arange(rows), "x": np.random.default_rng(0).random(rows)})
    pq.write_table(table, folder / "part-0.parquet", row_group_size=groups_of)
    return Dataset.sealed(str(folder), {"part-0.parquet": rows}, {})


def test_a_dataset_that_is_deleted_while_it_is_read_is_named(tmp_path):
    dataset = written(tmp_path / "set", 1000)
    loader = iter(TorchLoader(dataset, batch_size=50, num_epochs=3, prefetch_bytes=1, timeout=30.0))
    next(loader)
    for file in (tmp_path / "set").iterdir():
        file.unlink()
    start = time.monotonic()
    with pytest.raises(DataError, match=r"file part-0\.parquet.*changed after it was written"):
        list(loader)
    assert time.monotonic() - start < 30


def test_a_file_that_is_cut_while_it_is_read_is_named(tmp_path):
    dataset = written(tmp_path / "set", 1000)
    loader = iter(TorchLoader(dataset, batch_size=50, num_epochs=3, prefetch_bytes=1, timeout=30.0))
    next(loader)
    file = tmp_path / "set" / "part-0.parquet"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"file part-0\.parquet"):
        list(loader)


def test_more_shards_than_row_groups_or_rows_end_all_the_same(tmp_path):
    dataset = written(tmp_path / "set", 10, groups_of=4)
    loaders = [TorchLoader(dataset, ["row"], cur_shard=i, shard_count=16) for i in range(16)]
    assert sorted(row for loader in loaders for batch in loader for row in batch["row"].tolist()) == list(range(10))
    assert max(loader.rows for loader in loaders) == 1


MEMORY = """
import resource, sys
from aiok_spark.data import TorchLoader
from aiok_spark.data.found import find

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10  # MiB

passes, warm = int(sys.argv[2]), None
for epoch, batch in enumerate(range(passes)):
    for _ in TorchLoader(find(sys.argv[1]), batch_size=4096, shuffling_queue_capacity=20_000, prefetch_bytes=16 << 20):
        pass
    warm = warm or (peak() if epoch >= 2 or passes == 1 else None)
print(warm, peak())
"""


@pytest.mark.cluster
@pytest.mark.once
def test_memory_has_a_bound_whatever_the_rows_and_the_passes(tmp_path):
    def peaks(name, files, passes):
        folder = tmp_path / name
        folder.mkdir()
        numbers = np.random.default_rng(0).random(100_000)
        table = pa.table({f"x{i}": numbers for i in range(20)})  # 16 MB
        for i in range(files):
            pq.write_table(table, folder / f"part-{i}.parquet", row_group_size=10_000, use_dictionary=False)
        command = [sys.executable, "-c", MEMORY, str(folder), str(passes)]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
        return [int(x) for x in told.split()]

    one, ten = peaks("one", 4, 1)[-1], peaks("ten", 40, 1)[-1]  # 64 and 640 MB
    assert ten - one < 64
    warm, after = peaks("passes", 4, 20)
    assert after - warm < 32
