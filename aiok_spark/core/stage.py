"""Bases of all stages.

A stage says what it reads and makes (``_output_fields``) and what that means (``_kernel`` for
row-local stages, ``_transform_set`` for the others); how it runs, saves and loads is in this
package's other modules.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pyspark import ml
from pyspark.ml.param import Param, Params
from pyspark.ml.util import MLReadable, MLWritable
from pyspark.sql import Column, DataFrame
from pyspark.sql.types import DataType, StructField, StructType

from aiok_spark.core import execution
from aiok_spark.core.errors import ColumnError, ParamError, ParamTypeError, did_you_mean
from aiok_spark.core.params import add_accessors, declared, to_bool
from aiok_spark.core.params import param as _param
from aiok_spark.core.persistence import StageReader, StageWriter
from aiok_spark.core.schema import find_fields, with_fields
from aiok_spark.core.state import State
from aiok_spark.core.steps import Prepared, Step, merged
from aiok_spark.core.watch import fitting
from aiok_spark.kernels.program import Kernel, RowKernel, SideBySide

S = TypeVar("S", bound="Stage")


class Stage(Params, MLReadable, MLWritable):
    """Params, schema and persistence, common to transformers, estimators and models."""

    if TYPE_CHECKING:  # the getX/setX made by add_accessors

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(**{p.name: p.default for p in declared(type(self)) if not p.required})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        add_accessors(cls)

    @property
    def _label(self) -> str:
        """How messages name the stage."""
        return f"{type(self).__name__}({self.uid})"

    # Params

    def setParams(self: S, **kwargs: Any) -> S:
        """Set any of the stage's Params by name."""
        return self._set(**kwargs)

    def _set(self: S, **kwargs: Any) -> S:
        for name, value in kwargs.items():
            if value is not None:
                self.set(self._param(name), value)
        return self

    def set(self, param: Param, value: Any) -> None:
        """Set one Param; ParamError says what is wrong with the value."""
        self._shouldOwn(param)
        try:
            converted = param.typeConverter(value)
        except (TypeError, ValueError) as e:
            kind = ParamTypeError if isinstance(e, TypeError) else ParamError
            raise kind(f"{self._label}: {param.name}: {e}; {param.name} is: {param.doc}") from None
        self._paramMap[param] = converted

    def _param(self, name: str) -> Param:
        if not self.hasParam(name):
            known = [p.name for p in self.params]
            raise ParamError(
                f"{self._label}: found no Param '{name}', expected one of its own; {did_you_mean(name, known)}"
            )
        return self.getParam(name)

    def getOrDefault(self, param: Any) -> Any:
        """Value of a Param or its default; ParamError if it has neither."""
        if not self.isDefined(param):
            name = param if isinstance(param, str) else param.name
            raise ParamError(f"{self._label}: {name}: found nothing, expected a value; set {name}=...")
        return super().getOrDefault(param)

    # Schema

    def transformSchema(self, schema: StructType) -> StructType:
        """Schema of the output for one of the input; raises on columns or Params that do not fit.

        Runs no job.
        """
        return with_fields(schema, self._checked_outputs(schema))

    def _checked_outputs(self, schema: StructType) -> list[StructField]:
        outputs = self._output_fields(self._input_fields(schema))
        names = [f.name for f in outputs]
        for name in names:
            if names.count(name) > 1:
                raise ColumnError(
                    f"{self._label}: outputCols has '{name}' {names.count(name)} times, expected different names; "
                    "rename one"
                )
            near = [n for n in [*schema.names, *names] if n != name and n.lower() == name.lower()]
            if near and name not in schema.names:
                raise ColumnError(
                    f"{self._label}: outputCols has '{name}', found a column '{near[0]}', expected names that differ "
                    "in more than case, which Spark ignores; rename one"
                )
        return outputs

    def _inputs(self) -> list[str]:
        """Columns that the stage reads when it transforms."""
        return self.getInputCols()

    def _input_fields(self, schema: StructType) -> list[StructField]:
        """The columns of ``_inputs`` in a schema; raises ColumnError for one that is absent."""
        return find_fields(self._label, "inputCols", self._inputs(), schema)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        """Check the inputs' types and give the columns that the stage makes."""
        raise NotImplementedError(f"{type(self).__name__} must say which columns it makes: _output_fields")

    def _paired_outputs(self) -> list[str]:
        """``outputCols``, one for each of ``inputCols``; raises ParamError otherwise."""
        inputs, outputs = self.getInputCols(), self.getOutputCols()
        if len(inputs) != len(outputs) or not inputs:
            raise ParamError(
                f"{self._label}: outputCols: found {len(outputs)} names for {len(inputs)} inputCols, expected one "
                "output for each input and at least one; make the lists equally long"
            )
        return outputs

    # Persistence

    _nested: ClassVar[tuple[str, ...]] = ()  # stages within it: Params, or attributes of a model

    def _saved_params(self) -> dict[str, Any]:
        """The Params that were set, as JSON has them."""
        return {param.name: value for param, value in self._paramMap.items() if param.name not in self._nested}

    def _before_save(self) -> None:
        """Raise PersistenceError if the stage cannot be saved; nothing has been written yet."""

    def _after_load(self, path: str) -> None:
        """Raise UnsafeClassError if what was loaded names code that may not be run."""

    def write(self) -> StageWriter:
        """Writer of this stage."""
        return StageWriter(self)

    @classmethod
    def read(cls) -> StageReader:
        """Reader for stages of this class."""
        return StageReader(cls)


