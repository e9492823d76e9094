"""Stages with one fault each; ``FAULTS`` says which rule must find it."""

import random
import threading
import time
from functools import cached_property

import pyarrow.compute as pc
from pyspark import keyword_only
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, IntegerType, LongType, StructField, StructType

from aiok_spark import register
from aiok_spark.core.params import HasInputCols, HasOutputCols
from aiok_spark.core.schema import double_field
from aiok_spark.core.stage import Estimator, FitTimeModel, RowLocalModel, RowLocalTransformer
from aiok_spark.core.state import State
from tests.testing.stages import Centre, CentreModel, Shift, quoted

FAULTS = []  # (stage class, the rules that it breaks)


def breaks(*rules):
    def remember(cls):
        FAULTS.append((cls, rules))
        return cls

    return remember


# Params and constructor


@breaks("constructible_without_arguments")
class NeedsAnArgument(Shift):
    @keyword_only
    def __init__(self, *, inputCol, outputCol=None, amount=1.0):
        Shift.__init__(self, **self._input_kwargs)


@breaks("params_are_documented")
class Undocumented(Shift):
    amount = Param(Params._dummy(), "amount", "the amount", TypeConverters.toFloat)


@breaks("params_are_documented")
class WithoutRange(Shift):
    amount = Param(Params._dummy(), "amount", "what is added; the default is 1", TypeConverters.toFloat)


@breaks("params_are_attributes_of_their_name")
class OtherName(Shift):
    extra = Param(Params._dummy(), "amount", Shift.amount.doc, TypeConverters.toFloat)


@breaks("params_have_getters_and_setters")
class WithoutSetter(Shift):
    setAmount = None


@breaks("params_have_no_side_effects")
class Caching(Shift):
    @cached_property
    def expensive(self):
        return 1


@breaks("constructor_shows_the_params")
class OtherDefault(Shift):
    @keyword_only
    def __init__(self, *, inputCol=None, outputCol=None, amount=2.0):
        Shift.__init__(self, **self._input_kwargs)


@breaks("params_round_trip")
class SetterDoesNothing(Shift):
    def setInputCol(self, value):
        return self


@breaks("params_are_explained")
class Inexplicable(Shift):
    def explainParams(self):
        return "see the manual"


class TwoFaults(Shift):
    setAmount = None

    def explainParams(self):
        return ""


# Uid, copy and fit


@breaks("uid_is_class_and_random")
class UidByTime(Shift):
    @keyword_only
    def __init__(self, *, inputCol=None, outputCol=None, amount=1.0):
        Shift.__init__(self, **self._input_kwargs)
        self._resetUid(f"UidByTime_{int(time.time())}")


@breaks("params_round_trip", "copy_applies_extra")
class CopyIgnoresExtra(Shift):
    def copy(self, extra=None):
        return super().copy()

    def transform(self, dataset, params=None):
        return super().copy(params)._transform(dataset)


@breaks("copy_is_independent")
class CopySharesParams(Shift):
    def copy(self, extra=None):
        made = super().copy(extra)
        if not extra:
            made._paramMap = self._paramMap
        return made


class CopyLosesStateModel(CentreModel):
    offset = 0.0

    def copy(self, extra=None):
        made = super().copy(extra)
        made.offset = 1.0
        return made

    def _subtracted(self):
        return super()._subtracted() + self.offset


@breaks("copy_transforms_the_same")
class CopyLosesState(Centre):
    model = CopyLosesStateModel


@breaks("model_has_the_estimators_uid")
class ModelOfItsOwnUid(Centre):
    def _fit(self, dataset):
        return self._copyValues(self.model())._set(mean=self._mean(dataset))


@breaks("model_has_the_estimators_params")
class ModelForgetsParams(Centre):
    def _fit(self, dataset):
        model = super()._fit(dataset)
        return model._set(labelCol="forgotten")


@breaks("fit_leaves_the_estimator_alone")
class FitChangesTheEstimator(Centre):
    def _fit(self, dataset):
        self.columns = dataset.columns
        return super()._fit(dataset)


@breaks("fit_is_repeatable")
class FitDependsOnLuck(Centre):
    def _mean(self, dataset):
        return random.random()


@breaks("transform_honours_a_param_map")
class OverrideIgnored(Shift):
    def transform(self, dataset, params=None):
        return self._transform(dataset)


# Schema and columns


@breaks("schema_is_as_announced")
class AnnouncesAnotherType(Shift):
    def transformSchema(self, schema):
        kept = super().transformSchema(schema).fields[:-1]
        return StructType([*kept, StructField(self.getOutputCol(), IntegerType())])


@breaks("schema_argument_is_left_alone")
class ChangesTheSchema(Shift):
    def transformSchema(self, schema):
        made = super().transformSchema(schema)
        schema.add("left behind", DoubleType())
        return made

    def _transform(self, dataset):
        return super()._transform(dataset.select("*"))


@breaks("missing_inputs_are_refused")
class AnnouncesAnything(Shift):
    def transformSchema(self, schema):
        kept = [f for f in schema.fields if f.name != self.getOutputCol()]
        return StructType([*kept, StructField(self.getOutputCol(), DoubleType())])


@breaks("metadata_of_other_columns_is_kept")
class LosesMetadata(Shift):
    def _transform(self, dataset):
        made = super()._transform(dataset)
        return made.select(*[F.coalesce(quoted(n), quoted(n)).alias(n) for n in made.columns])


@breaks("odd_columns_pass")
class KeepsPlainColumnsOnly(Shift):
    def _transform(self, dataset):
        made = super()._transform(dataset)
        odd = [f.name for f in made.schema.fields if f.dataType.typeName() in ("map", "struct")]
        return made.select(*[quoted(n) for n in made.columns if n not in odd])


