"""Rows to blocks and to the workers' tensors: nothing lost, nothing changed, everything wrong counted."""

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aiok_spark.training import packing
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.task import MULTICLASS, REGRESSION, TrainTask
from aiok_spark.training.worker.shard import stage

SPEC = FeatureSpec(("number", "x", "v"), (1, 1, 2), ("c",), (5,))
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
ROWS = st.tuples(FLOATS, st.tuples(FLOATS, FLOATS), st.integers(0, 4), st.integers(0, 1), st.floats(0, 9, width=32))
PARTITIONS = st.lists(st.lists(st.lists(ROWS, max_size=5), max_size=3), max_size=3)
NAN, INF = math.nan, math.inf


def task_of(**settings):
    return TrainTask(**{"network": "no:ne", "features": SPEC, "label": "label", **settings})


def tensors(shard):
    count = len(shard.training) + len(shard.validation)
    return {name: values.numpy() for name, values in shard.rows(torch.arange(count)).items()}


def of_worker(blocks, worker):
    return [block for block in blocks if block["piece"][0].as_py() == worker]


def batch(rows, first):
    """A batch whose first column is the rows' number, counted from ``first``."""
    cells = list(zip(*rows, strict=True)) if rows else [()] * 5
    types = [pa.float32(), pa.list_(pa.float32()), pa.int32(), pa.float64(), pa.float64()]
    number = pa.array(np.arange(first, first + len(rows)), pa.float32())
    arrays = [number, *(pa.array(list(values), kind) for values, kind in zip(cells, types, strict=True))]
    return pa.record_batch(arrays, ["number", "x", "v", "c", "label", "weight"])


