"""Batches for TensorFlow."""

import contextlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiok_spark.core.errors import DataError
from aiok_spark.data import Dataset, SparkDatasetConverter, TransformSpec

ROWS = 100


@pytest.fixture(scope="module")
def converter(tmp_path_factory):
    """Give 100 rows of several types in two files."""
    folder = tmp_path_factory.mktemp("dataset")
    numbers = np.arange(ROWS)
    table = pa.table(
        {
            "row": numbers,
            "half": (numbers / 2).astype("float32"),
            "odd": numbers % 2 == 1,
            "pair": list(np.stack([numbers, -numbers], 1)),
            "name": [f"ü {i}" for i in numbers],
        }
    )
    for i, part in enumerate((table.slice(0, 30), table.slice(30))):
        pq.write_table(part, folder / f"part-{i}.parquet", row_group_size=10)
    return SparkDatasetConverter(Dataset.sealed(str(folder), {"part-0.parquet": 30, "part-1.parquet": 70}, {}))


@pytest.fixture
def tf():
    """Give TensorFlow, if this environment has it; after triton, which other tests of this process need, too."""
    with contextlib.suppress(ImportError):
        import triton  # noqa: F401
    return pytest.importorskip("tensorflow", reason="this environment has no TensorFlow; that of Spark 3.5 has")


def test_all_rows_of_all_passes_with_static_shapes(tf, converter):
    columns = ["row", "half", "odd", "pair", "name"]
    with converter.make_tf_dataset(columns=columns, batch_size=32, num_epochs=2) as batches:
        told = {name: (spec.shape.as_list(), spec.dtype.name) for name, spec in batches.element_spec.items()}
        found = list(batches.as_numpy_iterator())
        again = list(batches.as_numpy_iterator())
    assert told == {
        "row": ([None], "int64"),
        "half": ([None], "float32"),
        "odd": ([None], "bool"),
        "pair": ([None, 2], "int64"),
        "name": ([None], "string"),
    }
    assert [len(b["row"]) for b in found] == [32, 32, 32, 4] * 2
    rows = np.concatenate([b["row"] for b in found])
    assert rows.tolist() == [*range(ROWS), *range(ROWS)]
    np.testing.assert_array_equal(np.concatenate([b["pair"] for b in found]), np.stack([rows, -rows], 1))
    np.testing.assert_array_equal(np.concatenate([b["half"] for b in found]), (rows / 2).astype("float32"))
    assert [n.decode() for b in found for n in b["name"]] == [f"ü {i}" for i in rows]
    assert [b["row"].tolist() for b in again] == [b["row"].tolist() for b in found]


def test_shards_functions_and_a_shuffled_window(tf, converter):
    spec = TransformSpec(lambda frame: frame.assign(row=frame["row"] * 10), selected_fields=["row"])
    rows = []
    for shard in range(3):
        options = {"cur_shard": shard, "shard_count": 3, "transform_spec": spec, "shuffling_queue_capacity": 50}
        with converter.make_tf_dataset(batch_size=8, **options) as batches:
            rows += [row for batch in batches.as_numpy_iterator() for row in batch["row"].tolist()]
    assert rows != sorted(rows)
    assert sorted(rows) == [i * 10 for i in range(ROWS)]


def test_keras_learns_from_it(tf, converter):
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.compile(optimizer=tf.keras.optimizers.Adam(0.1), loss="mse")
    with converter.make_tf_dataset(columns=["pair", "odd"], batch_size=10, num_epochs=1) as batches:
        pairs = batches.map(
            lambda b: (tf.cast(b["pair"], tf.float32) / 100.0, tf.cast(b["pair"][:, 0], tf.float32) / 50)
        )
        losses = model.fit(pairs, epochs=40, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 5


def test_what_has_no_row_has_no_shape(tf, converter):
    with pytest.raises(DataError, match="found no row"):
        converter.make_tf_dataset(filters=[("row", "<", 0)])


def test_without_tensorflow_one_line_says_so(converter, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"found no module 'tensorflow', .*pip install 'aiok-spark\[tensorflow\]'"):
        converter.make_tf_dataset()


def test_torch_s_compiler_comes_before_tensorflow_or_is_refused(tf):
    pytest.importorskip("triton", reason="this torch has no compiler of its own")
    # In processes of their own: what is wrong ends them without an error.
    after = (
        "from aiok_spark.data.tf_dataset import TfDataset\n"
        "try: TfDataset(None)\n"
        "except AttributeError: import torch._dynamo\n"
        "print('alive')"
    )
    before = (
        "import tensorflow\n"
        "from aiok_spark.training.onnx import converted\n"
        "try: converted(None, 'Stage')\n"
        "except ImportError as e: print(e)"
    )
    for program, told in ((after, "alive"), (before, "import triton first")):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
        assert told in done.stdout, done.stderr[-2000:]
