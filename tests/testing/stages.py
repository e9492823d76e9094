"""Stages as anybody may write them with pyspark alone; ``faulty`` breaks them one rule at a time."""

from pyspark import keyword_only
from pyspark.ml import Estimator, Model, Transformer
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, StructField, StructType


def quoted(name):
    return F.col(f"`{name.replace('`', '``')}`")


class Shift(Transformer, HasInputCol, HasOutputCol, DefaultParamsReadable, DefaultParamsWritable):
    """Add a number to a column."""

    amount = Param(
        Params._dummy(),
        "amount",
        "number to add, in the column's unit, any finite one; default 1.0",
        TypeConverters.toFloat,
    )

    @keyword_only
    def __init__(self, *, inputCol=None, outputCol=None, amount=1.0):
        super().__init__()
        self._setDefault(amount=1.0)
        self._set(**{k: v for k, v in self._input_kwargs.items() if v is not None})

    def getAmount(self):
        return self.getOrDefault(self.amount)

    def setAmount(self, value):
        return self._set(amount=value)

    def setInputCol(self, value):
        return self._set(inputCol=value)

    def setOutputCol(self, value):
        return self._set(outputCol=value)

    def transformSchema(self, schema):
        if self.getInputCol() not in schema.names:
            raise ValueError(f"{self.uid}: found no column '{self.getInputCol()}'")
        kept = [f for f in schema.fields if f.name != self.getOutputCol()]
        return StructType([*kept, StructField(self.getOutputCol(), DoubleType())])

    def _made(self):
        return quoted(self.getInputCol()).cast("double") + self.getAmount()

    def _transform(self, dataset):
        schema = self.transformSchema(dataset.schema)
        kept = [quoted(n) for n in schema.names if n != self.getOutputCol()]
        return dataset.select(*kept, self._made().alias(self.getOutputCol()))


class _CentreParams(HasInputCol, HasOutputCol):
    labelCol = Param(
        Params._dummy(),
        "labelCol",
        "name of a column that the fit looks at; default 'label'",
        TypeConverters.toString,
    )

    def __init__(self):
        super().__init__()
        self._setDefault(labelCol="label")

    def getLabelCol(self):
        return self.getOrDefault(self.labelCol)

    def transformSchema(self, schema):
        if self.getInputCol() not in schema.names:
            raise ValueError(f"{self.uid}: found no column '{self.getInputCol()}'")
        kept = [f for f in schema.fields if f.name != self.getOutputCol()]
        return StructType([*kept, StructField(self.getOutputCol(), DoubleType())])


class CentreModel(Model, _CentreParams, DefaultParamsReadable, DefaultParamsWritable):
    """Subtract the fitted mean."""

    mean = Param(Params._dummy(), "mean", "the fitted mean, any number; default 0.0", TypeConverters.toFloat)

    def __init__(self):
        super().__init__()
        self._setDefault(mean=0.0)

    def getMean(self):
        return self.getOrDefault(self.mean)

    def _transform(self, dataset):
        schema = self.transformSchema(dataset.schema)
        kept = [quoted(n) for n in schema.names if n != self.getOutputCol()]
        value = quoted(self.getInputCol()).cast("double") - self._subtracted()
        return dataset.select(*kept, value.alias(self.getOutputCol()))

    def _subtracted(self):
        return self.getMean()


class Centre(Estimator, _CentreParams, DefaultParamsReadable, DefaultParamsWritable):
    """Subtract a column's mean over the rows that have a label."""

    model = CentreModel

    @keyword_only
    def __init__(self, *, inputCol=None, outputCol=None, labelCol="label"):
        super().__init__()
        self._set(**{k: v for k, v in self._input_kwargs.items() if v is not None})

    def setInputCol(self, value):
        return self._set(inputCol=value)

    def setOutputCol(self, value):
        return self._set(outputCol=value)

    def setLabelCol(self, value):
        return self._set(labelCol=value)

    def _fit(self, dataset):
        model = self.model()
        model._resetUid(self.uid)
        return self._copyValues(model)._set(mean=self._mean(dataset))

    def _mean(self, dataset):
        value = F.when(quoted(self.getLabelCol()).isNotNull(), quoted(self.getInputCol()))
        return dataset.agg(F.avg(value)).first()[0] or 0.0
