"""make_reader and make_batch_reader: predicates, functions, shards, on files that pyarrow writes."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiok_spark.data import TransformSpec, make_batch_reader, make_reader


class Above:
    """A predicate as petastorm's."""

    def get_fields(self):
        return {"row", "pair"}

    def do_include(self, values):
        return values["row"] > 12


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    pq.write_table(
        pa.table({"row": range(20), "pair": [[i, -i] for i in range(20)]}), folder / "a.parquet", row_group_size=5
    )
    return str(folder)


def test_a_predicate_takes_rows(place):
    with make_reader(place, ["row"], predicate=Above()) as reader:
        assert sorted(row.row for row in reader) == list(range(13, 20))
    with make_batch_reader(place, ["row"], predicate=Above(), shuffle_row_groups=False) as reader:
        assert [batch.row.tolist() for batch in reader] == [[13, 14], [15, 16, 17, 18, 19]]


def test_a_function_changes_row_groups(place):
    spec = TransformSpec(lambda df: df.assign(outer=df["pair"].map(lambda p: np.outer(p, p))), removed_fields=["row"])
    with make_batch_reader(place, transform_spec=spec, shuffle_row_groups=False) as reader:
        first = next(reader)
    assert first._fields == ("pair", "outer")
    assert first.outer.shape == (5, 2, 2)
    assert first.outer[3].tolist() == [[9, -9], [-9, 9]]
