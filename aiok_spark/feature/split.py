"""Splits into parts such as train, validation and test: a column that says which; all rows are kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from pyspark import keyword_only
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import (
    DataType,
    StringType,
    StructField,
    StructType,
)

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import at_least, param, to_finite, to_int64, to_name, to_names
from aiok_spark.core.schema import find_fields, put_columns, require_keys
from aiok_spark.core.stage import RowLocalTransformer, SetTransformer, Stage
from aiok_spark.feature.encoding import plain_type
from aiok_spark.feature.events import EventStage, HasTieCols, hashable, is_event
from aiok_spark.kernels import splits as kernels
from aiok_spark.kernels.hashing import seed_of
from aiok_spark.kernels.program import Kernel, RowKernel

PARTS = ["train", "validation", "test"]
FRACTIONS = [0.8, 0.1, 0.1]


def to_fractions(value: Any) -> list[float]:
    """List of numbers above 0 that add up to 1."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"found {value!r}, expected a list of numbers, such as [0.8, 0.1, 0.1]")
    found = [to_finite(x) for x in value]
    if not found or min(found) <= 0 or abs(sum(found) - 1) > 1e-9:
        raise ValueError(f"found {found}, expected numbers above 0 that add up to 1")
    return found


class Split(Stage):
    """What all splits share: the parts and the column that says which."""

    splitNames = param(
        "splitNames", "names of the parts, in order; default ['train', 'validation', 'test']", to_names, PARTS
    )
    outputCol = param("outputCol", "name of the result, the part of each row; default 'split'", to_name, "split")

    def _outputs(self) -> list[str]:
        return [self.getOutputCol()]

    def _split_field(self) -> StructField:
        names = self.getSplitNames()
        if len(set(names)) != len(names):
            raise ParamError(
                f"{self._label}: splitNames: found {names}, expected names that differ; rename one of the parts"
            )
        return StructField(self.getOutputCol(), StringType(), True)

    def _require_one_each(self, name: str, values: Sequence[Any], parts: int) -> None:
        if len(values) != parts:
            raise ParamError(
                f"{self._label}: {name}: found {len(values)} values for the parts {self.getSplitNames()}, expected "
                f"{parts}; make {name} and splitNames fit"
            )


class ByFractions(Split):
    """A split whose parts have shares."""

    fractions = param(
        "fractions",
        "share of the rows of each part, numbers above 0 that add up to 1; default [0.8, 0.1, 0.1]",
        to_fractions,
        FRACTIONS,
    )

    def _shares_before(self) -> list[float]:
        """Where each part but the last ends, in (0, 1)."""
        return list(accumulate(self.getFractions()))[:-1]


class HashSplit(ByFractions, RowLocalTransformer):
    """Split by a hash of keys: rows of equal keys are in one part, now and whenever rows are added.

    Parameters
    ----------
    keyCols : list of str
        Columns of strings, integers, booleans or dates; such as the user, or the columns that tell rows apart.
    outputCol : str
        Name of the result: string.
    splitNames : list of str
        Names of the parts, in order.
    fractions : list of float
        Share of the keys that each part gets, in expectation.
    seed : int
        Another seed gives another split.

    Raises
    ------
    ParamError
        If names and fractions are not equally many, or two names are equal.

    Notes
    -----
    The hash is SQL's ``xxhash64(CAST(seed AS BIGINT), keys...)``, the same on and off Spark. Its top 53 bits, as a
    fraction of 2^53, are compared with the shares. A null key is a key like others: all such rows are in one part.

    Examples
    --------
    >>> HashSplit(keyCols=["user"], fractions=[0.9, 0.1], splitNames=["train", "test"]).transform(df)  # doctest: +SKIP
    """

    keyCols = param("keyCols", "columns whose values decide; no default", to_names)
    seed = param("seed", "64-bit signed integer that seeds the hash; default 0", to_int64, 0)

    @keyword_only
    def __init__(self, *, keyCols=None, outputCol="split", splitNames=PARTS, fractions=FRACTIONS, seed=0):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _inputs(self) -> list[str]:
        return self.getKeyCols()

    def _input_fields(self, schema: StructType) -> list[StructField]:
        return find_fields(self._label, "keyCols", self._inputs(), schema)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        require_keys(self._label, inputs)
        self._require_one_each("fractions", self.getFractions(), len(self.getSplitNames()))
        return [self._split_field()]

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [plain_type(f.dataType) for f in inputs]

    def _bounds(self) -> list[int]:
        return [round(share * 2**kernels.SHARES) for share in self._shares_before()]

    def _kernel(self) -> Kernel:
        return partial(
            kernels.hash_split, bounds=self._bounds(), names=self.getSplitNames(), seed=seed_of(self.getSeed())
        )

    def _row_kernel(self) -> RowKernel:
        return kernels.hash_split_row(self._bounds(), self.getSplitNames(), seed_of(self.getSeed()))

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column]:
        share = F.shiftrightunsigned(F.xxhash64(F.lit(self.getSeed()).cast("long"), *columns), 64 - kernels.SHARES)
        return [part_of(share, self._bounds(), self.getSplitNames())]


