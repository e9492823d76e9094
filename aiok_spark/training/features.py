"""What a network reads: columns by group, with their widths and table sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class FeatureSpec:
    """Inputs of a network, as JSON can hold them; saved with the model.

    A network gets one tensor for each group that is not empty: ``dense`` (float, [rows, sum of widths])
    and ``categorical`` (int64, [rows, sum of lengths]).

    Attributes
    ----------
    dense : tuple of str
        Numeric columns, in the order of the tensor's columns.
    widths : tuple of int
        Values of each dense column: 1 for a number, its length for a vector or array.
    categorical : tuple of str
        Columns of ids.
    sizes : tuple of int
        Rows of each id column's table: ids lie in [0, size); 0 for any whole numbers.
    lengths : tuple of int
        Ids of each id column: 1 for an id, its length for an array; left out if all are 1.
    """

    dense: tuple[str, ...] = ()
    widths: tuple[int, ...] = ()
    categorical: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.lengths:
            object.__setattr__(self, "lengths", (1,) * len(self.categorical))

    @property
    def width(self) -> int:
        """Columns of the tensor ``dense``."""
        return sum(self.widths)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the tensors that a network gets."""
        return tuple(name for name, columns in (("dense", self.dense), ("categorical", self.categorical)) if columns)

    def to_json(self) -> dict[str, Any]:
        """As plain lists."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FeatureSpec:
        """What ``to_json`` gave."""
        return cls(**{name: tuple(values) for name, values in data.items()})
