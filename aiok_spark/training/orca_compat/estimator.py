"""Orca's torch estimator, with its arguments, on this package's engine."""

from __future__ import annotations

import math
import uuid
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from aiok_spark.core import compat
from aiok_spark.core.errors import ParamError, PersistenceError
from aiok_spark.core.files import open_system
from aiok_spark.core.schema import column, find_fields
from aiok_spark.core.ship import pack
from aiok_spark.core.state import State
from aiok_spark.training.engine import train_on_loaders
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.orca_compat.context import OrcaContext
from aiok_spark.training.orca_compat.weights import read_weights
from aiok_spark.training.orca_estimator import CREATED, OrcaEstimator, OrcaModel, named_creators
from aiok_spark.training.scoring import sample
from aiok_spark.training.task import RAW, TrainResult, TrainTask
from aiok_spark.training.worker.loaders import Loaders
from aiok_spark.training.worker.refused import RefusedError
from aiok_spark.training.worker.weights import build, load_state

_HELD_OUT = "aiok_held_out"
_START = "live:start:"
_BACKENDS = ("spark", "bigdl", "ray", "horovod")


class Estimator:
    """Where Orca's scripts make their estimators."""

    @staticmethod
    def from_torch(
        *,
        model: Callable[..., Any] | None = None,
        optimizer: Callable[..., Any] | None = None,
        loss: Any = None,
        metrics: Any = None,
        backend: str = "spark",
        config: dict[str, Any] | None = None,
        workers_per_node: int = 1,
        scheduler_creator: Callable[..., Any] | None = None,
        use_tqdm: bool = False,
        **unused: Any,
    ) -> PyTorchEstimator:
        """An estimator of creators; the arguments are Orca's.

        Parameters
        ----------
        model, optimizer, scheduler_creator : callable
            Functions of config; of network and config; of optimizer and config.
        loss : torch.nn.Module or callable
            A loss, or a function of config that makes it.
        metrics : callable or list of callable
            Of this package, or functions of outputs and labels.
        backend : {"spark", "bigdl", "ray", "horovod"}
            All train by this package's engine.
        config : dict
            What the creators get; as JSON has it.
        workers_per_node : int
            Workers on each of the executors that ``init_orca_context`` was told.
        use_tqdm : bool
            Show progress.
        **unused
            Where and how Orca logs (model_dir, sync_stats, log_level, log_to_driver) has no use here.
        """
        if backend not in _BACKENDS:
            raise ParamError(f"Estimator.from_torch: backend: found {backend!r}, expected one of {list(_BACKENDS)}")
        for name, value in (("backend", backend != "spark" and backend), ("model_dir", unused.get("model_dir"))):
            if value:
                remedy = "it trains on Spark" if name == "backend" else "save the model after fit"
                warnings.warn(f"Estimator.from_torch: {name} {value!r} is not used; {remedy}", stacklevel=2)
        if unknown := set(unused) - {"model_dir", "sync_stats", "log_level", "log_to_driver"}:
            raise TypeError(f"Estimator.from_torch: found arguments {sorted(unknown)}, expected those of Orca 2.4")
        listed = metrics if isinstance(metrics, (list, tuple)) else [metrics] if metrics else []
        return PyTorchEstimator(
            {"modelCreator": model, "optimizerCreator": optimizer or _untrained, "lossCreator": loss}
            | {"metrics": list(listed)}
            | ({"schedulerCreator": scheduler_creator} if scheduler_creator else {}),
            dict(config or {}),
            workers_per_node,
            use_tqdm,
        )


