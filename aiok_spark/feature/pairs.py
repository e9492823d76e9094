"""Numbers made of pairs of columns."""

from __future__ import annotations

from functools import partial

from pyspark import keyword_only
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, StructField, StructType

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import param, some_of, to_name_groups
from aiok_spark.core.schema import double_field, find_fields, require_numeric
from aiok_spark.core.stage import RowLocalTransformer
from aiok_spark.feature.naming import NamesOutputs
from aiok_spark.kernels import numeric as kernels
from aiok_spark.kernels.program import Kernel, RowKernel

_OPERATIONS = ("difference", "ratio")


class DifferenceAndRatio(NamesOutputs, RowLocalTransformer):
    """Difference and ratio of pairs of numeric columns, as doubles.

    Parameters
    ----------
    pairs : list of list of str
        Pairs of numeric columns; the second is taken from the first, and the first divided by the second.
    operations : list of {"difference", "ratio"}
        What to make of each pair.
    outputCols : list of str, optional
        Names of the results: for each pair the difference, if asked for, then the ratio. Left out, they are
        ``<first>_minus_<second>`` and ``<first>_per_<second>``.

    Raises
    ------
    ParamError
        If there are no pairs, one is not of two columns, or no operation is asked for.

    Notes
    -----
    Columns become double before anything is computed. Results are null where a value is null, and the ratio where the
    second value is 0. NaN and infinities count as numbers do in IEEE 754.

    Examples
    --------
    >>> DifferenceAndRatio(pairs=[["price", "list_price"]]).transform(df)  # doctest: +SKIP
    """

    pairs = param(
        "pairs",
        "pairs of numeric columns, such as [['price', 'list_price'], ['clicks', 'views']]; no default",
        to_name_groups,
    )
    operations = param(
        "operations",
        'what to make of each pair: "difference" (first less second), "ratio" (first by second); default both',
        some_of(*_OPERATIONS),
        list(_OPERATIONS),
    )

    @keyword_only
    def __init__(self, *, pairs=None, operations=["difference", "ratio"], outputCols=None):  # noqa: B006, only shown
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _inputs(self) -> list[str]:
        return [name for pair in self.getPairs() for name in pair]

    def _input_fields(self, schema: StructType) -> list[StructField]:
        return find_fields(self._label, "pairs", self._inputs(), schema)

    def _default_outputs(self) -> list[str]:
        words = [w for name, w in zip(_OPERATIONS, ("minus", "per"), strict=True) if name in self.getOperations()]
        return [f"{pair[0]}_{word}_{pair[-1]}" for pair in self.getPairs() for word in words]

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        wrong = [pair for pair in self.getPairs() if len(pair) != 2]
        if wrong or not inputs or not self.getOperations():
            counted = f"{len(self.getPairs())} pairs and {len(self.getOperations())} operations"
            raise ParamError(
                f"{self._label}: pairs, operations: found {wrong[0] if wrong else counted}, expected at least one "
                "pair of two columns and one operation; set pairs=[['price', 'list_price']]"
            )
        require_numeric(self._label, inputs, "pairs")
        return [double_field(name) for name in self._outputs()]

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [DoubleType()] * len(inputs)

    def _kernel(self) -> Kernel:
        return partial(kernels.differences_and_ratios, operations=self.getOperations())

    def _row_kernel(self) -> RowKernel:
        return partial(kernels.differences_and_ratios_row, operations=self.getOperations())

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column]:
        made = []
        for a, b in zip(columns[::2], columns[1::2], strict=True):
            if "difference" in self.getOperations():
                made.append(a - b)
            if "ratio" in self.getOperations():
                made.append(F.when(b != 0, a / b))
        return made
