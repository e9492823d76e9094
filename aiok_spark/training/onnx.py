"""Trained networks as ONNX, which onnxruntime scores.

A network is traced by ``torch.export``, so that anything in it that does not hold for every number of rows is an
error and not a network for the one batch that it was traced with.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from typing import Any

import numpy as np

from aiok_spark.core.errors import ParamError, first_line, needs_extra
from aiok_spark.training.scoring import TorchNetwork, sample
from aiok_spark.training.task import MULTICLASS, RAW, TrainTask

_LARGEST = (1 << 31) - (1 << 20)  # bytes of a protobuf message, with room for all but the weights
_LOGGERS = ("torch", "torch.onnx", "torch.export", "torch.fx.experimental.symbolic_shapes", "onnxscript", "onnx_ir")
_exporter = threading.Lock()  # torch.export changes torch for the whole process while it runs


@dataclass
class OnnxNetwork:
    """A network on numpy's arrays, by onnxruntime; picklable, and made where it is first called.

    Several threads may call it at once.

    Attributes
    ----------
    task : TrainTask
        What the network was trained by.
    model : bytes
        In the format of ONNX.
    label : str
        The stage, for messages.
    """

    task: TrainTask
    model: bytes = field(repr=False)
    label: str
    _session: Any = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}

    def __call__(self, tensors: dict[str, np.ndarray]) -> np.ndarray:
        """Raw scores [rows], or [rows, classes]."""
        if self._session is None:
            self._session = _session(self.model, self.label)
        typed = {n: v.astype(np.int64, copy=False) if n == "categorical" else v for n, v in tensors.items()}
        raw = self._session.run(None, typed)[0]
        return raw if self.task.kind in (MULTICLASS, RAW) else raw.reshape(-1)


def converted(network: TorchNetwork, label: str) -> OnnxNetwork:
    """A network of torch as ONNX, tried against it.

    Parameters
    ----------
    network : TorchNetwork
        The trained network.
    label : str
        The stage, for messages.

    Raises
    ------
    ImportError
        If the extra ``onnx`` is not installed.
    ParamError
        If the network cannot be converted, or gives other values then.
    """
    _require(label, "onnx", "onnxscript", "onnxruntime")
    if "tensorflow" in sys.modules and "triton" not in sys.modules and find_spec("triton"):
        raise ImportError(
            f"{label}: found tensorflow imported before triton, torch's compiler, expected the other order, as both "
            "bring LLVM and the second one would end this process; import triton first"
        )
    if len(network.weights) > _LARGEST:
        raise ParamError(
            f"{label}: found a network of {len(network.weights) >> 20} MiB, expected less than 2048, which is all that "
            "ONNX can hold; use runtime='torch'"
        )
    try:
        made = OnnxNetwork(network.task, _exported(network), label)
        for rows in (1, 3):
            tensors = sample(network.task, rows)
            found, expected = made(tensors), network(tensors)
            if found.shape != expected.shape or not np.allclose(found, expected, 1e-4, 1e-5, equal_nan=True):
                raise ValueError(f"it gave {found.tolist()} and not {expected.tolist()} for {rows} rows")
    except Exception as e:  # torch and onnxruntime raise dozens of types
        raise ParamError(
            f"{label}: found a network that cannot be converted to ONNX ({_reason(e)}), expected one that torch.export "
            "can follow for any number of rows; use runtime='torch'"
        ) from e
    return made


def _exported(network: TorchNetwork) -> bytes:
    import torch

    from aiok_spark.training.worker.weights import forward

    made = sample(network.task, 2)

    class Named(torch.nn.Module):
        """Takes its tensors in the order of the task, as a graph does."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network.module().requires_grad_(False)

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            return forward(self.network, dict(zip(made, tensors, strict=True)))

    example = tuple(torch.from_numpy(values) for values in made.values())
    any_rows = {"tensors": tuple({0: torch.export.Dim("rows")} for _ in example)}
    with _exporter, _silence():
        try:
            traced = torch.export.export(Named().eval(), example, dynamic_shapes=any_rows, strict=False)
        except Exception:  # the other way takes longer and some networks less, but knows that len(tensor) varies
            traced = torch.export.export(Named().eval(), example, dynamic_shapes=any_rows, strict=True)
        program = torch.onnx.export(traced, dynamo=True, verbose=False, input_names=list(made))
        assert program is not None
        return program.model_proto.SerializeToString()


def _session(model: bytes, label: str) -> Any:
    _require(label, "onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    # One row takes less than waking a thread, and a server or an executor has a thread for each request or task.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _require(label: str, *modules: str) -> None:
    # From 1.29 on, onnxruntime reports its use to Microsoft, unless this says otherwise before its first import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    with needs_extra("onnx", label):
        for name in modules:
            import_module(name)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep from the terminal what torch says of a network while it converts it; what matters, it raises."""
    with ExitStack() as stack:
        for logger in map(logging.getLogger, _LOGGERS):
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL + 1)
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(redirect_stdout(StringIO()))
        stack.enter_context(redirect_stderr(StringIO()))
        yield


def _reason(error: BaseException) -> str:
    """What is at the bottom of it, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)