class PyTorchEstimator:
    """What ``Estimator.from_torch`` gives."""

    def __init__(self, creators: dict[str, Any], config: dict[str, Any], workers_per_node: int, verbose: bool) -> None:
        for name, value in creators.items():
            if not (callable(value) or isinstance(value, list) or (value is None and name != "modelCreator")):
                raise ParamError(f"Estimator: {name}: found {type(value).__name__}, expected a function; give one")
        for metric in creators["metrics"]:
            if not callable(metric):
                raise ParamError(
                    f"Estimator: metrics: found {metric!r}, expected metrics of aiok_spark.training.orca_compat, such "
                    "as Accuracy(), or functions of outputs and labels"
                )
        if "batch_size" in config:
            raise ParamError("Estimator: config: found batch_size, expected it in fit, predict and evaluate; move it")
        self._creators, self._config, self._verbose = creators, config, verbose
        self.num_workers = workers_per_node * OrcaContext.nodes
        self._weights = b""  # in the format of safetensors
        self._epochs = 0

    def fit(
        self,
        data: Any,
        epochs: int = 1,
        max_steps: int | None = None,
        batch_size: int = 32,
        profile: bool = False,
        reduce_results: bool = True,
        feature_cols: Sequence[str] | None = None,
        label_cols: Sequence[str] | None = None,
        validation_data: Any = None,
        callbacks: Sequence[Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Train, from the weights that there are; gives loss and metrics of each epoch, by Orca's names.

        Parameters
        ----------
        data, validation_data : DataFrame or callable
            Rows, or functions of config and batch size that make a torch ``DataLoader``.
        epochs, batch_size : int
            Passes over the rows, rows of a step over all workers.
        feature_cols, label_cols : list of str
            Columns of a DataFrame; one label.
        max_steps, profile, reduce_results, callbacks
            Refused, unless they are Orca's defaults.
        """
        _refuse(
            "fit",
            max_steps=(max_steps, "set epochs"),
            profile=(profile, "look at the seconds of the result"),
            reduce_results=(not reduce_results, "leave it out"),
            callbacks=(callbacks, "write what they do as metrics, or use OrcaEstimator"),
        )
        if not isinstance(epochs, int) or epochs < 1:
            raise ParamError(f"Estimator.fit: epochs: found {epochs!r}, expected a whole number from 1")
        if _untrained in self._creators.values() or self._creators["lossCreator"] is None:
            raise ParamError("Estimator.fit: found no optimizer or no loss, expected both; give them to from_torch")
        result = self._run(data, validation_data, epochs, batch_size, feature_cols, label_cols)
        self._weights = result.weights
        made = [self._told(done, result.summary["rows"]) for done in result.history]
        self._epochs += len(made)
        return made

    def evaluate(
        self,
        data: Any,
        batch_size: int = 32,
        num_steps: int | None = None,
        profile: bool = False,
        reduce_results: bool = True,
        feature_cols: Sequence[str] | None = None,
        label_cols: Sequence[str] | None = None,
        callbacks: Sequence[Any] | None = None,
    ) -> dict[str, Any]:
        """Loss and metrics of all rows; the arguments are those of ``fit``."""
        _refuse(
            "evaluate",
            num_steps=(num_steps, "limit the rows"),
            profile=(profile, "leave it out"),
            reduce_results=(not reduce_results, "leave it out"),
            callbacks=(callbacks, "write what they do as metrics"),
        )
        found = self._run(None, data, 0, batch_size, feature_cols, label_cols).history[0]
        made = {name.removeprefix("validation_"): value for name, value in found.items() if name != "epoch"}
        return {"num_samples": made.pop("validationRows"), "val_loss": made.pop("loss"), **made}

    def predict(
        self,
        data: DataFrame,
        batch_size: int = 32,
        feature_cols: Sequence[str] | None = None,
        output_cols: Sequence[str] | None = None,
        profile: bool = False,
        callbacks: Sequence[Any] | None = None,
    ) -> DataFrame:
        """The rows with ``prediction``: what the network gives, a float, or an array of them."""
        _refuse(
            "predict",
            output_cols=(output_cols, "rename prediction"),
            profile=(profile, "leave it out"),
            callbacks=(callbacks, "leave them out"),
        )
        if not isinstance(data, DataFrame):
            raise ParamError(f"predict: data: found {type(data).__name__}, expected a DataFrame; give one")
        estimator = self._estimator(feature_cols, ["label"], 1, batch_size)
        fields = estimator._input_fields(data.schema)
        about = estimator._scoring_task(data, fields).to_json()
        model = estimator._with_state(State({"task": about}, blobs={"weights": self._known_weights()}))
        assert isinstance(model, OrcaModel)
        try:
            width = math.prod(model._scored_by()(sample(model.task, 2)).shape[1:])
        except (TypeError, RuntimeError) as e:
            raise ParamError(
                f"Estimator.predict: feature_cols: found {feature_cols}, which the network does not take ({e}), "
                "expected columns like those of fit, in their order"
            ) from e
        values = vector_to_array(F.col("prediction"), "float32")
        return model.transform(data).withColumn("prediction", values[0] if width == 1 else values)

    def get_model(self) -> Any:
        """The trained network, as the model creator made it."""
        task = self._task()
        with torch.random.fork_rng(devices=[]):
            network = build(task)
        load_state(network, self._known_weights())
        return network.network

    def get_state_dict(self) -> dict[str, Any]:
        """The weights as Orca has them."""
        return {"epoch": self._epochs, "models": [self.get_model().state_dict()]}

    def save(self, model_path: str, entire: bool = False) -> str:
        """Write the weights as safetensors, to any file system."""
        _refuse("save", entire=(entire, "save the weights, or use OrcaEstimator and save its model"))
        system, path = open_system(model_path)
        if folder := path.rpartition("/")[0]:
            system.create_dir(folder, recursive=True)
        with system.open_output_stream(path) as out:
            out.write(self._known_weights())
        return model_path

    def load(self, model_path: str) -> None:
        """Read the weights of ``save``, or those that Orca itself saved; never runs code of the file."""
        before, self._weights = self._weights, read_weights(model_path)
        try:
            self.get_model()
        except RefusedError as e:
            self._weights = before
            raise PersistenceError(
                f"{model_path}: {e}; choose another file, or the model creator it was made by"
            ) from e

    save_checkpoint, load_checkpoint = save, load

    def shutdown(self) -> None:
        """Nothing stays open."""

    # How it runs

    def _run(self, data: Any, held_out: Any, epochs: int, batch_size: int, features: Any, labels: Any) -> TrainResult:
        given = [d for d in (data, held_out) if d is not None]
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ParamError(f"Estimator: batch_size: found {batch_size!r}, expected a whole number from 1")
        if given and all(isinstance(d, DataFrame) for d in given):
            return self._on_rows(data, held_out, epochs, batch_size, features, labels)
        if given and all(callable(d) for d in given):
            task = replace(self._task(), epochs=epochs, batchSize=batch_size, workers=self.num_workers)
            loaders = Loaders(data, held_out, self._config)
            spark = OrcaContext.get_spark_session()
            return train_on_loaders(spark, self._started(task, spark), loaders, "Estimator", self._verbose)
        raise ParamError(
            f"Estimator: data: found {' and '.join(_type_name(d) for d in given)}, expected DataFrames of Spark, "
            "or functions that make data loaders; make a DataFrame of pandas or XShards (spark.createDataFrame)"
        )

    def _on_rows(
        self, data: Any, held_out: Any, epochs: int, batch_size: int, features: Any, labels: Any
    ) -> TrainResult:
        estimator = self._estimator(features, labels, max(1, epochs), batch_size)
        parts = [(data, False), (held_out, True)]
        names = dict.fromkeys([*estimator.getFeatureCols(), estimator.getLabelCol()])
        for df, _ in parts:
            if df is not None:
                find_fields("Estimator", "feature_cols, label_cols", list(names), df.schema)
        flagged = [df.select(*map(column, names), F.lit(flag).alias(_HELD_OUT)) for df, flag in parts if df is not None]
        rows = flagged[0].unionByName(flagged[1]) if len(flagged) > 1 else flagged[0]
        if held_out is not None:
            estimator = estimator.setParams(validationIndicatorCol=_HELD_OUT)
        spark = compat.session_of(rows)
        return estimator._train(rows, lambda task: self._started(replace(task, epochs=epochs), spark))

    def _estimator(self, features: Any, labels: Any, epochs: int, batch_size: int) -> OrcaEstimator:
        for name, columns in (("feature_cols", features), ("label_cols", labels)):
            if not columns or isinstance(columns, str):
                raise ParamError(f"Estimator: {name}: found {columns!r}, expected a list of columns of the DataFrame")
        if len(labels) > 1:
            raise ParamError(f"Estimator: label_cols: found {list(labels)}, expected one column; make an array of them")
        return self._stage().setParams(
            featureCols=list(features),
            labelCol=labels[0],
            problemType=RAW,
            numWorkers=self.num_workers,
            epochs=epochs,
            batchSize=batch_size,
            verbose=self._verbose,
        )

    def _stage(self) -> OrcaEstimator:
        """The stage with these creators, without columns."""
        return OrcaEstimator().setParams(**self._creators, config=self._config)

    def _task(self) -> TrainTask:
        """A task on data loaders."""
        creator, creators, live = named_creators(self._stage()._code(), self._config)
        return TrainTask(
            network=CREATED,
            features=FeatureSpec(),
            kind=RAW,
            numClasses=0,
            arguments={"creator": creator, "config": self._config, "columns": [], "scalars": []},
            creators=creators,
            run=uuid.uuid4().hex,
            live=live,
        )

    def _started(self, task: TrainTask, spark: Any) -> TrainTask:
        """The task from the weights that there are."""
        if not self._weights:
            return task
        name = f"{_START}{uuid.uuid4().hex}"
        creators = replace(task.creators, start=name)
        return replace(task, creators=creators, live={**task.live, name: pack(spark, self._weights)})

    def _told(self, done: dict[str, Any], rows: int) -> dict[str, Any]:
        """An epoch by Orca's names."""
        made = {"epoch": self._epochs + done["epoch"], "train_loss": done["loss"], "num_samples": rows}
        for name, value in done.items():
            if name.startswith("validation_"):
                made[f"val_{name.removeprefix('validation_').lower()}"] = value
        return made

    def _known_weights(self) -> bytes:
        if not self._weights:
            raise ParamError("Estimator: found no weights, expected a trained network; call fit or load first")
        return self._weights


def _untrained(model: Any, config: dict[str, Any]) -> torch.optim.Optimizer:
    """Stand for the optimizer of a network that is only measured."""
    return torch.optim.SGD(model.parameters(), lr=0.0)


def _type_name(value: Any) -> str:
    return f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"


def _refuse(method: str, **arguments: tuple[Any, str]) -> None:
    """Raise ParamError for an argument that has no meaning here."""
    for name, (value, remedy) in arguments.items():
        if value:
            raise ParamError(f"Estimator.{method}: {name}: found {value!r}, which is not supported here; {remedy}")