class LeaveLastOut(Split, EventStage, HasTieCols, SetTransformer):
    """Split off the newest events of each key.

    Of each key the newest ``numTest`` events are the last part, the ``numValidation`` before them the second, and
    all others the first.

    Parameters
    ----------
    keyCols : list of str
        Whose an event is, such as the user: strings, integers, booleans or dates.
    orderCol : str
        When it was: a number, date or timestamp.
    tieCols : list of str
        Columns that put events of one key and time in order.
    outputCol : str
        Name of the result: string.
    splitNames : list of str
        Names of the three parts, that of the oldest events first.
    numTest, numValidation : int
        How many events of each key; a key that has no more is wholly among them.

    Raises
    ------
    ParamError
        If there are not three names.

    Notes
    -----
    Events of one key and time are ordered by ``tieCols``, then by a hash of all columns but maps, so the result does
    not depend on the order of rows. A row without key or time gets null, as it cannot be placed. The rows are
    shuffled by key and sorted once; a key's events are sorted by one task, which spills to disk.

    Examples
    --------
    >>> LeaveLastOut(keyCols=["user"], orderCol="time", numValidation=1).transform(df)  # doctest: +SKIP
    """

    numTest = param("numTest", "newest events of each key that are tested on, from 1; default 1", at_least(1), 1)
    numValidation = param(
        "numValidation", "events of each key before those that are validated on, from 0; default 0", at_least(0), 0
    )

    @keyword_only
    def __init__(
        self,
        *,
        keyCols=None,
        orderCol=None,
        tieCols=[],  # noqa: B006, only shown: the Param's default is what counts
        outputCol="split",
        splitNames=PARTS,
        numTest=1,
        numValidation=0,
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        self._require_one_each("splitNames", self.getSplitNames(), 3)
        return [self._split_field()]

    def _transform_set(self, dataset: DataFrame) -> DataFrame:
        names = self.transformSchema(dataset.schema).names
        placed = self._placed(dataset, hashable(dataset.schema))
        newest = Window.partitionBy(*self._by_key()).orderBy(*[c.desc() for c in self._in_order()])
        number = F.row_number().over(newest) - 1
        bounds = [self.getNumTest(), self.getNumTest() + self.getNumValidation()]
        part = F.when(is_event(), part_of(number, bounds, self.getSplitNames()[::-1]))
        return put_columns(placed, [(self._split_field(), part)], names)


def part_of(value: Column, bounds: Sequence[float], names: Sequence[str]) -> Column:
    """The first name whose bound is above the value, else the last."""
    part = F.lit(names[-1])
    for bound, name in zip(bounds[::-1], names[-2::-1], strict=True):
        part = F.when(value < F.lit(bound), F.lit(name)).otherwise(part)
    return part
