"""Training by the user's own creators, as BigDL Orca's torch estimator has them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from pyspark.ml.linalg import VectorUDT
from pyspark.sql import DataFrame
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DoubleType,
    FractionalType,
    IntegralType,
    LongType,
    StructField,
    StructType,
)

from aiok_spark.core.errors import ColumnTypeError, ParamError
from aiok_spark.core.params import one_of, param, to_names
from aiok_spark.core.schema import find_fields, is_numeric, require
from aiok_spark.training.estimator import NetworkEstimator, NetworkStage
from aiok_spark.training.inputs import cardinality, feature_spec, lengths_of, require_dense, require_once
from aiok_spark.training.params import HasNumClasses, to_arguments, to_code, to_codes, to_loss_creator
from aiok_spark.training.references import reference, resolve
from aiok_spark.training.task import BINARY, MULTICLASS, RAW, REGRESSION, Creators, TrainResult, TrainTask
from aiok_spark.training.user_code import CodeModel, HasCode

# What the losses of torch say of label and output.
_PROBLEMS = {
    "BCEWithLogitsLoss": BINARY,
    "BCELoss": BINARY,
    "SoftMarginLoss": BINARY,
    "CrossEntropyLoss": MULTICLASS,
    "NLLLoss": MULTICLASS,
    "MSELoss": REGRESSION,
    "L1Loss": REGRESSION,
    "SmoothL1Loss": REGRESSION,
    "HuberLoss": REGRESSION,
}
_TAKES = {  # what creators are given
    "modelCreator": ("config",),
    "optimizerCreator": ("model", "config"),
    "lossCreator": ("config",),
    "schedulerCreator": ("optimizer", "config"),
}
CREATED = "aiok_spark.training.worker.creators:Created"


class _OrcaParams(HasCode, NetworkStage, HasNumClasses):
    _code_params = ("modelCreator", "optimizerCreator", "lossCreator", "schedulerCreator", "metrics")

    modelCreator = param(
        "modelCreator",
        "function of config that makes the torch.nn.Module, or 'package.module:name'; no default",
        to_code,
    )
    optimizerCreator = param(
        "optimizerCreator",
        "function of the module and config that makes the torch.optim.Optimizer, or 'package.module:name'; no default",
        to_code,
    )
    lossCreator = param(
        "lossCreator",
        "function of config that makes the loss, or such a loss of torch, or 'package.module:name'; no default",
        to_loss_creator,
    )
    schedulerCreator = param(
        "schedulerCreator",
        "function of the optimizer and config that makes a schedule of learning rates, which steps after each epoch, "
        "or 'package.module:name'; default none",
        to_code,
        None,
    )
    metrics = param(
        "metrics",
        "functions of outputs and labels of all held-out rows, each of which gives a number; default none",
        to_codes,
        [],
    )
    config = param("config", "argument of the creators, a dict as JSON has it; default {}", to_arguments, {})
    featureCols = param(
        "featureCols",
        "columns that the module takes, one argument each, in this order: numbers and vectors as float32, whole "
        "numbers and arrays of them as int64; no default",
        to_names,
    )
    problemType = param(
        "problemType",
        "what the label is, which decides the columns that the model makes: 'binary', 'multiclass', 'regression', "
        "'raw' (prediction is a vector of what the module gives), or 'auto' (default), as the loss of torch says",
        one_of("auto", BINARY, MULTICLASS, REGRESSION, RAW),
        "auto",
    )

    def _network(self) -> Any:
        return CREATED


class OrcaModel(_OrcaParams, CodeModel):
    """A network that the user's creators made and trained; ``transform`` adds what ``problemType`` says."""

    def _kind(self) -> str:
        return self._state.facts["task"]["kind"]

    @property
    def task(self) -> TrainTask:
        """What was trained."""
        return TrainTask.from_json(self._state.facts["task"], reference(self.getModelCreator())[1])

    def network(self) -> Any:
        """The trained network as ``modelCreator`` made it, a ``torch.nn.Module`` of its own for each call."""
        return super().network().network

    def _inputs(self) -> list[str]:
        return [*self._features.dense, *self._features.categorical]

    def _input_fields(self, schema: StructType) -> list[StructField]:
        return find_fields(self._label, "featureCols", self._inputs(), schema)

    def _dense_count(self, inputs: list[StructField]) -> int:
        return len(self._features.dense)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        cut = self._dense_count(inputs)
        require_dense(self._label, inputs[:cut], "featureCols")
        require(
            self._label,
            "featureCols",
            inputs[cut:],
            _is_whole,
            "whole numbers, as at the fit",
            "cast it",
        )
        return super()._output_fields(inputs)


