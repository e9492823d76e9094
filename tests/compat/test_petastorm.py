"""Real petastorm 0.13 and we read what the other has written.

It needs old versions of pyarrow and numpy, so it runs in an environment of its own: ``make setup`` makes it.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from compat import values

from aiok_spark.data import TorchLoader, make_batch_reader, make_reader, make_spark_converter
from aiok_spark.data.found import find

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / ".venv-compat" / "bin" / "python"

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-compat (scripts/setup.sh compat makes it)"),
]


def petastorm(command, place):
    """Run petastorm; gives the rows or batches that it has read."""
    program = Path(__file__).with_name("petastorm_side.py")
    hidden = ("PYTHONPATH", "SPARK_HOME", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment["PYSPARK_PYTHON"] = str(PYTHON)
    done = subprocess.run(
        [PYTHON, program, command, place], capture_output=True, text=True, check=False, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line[3:]) for line in done.stdout.splitlines() if line.startswith("ROW")]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    place = f"file://{tmp_path_factory.mktemp('petastorm')}/theirs"
    petastorm("write", place)
    return place


@pytest.mark.once
def test_we_read_rows_that_petastorm_has_encoded(theirs):
    with make_reader(theirs, shuffle_row_groups=False, num_epochs=2) as reader:
        rows = list(reader)
    assert sorted(row.id for row in rows) == sorted([*range(values.ROWS)] * 2)
    for row in rows:
        for name, wanted in values.row(int(row.id)).items():
            found = getattr(row, name)
            if name == "photo":  # JPEG loses a little
                assert np.abs(found.astype(int) - wanted).max() <= 4
            elif isinstance(wanted, np.ndarray):
                assert found.dtype == wanted.dtype
                assert found.shape == wanted.shape
                assert (found == wanted).all()
            else:
                assert found == wanted or (wanted is None and found != found)
    assert rows[0].id.dtype == np.int32


@pytest.mark.once
def test_its_arrays_and_images_become_tensors(theirs):
    dataset = find(theirs)
    columns = ["id", "matrix", "packed", "image", "grey", "name"]
    batches = list(TorchLoader(dataset, columns, batch_size=25, shuffling_queue_capacity=40, seed=3))
    assert [len(b["id"]) for b in batches] == [25, 25, 10]
    assert batches[0]["image"].shape == (25, 8, 6, 3)
    assert batches[0]["image"].dtype == torch.uint8
    seen = []
    for batch in batches:
        for i, row in enumerate(batch["id"].tolist()):
            wanted = values.row(row)
            for name in columns[1:5]:
                assert (batch[name][i].numpy() == wanted[name]).all()
            assert batch["name"][i] == wanted["name"]
            seen.append(row)
    assert sorted(seen) == list(range(values.ROWS))


@pytest.fixture(scope="module")
def ours(spark, mode, tmp_path_factory):
    if spark.version >= "4":
        pytest.skip("written by Spark 3.5, as petastorm's environment has it")
    schema = "id INT, price DOUBLE, name STRING, good BOOLEAN, vector ARRAY<DOUBLE>, codes ARRAY<INT>, day DATE"
    rows = [tuple(values.plain_row(i).values()) for i in range(values.ROWS)]
    place = f"file://{tmp_path_factory.mktemp('ours')}"
    return make_spark_converter(
        spark.createDataFrame(rows, schema).repartition(3), 1024, dtype=None, parent_cache_dir_url=place
    )


def plain(found):
    """A row as it was written."""
    return {**found, "day": str(found["day"])[:10]}


def wanted():
    return [{**row, "day": str(row["day"])} for row in map(values.plain_row, range(values.ROWS))]


@pytest.mark.two_modes
def test_petastorm_reads_our_rows(ours):
    found = sorted(map(plain, petastorm("rows", ours.cache_dir_url)), key=lambda row: row["id"])
    assert found == wanted()


@pytest.mark.two_modes
def test_petastorm_reads_our_batches(ours):
    batches = petastorm("batches", ours.cache_dir_url)
    rows = [dict(zip(batch, row, strict=True)) for batch in batches for row in zip(*batch.values(), strict=True)]
    found = sorted(map(plain, rows), key=lambda row: row["id"])
    assert found == [{name: value for name, value in row.items() if name != "codes"} for row in wanted()]


@pytest.mark.two_modes
def test_we_read_our_own_rows(ours):
    with make_reader(ours.cache_dir_url, seed=3) as reader:
        found = {row.id: row for row in reader}
    with make_batch_reader(ours.file_urls) as reader:
        assert sum(len(batch.id) for batch in reader) == values.ROWS
    assert sorted(found) == list(range(values.ROWS))
    for i, row in found.items():
        wanted_ = values.plain_row(int(i))
        assert row.vector.tolist() == wanted_["vector"]
        assert row.codes.tolist() == wanted_["codes"]
        assert (row.name, row.price, row.good, row.day) == tuple(wanted_[n] for n in ("name", "price", "good", "day"))
