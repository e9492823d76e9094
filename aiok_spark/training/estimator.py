"""Estimators that train a network, and the models that they give."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DoubleType,
    FractionalType,
    StructField,
    StructType,
)

from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.core.params import with_constructor
from aiok_spark.core.schema import column, double_field, element, find_fields, is_numeric, require, require_numeric
from aiok_spark.core.stage import Estimator, RowLocalModel
from aiok_spark.core.state import State
from aiok_spark.core.steps import Prepared
from aiok_spark.kernels.program import Kernel, RowKernel
from aiok_spark.training import engine
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.inputs import cardinality, feature_spec, input_type, require_dense, require_ids, require_once
from aiok_spark.training.onnx import OnnxNetwork, converted
from aiok_spark.training.params import (
    HasFeatures,
    HasHandleInvalid,
    HasOptimizer,
    HasPredictionCol,
    HasTraining,
)
from aiok_spark.training.references import reference
from aiok_spark.training.scoring import Network, Scorer, TorchNetwork
from aiok_spark.training.summary import TrainingSummary
from aiok_spark.training.task import (
    BINARY,
    CLASSIFICATION,
    METRICS,
    MULTICLASS,
    RAW,
    REGRESSION,
    Group,
    TrainResult,
    TrainTask,
)

_MOST_CLASSES = 1_000_000
_OUTPUTS = ("rawPrediction", "probability", "prediction")


class NetworkStage(HasHandleInvalid, HasPredictionCol, HasTraining):
    """What estimator and model share: which network, and which columns, those of numbers before those of ids."""

    def _network(self) -> Any:
        """The network's class or function, or where it is (``package.module:Name``)."""
        raise NotImplementedError(f"{type(self).__name__} must name its network: _network")

    def _arguments(self) -> Mapping[str, Any]:
        """Arguments of the network beside its features, as JSON has them."""
        return {}

    def _kind(self) -> str:
        """What the label is: "binary", "multiclass" or "regression"."""
        raise NotImplementedError(f"{type(self).__name__} must say what its label is: _kind")

    def _named_outputs(self) -> dict[str, str]:
        """Columns that the model makes, by what they hold."""
        names = {what: self.getOrDefault(f"{what}Col") for what in _OUTPUTS if self.hasParam(f"{what}Col")}
        if self._kind() in (REGRESSION, RAW):
            names = {"prediction": names["prediction"]}
        return {what: name for what, name in names.items() if name}

    def _thresholds(self) -> tuple[float, ...]:
        return tuple(self.getOrDefault("thresholds")) if self.hasParam("thresholds") else ()

    def _one_for_each_class(self, name: str, numbers: Sequence[float], classes: int) -> None:
        if numbers and len(numbers) != classes:
            raise ParamError(
                f"{self._label}: {name}: found {len(numbers)} numbers, expected "
                + (f"{classes}, one for each class; set one for each" if classes else "none, as the label has no class")
            )

    # Columns

    def _dense_count(self, inputs: list[StructField]) -> int:
        """How many of the input columns are numbers; the others are ids."""
        raise NotImplementedError(f"{type(self).__name__} must say which columns are numbers: _dense_count")

    def _sizes(self, ids: list[StructField]) -> dict[str, int]:
        """Sizes of id columns that are not what their metadata says; 0 for any whole numbers."""
        return {}

    def _outputs(self) -> list[str]:
        return list(self._named_outputs().values())

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        names = self._named_outputs()
        if not names:
            raise ParamError(
                f"{self._label}: predictionCol: found '' for every output, expected at least one name; set one"
            )
        number = self._kind() != RAW
        return [
            double_field(name) if what == "prediction" and number else StructField(name, VectorUDT(), True)
            for what, name in names.items()
        ]

    def _types(self, fields: list[StructField]) -> list[DataType]:
        """What the input columns are cast to."""
        cut, double = self._dense_count(fields), self.hasParam("precision") and self.getPrecision() == "float64"
        return [input_type(f, i < cut, double) for i, f in enumerate(fields)]


