"""TorchLoader: going on after a break, conditions, the user's function; on files that pyarrow writes."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aiok_spark.core.errors import ColumnError, DataError, ParamError
from aiok_spark.data import Dataset, TorchLoader, TransformSpec
from aiok_spark.data.found import find

ROWS = 150


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Give 150 rows in three files, with row groups of ten."""
    folder = tmp_path_factory.mktemp("dataset")
    for i, numbers in enumerate(np.split(np.arange(ROWS), [7, 108])):
        table = pa.table({"row": numbers, "half": numbers / 2, "pair": list(np.stack([numbers, -numbers], 1))})
        pq.write_table(table, folder / f"part-{i}.parquet", row_group_size=10)
    return Dataset.sealed(str(folder), {"part-0.parquet": 7, "part-1.parquet": 101, "part-2.parquet": 42}, {})


def rows_of(batches):
    return [batch["row"].tolist() for batch in batches]


@settings(deadline=None, max_examples=100)
@given(
    st.fixed_dictionaries(
        {
            "batch_size": st.integers(1, 60),
            "shuffling_queue_capacity": st.integers(0, 200),
            "shuffle_row_groups": st.sampled_from([None, True, False]),
            "num_epochs": st.integers(1, 3),
            "seed": st.integers(0, 9),
            "workers_count": st.integers(1, 4),
            "prefetch_bytes": st.sampled_from([0, 500, 1 << 20]),
        }
    ),
    st.booleans(),
    st.data(),
)
def test_a_loader_goes_on_after_any_batch(dataset, tmp_path_factory, options, cached, data):
    if cached:
        options = {**options, "local_cache": str(tmp_path_factory.getbasetemp() / "cache")}
    loader = TorchLoader(dataset, ["row"], cur_shard=1, shard_count=2, **options)
    whole, states = [], []
    for batch in loader:
        whole.append(batch["row"].tolist())
        states.append(loader.state_dict())
    assert len(whole) == options["num_epochs"] * len(loader)
    at = data.draw(st.integers(0, len(whole) - 1))
    again = TorchLoader(dataset, ["row"], cur_shard=1, shard_count=2, **options)
    again.load_state_dict(states[at])
    assert rows_of(again) == whole[at + 1 :]
    assert rows_of(again) == whole  # the next loop is a whole one


def test_a_loop_that_was_left_starts_again(dataset):
    loader = TorchLoader(dataset, ["row"], batch_size=20)
    assert next(iter(loader))["row"][0] == 0
    assert len(rows_of(loader)) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 21}, r"order: found \[20, 0, False, 0\] in the state, expected \[21,"),
        ({"batch_size": 20, "cur_shard": 0, "shard_count": 2}, "shard: found"),
        ({"batch_size": 20, "filters": [("row", "<", 9)]}, "filters: found None in the state, expected"),
    ],
)
def test_the_state_of_another_loader_is_refused(dataset, options, message):
    state = TorchLoader(dataset, ["row"], batch_size=20).state_dict()
    with pytest.raises(DataError, match=message):
        TorchLoader(dataset, ["row"], **options).load_state_dict(state)


@pytest.mark.parametrize(
    ("filters", "error", "message"),
    [
        ([("rwo", ">", 1)], ColumnError, "filters: found no column 'rwo'.*did you mean 'row'"),
        (
            [("row", "~", 1)],
            ParamError,
            r"filters: found \('row', '~', 1\), expected tuples of column",
        ),
        ([], ParamError, r"filters: found \[\], expected tuples"),
        ([("row", "in", 3)], ParamError, "found 3 for 'row' in, expected a list or set of values"),
        ([("row", "=", None)], ParamError, "which takes no row, expected a value"),
        ([("row", ">", "a")], ParamError, "expected a condition on"),
        (pc.field("rwo") > 1, ParamError, "expected a condition on"),
    ],
)
def test_a_condition_that_is_none_is_said_before_reading(dataset, filters, error, message):
    with pytest.raises(error, match=message):
        TorchLoader(dataset, filters=filters)


def test_of_a_state_the_files_decide(dataset, tmp_path):
    state = TorchLoader(dataset, ["row"]).state_dict()
    moved = shutil.copytree(dataset.path, tmp_path / "moved")
    TorchLoader(find(str(moved)), ["row"]).load_state_dict(state)
    (moved / "part-0.parquet").rename(moved / "part-a.parquet")
    (moved / "_aiok_manifest.json").unlink()
    with pytest.raises(DataError, match="dataset: found"):
        TorchLoader(find(str(moved)), ["row"]).load_state_dict(state)


def test_without_a_seed_one_is_drawn(dataset):
    loaders = [TorchLoader(dataset, ["row"], shuffling_queue_capacity=99, seed=None) for _ in range(2)]
    first, second = (rows_of(loader) for loader in loaders)
    assert first != second and rows_of(loaders[0]) == first
    with pytest.raises(ValueError, match="shuffling_queue_capacity: found -1, expected rows from 0"):
        TorchLoader(dataset, shuffling_queue_capacity=-1)


def test_a_new_column_has_to_be_announced(dataset):
    spec = TransformSpec(lambda frame: frame.assign(twice=frame["row"] * 2))
    with pytest.raises(DataError, match=r"found new columns \['twice'\] in what func gives, expected them"):
        next(iter(TorchLoader(dataset, transform_spec=spec)))


