"""The kernel of a trained network: columns in, scores out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from aiok_spark.training.packing import Problems, describe, features_of
from aiok_spark.training.task import BINARY, MULTICLASS, RAW, TrainTask

_ROWS = 8192  # at a time, so that what lies between layers stays in the processor's caches


Network = Callable[[dict[str, np.ndarray]], np.ndarray]  # tensors by name to [rows], or [rows, classes]


@dataclass
class TorchNetwork:
    """A network on numpy's arrays, by torch; picklable, and made where it is first called.

    Attributes
    ----------
    task : TrainTask
        What the network was trained by.
    weights : bytes
        In the format of safetensors.
    """

    task: TrainTask
    weights: bytes = field(repr=False)
    _module: Any = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_module": None}

    def __call__(self, tensors: dict[str, np.ndarray]) -> np.ndarray:
        """Raw scores [rows], or [rows, classes]."""
        import torch

        from aiok_spark.training.worker.losses import shaped
        from aiok_spark.training.worker.weights import forward

        if self._module is None:
            self._module = self.module()
        given = {name: torch.from_numpy(values) for name, values in tensors.items()}
        rows = len(next(iter(tensors.values())))
        with torch.inference_mode():
            return shaped(forward(self._module, given), rows, self.task).numpy()

    def module(self) -> Any:
        """The trained ``torch.nn.Module``, a new one for each call."""
        import torch

        from aiok_spark.training.worker.weights import build, load_state

        with torch.random.fork_rng(devices=[]):  # the caller's own random numbers go on as they would have
            made = build(self.task)
        load_state(made, self.weights)
        return made.eval()


@dataclass
class Scorer:
    """Scores rows with a network; picklable.

    Attributes
    ----------
    task : TrainTask
        What the network was trained by.
    network : callable
        Tensors by name to raw scores, such as a ``TorchNetwork``.
    outputs : tuple of str
        What is wanted of "rawPrediction", "probability" and "prediction", in this order.
    keep_invalid : bool
        Whether rows with invalid values give NaN; otherwise they raise ValueError.
    label : str
        The stage, for messages.
    thresholds : tuple of float
        What each class's probability is divided by before the largest one decides; none to take it as it is.
    """

    task: TrainTask
    network: Network
    outputs: tuple[str, ...]
    keep_invalid: bool
    label: str
    thresholds: tuple[float, ...] = ()

    def __call__(self, columns: list[pa.Array]) -> list[pa.Array]:
        """Scores of many rows, as arrays (vectors as lists)."""
        problems: Problems = Counter()
        tensors, wrong = features_of(columns, self.task, problems)
        made = self._scores(tensors, self._checked(problems, wrong))
        return [_array(made[name]) for name in self.outputs]

    def row(self, values: Sequence[Any]) -> list[Any]:
        """Scores of one row, from plain values."""
        spec = self.task.features
        cut, double = len(spec.dense), self.task.precision == "float64"
        try:
            flat = values[:cut] if spec.width == cut else np.hstack([[], *map(_number, values[:cut])])
            with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite there
                dense = np.array(flat, np.float64 if double else np.float32).ravel()  # None as NaN
            ids = np.array([-1 if v is None else v for v in values[cut:]], np.int64)
        except (TypeError, ValueError):
            dense, ids = np.array([np.nan]), np.array([[-1]])
        right = len(dense) == spec.width and np.isfinite(dense).all() and ids.ndim == 1
        if not (right and ((ids >= 0) & (ids < np.array(spec.sizes))).all()):
            # The general way takes arrays of ids, and finds out what is wrong.
            kinds = [(pa.float64() if double else pa.float32(), w) for w in spec.widths]
            kinds += [(pa.int64(), n) for n in spec.lengths]
            types = [
                pa.list_(kind) if n > 1 or isinstance(v, (list, np.ndarray)) else kind
                for v, (kind, n) in zip(values, kinds, strict=True)
            ]
            return [a[0].as_py() for a in self([pa.array([v], t) for v, t in zip(values, types, strict=True)])]
        tensors = {}
        if spec.dense:
            tensors["dense"] = dense[None]
        if spec.categorical:
            tensors["categorical"] = ids[None]
        made = self._scores(tensors, None)
        return [made[name][0].tolist() for name in self.outputs]

    def _checked(self, problems: Problems, wrong: np.ndarray | None) -> np.ndarray | None:
        if problems and not self.keep_invalid:
            told = describe(self.task, [(*what, count) for what, count in problems.items()])
            raise ValueError(f"{self.label}: {told}; or set handleInvalid='keep'")
        return wrong

    def _scores(self, tensors: dict[str, np.ndarray], wrong: np.ndarray | None) -> dict[str, np.ndarray]:
        """Raw prediction, probability and prediction by name; NaN in the rows that are wrong."""
        raw = self._raw(tensors).astype(np.float64)
        if wrong is not None:
            raw[wrong] = np.nan
        if self.task.kind == RAW:
            made = {"prediction": raw}
        elif self.task.kind == BINARY:
            if self.task.probabilities:
                share = np.clip(raw, 1e-7, 1 - 1e-7)
                raw = np.log(share / (1 - share))
            with np.errstate(over="ignore"):
                one = 1 / (1 + np.exp(-raw))
            made = {
                "rawPrediction": np.stack([-raw, raw], 1),
                "probability": np.stack([1 - one, one], 1),
                "prediction": np.where(np.isnan(raw), np.nan, raw > 0),
            }
        elif self.task.kind == MULTICLASS:
            shares = np.exp(raw - raw.max(1, keepdims=True))
            best = raw.argmax(1).astype(np.float64)
            made = {
                "rawPrediction": raw,
                "probability": shares / shares.sum(1, keepdims=True),
                "prediction": np.where(np.isnan(raw).any(1), np.nan, best),
            }
        else:
            made = {"prediction": raw}
        if self.thresholds:
            with np.errstate(divide="ignore", invalid="ignore"):
                shares = made["probability"] / np.array(self.thresholds)
            shares[:, np.equal(self.thresholds, 0)] = np.inf  # of a probability of 0, too
            lost = np.isnan(made["probability"]).any(1)
            made["prediction"] = np.where(lost, np.nan, shares.argmax(1).astype(np.float64))
        return made

    def _raw(self, tensors: dict[str, np.ndarray]) -> np.ndarray:
        rows = len(next(iter(tensors.values())))
        if not rows:  # which not every network can take
            return np.empty((0, self.task.outputs) if self.task.kind in (MULTICLASS, RAW) else 0)
        parts = [{n: v[at : at + _ROWS] for n, v in tensors.items()} for at in range(0, rows, _ROWS)]
        made = np.concatenate([self.network(part) for part in parts])
        return made.reshape(rows, -1) if self.task.kind == RAW else made


def _number(value: Any) -> Any:
    return np.nan if value is None else np.asarray(value, np.float64)


def _array(values: np.ndarray) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values)
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))


def sample(task: TrainTask, rows: int) -> dict[str, np.ndarray]:
    """Tensors that the network of a task may get."""
    draw, spec, made = np.random.default_rng(rows), task.features, {}
    if spec.dense:
        real = np.float64 if task.precision == "float64" else np.float32
        made["dense"] = draw.normal(size=(rows, spec.width)).astype(real)
    if spec.categorical:
        # Of columns of any whole numbers, those that most tables have.
        limits = np.repeat([size or 2 for size in spec.sizes], spec.lengths)
        made["categorical"] = draw.integers(0, limits, (rows, len(limits)))
    return made