class GroupedStage(NetworkStage, HasFeatures):
    """A network stage whose Params name the columns by group: numbers and ids."""

    _id_lists: ClassVar[bool] = False  # whether a column of ids may be arrays, as many ids in each row

    def _dense(self) -> list[str]:
        if self.getDenseCols() or self.getCategoricalCols():
            return self.getDenseCols()
        return [self.getFeaturesCol()]

    def _dense_count(self, inputs: list[StructField]) -> int:
        return len(self._dense())

    def _sizes(self, ids: list[StructField]) -> dict[str, int]:
        return self.getTableSizes()

    def _inputs(self) -> list[str]:
        return [*self._dense(), *self.getCategoricalCols()]

    def _input_fields(self, schema: StructType) -> list[StructField]:
        for name, columns in ((self._dense_param(), self._dense()), ("categoricalCols", self.getCategoricalCols())):
            require_once(self._label, name, columns)
        dense = find_fields(self._label, self._dense_param(), self._dense(), schema)
        return dense + find_fields(self._label, "categoricalCols", self.getCategoricalCols(), schema)

    def _dense_param(self) -> str:
        return "denseCols" if self.getDenseCols() else "featuresCol"

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        cut = self._dense_count(inputs)
        require_dense(self._label, inputs[:cut], self._dense_param())
        require_ids(self._label, inputs[cut:], self._id_lists)
        return super()._output_fields(inputs)


class NetworkModel(NetworkStage, RowLocalModel):
    """Base of models: scores rows with the trained network."""

    @property
    def hasSummary(self) -> bool:
        """Whether there is a ``summary``; there is, saved and loaded too."""
        return "history" in self._state.facts

    @property
    def summary(self) -> TrainingSummary:
        """How the training went."""
        return TrainingSummary(self._state.facts)

    @property
    def task(self) -> TrainTask:
        """What was trained."""
        name, live = reference(self._network())
        return TrainTask.from_json({**self._state.facts["task"], "network": name}, live)

    @property
    def numFeatures(self) -> int:
        """Numbers and ids that a row gives to the network."""
        return self._features.width + sum(self._features.lengths)

    @property
    def _features(self) -> FeatureSpec:
        """What the network reads; the whole task would look at the user's code as well."""
        return FeatureSpec.from_json(self._state.facts["task"]["features"])

    def network(self) -> Any:
        """The trained network, a ``torch.nn.Module`` of its own for each call."""
        return self._trained().module()

    def _trained(self) -> TorchNetwork:
        return TorchNetwork(self.task, self._state.blobs["weights"])

    def _scored_by(self) -> Network:
        task, onnx = self.task, self._state.blobs.get("onnx")
        # Kept by the state, so that the kernels of a model share one network.
        return self._state.derived(
            task.network, lambda: OnnxNetwork(task, onnx, self._label) if onnx else self._trained()
        )

    def _served(self, runtime: str) -> NetworkModel:
        """The model itself, or a copy that scores by another runtime; ``LocalPipeline`` asks for it."""
        if runtime == "torch" or "onnx" in self._state.blobs:
            return self
        network = converted(self._trained(), self._label)
        made = self.copy()
        made._state = State(self._state.facts, blobs={**self._state.blobs, "onnx": network.model})
        made._state.derived(network.task.network, lambda: network)  # it has its session already
        return made

    def _scorer(self) -> Scorer:
        keep = self.getHandleInvalid() == "keep"
        task, thresholds = self.task, self._thresholds()
        self._one_for_each_class("thresholds", thresholds, task.numClasses)
        return Scorer(task, self._scored_by(), tuple(self._named_outputs()), keep, self._label, thresholds)

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return self._types(inputs)

    def _kernel(self) -> Kernel:
        return self._scorer()

    def _row_kernel(self) -> RowKernel:
        return self._scorer().row

    def _prepared(self, inputs: list[StructField]) -> list[Prepared] | None:
        types = self._kernel_types(inputs)
        if any(element(t) != t for t in types) or 0 in self._features.sizes:
            return None

        def columns(values: list[Column]) -> list[Column]:
            # What the kernel takes for missing, so that no mask has to cross.
            missing = [F.lit(float("nan") if isinstance(t, FractionalType) else -1).cast(t) for t in types]
            return [F.coalesce(value, nothing) for value, nothing in zip(values, missing, strict=True)]

        return [Prepared(columns, tuple(types), self._kernel())]


