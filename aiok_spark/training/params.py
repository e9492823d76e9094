"""Params of every estimator that trains a network."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

from aiok_spark.core.params import (
    at_least,
    one_of,
    param,
    to_finite,
    to_float,
    to_name,
    to_names,
    to_positive,
    to_text,
)
from aiok_spark.core.stage import Stage
from aiok_spark.training.engine import BACKENDS, FEEDS
from aiok_spark.training.references import reference
from aiok_spark.training.task import BINARY, MULTICLASS, REGRESSION, Group

DENSE_OPTIMIZERS = ("adam", "adamw", "adagrad", "sgd")
SPARSE_OPTIMIZERS = ("adagrad", "sgd", "sparseAdam")


def to_share(value: Any) -> float:
    """A number in [0, 1)."""
    if not 0 <= (number := to_finite(value)) < 1:
        raise ValueError(f"found {number}, expected a number in [0, 1)")
    return number


def to_not_negative(value: Any) -> float:
    """A finite number of at least 0."""
    if (number := to_finite(value)) < 0:
        raise ValueError(f"found {number}, expected a number of at least 0")
    return number


def to_weights(value: Any) -> list[float]:
    """A list of numbers of at least 0."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"found {value!r} ({type(value).__name__}), expected a list of numbers")
    if value and not any(value):
        raise ValueError(f"found {value!r}, expected at least one above 0")
    return [to_not_negative(v) for v in value]


def to_thresholds(value: Any) -> list[float]:
    """A list of numbers above 0, one of them may be 0."""
    if (numbers := to_weights(value)).count(0) > 1:
        raise ValueError(f"found {value!r}, expected at most one 0")
    return numbers


def to_sizes(value: Any) -> dict[str, int]:
    """A dict of column names to whole numbers from 1."""
    if not isinstance(value, dict):
        raise TypeError(f"found {value!r} ({type(value).__name__}), expected a dict of column to table size")
    return {to_name(name): at_least(1)(size) for name, size in value.items()}


class HasFeatures(Stage):
    """Mixin for the columns that a network reads."""

    denseCols = param(
        "denseCols", "numeric, vector or array columns that the network reads as numbers; default none", to_names, []
    )
    categoricalCols = param(
        "categoricalCols", "integer columns of ids, as Categorify and HashBuckets make them; default none", to_names, []
    )
    featuresCol = param(
        "featuresCol",
        "vector column, read as denseCols are if neither denseCols nor categoricalCols is set; default 'features'",
        to_name,
        "features",
    )
    tableSizes = param(
        "tableSizes",
        "ids of each categorical column without metadata, as {column: size}: ids lie in [0, size); default none",
        to_sizes,
        {},
    )


class HasHandleInvalid(Stage):
    """Mixin for what becomes of values that a network cannot use."""

    handleInvalid = param(
        "handleInvalid",
        "what a null, NaN or infinite number, or an id outside its table, does to a transform: 'error' (default) stops "
        "it, 'keep' makes the row's outputs NaN; a fit always stops",
        one_of("error", "keep"),
        "error",
    )


class HasPredictionCol(Stage):
    """Mixin for the predicted column."""

    predictionCol = param(
        "predictionCol",
        "name of the predicted value (double), '' for none; default 'prediction'",
        to_text,
        "prediction",
    )


class HasRawPredictionCol(HasPredictionCol):
    """Mixin for the raw scores that a classifier gives, as Spark's own do."""

    rawPredictionCol = param(
        "rawPredictionCol",
        "name of the raw scores (vector, one for each class), '' for none; default 'rawPrediction'",
        to_text,
        "rawPrediction",
    )


class HasProbabilityCol(HasRawPredictionCol):
    """Mixin for the probabilities that a classifier gives, as Spark's own do."""

    probabilityCol = param(
        "probabilityCol",
        "name of the probabilities (vector, one for each class), '' for none; default 'probability'",
        to_text,
        "probability",
    )
    thresholds = param(
        "thresholds",
        "a number for each class, above 0 but for at most one 0: the class with the largest probability / threshold is "
        "predicted, as Spark's own classifiers do; default none, the class with the largest probability",
        to_thresholds,
        [],
    )


class HasNumClasses(HasProbabilityCol):
    """Mixin for classifiers of any number of classes."""

    numClasses = param(
        "numClasses",
        "classes of the label, at least 0; default 0, as the label's metadata says or the largest label is",
        at_least(0),
        0,
    )
    classWeights = param(
        "classWeights", "weights of the classes' rows, at least 0, one for each class; default none, 1", to_weights, []
    )


