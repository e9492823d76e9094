"""Lists of categories as vectors."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import keyword_only
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame
from pyspark.sql.types import ArrayType, DataType, DoubleType, LongType, NullType, StructField

from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError, did_you_mean
from aiok_spark.core.params import HasInputCols, HasOutputCols, at_least, one_of, param, to_bool
from aiok_spark.core.progress import working
from aiok_spark.core.schema import element, require_categorical, same_shape
from aiok_spark.core.stage import Estimator, RowLocalModel, Stage
from aiok_spark.core.state import State
from aiok_spark.core.steps import Prepared
from aiok_spark.feature.encoding import plain_type, prepared_keys, value_type
from aiok_spark.feature.vocabulary import FIRST_ID, Vocabularies, count_values
from aiok_spark.kernels import multihot as kernels
from aiok_spark.kernels.keyindex import KeyIndex
from aiok_spark.kernels.multihot import Places
from aiok_spark.kernels.program import Kernel, RowKernel

MOST_PLACES = 100_000  # a row takes 8 bytes for each


class _ListEncodeParams(Stage, HasInputCols, HasOutputCols):
    maxSize = param(
        "maxSize",
        f"how many values, the most frequent first, get a place; whole number in [1, {MOST_PLACES}]; default 100",
        at_least(1),
        100,
    )
    minFrequency = param(
        "minFrequency",
        "values seen less often (in rows, or as elements of lists) get no place; whole number from 1; default 1",
        at_least(1),
        1,
    )
    counts = param(
        "counts",
        "whether a place tells how often its value is in the list, not only 1 for that it is; default False",
        to_bool,
        False,
    )
    oovPolicy = param(
        "oovPolicy",
        'what a value without a place does: "ignore" (default) nothing; "place" is counted in one more place, the '
        'last; "error" stops',
        one_of("ignore", "place", "error"),
        "ignore",
    )
    outputType = param(
        "outputType",
        'type of the results: "vector" (default), Spark\'s dense vector, or "array" of double',
        one_of("vector", "array"),
        "vector",
    )

    def _width(self, i: int) -> int | None:
        """Number of places of the i-th column, once known."""
        return None

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        if self.getMaxSize() > MOST_PLACES:
            raise ParamError(
                f"{self._label}: maxSize: found {self.getMaxSize()}, expected at most {MOST_PLACES}, as each row has a "
                "number for each; use Categorify and an embedding for more"
            )
        require_categorical(self._label, inputs)
        kind = VectorUDT() if self.getOutputType() == "vector" else ArrayType(DoubleType())
        widths = [self._width(i) for i in range(len(inputs))]
        return [
            StructField(name, kind, True, {"ml_attr": {"num_attrs": width}} if width else {})
            for name, width in zip(self._paired_outputs(), widths, strict=True)
        ]


class ListEncodeModel(_ListEncodeParams, RowLocalModel):
    """Fitted places of values."""

    def values(self, inputCol: str) -> list[Any]:
        """The values of an input column in the order of their places: texts, or integers.

        A last place for other values, if there is one, is not among them.
        """
        if inputCol not in self.getInputCols():
            raise ParamError(
                f"{self._label}: inputCol: found '{inputCol}', expected one of inputCols; "
                + did_you_mean(inputCol, self.getInputCols())
            )
        return list(self._place_of(inputCol))

    def _vocabularies(self) -> Vocabularies:
        return Vocabularies(self._state)

    def _place_of(self, name: str) -> dict[object, int]:
        found = self._vocabularies()
        return {value: i - FIRST_ID for value, i in found.ids(found.group_of(name)).items()}

    def _index(self, name: str) -> KeyIndex:
        def make() -> KeyIndex:
            table = found.table(found.group_of(name))
            return KeyIndex.build(table["key"].to_numpy(), np.arange(len(table), dtype=np.int32))

        found = self._vocabularies()
        return self._state.derived(f"places {name}", make)

    def _width(self, i: int) -> int:
        return self._places(i).width

    def _places(self, i: int) -> Places:
        found, name, policy = self._vocabularies(), self.getInputCols()[i], self.getOovPolicy()
        size = found.sizes[found.group_of(name)]
        return Places(size, policy == "place", policy == "error", self.getCounts(), self._label, name)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        found = self._vocabularies()
        for f in inputs:
            fitted, kind = found.types[found.group_of(f.name)], value_type(element(f.dataType)).simpleString()
            if kind != fitted and not isinstance(element(f.dataType), NullType):
                raise ColumnTypeError(
                    f"{self._label}: inputCols: found '{f.name}' to hold {kind} values, expected {fitted} as at fit; "
                    "cast the column"
                )
        return super()._output_fields(inputs)

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [plain_type(f.dataType) for f in inputs]

    def _kernel(self) -> list[Kernel]:
        seed = self._vocabularies().seed
        return [
            partial(kernels.encode_values, index=self._index(name), seed=seed, places=self._places(i))
            for i, name in enumerate(self.getInputCols())
        ]

    def _row_kernel(self) -> list[RowKernel]:
        found = self._vocabularies()
        return [
            kernels.encode_row(self._place_of(name), found.python_type(found.group_of(name)), self._places(i))
            for i, name in enumerate(self.getInputCols())
        ]

    def _prepared(self, inputs: list[StructField]) -> list[Prepared] | None:
        if self.getOovPolicy() == "error":
            return None  # the message shows the value, so the value has to cross
        found = self._vocabularies()
        return [
            Prepared(
                columns=partial(_keys_of, kind=f.dataType, salt=found.salt),
                types=(same_shape(f.dataType, LongType()),),
                kernel=partial(
                    kernels.encode_keys, index=self._index(f.name), null_key=found.null_key, places=self._places(i)
                ),
            )
            for i, f in enumerate(inputs)
        ]


class ListEncode(Estimator, _ListEncodeParams):
    """A vector with a place for each of the most frequent values: 1 where a list has the value, else 0.

    Also known as multi-hot encoding; of a column of single values it is one-hot encoding.

    Parameters
    ----------
    inputCols, outputCols : list of str
        Columns of strings, integers, booleans or dates, or arrays of them, and the names of the results.
    maxSize : int
        How many values get a place: the most frequent first, of equals the smallest.
    minFrequency : int
        Values seen less often get none.
    counts : bool
        Count a value as often as the list has it.
    oovPolicy : {"ignore", "place", "error"}
        What a value without a place does.
    outputType : {"vector", "array"}
        Type of the results.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: a column without a value that was seen ``minFrequency`` times.

    Notes
    -----
    A list that is null or empty, and a null by itself, give zeros; nulls in lists are left out. The results are dense,
    8 bytes for each place: for thousands of values use ``Categorify`` and a network that embeds the ids. For single
    values Spark's own StringIndexer and OneHotEncoder do the same, but not lists, and not off Spark.

    Examples
    --------
    >>> model = ListEncode(inputCols=["tags"], outputCols=["tags_hot"], maxSize=50).fit(df)  # doctest: +SKIP
    >>> model.values("tags")  # doctest: +SKIP
    """

    _model = ListEncodeModel

    @keyword_only
    def __init__(
        self,
        *,
        inputCols=None,
        outputCols=None,
        maxSize=100,
        minFrequency=1,
        counts=False,
        oovPolicy="ignore",
        outputType="vector",
        verbose=True,
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit_state(self, dataset: DataFrame) -> State:
        names = list(dict.fromkeys(self.getInputCols()))
        kinds = {f.name: f.dataType for f in dataset.schema.fields if f.name in names}
        groups = [[name] for name in names]
        with working(f"{self._label}: counting values, columns: {len(names)}", self.getVerbose()):
            counted = count_values(dataset, groups, self.getMinFrequency())
        counted = [self._checked(table, name) for table, name in zip(counted, names, strict=True)]
        types = [value_type(element(kinds[name])).simpleString() for name in names]
        lists = [name for name in names if isinstance(kinds[name], ArrayType)]
        return Vocabularies.state_of(groups, types, lists, counted)

    def _checked(self, table: pa.Table, name: str) -> pa.Table:
        if len(table) == 0:
            raise DataError(
                f"{self._label}: inputCols: found no value in column '{name}', expected at least one that is not null, "
                f"minFrequency={self.getMinFrequency()} times; lower minFrequency, or leave the column out"
            )
        return table.slice(0, self.getMaxSize())


def _keys_of(columns: list[Column], kind: DataType, salt: int) -> list[Column]:
    return [prepared_keys(c, kind, salt) for c in columns]
