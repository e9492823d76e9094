"""How kernels and their state reach the workers."""

import os

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from aiok_spark.core import compat, ship

pytestmark = pytest.mark.all_modes


def test_a_value_is_unpickled_once_per_process(spark, mode):
    unpack = ship.pack(spark, {"a": np.arange(3)})
    if mode != "connect":
        assert unpack() is unpack()


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(ship, "_CACHE_COUNT", 3)
    monkeypatch.setattr(ship, "_cache", type(ship._cache)())
    unpackers = [ship._unpacker(str(i), ship.cloudpickle.dumps([i]), 10, ship.__version__) for i in range(5)]
    assert [u() for u in unpackers] == [[i] for i in range(5)]
    assert list(ship._cache) == ["2", "3", "4"]
    monkeypatch.setattr(ship, "_CACHE_BYTES", 15)
    ship._unpacker("5", ship.cloudpickle.dumps([5]), 10, ship.__version__)()
    assert list(ship._cache) == ["5"]


@pytest.mark.parametrize(("found", "what"), [(None, "no aiok_spark"), ("0.0.0", "aiok_spark 0.0.0")])
def test_an_executor_without_the_package_is_told_what_to_do(monkeypatch, found, what):
    import sys

    import aiok_spark

    unpack = ship._unpacker("d", b"", 0, ship.__version__)
    if found is None:
        monkeypatch.setitem(sys.modules, "aiok_spark", None)
    else:
        monkeypatch.setattr(aiok_spark, "__version__", found)
    with pytest.raises(
        RuntimeError, match=rf"executor .*: found {what}, expected .* as on the driver; call aiok_spark.ship"
    ):
        unpack()


def test_state_of_many_megabytes_arrives_once(spark):
    large = np.arange(1_000_000, dtype=np.int64)  # 8 MB: a broadcast on classic, an artifact on Connect
    unpack = ship.pack(spark, large)

    def total(batches):
        for batch in batches:
            yield pa.RecordBatch.from_arrays([pa.array([int(unpack().sum())] * batch.num_rows)], ["total"])

    rows = spark.range(4).mapInArrow(total, "total long").collect()
    assert {r.total for r in rows} == {int(large.sum())}
    assert ship.pack(spark, large) is not None  # a second time is no error on Connect


def test_shipping_the_package_twice_is_harmless(spark):
    ship.ship(spark)
    ship.ship(spark)
    assert spark.range(1).select(F.lit(1)).first()[0] == 1


def test_from_arrow_and_back(spark, monkeypatch):
    monkeypatch.setattr(compat, "_PART", 100)  # so that this is many parts
    monkeypatch.setattr(compat, "_SMALL", 100)
    table = pa.table({"i": pa.array(range(100), pa.int64()), "s": [f"text {i}" for i in range(100)]})
    for _ in range(2):  # on Connect the second finds its files there
        assert compat.to_arrow(compat.from_arrow(spark, table)).sort_by("i") == table
    empty = compat.to_arrow(compat.from_arrow(spark, table.slice(0, 0)))
    assert empty.num_rows == 0 and empty.schema.names == ["i", "s"]


def test_read_parquet_reads_every_file_whatever_the_path_is_called(spark, tmp_path):
    path = str(tmp_path / "a folder of 100%")
    spark.range(0, 100, 1, 3).write.parquet(path)
    assert sorted(compat.read_parquet(spark, path)["id"].to_pylist()) == list(range(100))


def test_importing_the_package_imports_no_spark():
    import subprocess
    import sys

    code = "import sys, aiok_spark; assert 'pyspark' not in sys.modules; assert aiok_spark.__version__"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
