"""Rules on ``transformSchema`` and on what happens to columns."""

from __future__ import annotations

from typing import Any

from pyspark.sql.types import StructField, StructType

from aiok_spark.core import compat
from aiok_spark.testing.rules import Inapplicable, applies, expect, expect_none, rule
from aiok_spark.testing.rules_fit import transforms
from aiok_spark.testing.rules_params import can_be_fitted
from aiok_spark.testing.subject import Subject


@rule(can_be_fitted)
def schema_is_announced_without_a_job(s: Subject) -> None:
    """``transformSchema`` runs no job."""
    applies(not compat.is_connect(s.spark), "a Connect client cannot count jobs")
    context = s.spark.sparkContext
    group = f"check_stage {s.stage.uid}"
    context.setLocalProperty("spark.jobGroup.id", group)
    try:
        for part in s.parts:
            _announced(part, s.schema)
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)
    jobs = len(context.statusTracker().getJobIdsForGroup(group))
    expect(jobs == 0, f"{jobs} jobs", "none")


@rule(can_be_fitted)
def schema_argument_is_left_alone(s: Subject) -> None:
    """Neither ``transformSchema`` nor ``transform`` changes the schema object that it is given."""
    df = s.frame()
    given, before = df.schema, df.schema.json()
    for part in s.parts:
        if hasattr(part, "transformSchema"):
            part.transformSchema(given)
    s.fitted.transform(df)
    expect(df.schema.json() == before, "a changed df.schema", "the schema as it was")


@rule(transforms)
def schema_is_as_announced(s: Subject) -> None:
    """``transform`` gives the columns that ``transformSchema`` says: names, order, types, metadata."""
    wanted, found = _announced(s.fitted, s.schema), s.fitted.transform(s.frame()).schema
    expect(found.names == wanted.names, f"columns {found.names}", f"the announced {wanted.names}")
    faults = [
        f"{f.name}: {_shown(f)}, announced {_shown(w)}"
        for f, w in zip(found.fields, wanted.fields, strict=True)
        # Metadata of the other columns is a rule of its own.
        if f.dataType != w.dataType or (f.name in s.outputs and (f.metadata or {}) != (w.metadata or {}))
    ]
    expect_none(faults, "the announced types and metadata")


@rule(schema_is_as_announced)
def estimator_announces_the_models_schema(s: Subject) -> None:
    """The estimator's ``transformSchema`` gives the names and types of the model's."""
    applies(s.stage is not s.fitted, "not an estimator")
    wanted, found = _announced(s.fitted, s.schema), _announced(s.stage, s.schema)
    same = [(f.name, f.dataType) for f in found] == [(f.name, f.dataType) for f in wanted]
    expect(same, found.simpleString(), wanted.simpleString())


@rule(transforms)
def missing_inputs_are_refused(s: Subject) -> None:
    """Without a column that it reads, the stage raises at once, before any job."""
    faults = []
    for name in s.inputs:
        try:
            if hasattr(s.fitted, "transformSchema"):
                s.fitted.transformSchema(StructType([f for f in s.schema.fields if f.name != name]))
            else:
                _ = s.fitted.transform(s.frame().drop(name)).schema
        except Exception:
            continue
        faults.append(f"no error without '{name}'")
    expect_none(faults, "an error that names the column")


@rule(transforms)
def metadata_of_other_columns_is_kept(s: Subject) -> None:
    """Columns that the stage does not write keep their metadata."""
    found = {f.name: f.metadata or {} for f in s.fitted.transform(s.frame()).schema.fields}
    faults = [
        f"{f.name}: {found[f.name]} instead of {f.metadata}"
        for f in s.schema.fields
        if f.name in s.untouched and f.name in found and found[f.name] != (f.metadata or {})
    ]
    expect_none(faults, "the metadata as it was")


def _announced(stage: Any, schema: StructType) -> StructType:
    if not hasattr(stage, "transformSchema"):
        raise Inapplicable("the stage has no transformSchema")
    return stage.transformSchema(StructType(list(schema.fields)))


def _shown(field: StructField) -> str:
    return f"{field.dataType.simpleString()} {field.metadata or ''}".strip()