class NetworkEstimator(NetworkStage, Estimator):
    """Base of estimators: a network, typed inputs, defaults; the engine does the rest.

    A subclass gets a constructor with an argument for each of its Params.
    """

    _model: ClassVar[type[NetworkModel]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        with_constructor(cls)

    def _loss(self) -> Any:
        """Name of a loss, or the user's own."""
        return "auto"

    def _settings(self) -> dict[str, Any]:
        """Fields of the task that this class of estimators decides: its optimisers and number formats."""
        raise NotImplementedError(f"{type(self).__name__} must say how it steps: _settings")

    # Checks before the first job

    def _checked_outputs(self, schema: StructType) -> list[StructField]:
        label = find_fields(self._label, "labelCol", [self.getLabelCol()], schema)
        self._require_label(label)
        if self.getWeightCol():
            weight = find_fields(self._label, "weightCol", [self.getWeightCol()], schema)
            require_numeric(self._label, weight, "weightCol")
        if self.getValidationIndicatorCol():
            flag = find_fields(self._label, "validationIndicatorCol", [self.getValidationIndicatorCol()], schema)
            kind = "validationIndicatorCol"
            require(self._label, kind, flag, lambda t: isinstance(t, BooleanType), "boolean", "cast it")
        self._check_params()
        return super()._checked_outputs(schema)

    def _require_label(self, label: list[StructField]) -> None:
        require(
            self._label,
            "labelCol",
            label,
            lambda t: isinstance(t, BooleanType) or is_numeric(t),
            "a numeric type or boolean",
            "index it by StringIndexer, or cast it",
        )

    def _check_params(self) -> None:
        """Raise ParamError where Params contradict each other."""
        if self.getValidationIndicatorCol() and self.getValidationFraction():
            raise ParamError(
                f"{self._label}: validationFraction: found {self.getValidationFraction()} and "
                f"validationIndicatorCol='{self.getValidationIndicatorCol()}', expected one of them; leave one out"
            )

    # Fit

    def _fit_state(self, dataset: DataFrame) -> State:
        task, columns = self._planned(dataset)
        result = self._engaged(dataset, task, columns)
        facts = {
            "task": task.to_json(),
            "history": result.history,
            "workers": result.workers,
            "summary": result.summary,
        }
        return State(facts, blobs={"weights": result.weights})

    def _planned(self, dataset: DataFrame) -> tuple[TrainTask, list[tuple[str, DataType]]]:
        """What to train, and the columns for it with the types to cast to."""
        fields = self._input_fields(dataset.schema)
        task = self._task(dataset, fields)
        columns = [(f.name, t) for f, t in zip(fields, self._types(fields), strict=True)]
        columns += [(self.getLabelCol(), self._label_type(dataset.schema))]
        columns += [(task.weight, DoubleType())] if task.weight else []
        columns += [(task.validation, BooleanType())] if task.validation else []
        return task, columns

    def _engaged(self, dataset: DataFrame, task: TrainTask, columns: list[tuple[str, DataType]]) -> TrainResult:
        return engine.run(
            dataset,
            columns,
            task,
            backend=self.getEngine(),
            feed=self.getFeed(),
            label=self._label,
            verbose=self.getVerbose(),
        )

    def _task(self, dataset: DataFrame, fields: list[StructField]) -> TrainTask:
        cut = self._dense_count(fields)
        network, live = reference(self._network())
        loss, more = reference(self._loss())
        kind, classes = self._kind(), {BINARY: 2, REGRESSION: 0, RAW: 0}.get(self._kind())
        if classes is None:
            classes = self._classes(dataset)
        if kind == CLASSIFICATION:
            kind = BINARY if classes == 2 else MULTICLASS
        if (metric := self.getMetric()) not in ("auto", *METRICS[kind]):
            raise ParamError(
                f"{self._label}: metric: found '{metric}', expected 'auto' or one of {METRICS[kind]} for a {kind} "
                "label; change it"
            )
        weights = self.getClassWeights() if self.hasParam("classWeights") else []
        self._one_for_each_class("classWeights", weights, classes)
        self._one_for_each_class("thresholds", self._thresholds(), classes)
        return TrainTask(
            network=network,
            arguments=dict(self._arguments()),
            features=feature_spec(self._label, dataset, fields[:cut], fields[cut:], self._sizes(fields[cut:])),
            kind=kind,
            loss=loss,
            numClasses=classes,
            classWeights=tuple(weights),
            epochs=self.getEpochs(),
            batchSize=self.getBatchSize(),
            seed=self.getSeed(),
            validationFraction=self.getValidationFraction(),
            metric=self.getMetric(),
            patience=self.getEarlyStoppingEpochs(),
            targetMetric=self.getTargetMetric(),
            checkpointDir=self.getCheckpointDir(),
            checkpointInterval=self.getCheckpointInterval(),
            maxRestarts=self.getMaxRestarts(),
            timeout=self.getStepTimeout(),
            threads=self.getThreadsPerWorker(),
            stagingMemory=self.getStagingMemory(),
            label=self.getLabelCol(),
            weight=self.getWeightCol() or "",
            validation=self.getValidationIndicatorCol() or "",
            workers=self.getNumWorkers(),
            run=uuid.uuid4().hex,
            live={**live, **more},
            **self._settings(),
        )

    def _label_type(self, schema: StructType) -> DataType:
        """What the label is cast to."""
        return DoubleType()

    def _classes(self, dataset: DataFrame) -> int:
        """Classes of the label: as set, as the metadata says, or one more than the largest."""
        label = next(f for f in dataset.schema.fields if f.name == self.getLabelCol())
        known = self.getNumClasses() or cardinality(label)
        if known is None:
            largest = dataset.agg(F.max(column(self.getLabelCol()).cast("double"))).first()[0]
            if largest is None:
                raise DataError(f"{self._label}: labelCol: found no label, expected rows with one; check the DataFrame")
            if not 0 <= largest < _MOST_CLASSES:
                raise DataError(
                    f"{self._label}: labelCol: found {largest} as the largest label in '{self.getLabelCol()}', "
                    "expected class numbers from 0; index them by StringIndexer, filter the rows, or set numClasses"
                )
            known = int(largest) + 1
        return max(2, known)


class SteppedEstimator(NetworkEstimator, HasOptimizer):
    """Base of estimators whose users choose the optimizers."""

    def _groups(self) -> list[Group]:
        """Optimisers by parameter group; the first that matches a parameter takes it."""
        dense, sparse = self.getOptimizer(), self.getEmbeddingOptimizer()
        if sparse == "auto":
            sparse = {"adam": "sparseAdam", "adamw": "sparseAdam"}.get(dense, dense)
        rate = self.getLearningRate()
        return [
            Group("", dense, rate, self.getWeightDecay(), self.getMomentum() if dense == "sgd" else 0.0),
            Group("", sparse, self.getEmbeddingLearningRate() or rate, sparse=True),
        ]

    def _settings(self) -> dict[str, Any]:
        return {
            "groups": tuple(self._groups()),
            "schedule": self.getSchedule(),
            "warmupSteps": self.getWarmupSteps(),
            "clipNorm": self.getGradientClipNorm(),
            "precision": self.getPrecision(),
            "matmulPrecision": self.getMatmulPrecision(),
        }
