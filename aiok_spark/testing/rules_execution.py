"""Rules on the ways to run a stage: streams, threads, other processes, and Python without Spark."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.ml import Estimator
from pyspark.ml.linalg import Vector
from pyspark.sql.types import NullType

from aiok_spark.core import compat
from aiok_spark.core.execution import WAYS, forced
from aiok_spark.core.schema import as_array
from aiok_spark.core.stage import RowLocal
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.rules import applies, expect, rule
from aiok_spark.testing.rules_fit import fit_is_repeatable, transform_is_repeatable
from aiok_spark.testing.rules_rows import column_order_does_not_matter, partitions_do_not_matter, rows_are_kept
from aiok_spark.testing.subject import ROW, Subject

_ULPS = 2  # how far Java's and C's transcendental functions may lie apart


@rule(partitions_do_not_matter)
def streams(s: Subject) -> None:
    """A stream of the rows is transformed as the rows are."""
    nulls = [f.name for f in s.schema.fields if isinstance(f.dataType, NullType)]
    applies(not nulls, f"Parquet, where the stream starts, holds no column of nothing but null: {nulls}")
    source, name = s.place(), f"check_stage_{uuid.uuid4().hex}"
    s.frame().coalesce(1).write.parquet(source)
    made = s.fitted.transform(s.spark.readStream.schema(s.schema).parquet(source))
    query = made.writeStream.trigger(availableNow=True).format("memory").queryName(name).start()
    try:
        query.awaitTermination()
        s.expect_same(s.spark.table(name))
    finally:
        s.spark.catalog.dropTempView(name)


@rule(column_order_does_not_matter, partitions_do_not_matter)
def threads_do_not_meet(s: Subject) -> None:
    """Two threads that transform with one object, each its own rows, get what each alone gets."""
    half = [row for row in s.rows if row[-1] % 2]

    # Both have their rows before they start, so that they meet inside the stage.
    rows, part = s.frame(), s.frame(half).select(*[f"`{n}`" for n in reversed(s.schema.names)])
    one, other = _at_once(lambda: s.fitted.transform(rows), lambda: s.fitted.transform(part))
    s.expect_same(one)
    s.expect_same(other, numbers=lambda n: n % 2 == 1)


@rule(fit_is_repeatable, threads_do_not_meet)
def threads_fit_at_once(s: Subject) -> None:
    """Two threads that fit one estimator, each its own rows, get the models that each alone gets."""
    applies(isinstance(s.stage, Estimator), "not an estimator")
    half = s.rows[: len(s.rows) // 2]
    alone = s.stage.fit(s.frame(half)).transform(s.frame(half)).collect()
    rows, part = s.frame(), s.frame(half)
    one, other = _at_once(lambda: s.stage.fit(rows), lambda: s.stage.fit(part))
    s.expect_same(one.transform(s.frame()))
    different = s.difference(other.transform(s.frame(half)).collect(), alone)
    expect(different is None, different or "", "what the fit alone gives")


@rule(transform_is_repeatable)
def pickles(s: Subject) -> None:
    """A model that went through cloudpickle transforms the same."""
    applies(s.ours, "only stages of aiok_spark promise it")
    s.expect_same(cloudpickle.loads(cloudpickle.dumps(s.fitted)).transform(s.frame()))


@rule(rows_are_kept)
def executions_agree(s: Subject) -> None:
    """Expressions, both kinds of UDF and mapInArrow give the same, floats within 2 ulp."""
    _row_local(s)
    made = []
    for way in WAYS:
        with forced(way):
            made.append(s.fitted.transform(s.frame()))
    s.expect_same(*made, ulps=_ULPS)


@rule(executions_agree)
def arrow_without_spark_agrees(s: Subject) -> None:
    """LocalPipeline gives for an Arrow table what Spark gives."""
    _expect_local(s, LocalPipeline([_row_local(s)]).transform(_table(s)).to_pylist())


@rule(arrow_without_spark_agrees)
def pandas_without_spark_agrees(s: Subject) -> None:
    """LocalPipeline gives for a pandas DataFrame what it gives for Arrow; NaN counts as missing there."""
    local = LocalPipeline([_row_local(s)])
    # A row with a missing value has no exact counterpart in numpy's types.
    table = _table(s).select([*s.inputs, ROW])
    complete = table.filter(pa.array([all(map(_is_complete, r.values())) for r in table.to_pylist()]))
    applies(len(complete) > 0, "no row without a missing input")
    wanted, found = local.transform(complete), local.transform(complete.to_pandas())
    for name in s.outputs:
        values, others = found[name].tolist(), wanted[name].to_pandas().tolist()
        expect(repr(values) == repr(others), f"{values} in '{name}'", f"{others}")


@rule(executions_agree)
def rows_without_spark_agree(s: Subject) -> None:
    """LocalPipeline gives for the dict of a single row what Spark gives."""
    local = LocalPipeline([_row_local(s)])
    rows = [dict(zip(s.schema.names, map(_plain, row), strict=True)) for row in s.rows]
    _expect_local(s, [local.transform(row) for row in rows])


def _row_local(s: Subject) -> RowLocal:
    applies(isinstance(s.fitted, RowLocal), "not a row-local stage of aiok_spark")
    return s.fitted


def _table(s: Subject) -> pa.Table:
    fields = {f.name: f for f in s.schema.fields}
    df = s.frame()
    return compat.to_arrow(df.select(*[as_array(fields[n]).alias(n) for n in dict.fromkeys([*s.inputs, ROW])]))


def _plain(value: Any) -> Any:
    """A value as it is without Spark, where a vector is a list."""
    return value.toArray().tolist() if isinstance(value, Vector) else value


def _is_complete(value: Any) -> bool:
    return all(map(_is_complete, value)) if isinstance(value, list) else value is not None and value == value


def _expect_local(s: Subject, found: list[dict]) -> None:
    """Compare what the stage makes; the rest is not its own."""
    names = [*s.outputs, ROW]
    wanted = [{n: _plain(r[n]) for n in names} for r in s.expected]
    different = s.difference([{n: r[n] for n in names} for r in found], wanted, _ULPS)
    expect(different is None, different or "", "the values that Spark gives")


def _at_once(*calls: Callable[[], Any]) -> list[Any]:
    start = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait(timeout=60)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [f.result() for f in [pool.submit(run, call) for call in calls]]