@given(PARTITIONS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_every_row_comes_to_one_worker_whatever_the_split_and_the_order_of_blocks(partitions, workers, random):
    task, rows, blocks = task_of(workers=workers, weight="weight"), [], []
    for source, batches in enumerate(partitions):
        made = []
        for cells in batches:
            made.append(batch(cells, len(rows)))
            rows += cells
        blocks += packing.pack(iter(made), task, source)
    arrived = []
    for worker in range(workers):
        mine = of_worker(blocks, worker)
        shard = stage(mine, task)
        random.shuffle(mine)
        got, again = tensors(shard), tensors(stage(mine, task))
        assert not shard.problems and all(np.array_equal(got[name], again[name]) for name in got)
        for i, number in enumerate(got["dense"][:, 0].astype(int)):
            x, v, c, label, weight = rows[number]
            assert got["dense"][i, 1:].tolist() == [x, *v] and got["categorical"][i].tolist() == [c]
            assert got["label"][i] == label and got["weight"][i] == weight
            arrived.append(number)
    assert sorted(arrived) == list(range(len(rows)))
    sizes = {}
    for row in (row for block in blocks for row in block.to_pylist()):
        sizes.setdefault((row["source"], row["batch"]), []).append(row["rows"])
    assert all(len(found) == workers and max(found) - min(found) <= 1 for found in sizes.values())


CELLS = {
    "x": ([0.5, -2.0], {packing.NOT_FINITE: [None, NAN, INF, -INF]}),
    "v": (
        [[1.0, 2.0], [0.0, -1.0]],
        {
            packing.NOT_THE_WIDTH: [None, [], [1.0], [1.0, 2.0, 3.0]],
            packing.NOT_FINITE: [[None, 1.0], [NAN, 1.0], [1.0, INF]],
        },
    ),
    "c": ([0, 4], {packing.NOT_AN_ID: [None, -1, 5, 2**40]}),
    "label": ([0.0, 1.0], {packing.NOT_BINARY: [None, 2.0, NAN, 0.5]}),
    "weight": ([0.0, 1.5], {packing.NOT_A_WEIGHT: [None, -1.0, NAN, INF]}),
    "flag": ([True, False], {packing.NO_FLAG: [None]}),
}
SIZES = {"v": 2, "c": 5}


def cell(good, bad):
    """A good value with None, or a wrong one with what it is told to be."""
    wrong = [st.tuples(st.sampled_from(values), st.just(what)) for what, values in bad.items()]
    return st.one_of(st.tuples(st.sampled_from(good), st.none()), *wrong)


@given(st.lists(st.tuples(*(cell(*values) for values in CELLS.values())), max_size=30), st.integers(1, 30))
def test_problems_are_counted_by_column_and_rows_without_any_are_unharmed(rows, size):
    task = task_of(weight="weight", validation="flag", workers=2)
    types = [pa.float32(), pa.list_(pa.float32()), pa.int64(), pa.float64(), pa.float64(), pa.bool_()]
    arrays = [pa.array([row[i][0] for row in rows], kind) for i, kind in enumerate(types)]
    table = pa.table([pa.array(range(len(rows)), pa.float32()), *arrays], ["number", *CELLS])
    blocks = list(packing.pack(iter(table.to_batches(max_chunksize=size)), task, 0))
    shards = [stage(of_worker(blocks, worker), task) for worker in range(2)]
    expected = Counter(
        (name, *(text.format(size=SIZES.get(name)) for text in row[i][1]))
        for row in rows
        for i, name in enumerate(CELLS)
        if row[i][1]
    )
    assert sum((s.problems for s in shards), Counter()) == expected
    for shard in shards:
        got, held_out = tensors(shard), set(shard.validation.tolist())
        for i, number in enumerate(got["dense"][:, 0].astype(int)):
            (x, v, c, label, weight, flag), wrong = zip(*rows[number], strict=True)
            if not any(wrong):
                assert got["dense"][i].tolist() == [number, x, *v] and got["categorical"][i].tolist() == [c]
                assert (got["label"][i], got["weight"][i], i in held_out) == (label, weight, flag)


@pytest.mark.parametrize(
    ("kind", "good", "bad", "what"),
    [
        (MULTICLASS, [0.0, 2.0], [None, NAN, -1.0, 3.0, 1.5], packing.NOT_A_CLASS),
        (REGRESSION, [-7.5, 0.0], [None, NAN, INF, -INF], packing.NOT_FINITE),
    ],
)
def test_labels_are_judged_by_what_they_are_for(kind, good, bad, what):
    task = task_of(features=FeatureSpec(("x",), (1,)), kind=kind, numClasses=3)
    table = pa.record_batch({"x": [0.0] * 8, "label": pa.array((good + bad + [1.0] * 8)[:8], pa.float64())})
    made, problems = packing.tensors_of(table, task, (0,))
    assert problems == {("label", *(text.format(size=3) for text in what)): len(bad)}
    assert made["label"][:2].tolist() == good
    assert made["label"].dtype == (np.int64 if kind == MULTICLASS else np.float32)


@pytest.mark.parametrize(
    ("column", "settings"),
    [
        ("x", {}),
        ("label", {"kind": REGRESSION}),
        ("weight", {"weight": "weight"}),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_value_that_float32_cannot_hold_is_a_problem(column, settings):
    cells = {"x": [1.0], "label": [1.0], "weight": [1.0]} | {column: [1e39]}
    table = pa.record_batch(cells if "weight" in settings else {name: cells[name] for name in ("x", "label")})
    _, problems = packing.tensors_of(table, task_of(features=FeatureSpec(("x",), (1,)), **settings), (0,))
    assert [(what[0], count) for what, count in problems.items()] == [(column, 1)]


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.int32(), pa.int64()])
def test_ids_of_any_whole_type_with_nulls(kind):
    spec = FeatureSpec((), (), ("c", "d"), (3, 1000))
    table = pa.record_batch(
        {"c": pa.array([2, None, 3], kind), "d": pa.array([100, 7, -1], kind), "label": [0.0, 1.0, 1.0]}
    )
    made, problems = packing.tensors_of(table, task_of(features=spec), (0,))
    assert {what[0]: count for what, count in problems.items()} == {"c": 2, "d": 1}
    assert made["categorical"].dtype == np.int32 and made["categorical"][0].tolist() == [2, 100]


def test_ids_beyond_int32_are_kept():
    big = 2**40
    table = pa.record_batch({"c": [big - 1], "label": [0.0]})
    made, problems = packing.tensors_of(table, task_of(features=FeatureSpec((), (), ("c",), (big,))), (0,))
    assert not problems and made["categorical"].tolist() == [[big - 1]]


@pytest.mark.parametrize(
    "values",
    [pa.array([1, None], pa.int16()), pa.array([True, None]), pa.array([1.0, None], pa.float16())],
    ids=lambda values: str(values.type),
)
def test_numbers_of_any_type_with_nulls(values):
    table = pa.record_batch([values, pa.array([0.0, 1.0])], ["x", "label"])
    made, problems = packing.tensors_of(table, task_of(features=FeatureSpec(("x",), (1,))), (0,))
    assert made["dense"][0].tolist() == [1.0] and list(problems.values()) == [1]


def test_a_slice_of_vectors_with_nulls_is_read_from_where_it_starts():
    vectors = pa.array([[9.0, 9.0], None, [1.0, 2.0], [3.0], [5.0, 6.0]], pa.list_(pa.float64())).slice(1)
    table = pa.record_batch([vectors, pa.array([0.0] * 4)], ["v", "label"])
    made, problems = packing.tensors_of(table, task_of(features=FeatureSpec(("v",), (2,))), (0,))
    assert made["dense"][[1, 3]].tolist() == [[1, 2], [5, 6]] and list(problems.values()) == [2]


def test_float64_keeps_all_digits():
    task = task_of(precision="float64", weight="w", kind=REGRESSION, features=FeatureSpec(("x", "v"), (1, 2)))
    exact = [1 / 3, 2 / 3, 1e-300, 0.1, 1e300]
    table = pa.record_batch({"x": exact[:1], "v": [exact[1:3]], "label": exact[3:4], "w": exact[4:]})
    got = tensors(stage(packing.pack(iter([table]), task, 0), task))
    assert [*got["dense"][0], got["label"][0], got["weight"][0]] == exact


def test_no_batches_and_no_rows_give_a_shard_without_rows():
    task = task_of(workers=3, weight="weight", validationFraction=0.5)
    assert list(packing.pack(iter([]), task, 0)) == []
    for blocks in ([], of_worker(list(packing.pack(iter([batch([], 0)]), task, 0)), 2)):
        got = tensors(stage(blocks, task))
        assert {name: values.shape for name, values in got.items()} == {
            "dense": (0, 4),
            "categorical": (0, 1),
            "label": (0,),
            "weight": (0,),
        }


def test_the_rows_held_out_are_a_random_share_that_the_seed_decides():
    def held_out(seed):
        task = task_of(features=FeatureSpec(("x",), (1,)), validationFraction=0.25, seed=seed)
        table = pa.record_batch({"x": np.arange(10_000.0), "label": np.zeros(10_000)})
        shard = stage(packing.pack(iter([table]), task, 0), task)
        assert sorted([*shard.training, *shard.validation]) == list(range(10_000))
        return shard.validation.tolist()

    assert held_out(1) == held_out(1) != held_out(2)
    assert abs(len(held_out(1)) - 2500) < 4 * math.sqrt(10_000 * 0.25 * 0.75)


def test_a_message_names_param_column_count_and_remedy():
    task = task_of(weight="w", validation="f")
    told = packing.describe(
        task, [("c", "negative ids", "ids", "mend them", 3), ("w", "null", "weights", "fill them", 1)]
    )
    assert told == (
        "categoricalCols: found 3 negative ids in 'c', expected ids; mend them; and "
        "weightCol: found 1 null in 'w', expected weights; fill them"
    )