# Rows


@breaks("transform_is_repeatable")
class Random(Shift):
    def _made(self):
        return F.lit(random.random())


@breaks("rows_are_kept")
class DropsRows(Shift):
    def _transform(self, dataset):
        return super()._transform(dataset.where(quoted(self.getInputCol()).isNotNull()))


@breaks("other_columns_are_untouched")
class ScramblesAnotherColumn(Shift):
    def _transform(self, dataset):
        made = super()._transform(dataset)
        return made.withColumn("other", F.upper("other")) if "other" in made.columns else made


@breaks("column_order_does_not_matter")
class BindsByPosition(Shift):
    def _transform(self, dataset):
        first = next(f.name for f in dataset.schema.fields if isinstance(f.dataType, (DoubleType, LongType)))
        return super()._transform(dataset).withColumn(self.getOutputCol(), quoted(first).cast("double"))


@breaks("partitions_do_not_matter")
class DependsOnPartitions(Shift):
    def _made(self):
        return F.spark_partition_id().cast("double")


@breaks("empty_stays_empty")
class FailsOnEmpty(Shift):
    def _transform(self, dataset):
        if not dataset.isStreaming:
            dataset.select(self.getInputCol()).head(1)[0]
        return super()._transform(dataset)


@breaks("nulls_are_met_on_purpose")
class FailsOnNulls(Shift):
    def _transform(self, dataset):
        known = quoted(self.getInputCol()).isNotNull()
        if not (dataset.isStreaming or dataset.isEmpty()) and dataset.where(known).isEmpty():
            raise ZeroDivisionError("division by zero")
        return super()._transform(dataset)


class NeedsTheLabelModel(CentreModel):
    def _transform(self, dataset):
        return super()._transform(dataset.where(quoted(self.getLabelCol()).isNotNull()))


@breaks("labels_are_not_needed")
class NeedsTheLabel(Centre):
    model = NeedsTheLabelModel


# Persistence


class LoadLosesStateModel(CentreModel):
    offset = 0.0

    def _subtracted(self):
        return self.offset


@breaks("saves_and_loads")
class LoadLosesState(Centre):
    model = LoadLosesStateModel

    def _fit(self, dataset):
        model = super()._fit(dataset)
        model.offset = self._mean(dataset)
        return model


@breaks("refuses_to_overwrite")
class OverwritesSilently(Shift):
    def save(self, path):
        self.write().overwrite().save(path)


class TrainingFormLeaksModel(CentreModel):
    fitted_on = None

    def _transform(self, dataset):
        if dataset is self.fitted_on:
            return super()._transform(dataset).withColumn(self.getOutputCol(), F.lit(0.0))
        return super()._transform(dataset)


@breaks("training_form_stays_in_the_fit")
class TrainingFormLeaks(Centre):
    model = TrainingFormLeaksModel

    def _fit(self, dataset):
        model = super()._fit(dataset)
        model.fitted_on = dataset
        return model


# Executions


def _let_the_other_thread_in():
    """Wait where threads meet; not where only one runs."""
    if threading.current_thread() is not threading.main_thread():
        time.sleep(1.0)


@breaks("threads_do_not_meet")
class NotThreadSafe(Shift):
    current: DataFrame

    def _transform(self, dataset):
        NotThreadSafe.current = dataset
        _let_the_other_thread_in()
        return super()._transform(NotThreadSafe.current)


@breaks("threads_fit_at_once")
class FitsNotThreadSafe(Centre):
    current: DataFrame

    def _fit(self, dataset):
        FitsNotThreadSafe.current = dataset
        _let_the_other_thread_in()
        return super()._fit(FitsNotThreadSafe.current)


class _Double(RowLocalTransformer, HasInputCols, HasOutputCols):
    """Twice the value, in three ways that agree."""

    @keyword_only
    def __init__(self, *, inputCols=None, outputCols=None):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _output_fields(self, inputs):
        return [double_field(name) for name in self._paired_outputs()]

    def _kernel_types(self, inputs):
        return [DoubleType()] * len(inputs)

    def _kernel(self):
        return _doubled

    def _expressions(self, columns, types):
        return [c * 2 for c in columns]

    def _row_kernel(self):
        return lambda row: [None if x is None else x * 2.0 for x in row]


def _doubled(columns):
    return [pc.multiply(c, 2.0) for c in columns]


@register
class Double(_Double):
    """Without a fault."""


@register
@breaks("executions_agree")
class KernelDisagrees(_Double):
    def _expressions(self, columns, types):
        return [c * 2 + 1e-9 for c in columns]


@register
@breaks("rows_without_spark_agree")
class RowKernelDisagrees(_Double):
    def _row_kernel(self):
        return lambda row: [0.0 if x is None else x * 2.0 for x in row]


@register
@breaks("pickles")
class DoesNotPickle(_Double):
    @keyword_only
    def __init__(self, *, inputCols=None, outputCols=None):
        super().__init__(**self._input_kwargs)
        self.lock = threading.Lock()


@register
class FitTimeModelOfDouble(FitTimeModel, RowLocalModel, _Double):
    def _transform_training(self, dataset):
        return super()._transform(dataset).withColumn(self.getOutputCols()[0], F.lit(0.0))


@register
class FitTime(Estimator, HasInputCols, HasOutputCols):
    """A fit-time stage on our own base, without a fault of its own."""

    _model = FitTimeModelOfDouble

    @keyword_only
    def __init__(self, *, inputCols=None, outputCols=None, verbose=True):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _output_fields(self, inputs):
        return [double_field(name) for name in self._paired_outputs()]

    def _fit_state(self, dataset):
        return State()