@settings(deadline=None, max_examples=60)
@given(st.integers(-5, 160), st.integers(1, 60), st.integers(0, 100), st.integers(1, 4))
def test_a_filter_gives_each_row_that_it_takes_once(dataset, above, batch, window, shards):
    found = []
    for shard in range(shards):
        loader = TorchLoader(
            dataset, ["half"], batch_size=batch, shuffling_queue_capacity=window, cur_shard=shard, shard_count=shards,
            filters=[("row", ">", above)],
        )  # fmt: skip
        batches = list(loader)
        assert all(len(b["half"]) == batch for b in batches[:-1])
        found += [2 * half for b in batches for half in b["half"].tolist()]
    assert sorted(found) == [row for row in range(ROWS) if row > above]


def test_row_groups_without_such_rows_are_not_read(dataset, monkeypatch):
    read = []
    original = Dataset.read
    monkeypatch.setattr(Dataset, "read", lambda self, group, names: read.append(group) or original(self, group, names))
    expression = pc.field("row") >= 140
    assert rows_of(TorchLoader(dataset, ["row"], filters=expression)) == [list(range(140, 150))]
    assert sum(group.rows for group in read) <= 20


def test_the_length_under_a_filter_is_not_known(dataset):
    loader = TorchLoader(dataset, ["row"], filters=[("row", ">", 3)])
    with pytest.raises(TypeError, match="filters or transform_spec"):
        len(loader)


def test_a_filter_that_takes_nothing_ends(dataset):
    assert list(TorchLoader(dataset, ["row"], filters=[("row", ">", 999)], num_epochs=None)) == []


def test_a_function_changes_columns_and_rows(dataset):
    def change(df):
        df = df[df["row"] % 2 == 0]
        return df.assign(square=df["row"] ** 2, pair=df["pair"].map(lambda pair: np.outer(pair, pair)))

    spec = TransformSpec(
        change,
        edit_fields=[("square", np.float32, (), False), ("pair", np.int64, (2, 2), False)],
        removed_fields=["half"],
    )
    batches = list(TorchLoader(dataset, batch_size=40, transform_spec=spec))
    assert [len(b["row"]) for b in batches] == [40, 35]
    assert list(batches[0]) == ["row", "pair", "square"]
    assert batches[0]["square"].dtype == torch.float32
    assert batches[0]["square"].tolist() == [float(row**2) for row in range(0, 80, 2)]
    assert batches[1]["pair"][-1].tolist() == [[148**2, -(148**2)], [-(148**2), 148**2]]


def test_columns_are_selected_in_order(dataset):
    loader = TorchLoader(dataset, transform_spec=TransformSpec(selected_fields=["half", "row"]))
    assert list(next(iter(loader))) == ["half", "row"]
    assert len(loader) == 5


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({"removed_fields": ["hlaf"]}, ColumnError, "no column 'hlaf'.*'half'"),
        (
            {"removed_fields": ["half"], "selected_fields": ["row"]},
            ParamError,
            "found removed_fields and selected_fields",
        ),
        ({"func": lambda df: df[["half"]]}, DataError, "no column 'row' in what func gives"),
        (
            {"func": lambda df: df, "edit_fields": [("pair", np.int64, (3,), False)]},
            DataError,
            r"'pair': found values of shape \(2,\), expected \(3,\)",
        ),
    ],
)
def test_a_specification_that_does_not_fit_is_named(dataset, spec, error, message):
    with pytest.raises(error, match=message):
        list(TorchLoader(dataset, transform_spec=TransformSpec(**spec)))


def test_a_cache_gives_what_the_files_give_and_outlives_them(dataset, tmp_path):
    copied = shutil.copytree(dataset.path, tmp_path / "files")
    options = {"batch_size": 20, "num_epochs": 2, "shuffling_queue_capacity": 60, "seed": 5}
    loader = TorchLoader(Dataset.open(str(copied)), local_cache=str(tmp_path / "cache"), **options)
    whole = [{name: values.tolist() for name, values in batch.items()} for batch in TorchLoader(dataset, **options)]
    assert [{name: values.tolist() for name, values in batch.items()} for batch in loader] == whole
    (kept,) = (tmp_path / "cache").iterdir()
    for batch in loader:
        batch["row"].zero_()  # of the batch alone
    for file in kept.glob("*.npy"):
        file.chmod(0o400)
    assert [{name: values.tolist() for name, values in batch.items()} for batch in loader] == whole


def test_changed_files_are_not_taken_from_a_cache(dataset, tmp_path):
    copied = shutil.copytree(dataset.path, tmp_path / "files")
    options = {"columns": ["row"], "batch_size": ROWS, "local_cache": str(tmp_path / "cache")}
    (before,) = rows_of(TorchLoader(Dataset.open(str(copied)), **options))
    table = pq.read_table(copied / "part-0.parquet")
    pq.write_table(table.set_column(0, "row", pc.add(table["row"], 1000)), copied / "part-0.parquet", row_group_size=10)
    (after,) = rows_of(TorchLoader(Dataset.open(str(copied)), **options))
    assert [row + 1000 for row in before[:7]] + before[7:] == after


def test_a_cache_of_what_has_no_fixed_rows_is_refused(dataset, tmp_path):
    with pytest.raises(ParamError, match="local_cache: found it together with filters"):
        TorchLoader(dataset, filters=[("row", ">", 3)], local_cache=str(tmp_path))


def test_a_cache_without_room_leaves_nothing(dataset, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "open_memmap", full)
    with pytest.raises(DataError, match=r"local_cache: .*No space left.*free space"):
        list(TorchLoader(dataset, ["row"], local_cache=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_a_cache_holds_no_strings(tmp_path):
    pq.write_table(pa.table({"name": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(ParamError, match=r"local_cache: found strings in column 'name'"):
        list(TorchLoader(find(str(tmp_path)), ["name"], local_cache=str(tmp_path / "cache")))
