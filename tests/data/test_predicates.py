"""Petastorm's predicates, a row and a row group at a time."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiok_spark.core.errors import ParamError
from aiok_spark.data import make_batch_reader, make_reader
from aiok_spark.data.predicates import in_lambda, in_negate, in_pseudorandom_split, in_reduce, in_set

ROWS = 40
# By petastorm 0.13.1's in_pseudorandom_split([0.5, 0.25, 0.25], 1, "row").
PETASTORMS = [14, 15, 16, 23, 24, 28, 30, 31, 39]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    table = pa.table({"row": range(ROWS), "name": [f"ü{i % 5}" for i in range(ROWS)]})
    pq.write_table(table, folder / "a.parquet", row_group_size=7)
    return str(folder)


LARGE = in_lambda(["row"], lambda row: row > 20)
CASES = {
    "set": (in_set(["ü1", "ü4", "none"], "name"), lambda i: i % 5 in (1, 4)),
    "lambda": (in_lambda(["row", "name"], lambda r, n: (r > 12) & (n == "ü3")), lambda i: i > 12 and i % 5 == 3),
    "state": (in_lambda(["row"], lambda row, most: row < most, 3), lambda i: i < 3),
    "negate": (in_negate(in_set(["ü0"], "name")), lambda i: i % 5 != 0),
    "all": (in_reduce([in_set(["ü2"], "name"), LARGE], all), lambda i: i % 5 == 2 and i > 20),
    "any": (in_reduce([in_set(["ü2"], "name"), LARGE], any), lambda i: i % 5 == 2 or i > 20),
    "nothing": (in_set([], "name"), lambda i: False),
}


@pytest.mark.parametrize("name", CASES)
def test_rows_are_those_that_the_condition_takes(place, name):
    predicate, wanted = CASES[name]
    expected = [i for i in range(ROWS) if wanted(i)]
    with make_reader(place, ["row"], predicate=predicate, shuffle_row_groups=False) as reader:
        assert [row.row for row in reader] == expected
    with make_batch_reader(place, ["row"], predicate=predicate, shuffle_row_groups=False) as reader:
        assert [row for batch in reader for row in batch.row.tolist()] == expected


def test_a_split_has_each_row_in_one_part(place):
    parts = []
    for part in range(3):
        predicate = in_pseudorandom_split([0.5, 0.25, 0.25], part, "row")
        with make_batch_reader(place, ["row"], predicate=predicate) as reader:
            parts.append({row for batch in reader for row in batch.row.tolist()})
    assert sum(map(len, parts)) == len(set.union(*parts)) == ROWS
    assert sorted(parts[1]) == PETASTORMS


def test_a_part_that_there_is_none_of_is_named():
    with pytest.raises(ParamError, match=r"subset_index: found 2, expected a number in \[0, 2\)"):
        in_pseudorandom_split([0.5, 0.5], 2, "row")
