"""Raw rows: what can be read is kept as it is, and all else is counted and shown."""

import gzip

import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StringType, StructType

from aiok_spark.core.errors import ColumnError, ConfError, DataError
from aiok_spark.flow.raw import FILE, FOLD, LINE, REASON, RawRows, audit

ROWS = RawRows(
    StructType().add("label", IntegerType()).add("n", IntegerType()).add("a", StringType()).add("b", StringType()),
    "label",
)
GOOD = ["1\t5\tx\ty", "0\t\t\tz", "0\t-3\tx\t"]
BAD = {
    "0\t1\tx": "found 3 cells, expected 4",
    "0\t1\tx\ty\tz": "found 5 cells, expected 4",
    "0\tmany\tx\ty": "n: found 'many', expected a value of type int",
    "0\t1.5\tx\ty": "n: found '1.5', expected a value of type int",
    "0\t99999999999\tx\ty": "n: found '99999999999', expected a value of type int",
    "7\t1\tx\ty": "label: found '7', expected 0 or 1",
    "\t1\tx\ty": "label: found nothing, expected 0 or 1",
    "x": "found 1 cells, expected 4",
}


def read(spark, tmp_path, lines, name="rows.tsv", seed=0):
    file = tmp_path / name
    text = "".join(f"{line}\n" for line in lines).encode()
    file.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return ROWS.read(spark, str(file), str(tmp_path / "work"), name, seed)


@pytest.fixture
def rows(spark, tmp_path):
    dataset = read(spark, tmp_path, [*GOOD, *BAD])
    return spark.read.parquet(dataset.path)


@pytest.mark.parametrize("name", ["rows.tsv", "rows.tsv.gz"])
def test_cells_come_as_they_are_and_empty_ones_are_missing(spark, tmp_path, name):
    dataset = read(spark, tmp_path, GOOD, name)
    found = spark.read.parquet(dataset.path)
    assert dataset.rows == 3
    kept = {tuple(r) for r in found.select("label", "n", "a", "b").collect()}
    assert kept == {(1, 5, "x", "y"), (0, None, None, "z"), (0, -3, "x", None)}
    assert ROWS.rejected(found).count() == 0


def test_each_bad_row_says_what_is_wrong_with_it(rows):
    rejected = ROWS.rejected(rows).collect()
    assert {r[LINE]: r[REASON] for r in rejected} == BAD
    assert all(r[FILE].endswith("rows.tsv") for r in rejected)


def test_the_audit_counts_rows_labels_and_missing_cells(rows):
    found = audit(rows, ROWS, F.lit("all"))["all"]
    assert (found.rows, found.bad, found.labels) == (3, len(BAD), {0: 2, 1: 1})
    assert found.missing == {"label": 0, "n": 1, "a": 1, "b": 1}
    with pytest.raises(
        DataError, match=r"input rows: found 8 of 11 rows that cannot be read, the first in file:.*rows.tsv: "
    ):
        found.check("rows", skip=False)
    found.check("rows", skip=True)


def test_parquet_is_read_by_its_names(spark, tmp_path):
    table = spark.createDataFrame(
        [("u", 1, "x", None, 5), ("v", 3, "y", "z", None)], "b string, label long, a string, more string, n long"
    )
    table.write.parquet(str(tmp_path / "rows"))
    dataset = ROWS.read(spark, str(tmp_path / "rows"), str(tmp_path / "work"), "k", 0)
    found = spark.read.parquet(dataset.path)
    good = ROWS.usable(found).collect()
    assert [tuple(r) for r in good] == [(1, 5, "x", "u")]
    assert [r[REASON] for r in ROWS.rejected(found).collect()] == ["label: found '3', expected 0 or 1"]
    table.drop("n").write.parquet(str(tmp_path / "less"))
    with pytest.raises(ColumnError, match="less: found no column 'n', expected those of the recipe"):
        ROWS.read(spark, str(tmp_path / "less"), str(tmp_path / "work"), "k", 0)


def test_folds_belong_to_the_rows_and_not_to_their_places(spark, tmp_path):
    lines = [f"{i % 2}\t{i}\tx\ty" for i in range(500)]
    one = spark.read.parquet(read(spark, tmp_path, lines, "one.tsv").path)
    other = spark.read.parquet(read(spark, tmp_path, lines[::-1], "other.tsv").path)
    folds = [{r["n"]: r[FOLD] for r in rows.collect()} for rows in (one, other)]
    assert folds[0] == folds[1]
    assert 0.35 < sum(f < 0.4 for f in folds[0].values()) / 500 < 0.45
    again = spark.read.parquet(read(spark, tmp_path, lines, "seed.tsv", seed=1).path)
    assert {r["n"]: r[FOLD] for r in again.collect()} != folds[0]


def test_what_is_not_there_is_named(spark, tmp_path):
    with pytest.raises(ConfError, match=r"nowhere: found nothing there .*, expected rows; check the path"):
        ROWS.read(spark, str(tmp_path / "nowhere"), str(tmp_path / "work"), "k", 0)


def test_an_empty_file_has_no_rows(spark, tmp_path):
    assert read(spark, tmp_path, []).rows == 0