class HasProblemType(Stage):
    """Mixin for networks that serve any kind of label."""

    problemType = param(
        "problemType",
        "what the label is: 'binary' (default), 'multiclass' or 'regression'",
        one_of(BINARY, MULTICLASS, REGRESSION),
        BINARY,
    )

    def _kind(self) -> str:
        return self.getProblemType()


class HasTraining(Stage):
    """Mixin for how a network is trained, whatever the optimizer."""

    labelCol = param("labelCol", "name of the label; default 'label'", to_name, "label")
    weightCol = param(
        "weightCol", "name of the rows' weights (at least 0); default none, each row counts 1", to_name, None
    )
    validationIndicatorCol = param(
        "validationIndicatorCol",
        "boolean column, true for rows that are held out to measure each epoch; default none",
        to_name,
        None,
    )
    validationFraction = param(
        "validationFraction",
        "share of rows, drawn at random, that are held out to measure each epoch, in [0, 1); default 0",
        to_share,
        0.0,
    )
    numWorkers = param("numWorkers", "tasks that train together, from 1; default 1", at_least(1), 1)
    engine = param(
        "engine",
        "where to train: 'spark' (default) on the executors, 'orca' there too by BigDL Orca's runner (see the extra "
        "orca), 'local' in the driver's process with one worker",
        one_of(*BACKENDS),
        "spark",
    )
    feed = param(
        "feed",
        "how rows come to the workers: 'stream' (default) through Spark, 'files' from the files of a "
        "PetastormConverter before this stage; without one, they are written for this training",
        one_of(*FEEDS),
        "stream",
    )
    epochs = param("epochs", "passes over the rows, from 1; default 1", at_least(1), 1)
    batchSize = param("batchSize", "rows of a step, over all workers together, from 1; default 1024", at_least(1), 1024)
    metric = param(
        "metric",
        "what earlyStoppingEpochs and targetMetric look at, of held-out rows if there are any: 'auto' (default: auc, "
        "accuracy or rmse), 'auc', 'accuracy', 'logLoss', 'loss' or 'rmse'",
        one_of("auto", "auc", "accuracy", "logLoss", "loss", "rmse"),
        "auto",
    )
    earlyStoppingEpochs = param(
        "earlyStoppingEpochs",
        "stop after so many epochs without a better metric, and take the best epoch's weights; 0 (default) for never, "
        "else from 1",
        at_least(0),
        0,
    )
    targetMetric = param(
        "targetMetric",
        "stop at the end of the epoch whose metric reaches this, any number; default none",
        to_float,
        None,
    )
    seed = param("seed", "seed of first weights, order of rows and dropout, at least 0; default 0", at_least(0), 0)
    checkpointDir = param(
        "checkpointDir",
        "directory that driver and executors share, for checkpoints and progress: a restarted worker, or the same fit "
        "after a crash, goes on from there; default none, a restarted training begins anew",
        to_name,
        None,
    )
    checkpointInterval = param(
        "checkpointInterval",
        "steps between checkpoints within an epoch, from 1; default 0, only at the end of each epoch",
        at_least(0),
        0,
    )
    maxRestarts = param(
        "maxRestarts",
        "how often a training may start again after a worker was lost, at least 0 (Spark itself stops at 3); default 2",
        at_least(0),
        2,
    )
    stepTimeout = param(
        "stepTimeout",
        "seconds that a step, or an exchange between workers, may take before the training ends, above 0; default 300",
        to_positive,
        300.0,
    )
    threadsPerWorker = param(
        "threadsPerWorker", "threads of a worker, from 1; default 0, as many as spark.task.cpus", at_least(0), 0
    )
    stagingMemory = param(
        "stagingMemory",
        "MiB of rows that a worker holds in memory, at least 0; more go to a temporary file; default 1024",
        at_least(0),
        1024,
    )


