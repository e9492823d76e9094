"""A worker's rows as tensors, in memory and from a file."""

import tempfile
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiok_spark.training import packing
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker import shard as module
from aiok_spark.training.worker.shard import stage

SPEC = FeatureSpec(("x", "v"), (1, 2), ("c", "d"), (9, 9))


def blocks_of(task, sizes, seed=0):
    """Blocks of batches of random rows, all of them from one partition."""
    rng = np.random.default_rng(seed)

    def batches():
        for n in sizes:
            cells = {"x": rng.normal(size=n), "v": rng.normal(size=(n, 2)).tolist()}
            ids = {"c": rng.integers(0, 9, n), "d": rng.integers(0, 9, n)}
            rest = {"label": rng.integers(0, 2, n), "flag": rng.random(n) < 0.3}
            yield pa.record_batch({**cells, "v": pa.array(cells["v"], pa.list_(pa.float64())), **ids, **rest})

    return list(packing.pack(batches(), task, 0))


def task_of(memory=1024, **given):
    return TrainTask("no:ne", SPEC, label="label", validation="flag", stagingMemory=memory, **given)


def everything(shard):
    rows = shard.rows(torch.arange(len(shard.training) + len(shard.validation)))
    return {name: values.numpy() for name, values in rows.items()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 9), max_size=6), st.randoms(use_true_random=False))
def test_a_file_gives_what_memory_gives_and_is_gone_afterwards(tmp_path, sizes, random):
    blocks = blocks_of(task_of(), sizes)
    kept = stage(blocks, task_of())
    random.shuffle(blocks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path))
        spilled = stage(blocks, task_of(memory=0))
        assert not list(tmp_path.iterdir())
    got, expected = everything(spilled), everything(kept)
    assert all(np.array_equal(got[name], expected[name]) for name in expected)
    assert np.array_equal(spilled.training, kept.training) and np.array_equal(spilled.validation, kept.validation)
    assert spilled.bytes == kept.bytes


def test_more_than_the_limit_is_spilled_and_less_is_not(monkeypatch):
    monkeypatch.setattr(module, "_MIB", 100)
    spills = []
    whole = module._Blocks._spill
    monkeypatch.setattr(module._Blocks, "_spill", lambda self: (spills.append(self._size), whole(self)))
    blocks = blocks_of(task_of(), [5, 5, 5])  # 25 bytes a row
    stage(blocks, task_of(memory=4))
    assert not spills
    stage(blocks, task_of(memory=2))
    assert spills == [250]


def test_rows_are_picked_by_number_in_the_order_asked_for():
    shard = stage(blocks_of(task_of(), [20]), task_of())
    whole, numbers = everything(shard), torch.tensor([7, 0, 7, 19])
    picked = shard.rows(numbers)
    assert set(picked) == {"dense", "categorical", "label"}
    assert all(np.array_equal(picked[name].numpy(), whole[name][numbers]) for name in picked)


def test_bytes_are_those_of_the_tensors_and_flags():
    shard = stage(blocks_of(task_of(), [10, 10]), task_of())
    assert shard.bytes == 20 * (3 * 4 + 2 * 4 + 4)


def test_rows_are_for_training_or_for_validation_by_their_flag():
    task = TrainTask("no:ne", FeatureSpec(("x",), (1,)), label="label", validation="flag")
    table = pa.record_batch({"x": [1.0, 2, 3], "label": [0.0, 0, 1], "flag": [False, True, False]})
    shard = stage(packing.pack(iter([table]), task, 0), task)
    assert (shard.training.tolist(), shard.validation.tolist()) == ([0, 2], [1])
    assert len(stage([], task).training) == len(stage([], task).validation) == 0


def test_problems_of_all_blocks_are_added_up():
    task = TrainTask("no:ne", FeatureSpec(("x",), (1,)), label="label")
    tables = [pa.record_batch({"x": pa.array([None, 1.0, None]), "label": [0.0, 1, 7]}) for _ in range(4)]
    shard = stage(packing.pack(iter(tables), task, 0), task)
    assert Counter({what[0]: count for what, count in shard.problems.items()}) == {"x": 8, "label": 4}
