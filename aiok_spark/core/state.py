"""Fitted state: facts as JSON, tables as Arrow, blobs as bytes.  Data, never objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class State:
    """What a fit found out; shared by all copies of a model, so never changed.

    Attributes
    ----------
    facts : mapping
        Small values that JSON can hold (finite numbers, text, lists, dicts with text keys).
    tables : mapping of str to pyarrow.Table
        Larger values, saved as Parquet.  The order of rows is not kept: give them a number.
    blobs : mapping of str to bytes
        Anything with a format of its own, such as safetensors.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    _derived: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def derived(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make()`` gives, kept under ``name``: for indexes that are too dear to build at each call."""
        if name not in self._derived:
            self._derived[name] = make()  # two threads may both build it; the values are equal
        return self._derived[name]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_derived": {}}