class OrcaEstimator(_OrcaParams, NetworkEstimator):
    """Train a torch module with the creators of a BigDL Orca script, without Orca; ``engine='orca'`` trains by Orca.

    As with Orca, the module's ``forward`` gets a tensor for each column, in order: [rows] for numbers, [rows, length]
    for arrays and vectors.  Unlike Orca, ``batchSize`` rows are a step over all workers however they are shared out,
    whole numbers are int64, all others float32.

    Parameters
    ----------
    modelCreator, optimizerCreator, lossCreator, schedulerCreator : function or str
        What makes network, optimizer, loss and schedule; live functions, or where to find them.
    config : dict
        Their argument.
    featureCols, labelCol : list of str, str
        What the network reads, and what it learns.
    problemType : {"auto", "binary", "multiclass", "regression", "raw"}
        What the label is; "auto" knows it from torch's own losses.
    numWorkers, epochs, batchSize : int
        Tasks that train together, passes over the rows, rows of a step over all workers.

    ``explainParams()`` tells all others.

    Raises
    ------
    ParamError
        At fit: creators that give something else than they should; a loss that does not tell the problem.
    DataError, ClusterError, TrainingError
        As ``TorchEstimator`` does.

    Examples
    --------
    >>> import torch
    >>> estimator = OrcaEstimator(
    ...     modelCreator=lambda config: torch.nn.Linear(config["width"], 1),
    ...     optimizerCreator=lambda model, config: torch.optim.Adam(model.parameters(), lr=config["lr"]),
    ...     lossCreator=torch.nn.BCEWithLogitsLoss(), config={"width": 3, "lr": 0.01},
    ...     featureCols=["features"], numWorkers=2)
    >>> model = estimator.fit(df)  # doctest: +SKIP
    """

    _model = OrcaModel

    def _kind(self) -> str:
        if self.getProblemType() != "auto":
            return self.getProblemType()
        name = type(self._loss_module()).__name__
        if name not in _PROBLEMS:
            raise ParamError(
                f"{self._label}: problemType: found 'auto' with the loss {name}, expected one of {sorted(_PROBLEMS)}, "
                "which tell what the label is; set problemType, 'raw' for any label"
            )
        return _PROBLEMS[name]

    def _loss_module(self) -> Any:
        code = self.getLossCreator()
        made = resolve(code, {}) if isinstance(code, str) else code
        if isinstance(made, type):
            return made()
        return made if _is_loss(made) else made(dict(self.getConfig()))

    # Columns

    def _inputs(self) -> list[str]:
        return self.getFeatureCols()

    def _input_fields(self, schema: StructType) -> list[StructField]:
        require_once(self._label, "featureCols", self._inputs())
        fields = find_fields(self._label, "featureCols", self._inputs(), schema)
        return sorted(fields, key=lambda field: _is_whole(field.dataType))

    def _dense_count(self, inputs: list[StructField]) -> int:
        return sum(not _is_whole(field.dataType) for field in inputs)

    def _sizes(self, ids: list[StructField]) -> dict[str, int]:
        return {field.name: 0 for field in ids if cardinality(field) is None}  # any whole numbers

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        require_dense(self._label, inputs[: self._dense_count(inputs)], "featureCols")
        return super()._output_fields(inputs)

    def _require_label(self, label: list[StructField]) -> None:
        self._require_creators()
        if self._kind() != RAW:
            super()._require_label(label)
            return
        loss = type(self._loss_module()).__name__
        if _PROBLEMS.get(loss) == MULTICLASS and isinstance(label[0].dataType, FractionalType):
            raise ColumnTypeError(
                f"{self._label}: labelCol: found '{label[0].name}' of {label[0].dataType.simpleString()}, expected "
                f"whole numbers, as {loss} takes the numbers of classes; cast it to int"
            )
        require(
            self._label,
            "labelCol",
            label,
            lambda t: isinstance(t, (BooleanType, VectorUDT)) or is_numeric(getattr(t, "elementType", t)),
            "numbers, or arrays of them",
            "cast it",
        )

    def _label_type(self, schema: StructType) -> DataType:
        kind = schema[self.getLabelCol()].dataType
        if self._kind() != RAW:
            return super()._label_type(schema)
        number = LongType() if _is_whole(kind) else DoubleType()
        return ArrayType(number) if isinstance(kind, (ArrayType, VectorUDT)) else number

    # Fit

    def _train(self, dataset: DataFrame, change: Callable[[TrainTask], TrainTask]) -> TrainResult:
        """What the engine makes of rows, by this estimator's task with a change."""
        self.transformSchema(dataset.schema)
        task, columns = self._planned(dataset)
        return self._engaged(dataset, change(task), columns)

    def _scoring_task(self, dataset: DataFrame, fields: list[StructField]) -> TrainTask:
        """The task of a model that was trained elsewhere, for the columns of a DataFrame."""
        cut = self._dense_count(fields)
        spec = feature_spec(self._label, dataset, fields[:cut], fields[cut:], self._sizes(fields[cut:]))
        name = reference(self.getModelCreator())[0]
        return TrainTask(CREATED, spec, RAW, numClasses=0, arguments=self._created(name, fields))

    def _require_creators(self) -> None:
        """Raise ParamError for what cannot be a creator, before any job."""
        for name, takes in _TAKES.items():
            code = self.getOrDefault(name)
            made = resolve(code, {}) if isinstance(code, str) else code
            if made is not None and not (name == "lossCreator" and _is_loss(made)) and not _takes(made, takes):
                raise ParamError(
                    f"{self._label}: {name}: found {made!r}, expected a function of {' and '.join(takes)}; write one, "
                    f"such as lambda {', '.join(takes)}: ..."
                )

    def _created(self, creator: str, fields: list[StructField]) -> dict[str, Any]:
        """Arguments of the network."""
        return {
            "creator": creator,
            "config": dict(self.getConfig()),
            "columns": self.getFeatureCols(),
            "scalars": [f.name for f in fields if not isinstance(f.dataType, (ArrayType, VectorUDT))],
        }

    def _settings(self) -> dict[str, Any]:
        return {}

    def _task(self, dataset: DataFrame, fields: list[StructField]) -> TrainTask:
        task = super()._task(dataset, fields)
        creator, creators, live = named_creators(self._code(), self.getConfig())
        label = dataset.schema[self.getLabelCol()]
        listed = isinstance(label.dataType, (ArrayType, VectorUDT))
        return replace(
            task,
            arguments=self._created(creator, fields),
            creators=creators,
            wholeLabel=task.kind == RAW and _is_whole(label.dataType),
            labelWidth=lengths_of(self._label, dataset, [label])[0] if task.kind == RAW and listed else 0,
            probabilities=task.kind == BINARY and type(self._loss_module()).__name__ == "BCELoss",
            live={**task.live, **live},
        )


