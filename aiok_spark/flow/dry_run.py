"""What a run would do, told without doing it."""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql.types import StructType

from aiok_spark.core import compat
from aiok_spark.flow.raw import files_of
from aiok_spark.flow.recipe import Recipe
from aiok_spark.flow.stages import names_of
from aiok_spark.session import get_session

_MANY = 6  # columns that are named one by one


def plan(recipe: Recipe, conf: Any) -> str:
    """Stages, the columns after each, and what they would run on; starts a session, but no job."""
    spark = get_session(recipe.name, **conf.spark)
    lines = [f"{recipe.name}, seed {conf.seed}", ""]
    for name in ("input", "test"):
        if path := getattr(conf, name):
            lines.append(f"{name}: {len(files_of(spark, path))} file(s) at {path}")
    lines += [f"output: {conf.output or 'not given'}", "", f"raw rows: {_columns(recipe.rows.columns)}"]
    pipeline, schema = recipe.build(conf), recipe.rows.columns
    names = names_of(pipeline.getStages())
    for number, stage in enumerate(pipeline.getStages(), 1):
        after = stage.transformSchema(StructType(list(schema.fields)))
        before = {f.name: f for f in schema.fields}
        made = StructType([f for f in after.fields if before.get(f.name) != f])
        params = {p.name: stage.getOrDefault(p) for p in stage.params if stage.isSet(p)}
        told = {n: v for n, v in params.items() if not n.endswith(("Col", "Cols"))}
        lines += ["", f"{number}. {names[stage.uid]}  {json.dumps(told, default=str)[1:-1]}"]
        lines.append(f"   makes {_columns(made)}" if made.fields else "   columns stay as they are")
        schema = after
    last = pipeline.getStages()[-1]
    workers = last.getNumWorkers() if last.hasParam("numWorkers") else 1
    lines += ["", f"resources: {_resources(spark)}; the training needs {workers} slots at once"]
    return "\n".join(lines)


def _columns(schema: StructType) -> str:
    kinds: dict[str, list[str]] = {}
    for f in schema.fields:
        kinds.setdefault(f.dataType.simpleString(), []).append(f.name)
    parts = []
    for kind, names in kinds.items():
        few = ", ".join(names) if len(names) <= _MANY else f"{names[0]} ... {names[-1]} ({len(names)})"
        parts.append(f"{few}: {kind}")
    return "; ".join(parts)


def _resources(spark: Any) -> str:
    told = [f"{compat.slots(spark)} task slots", f"Spark {spark.version}"]
    for key in ("spark.master", "spark.driver.memory", "spark.executor.memory"):
        if value := spark.conf.get(key, None):
            told.append(f"{key} {value}")
    return ", ".join(told)