class HasOptimizer(Stage):
    """Mixin for optimizers, learning rates and number formats."""

    optimizer = param(
        "optimizer",
        "optimizer of dense parameters: 'adam' (default), 'adamw', 'adagrad' or 'sgd'",
        one_of(*DENSE_OPTIMIZERS),
        "adam",
    )
    learningRate = param("learningRate", "step size of the optimizer, above 0; default 0.001", to_positive, 1e-3)
    weightDecay = param(
        "weightDecay",
        "weight decay of dense parameters, at least 0; tables of sparse gradients have none; default 0",
        to_not_negative,
        0.0,
    )
    momentum = param("momentum", "momentum of optimizer 'sgd', in [0, 1); default 0", to_share, 0.0)
    embeddingOptimizer = param(
        "embeddingOptimizer",
        "optimizer of tables with sparse gradients: 'auto' (default: as optimizer, with 'sparseAdam' for adam and "
        "adamw), 'sparseAdam', 'adagrad' or 'sgd'",
        one_of("auto", *SPARSE_OPTIMIZERS),
        "auto",
    )
    embeddingLearningRate = param(
        "embeddingLearningRate",
        "step size for tables with sparse gradients, above 0; default none, as learningRate",
        to_positive,
        None,
    )
    schedule = param(
        "schedule",
        "learning rate after the warm-up: 'constant' (default), or 'linear' or 'cosine' down to 0 at the last step",
        one_of("constant", "linear", "cosine"),
        "constant",
    )
    warmupSteps = param(
        "warmupSteps", "steps in which the learning rate rises from 0, at least 0; default 0", at_least(0), 0
    )
    gradientClipNorm = param(
        "gradientClipNorm", "largest norm of all gradients together, above 0; default none, no limit", to_positive, None
    )
    precision = param(
        "precision",
        "number format of matrix products: 'float32' (default), 'bfloat16' (weights stay float32), 'float64', or "
        "'auto' for bfloat16 where every worker's processor is faster with it, as measured",
        one_of("float32", "bfloat16", "float64", "auto"),
        "float32",
    )
    matmulPrecision = param(
        "matmulPrecision",
        "torch's precision of float32 matrix products: 'highest' (default), 'high', 'medium', or 'auto' for medium "
        "where every worker's processor is faster with bfloat16",
        one_of("highest", "high", "medium", "auto"),
        "highest",
    )


class HasAveraging(Stage):
    """Mixin for workers that step by themselves and average their weights."""

    averageEvery = param(
        "averageEvery",
        "0 (default): workers exchange gradients at every step; from 1: each steps by itself, and weights are averaged "
        "after so many steps (only with optimizer 'sgd' without momentum)",
        at_least(0),
        0,
    )


def to_code(value: Any) -> Any:
    """``package.module:Name``, or a class or function; one that others can import becomes its name."""
    if isinstance(value, str):
        module, colon, name = value.partition(":")
        if not (module and colon and name):
            raise ValueError(f"found {value!r}, expected 'package.module:Name'")
        return value
    if not callable(value):
        raise TypeError(
            f"found {value!r} ({type(value).__name__}), expected a class or function, or 'package.module:Name'"
        )
    name, live = reference(value)
    return live.get(name, name)


def to_codes(value: Any) -> list[Any]:
    """A list of code."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"found {value!r} ({type(value).__name__}), expected a list of functions")
    return [to_code(code) for code in value]


def to_loss_creator(value: Any) -> Any:
    """Code; a loss of torch as its class makes it without arguments becomes the name of its class."""
    kind = type(value)
    if kind.__module__.startswith("torch.nn.") and repr(value) == f"{kind.__name__}()":
        fresh = kind()
        if not value.state_dict() and all(
            vars(fresh)[n] == v for n, v in vars(value).items() if isinstance(v, (str, float, int))
        ):
            return to_code(kind)
    return to_code(value)


def to_loss(value: Any) -> Any:
    """The name of a loss, or code."""
    return value if isinstance(value, str) and ":" not in value and value else to_code(value)


def to_arguments(value: Any) -> dict[str, Any]:
    """Keyword arguments that JSON can hold."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"found {value!r} ({type(value).__name__}), expected a dict of argument names to values")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as e:
        raise TypeError(
            f"found a value that JSON cannot hold ({e}), expected numbers, texts, lists and dicts"
        ) from None
    return value


def to_groups(value: Any) -> list[dict[str, Any]]:
    """A list of dicts with fields of ``Group``."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(group, dict) for group in value):
        raise TypeError(f"found {value!r} ({type(value).__name__}), expected a list of dicts")
    known = {f.name for f in fields(Group)}
    for group in value:
        if unknown := set(group) - known:
            raise ValueError(f"found fields {sorted(unknown)}, expected some of {sorted(known)}")
        allowed = SPARSE_OPTIMIZERS if group.get("sparse") else DENSE_OPTIMIZERS
        one_of(*allowed)(group.get("optimizer"))
        re.compile(group.get("match", ""))
    return [dict(group) for group in value]


def to_widths(value: Any) -> list[int]:
    """A list of whole numbers from 1."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"found {value!r} ({type(value).__name__}), expected a list of layer widths")
    return [at_least(1)(v) for v in value]
