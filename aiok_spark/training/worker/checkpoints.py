"""Checkpoints: everything that a training needs to go on, in one file that is renamed when it is complete."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import torch
from pyarrow import fs

from aiok_spark.core.files import open_system
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker.refused import RefusedError
from aiok_spark.training.worker.weights import from_bytes, to_bytes

_NAME = "checkpoint.safetensors"
_FINISHED = "finished"  # holds the name of the run whose checkpoint is its last


@dataclass
class Checkpoint:
    """Where a training is.

    Attributes
    ----------
    epoch, step : int
        The next to be done, counted from 0; ``step`` counts the steps of the epoch.
    tensors : dict
        Weights ("network/..."), optimisers ("optimiser/..."), the best weights so far ("best/...").
    about : dict
        History, sums, counts: what JSON can hold.
    """

    epoch: int = 0
    step: int = 0
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> dict[str, torch.Tensor]:
        """Tensors of a part, without its prefix."""
        return {key.removeprefix(f"{name}/"): t for key, t in self.tensors.items() if key.startswith(f"{name}/")}


class Checkpoints:
    """The last checkpoint of a task, in the task's directory; no directory, no checkpoints."""

    def __init__(self, task: TrainTask) -> None:
        self._place, self._task = task.checkpointDir, task
        self._run = task.run  # whose checkpoint it is that is there

    @property
    def wanted(self) -> bool:
        """Whether there is a directory to write to."""
        return self._place is not None

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the last one; an interrupted write leaves it as it was."""
        if self._place is None:
            return
        about = {**checkpoint.about, "epoch": checkpoint.epoch, "step": checkpoint.step, "run": self._task.run}
        told = {"fingerprint": self._task.fingerprint, "about": json.dumps(about)}
        self._run = self._task.run
        system, folder = open_system(self._place)
        system.create_dir(folder, recursive=True)
        with system.open_output_stream(f"{folder}/{_NAME}.tmp") as out:
            out.write(to_bytes(checkpoint.tensors, told))
        _replace(system, f"{folder}/{_NAME}.tmp", f"{folder}/{_NAME}")

    def read(self) -> Checkpoint | None:
        """The last one, unless another run has finished with it; RefusedError if it is of another task."""
        if self._place is None:
            return None
        system, folder = open_system(self._place)
        if system.get_file_info(f"{folder}/{_NAME}").type != fs.FileType.File:
            return None
        with system.open_input_stream(f"{folder}/{_NAME}") as source:
            data = source.read()
        (length,) = struct.unpack("<Q", data[:8])  # safetensors: the header's length, the header as JSON, the tensors
        told = json.loads(data[8 : 8 + length])["__metadata__"]
        about = json.loads(told["about"])
        run = about.pop("run")
        if run != self._task.run and self._finished(system, folder) == run:
            return None
        if told["fingerprint"] != self._task.fingerprint:
            raise RefusedError(
                f"checkpointDir: found a checkpoint of another training in {self._place}, expected one of the same "
                "stage, Params and columns; choose another directory, or delete it to start anew"
            )
        self._run = run
        return Checkpoint(about.pop("epoch"), about.pop("step"), from_bytes(data), about)

    def finish(self) -> None:
        """Note that the training is done, so that the next one starts anew."""
        if self._place is not None:
            system, folder = open_system(self._place)
            with system.open_output_stream(f"{folder}/{_FINISHED}") as out:
                out.write(self._run.encode())

    @staticmethod
    def _finished(system: Any, folder: str) -> str | None:
        if system.get_file_info(f"{folder}/{_FINISHED}").type != fs.FileType.File:
            return None
        with system.open_input_stream(f"{folder}/{_FINISHED}") as source:
            return str(source.read().decode())


def _replace(system: Any, source: str, target: str) -> None:
    try:
        system.move(source, target)
    except OSError:  # some file systems do not rename onto a file
        system.delete_file(target)
        system.move(source, target)