def named_creators(code: Iterable[tuple[str, Any]], config: dict[str, Any]) -> tuple[str, Creators, dict[str, Any]]:
    """Name of the model's creator, the others by name, and those of a notebook themselves.

    Parameters
    ----------
    code : iterable of (str, object)
        Functions and classes, each with the Param of ``OrcaEstimator`` that it is for.
    config : dict
        Their argument.
    """
    names: dict[str, list[str]] = {}
    live: dict[str, Any] = {}
    for param_name, one in code:
        told, more = reference(one)
        names.setdefault(param_name, []).append(told)
        live |= more
    creators = Creators(
        optimizer=names.get("optimizerCreator", [""])[0],
        loss=names.get("lossCreator", [""])[0],
        scheduler=names.get("schedulerCreator", [""])[0],
        metrics=names.get("metrics", []),
        config=dict(config),
    )
    return names["modelCreator"][0], creators, live


def _is_loss(made: Any) -> bool:
    """Whether it is a loss or its class, and not a function that makes one."""
    return hasattr(made, "forward")


def _takes(made: Any, arguments: tuple[str, ...]) -> bool:
    """Whether it is a function of so many arguments; networks and optimizers are what creators make."""
    if isinstance(made, type) or hasattr(made, "forward") or not callable(made):
        return False
    try:
        inspect.signature(made).bind(*arguments)
    except TypeError:
        return False
    except ValueError:
        return True  # it does not tell
    return True


def _is_whole(kind: DataType) -> bool:
    return isinstance(kind.elementType if isinstance(kind, ArrayType) else kind, IntegralType)
