"""Raw rows as text or Parquet, checked cell by cell: what cannot be read is counted and shown, never passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from aiok_spark.core import compat
from aiok_spark.core.errors import ColumnError, ConfError, DataError, did_you_mean, first_line
from aiok_spark.core.schema import column
from aiok_spark.data.conversion import ROW_GROUP_BYTES, convert
from aiok_spark.data.dataset import Dataset

LINE, FILE, REASON, FOLD = "_line", "_file", "_reason", "_fold"  # beside the columns of the rows
_FOLDS = 1_000_000  # what a row's hash is one of
_MOST_CELLS = 1_000_000  # in a line; with fewer, a longer one would end the job and not only be counted
_SHOWN = 200  # characters of a row that cannot be read


@dataclass(frozen=True)
class RawRows:
    """What the rows of a recipe look like.

    Attributes
    ----------
    columns : StructType
        In the order of the text's cells; whole numbers, real numbers and strings.  An empty cell is missing.
    label : str
        The column that must be 0 or 1.
    separator : str
        What is between two cells of a line; text has no header and no quotes, and
        blank lines are left out.
    """

    columns: StructType
    label: str
    separator: str = "\t"

    def read(self, spark: SparkSession, path: str, place: str, key: str, seed: int) -> Dataset:
        """Write all rows as a dataset in ``place``, or find it there.

        A row has ``_fold``, a number in [0, 1) by its content; one that cannot be used has its line and file, too.
        """
        if all(name.endswith(".parquet") for name in files_of(spark, path)):
            rows = self._of_parquet(spark.read.parquet(path), path)
        else:
            rows = self._of_text(spark, path)
        cells, label = [column(n) for n in self.columns.names], column(self.label)
        bad = F.col(LINE).isNotNull() | label.isNull() | ~label.isin(0, 1)
        line = F.when(bad, F.coalesce(F.col(LINE), self._line(cells)))
        fold = F.pmod(F.xxhash64(*cells, F.lit(seed)), F.lit(_FOLDS)) / _FOLDS
        marked = rows.select(*cells, F.when(bad, F.input_file_name()).alias(FILE), line.alias(LINE), fold.alias(FOLD))
        about = {"dtype": None, "compression": "snappy", "rowGroupBytes": ROW_GROUP_BYTES}
        return convert(marked, place, about, label=f"input {path}", key=key)

    def usable(self, rows: DataFrame) -> DataFrame:
        """The columns of the rows that can be used."""
        return rows.where(F.col(LINE).isNull()).select(*self.columns.names)

    def rejected(self, rows: DataFrame) -> DataFrame:
        """File and line of the rows that cannot be used, and what is wrong with each."""
        bad = rows.where(F.col(LINE).isNotNull()).select(FILE, LINE)
        split = bad.withColumn("cells", F.split(LINE, f"\\Q{self.separator}\\E", -1))
        wanted = len(self.columns)
        found = F.concat(F.lit("found "), F.size("cells"), F.lit(f" cells, expected {wanted}"))
        reasons = [F.when(F.size("cells") != wanted, found)]
        reasons += [self._wrong(f, f"nullif(get(cells, {i}), '')") for i, f in enumerate(self.columns.fields)]
        return split.select(FILE, LINE, F.coalesce(*reasons, F.lit("found a row that cannot be parsed")).alias(REASON))

    def _of_text(self, spark: SparkSession, path: str) -> DataFrame:
        # Spark's own parser keeps the line of a row that it cannot read.
        schema = StructType([*self.columns.fields, StructField(LINE, StringType())])
        reader = spark.read.schema(schema).option("columnNameOfCorruptRecord", LINE).option("sep", self.separator)
        return reader.option("quote", "").option("maxColumns", _MOST_CELLS).csv(path)

    def _of_parquet(self, rows: DataFrame, path: str) -> DataFrame:
        for f in self.columns.fields:
            if f.name not in rows.columns:
                raise ColumnError(
                    f"input {path}: found no column '{f.name}', expected those of the recipe; "
                    + did_you_mean(f.name, rows.columns)
                )
        given = [column(f.name) for f in self.columns.fields]
        values = [_cast(f"`{f.name}`", f) for f in self.columns.fields]
        lost = [g.isNotNull() & value.isNull() for g, value in zip(given, values, strict=True)]
        named = [value.alias(name) for value, name in zip(values, self.columns.names, strict=True)]
        return rows.select(*named, F.when(F.greatest(*lost), self._line(given)).alias(LINE))

    def _line(self, cells: list[Column]) -> Column:
        """Cells as a line of text."""
        return F.concat_ws(self.separator, *(F.coalesce(c.cast("string"), F.lit("")) for c in cells))

    def _wrong(self, field: StructField, cell: str) -> Column:
        """What is wrong with a cell, given in SQL, or null."""
        found = F.concat(F.lit(f"{field.name}: found '"), F.expr(cell), F.lit("', expected "))
        value, kind = _cast(cell, field), F.lit(f"a value of type {field.dataType.simpleString()}")
        wrong = F.when(F.expr(cell).isNotNull() & value.isNull(), F.concat(found, kind))
        if field.name != self.label:
            return wrong
        none = F.lit(f"{field.name}: found nothing, expected 0 or 1")
        return wrong.when(value.isNull(), none).when(~value.isin(0, 1), F.concat(found, F.lit("0 or 1")))


@dataclass(frozen=True)
class Audit:
    """What was found in rows: how many, of which label, with how many missing cells."""

    rows: int
    bad: int
    example: dict[str, Any] | None
    labels: dict[int, int]
    missing: dict[str, int]

    def check(self, path: str, skip: bool) -> None:
        """Raise DataError if the rows cannot be trained on."""
        if not self.rows + self.bad:
            raise DataError(f"input {path}: found no rows, expected some; check the path")
        if self.bad and not (skip and self.rows):
            first = self.example or {}
            raise DataError(
                f"input {path}: found {self.bad:,} of {self.rows + self.bad:,} rows that cannot be read, the first in "
                f"{first[FILE]}: {first[REASON]}, in {first[LINE][:_SHOWN]!r}, expected none; correct them, or set "
                "badRows: skip"
            )


def audit(rows: DataFrame, raw: RawRows, part: Column) -> dict[str, Audit]:
    """Count the rows of a dataset of ``RawRows.read`` in each part, in one job, or two if some cannot be used."""
    good = F.col(LINE).isNull()
    missing = [F.count_if(column(n).isNull()).alias(f"m{i}") for i, n in enumerate(raw.columns.names)]
    by = [part.alias("part"), good.alias("good"), F.when(good, column(raw.label)).alias("label")]
    found = compat.to_arrow(rows.groupBy(*by).agg(F.count("*").alias("rows"), *missing)).to_pylist()
    bad = sum(r["rows"] for r in found if not r["good"])
    example = raw.rejected(rows).orderBy(FILE, LINE).first().asDict() if bad else None
    made = {}
    for name in {r["part"] for r in found}:
        fine = sorted((r for r in found if r["good"] and r["part"] == name), key=lambda r: r["label"])
        made[name] = Audit(
            rows=sum(r["rows"] for r in fine),
            bad=sum(r["rows"] for r in found if not r["good"] and r["part"] == name),
            example=example,
            labels={r["label"]: r["rows"] for r in fine},
            missing={column: sum(r[f"m{i}"] for r in fine) for i, column in enumerate(raw.columns.names)},
        )
    return made


def _cast(sql: str, field: StructField) -> Column:
    """As the field's type; null where that is not possible."""
    return F.expr(f"try_cast({sql} AS {field.dataType.simpleString()})")


def files_of(spark: SparkSession, path: str) -> list[str]:
    """The files of a path or pattern; ConfError if there are none."""
    try:
        found = spark.read.text(path).inputFiles()
    except PySparkException as e:
        raise ConfError(f"input {path}: found nothing there ({first_line(e)}), expected rows; check the path") from None
    if not found:
        raise ConfError(f"input {path}: found no files, expected some; check the path")
    return found
