"""Rules on rows: what must not matter, and what must pass through unharmed."""

from __future__ import annotations

import random

from pyspark.sql import Row
from pyspark.sql.types import StructType

from aiok_spark.core.stage import SetStage
from aiok_spark.testing.data import odd_columns
from aiok_spark.testing.equality import difference
from aiok_spark.testing.rules import applies, expect, rule
from aiok_spark.testing.rules_fit import transform_is_repeatable, transforms
from aiok_spark.testing.subject import ROW, Subject


@rule(transform_is_repeatable)
def rows_are_kept(s: Subject) -> None:
    """Each row comes out exactly once."""
    _numbered(s)
    numbers = sorted(r[ROW] for r in s.expected)
    wanted = list(range(len(s.rows)))
    lost = sorted(set(wanted) - set(numbers))
    expect(numbers == wanted, f"{len(numbers)} rows, lost {lost[:5]}", f"each of {len(wanted)} rows once")


@rule(rows_are_kept)
def other_columns_are_untouched(s: Subject) -> None:
    """Columns that the stage does not write keep their values, in their rows."""
    names = s.schema.names
    wanted = [{n: v for n, v in zip(names, row, strict=True) if n in s.untouched} for row in s.rows]
    found = [{n: r[n] for n in s.untouched if n in r.__fields__} for r in s.expected]
    different = difference(found, wanted, [ROW])
    expect(different is None, different or "", "the values as they were")


@rule(transform_is_repeatable)
def column_order_does_not_matter(s: Subject) -> None:
    """Columns are found by name: the same result with the columns reversed."""
    s.expect_same(s.fitted.transform(s.frame().select(*[f"`{n}`" for n in reversed(s.schema.names)])))


@rule(transform_is_repeatable)
def partitions_do_not_matter(s: Subject) -> None:
    """The same rows whatever their order and however they are partitioned."""
    made = []
    for partitions in (1, 3, 7):
        rows = s.rows.copy()
        random.Random(partitions).shuffle(rows)
        made.append(s.fitted.transform(s.frame(rows).repartition(partitions)))
    s.expect_same(*made)


@rule(rows_are_kept, partitions_do_not_matter)
def one_row_is_enough(s: Subject) -> None:
    """A row by itself transforms as it does among others."""
    applies(not isinstance(s.fitted, SetStage), "rows of a set stage depend on each other")
    s.expect_same(s.fitted.transform(s.frame(s.rows[:1])), numbers=lambda n: n == 0)


@rule(transforms)
def empty_stays_empty(s: Subject) -> None:
    """No rows in, no rows out, with the same schema."""
    made = s.fitted.transform(s.frame([]))
    found = made.collect()
    expect(not found, f"{len(found)} rows", "none")
    wanted = _types(s.fitted.transform(s.frame()).schema)
    expect(_types(made.schema) == wanted, f"columns {_types(made.schema)}", f"{wanted}")


@rule(transforms)
def nulls_are_met_on_purpose(s: Subject) -> None:
    """Inputs that are null in every row are transformed, or refused by an error that names the stage."""
    inputs = [f.name for f in s.schema.fields if f.name in s.inputs and f.nullable]
    applies(bool(inputs), "no input column may be null")
    places = [s.schema.names.index(n) for n in inputs]
    rows = [tuple(None if i in places else v for i, v in enumerate(row)) for row in s.rows]
    try:
        s.fitted.transform(s.frame(rows)).collect()
    except Exception as e:
        if s.fitted.uid not in str(e):
            raise


@rule(rows_are_kept)
def odd_columns_pass(s: Subject) -> None:
    """Unused columns of unusual types and names come out as they went in."""
    given = odd_columns(s.frame(), by=ROW)
    odd = [n for n in given.columns if n not in s.schema.names]
    found = s.fitted.transform(given)
    missing = [n for n in odd if n not in found.columns]
    expect(not missing, f"no columns {missing}", "them unharmed")
    different = difference(_only(found.collect(), odd), _only(given.collect(), odd), [ROW])
    expect(different is None, different or "", "the values as they were")


@rule(transform_is_repeatable)
def labels_are_not_needed(s: Subject) -> None:
    """The model transforms rows that have no label, and gives the same."""
    applies(bool(s.labels), "no labelCols were given")
    places = [i for i, n in enumerate(s.schema.names) if n not in s.labels]
    schema = StructType([s.schema.fields[i] for i in places])
    found = s.fitted.transform(s.frame([tuple(row[i] for i in places) for row in s.rows], schema)).collect()
    kept = [n for n in s.expected[0].__fields__ if n not in s.labels]
    different = s.difference(found, _only(s.expected, kept))
    expect(different is None, different or "", "the result with labels")


def _numbered(s: Subject) -> None:
    applies(ROW in s.expected[0].__fields__, "the stage makes rows of its own")


def _only(rows: list[Row], names: list[str]) -> list[dict]:
    kept = [*names, *([ROW] if ROW not in names and ROW in rows[0].__fields__ else [])]
    return [{n: r[n] for n in kept} for r in rows]


def _types(schema: StructType) -> list[tuple[str, str]]:
    return [(f.name, f.dataType.simpleString()) for f in schema.fields]
