"""Weights of a file: as this package or as Orca saves them."""

from __future__ import annotations

from io import BytesIO
from pickle import UnpicklingError
from typing import Any

import torch

from aiok_spark.core.errors import PersistenceError
from aiok_spark.core.files import open_system
from aiok_spark.training.worker.weights import from_bytes, to_bytes

_OURS = "network."  # before the names of the user's network
_ZIP = b"PK\x03\x04"  # as torch.save begins


def read_weights(place: str) -> bytes:
    """Weights in the format of safetensors.

    Parameters
    ----------
    place : str
        A path or URI of a file that ``save`` here, or ``save`` or ``save_checkpoint`` of Orca, has written.

    Raises
    ------
    PersistenceError
        If it holds more than weights, which could run code, or none.
    """
    system, path = open_system(place)
    with system.open_input_stream(path) as source:
        data = source.read()
    if not data.startswith(_ZIP):
        try:
            from_bytes(data)
        except Exception as e:  # safetensors has an error of its own
            raise PersistenceError(f"{place}: found no weights ({e}), expected a file of save; choose another") from e
        return data
    try:
        state: Any = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except UnpicklingError as e:
        raise PersistenceError(
            f"{place}: found a whole network, which can run code when it is read, expected weights alone; save it in "
            "Orca without entire=True"
        ) from e
    if "models" in state:
        state = state["models"][0]
    return to_bytes({_OURS + name.removeprefix("module."): tensor for name, tensor in state.items()})
