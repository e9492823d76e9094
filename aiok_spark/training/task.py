"""What to train, as data: the contract between an estimator and an engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from aiok_spark.training.features import FeatureSpec

# What a training that continues another one's checkpoint may have its own values of.
_MAY_DIFFER = {
    "epochs",
    "threads",
    "timeout",
    "maxRestarts",
    "checkpointDir",
    "checkpointInterval",
    "progressDir",
    "resultLimit",
    "run",
    "runner",
}

BINARY, MULTICLASS, REGRESSION = "binary", "multiclass", "regression"
RAW = "raw"  # whatever the user's own loss takes, handed to it as it is
CLASSIFICATION = "classification"  # binary or multiclass, as the rows turn out
METRICS = {  # of each epoch; the first decides by default
    BINARY: ("auc", "accuracy", "logLoss", "loss"),
    MULTICLASS: ("accuracy", "logLoss", "loss"),
    REGRESSION: ("rmse", "loss"),
    RAW: ("loss",),
}


@dataclass(frozen=True)
class Group:
    """Parameters that share an optimiser.

    Attributes
    ----------
    match : str
        Regular expression that is searched in the parameters' names; the first group that matches takes it.
    optimizer : str
        "sgd", "adam", "adamw", "adagrad" or "sparseAdam".
    learningRate, weightDecay, momentum : float
        As the optimiser takes them.
    sparse : bool
        Whether the group is for parameters whose gradients are sparse (embedding tables).
    """

    match: str = ""
    optimizer: str = "adam"
    learningRate: float = 1e-3
    weightDecay: float = 0.0
    momentum: float = 0.0
    sparse: bool = False


@dataclass(frozen=True)
class Creators:
    """The user's own functions, as BigDL Orca has them; each by name, as ``TrainTask.network``, or empty for none.

    Attributes
    ----------
    optimizer : str
        Called with the network and ``config``; gives a ``torch.optim.Optimizer`` or a list of them.
    loss : str
        A class without arguments, an object, or a function of ``config``; gives a function of output and label.
    scheduler : str
        Called with the optimizer and ``config``; gives a schedule of learning rates, which steps after each epoch.
    metrics : sequence of str
        Functions of output and label of all held-out rows, each of which gives a number.
    start : str
        A function without arguments that gives first weights in the format of safetensors.
    config : mapping
        As JSON has it.
    """

    optimizer: str = ""
    loss: str = ""
    scheduler: str = ""
    metrics: Sequence[str] = ()
    start: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainTask:
    """All that a worker needs to know to train; JSON can hold it, but for live code.

    Attributes
    ----------
    network : str
        ``package.module:Name`` of what builds the network, called with ``features`` and ``arguments``;
        or ``live:<digest>`` where it came from a notebook (see ``live``).
    arguments : mapping
        Keyword arguments of the network, beside ``features``.
    features : FeatureSpec
        What the network reads.
    kind : str
        "binary", "multiclass", "regression" or "raw": what the label is.
    loss : str
        Name of a loss (see ``worker.losses``), or where to find one, as for ``network``.
    numClasses : int
        Of the label; 2 for binary, 0 for regression.
    classWeights : sequence of float
        One for each class; empty for 1.
    groups : sequence of Group
        Optimisers; each parameter goes to the first that matches its name and sparsity.
    schedule : str
        "constant", "linear", "cosine", or "pegasos": learningRate / (1 + learningRate weightDecay step), which is
        1 / (weightDecay (step + step0)).
    epochs : int
        Passes over the rows; 0 to measure what the weights to begin with are worth on the rows that are held out.
    label, weight, validation : str
        Columns; the last two may be empty for none.
    run : str
        A name of this very call of fit.
    runner : str
        Who goes through the batches: "own", or "orca" for BigDL Orca's runner.
    resultLimit : int
        Bytes of weights that the driver takes, 0 for any.
    creators : Creators
        The user's own functions that make optimizer, loss and schedule; they take the place of ``groups``, ``loss``
        and ``schedule``.
    wholeLabel, labelWidth : bool, int
        Of a raw label: whether it is whole numbers, and how many a row has (0 for a number by itself).
    probabilities : bool
        Whether the network of a binary label ends in a probability, not in its logit.
    live : mapping of str to object
        Classes and functions of a notebook, by the name that ``network`` or ``loss`` has; not in the JSON.
    """

    network: str
    features: FeatureSpec
    kind: str = BINARY
    loss: str = "auto"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    numClasses: int = 2
    classWeights: Sequence[float] = ()
    groups: Sequence[Group] = (Group(),)
    schedule: str = "constant"
    warmupSteps: int = 0
    epochs: int = 1
    batchSize: int = 1024
    averageEvery: int = 0
    clipNorm: float | None = None
    precision: str = "float32"
    matmulPrecision: str = "highest"
    shuffle: bool = True
    seed: int = 0
    validationFraction: float = 0.0
    metric: str = "auto"
    patience: int = 0
    targetMetric: float | None = None
    checkpointDir: str | None = None
    progressDir: str | None = None
    resultLimit: int = 0
    checkpointInterval: int = 0
    maxRestarts: int = 2
    timeout: float = 300.0
    threads: int = 0
    stagingMemory: int = 1024
    label: str = ""
    weight: str = ""
    validation: str = ""
    workers: int = 1
    run: str = ""
    runner: str = "own"
    creators: Creators = Creators()
    wholeLabel: bool = False
    labelWidth: int = 0
    probabilities: bool = False
    live: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def outputs(self) -> int:
        """Values that the network gives for a row."""
        return self.numClasses if self.kind == MULTICLASS else 1

    def to_json(self) -> dict[str, Any]:
        """Everything but ``live``."""
        made = asdict(replace(self, live={}))
        del made["live"]
        return {**made, "features": self.features.to_json(), "groups": [asdict(g) for g in self.groups]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], live: Mapping[str, Any] | None = None) -> TrainTask:
        """What ``to_json`` gave."""
        features = FeatureSpec.from_json(data["features"])
        groups = tuple(Group(**g) for g in data["groups"])
        creators = Creators(**data.get("creators", {}))
        return cls(**{**data, "features": features, "groups": groups, "creators": creators, "live": live or {}})

    @property
    def fingerprint(self) -> str:
        """Digest of what must be equal for a checkpoint to be continued: all but limits and places."""
        told = {name: value for name, value in self.to_json().items() if name not in _MAY_DIFFER}
        text = json.dumps(told, sort_keys=True)
        for name in self.live:  # a class of a notebook has another digest in each process
            text = text.replace(name, name.rpartition(":")[0])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class TrainResult:
    """What came of a training.

    Attributes
    ----------
    weights : bytes
        The network's state in the format of safetensors.
    history : list of dict
        One for each epoch: loss, metrics, rows per second, bytes exchanged.
    workers : list of dict
        Facts of each worker: rank, host, executor, rows, seconds.
    summary : dict
        Facts of the whole: epochs, best epoch, why it stopped, precision.
    """

    weights: bytes
    history: list[dict[str, Any]]
    workers: list[dict[str, Any]]
    summary: dict[str, Any]
