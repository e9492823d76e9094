"""Datasets in an object store: moto's server, which speaks S3."""

import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from urllib.error import URLError

import pyarrow as pa
import pytest
import torch
from pyarrow import fs

from aiok_spark.core.errors import ParamError
from aiok_spark.core.files import open_system
from aiok_spark.data import make_batch_reader, make_spark_converter
from aiok_spark.data.conversion import _renamed
from aiok_spark.data.dataset import Dataset
from aiok_spark.data.found import find

ROWS = 500


def free_port():
    with closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def store():
    """Start moto's server, make a bucket, and give its storage options."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
                break
            except (URLError, ConnectionError):
                time.sleep(0.1)
        options = {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }
        system, bucket = open_system("s3://bucket", {**options, "allow_bucket_creation": True})
        system.create_dir(bucket)
        yield options
    finally:
        server.kill()
        server.wait()


def frame(spark):
    return spark.range(ROWS, numPartitions=3).selectExpr("id", "id / 2 AS half", "concat('ü ', id) AS name")


def test_a_converter_writes_there_and_loaders_read(spark, store):
    place = "s3://bucket/my sets/über"
    converter = make_spark_converter(frame(spark), parent_cache_dir_url=place, storage_options=store)
    assert converter.dataset_size == ROWS
    assert all(url.startswith("s3://bucket/my sets/über/") for url in converter.file_urls)
    with converter.make_torch_dataloader(batch_size=64, workers_count=2) as loader:
        found = torch.cat([batch["half"] for batch in loader])
    assert sorted(found.tolist()) == [i / 2 for i in range(ROWS)]
    with make_batch_reader(converter.cache_dir_url, storage_options=store) as reader:
        assert sorted(n for batch in reader for n in batch.name) == sorted(f"ü {i}" for i in range(ROWS))
    assert find(converter.cache_dir_url.replace("s3:", "s3a:"), store).rows == ROWS
    converter.delete()
    with pytest.raises(Exception, match="nothing there"):
        find(converter.cache_dir_url, store)


def test_it_is_found_by_its_key_and_its_secrets_are_written_nowhere(spark, store):
    made = [
        make_spark_converter(
            frame(spark), parent_cache_dir_url="s3://bucket/keyed", cache_key="k", storage_options=store
        ).dataset
        for _ in range(2)
    ]
    assert made[0].urls == made[1].urls
    system, folder = open_system("s3://bucket/keyed", store)
    files = [info for info in system.get_file_info(fs.FileSelector(folder, recursive=True)) if info.is_file]
    assert len(files) == len(made[0].files) + 2  # the manifest and petastorm's notes: nothing is left of the first name
    for info in files:
        assert b"secret" not in system.open_input_stream(info.path).read()
    assert "secret" not in repr(made[0])


def test_of_two_writers_of_one_key_none_harms_the_other(store, tmp_path):
    def written(name):
        folder = f"s3://bucket/race/{name}"
        system, path = open_system(folder, store)
        for note in ("_common_metadata", f"{name}.parquet"):
            with system.open_output_stream(f"{path}/{note}") as out:
                pa.parquet.write_table(pa.table({"x": [1, 2, 3]}), out)
        return Dataset.sealed(folder, {f"{name}.parquet": 3}, {}, store)

    made = [_renamed(written(name), "s3://bucket/race/both") for name in ("a", "b")]
    for dataset in made:
        assert [dataset.read(group)["x"].to_pylist() for group in dataset.groups(0, 3)] == [[1, 2, 3]]


def test_a_store_that_does_not_answer_is_named_within_its_limit(spark):
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        options = {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "request_timeout": 1,
        }
        start = time.monotonic()
        with pytest.raises(ParamError, match="cannot be written"):
            make_spark_converter(frame(spark), parent_cache_dir_url="s3://bucket/x", storage_options=options)
        assert time.monotonic() - start < 60


def test_credentials_of_the_environment_do_with_any_path(spark, store, monkeypatch):
    for name, value in store.items():
        monkeypatch.setenv(name, value)
    system, folder = open_system("s3://bucket/da ta/ü%20")
    assert folder == "bucket/da ta/ü%20"
    system.create_dir(folder)
    assert system.get_file_info(folder).type == fs.FileType.Directory


def test_an_unknown_option_is_named():
    with pytest.raises(ValueError, match=r"'sekret'.*expected arguments of pyarrow\.fs\.S3FileSystem"):
        open_system("s3://bucket/x", {"sekret": "x"})