class RowLocal(Stage):
    """Mixin: each output row depends on its own input row alone, so one kernel serves everywhere."""

    def _outputs(self) -> list[str]:
        """Columns that the stage makes."""
        return self.getOutputCols()

    def _kernel(self) -> Kernel | Sequence[Kernel]:
        """The meaning: a picklable function on arrays, in the order of the inputs and outputs.

        A list of kernels, one for each pair of input and output, lets Spark skip the columns that
        nobody reads.
        """
        raise NotImplementedError(f"{type(self).__name__} must give its meaning: _kernel")

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        """What the inputs are cast to for kernel and expressions; as they are by default."""
        return [f.dataType for f in inputs]

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column] | None:
        """The same meaning in Catalyst, where it is exact; one column for each output.

        The columns come cast to ``types``, which are the kernel's.
        """
        return None

    def _joined(self, schema: StructType) -> Callable[[DataFrame], DataFrame] | None:
        """The same meaning as joins with tables that were fitted, for rows of a schema, where those serve better."""
        return None

    def _row_kernel(self) -> RowKernel | Sequence[RowKernel] | None:
        """The same meaning for plain values of a single row; shaped like ``_kernel``."""
        return None

    def _served(self, runtime: str) -> RowLocal:
        """The stage as ``LocalPipeline`` is to run it; a stage with a network knows how to change its runtime."""
        return self

    def _prepared(self, inputs: list[StructField]) -> Sequence[Prepared] | None:
        """A cheaper way through Spark for each kernel (see ``Prepared``)."""
        return None

    def _parts(self, kernels: Kernel | Sequence[Kernel]) -> list[tuple[slice, Kernel]]:
        """Kernels that may run by themselves, each with the columns (a slice of all) that it is for."""
        if callable(kernels):
            return [(slice(None), kernels)]
        reads, writes = self._inputs(), self._outputs()
        if any(name in reads and reads[i] != name for i, name in enumerate(writes)):
            # An output takes the name of another column's input: none may be written before all are read.
            return [(slice(None), SideBySide(tuple(kernels)))]
        return [(slice(i, i + 1), kernel) for i, kernel in enumerate(kernels)]

    def _steps(self, schema: StructType) -> list[Step]:
        inputs = self._input_fields(schema)
        outputs, types, prepared = self._checked_outputs(schema), self._kernel_types(inputs), self._prepared(inputs)
        return [
            Step(
                label=self._label,
                inputs=tuple(inputs[at]),
                types=tuple(types[at]),
                outputs=tuple(outputs[at]),
                kernel=kernel,
                prepared=merged(prepared[at]) if prepared else None,
            )
            for at, kernel in self._parts(self._kernel())
        ]

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return execution.transform(self, dataset)


