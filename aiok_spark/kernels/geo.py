"""Distances on the Earth."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

RADIUS = 6371.0088  # km, the mean radius of the Earth
DEGREE = math.pi / 180
MOST_LATITUDE, MOST_LONGITUDE = 90.0, 360.0  # degrees, of either sign


def haversine(columns: list[pa.Array]) -> list[pa.Array]:
    """Kilometres from latitude and longitude to latitude and longitude, null where one is no place on Earth."""
    valid = np.logical_and.reduce([np.asarray(pc.is_valid(column)) for column in columns])
    degrees = [column.to_numpy(zero_copy_only=False) for column in columns]
    with np.errstate(invalid="ignore"):
        for value, most in zip(degrees, (MOST_LATITUDE, MOST_LONGITUDE) * 2, strict=True):
            valid &= np.abs(value) <= most  # NaN is not
        return [pa.array(_distance(np, *degrees), mask=~valid)]


def haversine_row(values: list[Any]) -> list[Any]:
    """Like ``haversine``, for the values of one row."""
    limits = (MOST_LATITUDE, MOST_LONGITUDE) * 2
    if not all(v is not None and abs(v) <= most for v, most in zip(values, limits, strict=True)):
        return [None]
    return [_distance(_PLAIN, *map(float, values))]


_PLAIN = SimpleNamespace(sin=math.sin, cos=math.cos, sqrt=math.sqrt, arctan2=math.atan2)  # as numpy calls them


def _distance(lib: Any, lat1: Any, lon1: Any, lat2: Any, lon2: Any) -> Any:
    """By the functions of numpy, or the same for single numbers."""
    half, step = DEGREE / 2, (lon2 - lon1) * (DEGREE / 2)
    both = lib.cos(lat1 * DEGREE) * lib.cos(lat2 * DEGREE)
    near = _square(lib.sin((lat2 - lat1) * half)) + both * _square(lib.sin(step))
    far = _square(lib.sin((lat2 + lat1) * half)) + both * _square(lib.cos(step))
    return 2 * RADIUS * lib.arctan2(lib.sqrt(near), lib.sqrt(far))


def _square(x: Any) -> Any:
    return x * x
