"""What the stages share that draw negative samples: items that a user had nothing to do with."""

from __future__ import annotations

import warnings
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import DataType, LongType, NullType, StringType

from aiok_spark.core import compat
from aiok_spark.core.errors import ColumnTypeError, DataError
from aiok_spark.core.params import at_least, param, to_finite, to_int64
from aiok_spark.core.schema import element
from aiok_spark.core.stage import Model, Stage
from aiok_spark.core.state import State
from aiok_spark.feature.encoding import value_type
from aiok_spark.feature.vocabulary import Vocabularies, count_values
from aiok_spark.kernels import negatives as kernels
from aiok_spark.kernels.program import cast


def to_power(value: Any) -> float:
    """A number in [0, 10]."""
    if not 0 <= (power := to_finite(value)) <= 10:
        raise ValueError(f"found {power}, expected a number in [0, 10]")
    return power


class Sampler(Stage):
    """What both stages share: how many to draw of what, and the fit."""

    numNegatives = param("numNegatives", "negatives of each positive, from 1; default 1", at_least(1), 1)
    power = param(
        "power",
        "an item is drawn in proportion to its count at fit to this power, in [0, 10]: 0 (default) is uniform, 1 by "
        "popularity, 0.75 as word2vec",
        to_power,
        0.0,
    )
    seed = param("seed", "64-bit signed integer that seeds the draws; default 0", to_int64, 0)

    def _fitted_items(self, dataset: DataFrame, name: str) -> State:
        kind = element(dataset.schema[name].dataType)
        counted = count_values(dataset, [[name]], 1)
        if not len(counted[0]):
            raise DataError(
                f"{self._label}: found no item in column '{name}', expected at least one that is not null; check the "
                "DataFrame"
            )
        return Vocabularies.state_of([[name]], [value_type(kind).simpleString()], [], counted)

    def _warn_of_few(self, rows: int, items: int) -> None:
        if rows:
            warnings.warn(
                f"{self._label}: numNegatives: found {rows} rows with fewer than {self.getNumNegatives()} of {items} "
                "items left that are no positives of theirs, so they get fewer negatives; lower numNegatives",
                stacklevel=2,
            )


class SamplerModel(Sampler, Model):
    """The fitted items."""

    @property
    def items(self) -> dict[Any, int]:
        """Number of fitted rows of each item, the most frequent first."""
        table, values = self._vocabulary().table(0), self._values()
        return dict(zip(values.to_pylist(), table["count"].to_pylist(), strict=True))

    def _vocabulary(self) -> Vocabularies:
        return Vocabularies(self._state)

    def _value_type(self) -> DataType:
        """What the fitted items are held as."""
        return LongType() if self._vocabulary().types[0] == "bigint" else StringType()

    def _values(self) -> pa.Array:
        kind = compat.arrow_type(self._value_type())
        return cast(self._vocabulary().table(0)["value"], kind)

    def _items(self) -> kernels.Items:
        """Items with their weights."""

        def make() -> kernels.Items:
            found = self._vocabulary()
            table = found.table(0)
            return kernels.Items.build(
                self._values(),
                table["key"].to_numpy(),
                found.seed,
                table["count"].to_numpy(),
                self.getPower(),
            )

        return self._state.derived(f"items {self.getPower()}", make)

    def _require_fitted_type(self, name: str, kind: DataType) -> None:
        fitted, found = self._value_type().simpleString(), value_type(element(kind)).simpleString()
        if found != fitted and not isinstance(element(kind), NullType):
            raise ColumnTypeError(
                f"{self._label}: found '{name}' to hold {found} values, expected {fitted} as at fit; cast the column"
            )
