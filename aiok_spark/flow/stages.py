"""What the stages of a fitted pipeline are and found, as plain facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.ml.param import Params
from pyspark.sql.types import StructType

from aiok_spark.core.stage import FitTimeModel, RowLocal
from aiok_spark.training.estimator import NetworkModel
from aiok_spark.training.inputs import cardinality


def names_of(stages: Sequence[Params]) -> dict[str, str]:
    """A name for each stage by its uid: its class, with a number where there are several."""
    classes = [type(stage).__name__ for stage in stages]
    seen: dict[str, int] = {}
    made = {}
    for stage, name in zip(stages, classes, strict=True):
        seen[name] = seen.get(name, 0) + 1
        made[stage.uid] = f"{name} {seen[name]}" if classes.count(name) > 1 else name
    return made


def describe(model: PipelineModel, schema: StructType, rows: int, names: dict[str, str]) -> list[dict[str, Any]]:
    """Facts of each stage of a fitted pipeline, in their order, for ``rows`` rows of ``schema``."""
    made = []
    for stage in model.stages:
        after = stage.transformSchema(schema)
        before = {f.name: f for f in schema.fields}
        outputs = [f for f in after.fields if before.get(f.name) != f]
        made.append(
            {
                "name": names.get(stage.uid, stage.uid),
                "params": _set_params(stage),
                "inputs": _columns(stage, "inputCols", "denseCols", "categoricalCols"),
                "outputs": {f.name: f.dataType.simpleString() for f in outputs},
                "sizes": {f.name: size for f in outputs if (size := cardinality(f))},
                **_rows(stage, rows),
            }
        )
        schema = after
    return made


def _rows(stage: Params, rows: int) -> dict[str, Any]:
    """Rows that its fit had, and how many it gave to the stages behind it; None where nobody counted."""
    if isinstance(stage, NetworkModel):
        return {"rowsIn": rows, "rowsOut": rows, "trained": stage.summary.facts["rows"]}
    if isinstance(stage, FitTimeModel):
        dataset = getattr(stage, "dataset", None)
        return {"rowsIn": rows, "rowsOut": dataset.rows if dataset is not None else None}
    return {"rowsIn": rows, "rowsOut": rows if isinstance(stage, RowLocal) else None}


def _set_params(stage: Params) -> dict[str, Any]:
    """What was set and is short enough to show."""
    made = {p.name: stage.getOrDefault(p) for p in stage.params if stage.isSet(p)}
    return {n: v for n, v in made.items() if isinstance(v, (str, int, float, bool)) or _few(v)}


def _few(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 4


def _columns(stage: Params, *names: str) -> list[str]:
    found = [stage.getOrDefault(n) for n in names if stage.hasParam(n) and stage.isDefined(stage.getParam(n))]
    return [column for columns in found for column in columns or []]