class SetStage(Stage):
    """Mixin: output rows depend on many input rows, so only Spark can run it."""

    def _transform_set(self, dataset: DataFrame) -> DataFrame:
        """The stage as DataFrame operations."""
        raise NotImplementedError(f"{type(self).__name__} must transform a DataFrame: _transform_set")

    def _transform(self, dataset: DataFrame) -> DataFrame:
        self.transformSchema(dataset.schema)
        return self._transform_set(dataset)


class RowLocalTransformer(RowLocal, ml.Transformer):
    """Base of row-local stages that need no fit."""


class SetTransformer(SetStage, ml.Transformer):
    """Base of set stages that need no fit."""


class Model(Stage, ml.Model):
    """Base of fitted stages."""

    _state: State = State()


class RowLocalModel(RowLocal, Model):
    """Base of fitted row-local stages."""


class SetModel(SetStage, Model):
    """Base of fitted set stages."""


class FitTimeModel(Model):
    """Mixin, left of ``RowLocalModel`` or ``SetModel``: acts differently on the rows of its own fit.

    The first transform of the very DataFrame object that was fitted gives the training form, once:
    ``Pipeline.fit`` makes that call to feed the next stage.  All others give the inference form.

    ``Pipeline.fit`` makes no such call for its last estimator.  If that is a fit-time stage with nothing
    but the rows before it, the first ``transform`` of the very object that was fitted gives the training
    form, as it does after a plain ``fit``.
    """

    _fitted_on: weakref.ref[DataFrame] | None = None
    _claim: ClassVar[threading.Lock] = threading.Lock()

    def _transform_training(self, dataset: DataFrame) -> DataFrame:
        """The training form, of the rows that the model was fitted on."""
        raise NotImplementedError(f"{type(self).__name__} must give its training form: _transform_training")

    def _transform(self, dataset: DataFrame) -> DataFrame:
        with self._claim:
            training = self._fitted_on is not None and self._fitted_on() is dataset
            if training:
                self._fitted_on = None
        return self._transform_training(dataset) if training else super()._transform(dataset)

    def copy(self, extra: Any = None) -> Any:
        """A copy, which only ever gives the inference form."""
        made = super().copy(extra)
        made._fitted_on = None
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_fitted_on": None}


class Estimator(Stage, ml.Estimator):
    """Base of estimators: ``_model`` names the class of the fitted stage, ``_fit_state`` learns."""

    _model: ClassVar[type[Model]]

    verbose = _param("verbose", "whether a fit that takes seconds shows its progress; default True", to_bool, True)

    def _fit_state(self, dataset: DataFrame) -> State:
        """Learn from rows; never changes ``self``."""
        raise NotImplementedError(f"{type(self).__name__} must learn from rows: _fit_state")

    def _fit(self, dataset: DataFrame) -> Model:
        self.transformSchema(dataset.schema)
        with fitting(self.uid):
            model = self._with_state(self._fit_state(dataset))
        if isinstance(model, FitTimeModel):
            model._fitted_on = weakref.ref(dataset)
        return model

    def _with_state(self, state: State) -> Model:
        """The fitted stage."""
        model = self._model()
        model._state = state
        # pyspark.ml's own rule: CrossValidator addresses the model's Params by the estimator's uid.
        model._resetUid(self.uid)
        self._copyValues(model)
        return model

    def fitTransform(self, dataset: DataFrame) -> tuple[Model, DataFrame]:
        """Fit, and transform the same rows: the training form, where the stage has one."""
        model = self.fit(dataset)
        return model, model.transform(dataset)
