"""Rules on saving and loading, alone and inside Spark ML's own containers."""

from __future__ import annotations

from typing import Any

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.tuning import CrossValidator, CrossValidatorModel
from pyspark.ml.util import MLWritable

from aiok_spark.core import compat
from aiok_spark.testing.evaluator import HasColumns
from aiok_spark.testing.rules import Inapplicable, applies, expect, rule
from aiok_spark.testing.rules_fit import (
    copy_applies_extra,
    fit_is_repeatable,
    transform_honours_a_param_map,
    transform_is_repeatable,
)
from aiok_spark.testing.rules_params import constructible_without_arguments
from aiok_spark.testing.snapshot import changes, params_of
from aiok_spark.testing.subject import Subject


@rule(constructible_without_arguments, transform_is_repeatable)
def saves_and_loads(s: Subject) -> None:
    """What is loaded has the class, uid and Params of what was saved, and transforms the same."""
    for part in s.parts:
        applies(isinstance(part, MLWritable), f"{type(part).__name__} is not MLWritable")
        path = s.place()
        part.save(path)
        _expect_equal(type(part).load(path), part)
    s.expect_same(type(s.fitted).load(path).transform(s.frame()))


@rule(saves_and_loads)
def refuses_to_overwrite(s: Subject) -> None:
    """``save`` raises where there is something already, and leaves it alone."""
    path = s.place()
    s.stage.save(path)
    try:
        s.stage.copy().save(path)
    except Exception:
        _expect_equal(type(s.stage).load(path), s.stage)
        return
    expect(False, "no error on an existing path", "an error unless overwrite() was called")


@rule(saves_and_loads)
def overwrites_when_asked(s: Subject) -> None:
    """``write().overwrite().save`` replaces what is there."""
    writer = s.fitted.write()
    if compat.is_connect(s.spark) and type(writer).__module__.startswith("pyspark."):
        raise Inapplicable("Spark's own writer of Python stages cannot overwrite on Connect")
    path = s.place()
    s.stage.save(path)
    writer.overwrite().save(path)
    _expect_equal(type(s.fitted).load(path), s.fitted)


@rule(saves_and_loads)
def persists_in_a_pipeline(s: Subject) -> None:
    """A Pipeline with the stage saves and loads."""
    path = s.place()
    Pipeline(stages=[s.stage]).save(path)
    _expect_equal(Pipeline.load(path).getStages()[0], s.stage)


@rule(saves_and_loads, fit_is_repeatable)
def persists_in_a_pipeline_model(s: Subject) -> None:
    """A PipelineModel with the stage saves, loads and then transforms the same."""
    path = s.place()
    s.pipeline_model.save(path)
    loaded = PipelineModel.load(path)
    _expect_equal(loaded.stages[0], s.pipeline_model.stages[0])
    s.expect_same(loaded.transform(s.frame()))


@rule(persists_in_a_pipeline_model)
def training_form_stays_in_the_fit(s: Subject) -> None:
    """After ``Pipeline.fit(df)``, ``transform(df)`` gives what the saved model gives, each time."""
    df = s.pipeline_training
    s.expect_same(s.pipeline_model.transform(df), s.pipeline_model.transform(df))


@rule(saves_and_loads, copy_applies_extra, transform_honours_a_param_map)
def cross_validates(s: Subject) -> None:
    """A CrossValidator tries values of the stage's Params; its model, which holds it all, saves and loads."""
    param, value = s.renaming(s.stage)
    evaluator = HasColumns(columns=[value] if isinstance(value, str) else value)
    validator = CrossValidator(
        estimator=Pipeline(stages=[s.stage]),
        estimatorParamMaps=[{param: value}],
        evaluator=evaluator,
        numFolds=2,
        seed=1,
    )
    model = validator.fit(s.frame())
    expect(model.avgMetrics == [1.0], f"no columns {evaluator.getOrDefault('columns')} in the folds", "them")
    path = s.place()
    model.save(path)
    loaded = CrossValidatorModel.load(path)
    tried = [list(m.values()) for m in loaded.getEstimatorParamMaps()]
    expect(tried == [[value]], f"the values {tried} after load", f"{[[value]]}")
    best = loaded.bestModel.transform(s.frame())
    expect(evaluator.evaluate(best) == 1.0, f"columns {best.columns} after load", f"{value}")


def _expect_equal(found: Any, wanted: Any) -> None:
    for what, get in {
        "class": type,
        "uid": lambda stage: stage.uid,
        "Params set by the user": lambda stage: sorted(p.name for p in stage.params if stage.isSet(p)),
    }.items():
        expect(get(found) == get(wanted), f"{what} {get(found)!r} after load", f"{get(wanted)!r}")
    changed = changes(params_of(wanted), params_of(found))
    expect(not changed, f"Params {'; '.join(changed)} after load", "the values as they were")
