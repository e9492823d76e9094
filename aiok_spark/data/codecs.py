"""Petastorm's codecs: arrays and images that a column of bytes holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa

from aiok_spark.core.errors import DataError, needs_extra
from aiok_spark.data.unischema import UnischemaField

_LENGTH = {1: (8, 2), 2: (8, 4), 3: (8, 4)}  # of the header of an .npy file, by its version: where, and how many bytes
_MAGIC = b"\x93NUMPY"


def decode(field: UnischemaField, values: pa.Array, where: str) -> np.ndarray:
    """Read a column of encoded values.

    Parameters
    ----------
    field : UnischemaField
        With one of the codecs of arrays.
    values : pyarrow.Array
        Of bytes.
    where : str
        The dataset, for messages.

    Returns
    -------
    numpy.ndarray
        ``[rows, *shape]``; if shapes differ or there are nulls, ``[rows]`` of objects (arrays or None).

    Raises
    ------
    DataError
        If bytes are not what the codec makes, or not of the field's type and shape.
    ImportError
        If images are to be read and Pillow is not installed.
    """
    read = _reader(field)
    made: list[Any] = []
    for row, data in enumerate(values):
        if not data.is_valid:
            made.append(None)
            continue
        try:
            array = read(memoryview(data.as_buffer()))
        except (ValueError, LookupError, OSError, EOFError) as e:
            raise _broken(field, row, f"bytes that {field.codec} does not read ({e})", where) from e
        if not _complies(array, field):
            raise _broken(field, row, f"{array.dtype} of shape {array.shape}", where)
        made.append(array)
    return stacked(made)


def stacked(values: Sequence[Any]) -> np.ndarray:
    """Arrays as one, if all are there and have one shape; else ``[rows]`` of objects."""
    if len(values) and all(isinstance(v, np.ndarray) and v.shape == np.shape(values[0]) for v in values):
        return np.stack(list(values))
    objects = np.empty(len(values), object)
    objects[:] = values
    return objects


def _reader(field: UnischemaField) -> Callable[[memoryview], np.ndarray]:
    if field.codec == "NdarrayCodec":
        return partial(_npy, headers={})
    if field.codec == "CompressedNdarrayCodec":
        return lambda data: np.load(BytesIO(data), allow_pickle=False)["arr"]
    with needs_extra("images", f"column '{field.name}'"):
        from PIL import Image
    return lambda data: np.asarray(Image.open(BytesIO(data)))


def _npy(data: memoryview, headers: dict[bytes, tuple[np.dtype, tuple[int, ...], bool]]) -> np.ndarray:
    """What ``numpy.load`` gives; a header, which takes longest to read, is read once."""
    if bytes(data[:6]) != _MAGIC or data[6] not in _LENGTH:
        raise ValueError("no .npy header")
    at, size = _LENGTH[data[6]]
    end = at + size + int.from_bytes(data[at : at + size], "little")
    header = bytes(data[:end])
    if header not in headers:
        array = np.load(BytesIO(data), allow_pickle=False)
        headers[header] = array.dtype, array.shape, b"'fortran_order': True" in header
    kind, shape, by_column = headers[header]
    flat = np.frombuffer(data, kind, offset=end)
    return flat.reshape(shape[::-1]).T if by_column else flat.reshape(shape)


def _complies(array: np.ndarray, field: UnischemaField) -> bool:
    sides = zip(array.shape, field.shape, strict=False)
    return array.ndim == len(field.shape) and all(wanted is None or side == wanted for side, wanted in sides)


def _broken(field: UnischemaField, row: int, found: str, where: str) -> DataError:
    return DataError(
        f"{where}: column '{field.name}', row {row} of its row group: found {found}, expected "
        f"{np.dtype(field.numpy_dtype).name} of shape {field.shape} by {field.codec}; write the dataset again"
    )
