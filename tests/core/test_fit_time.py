"""Fit-time and set stages, on two stages made for this test."""

import copy
from typing import ClassVar

import pytest
from pyspark import cloudpickle
from pyspark.ml import Estimator as SparkEstimator
from pyspark.ml import Model as SparkModel
from pyspark.ml import Pipeline
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StringType, StructField

from aiok_spark.core.errors import NotLocalError
from aiok_spark.core.params import HasInputCols, HasOutputCols
from aiok_spark.core.stage import Estimator, FitTimeModel, SetModel, SetTransformer
from aiok_spark.core.state import State
from aiok_spark.inference import LocalPipeline


class FormModel(FitTimeModel, SetModel, HasInputCols, HasOutputCols):
    """Writes which form it gave."""

    def _output_fields(self, inputs):
        return [StructField(name, StringType()) for name in self._paired_outputs()]

    def _transform_set(self, dataset):
        return dataset.withColumn(self.getOutputCols()[0], F.lit("inference"))

    def _transform_training(self, dataset):
        return dataset.withColumn(self.getOutputCols()[0], F.lit("training"))


class Form(Estimator, HasInputCols, HasOutputCols):
    _model = FormModel
    _output_fields = FormModel._output_fields

    def _fit_state(self, dataset):
        return State({"rows": dataset.count()})


class GroupCount(SetTransformer, HasInputCols, HasOutputCols):
    """Counts the rows of each value."""

    def _output_fields(self, inputs):
        return [StructField(name, LongType()) for name in self._paired_outputs()]

    def _transform_set(self, dataset):
        key, out = self.getInputCols()[0], self.getOutputCols()[0]
        return dataset.join(dataset.groupBy(key).agg(F.count("*").alias(out)), key)


class Spy(SparkEstimator):
    """A last stage that remembers which form it was trained on."""

    seen: ClassVar[list] = []

    def _fit(self, dataset):
        Spy.seen.append(forms(dataset))
        return SpyModel()


class SpyModel(SparkModel):
    def _transform(self, dataset):
        return dataset


def forms(df):
    return {r.form for r in df.select("form").collect()}


@pytest.fixture
def train(spark):
    return spark.createDataFrame([(1.0, "a"), (2.0, "b"), (3.0, "b")], "x double, s string")


@pytest.fixture
def estimator():
    return Form().setParams(inputCols=["x"], outputCols=["form"])


def test_pipeline_fit_feeds_the_training_form_and_everyone_after_gets_the_other(train, estimator):
    Spy.seen.clear()
    model = Pipeline(stages=[estimator, Spy()]).fit(train)
    assert Spy.seen == [{"training"}]
    assert forms(model.transform(train)) == {"inference"}


def test_only_the_first_transform_of_that_very_object_is_training(train, estimator):
    model = estimator.fit(train)
    assert forms(model.transform(train.select("*"))) == {"inference"}
    assert forms(model.transform(train)) == {"training"}
    assert forms(model.transform(train)) == {"inference"}


@pytest.mark.parametrize("again", [lambda m: m.copy(), copy.copy, lambda m: cloudpickle.loads(cloudpickle.dumps(m))])
def test_copies_and_pickles_only_know_the_inference_form(train, estimator, again):
    if again is copy.copy:
        again = lambda m: m.copy({})  # noqa: E731
    assert forms(again(estimator.fit(train)).transform(train)) == {"inference"}


def test_a_transform_with_other_params_is_inference(train, estimator):
    model = estimator.fit(train)
    made = model.transform(train, {model.outputCols: ["form2"]})
    assert made.first()["form2"] == "inference"


def test_fit_transform_is_the_explicit_call(train, estimator):
    model, made = estimator.fitTransform(train)
    assert forms(made) == {"training"}
    assert forms(model.transform(train)) == {"inference"}


def test_the_model_does_not_keep_its_rows_alive(spark, estimator):
    model = estimator.fit(spark.createDataFrame([(1.0,)], "x double"))
    import gc

    gc.collect()
    assert model._fitted_on() is None


def test_a_set_stage_runs_on_spark_and_is_refused_off_it(train):
    stage = GroupCount().setParams(inputCols=["s"], outputCols=["n"])
    assert sorted(r.n for r in stage.transform(train).collect()) == [1, 2, 2]
    with pytest.raises(NotLocalError, match=r"GroupCount\(GroupCount_\w+\): found a stage that needs Spark"):
        LocalPipeline([stage])


def test_state_is_shared_by_copies_and_the_estimator_unchanged(train, estimator):
    before = dict(estimator.extractParamMap())
    model = estimator.fit(train)
    assert model.uid == estimator.uid
    assert model.copy()._state is model._state
    assert estimator.extractParamMap() == before
    assert isinstance(model.getOutputCols(), list)
    assert DoubleType() == train.schema["x"].dataType
