"""Negative samples for arrays of positives."""

from __future__ import annotations

from functools import partial

from pyspark import keyword_only
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, NullType, StructField, StructType

from aiok_spark.core.params import param, to_name, to_names
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, element, find_fields, require, require_categorical, require_keys
from aiok_spark.core.stage import Estimator, RowLocalModel
from aiok_spark.core.state import State
from aiok_spark.feature.encoding import plain_type, value_type
from aiok_spark.feature.sampling import Sampler, SamplerModel
from aiok_spark.feature.sequence import sequence_field
from aiok_spark.kernels import negatives as kernels
from aiok_spark.kernels.hashing import seed_of
from aiok_spark.kernels.program import Kernel


class _SequenceNegativesParams(Sampler):
    inputCol = param("inputCol", "column of arrays of items, the positives; no default", to_name)
    outputCol = param("outputCol", "name of the result, arrays of negatives; no default", to_name)
    keyCols = param("keyCols", "columns that tell rows apart: rows of equal keys draw alike; no default", to_names)
    excludeCols = param(
        "excludeCols", "columns of further items, or of arrays of them, that are not drawn; default none", to_names, []
    )

    def _inputs(self) -> list[str]:
        return [self.getInputCol(), *self.getKeyCols(), *self.getExcludeCols()]

    def _outputs(self) -> list[str]:
        return [self.getOutputCol()]

    def _input_fields(self, schema: StructType) -> list[StructField]:
        named = {
            "inputCol": [self.getInputCol()],
            "keyCols": self.getKeyCols(),
            "excludeCols": self.getExcludeCols(),
        }
        return [f for name, columns in named.items() for f in find_fields(self._label, name, columns, schema)]

    def _split_inputs(self, inputs: list[StructField]) -> tuple[StructField, list[StructField], list[StructField]]:
        behind = 1 + len(self.getKeyCols())
        return inputs[0], inputs[1:behind], inputs[behind:]

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        lists, keys, others = self._split_inputs(inputs)
        require_categorical(self._label, [lists], "inputCol")
        require(
            self._label,
            "inputCol",
            [lists],
            lambda t: isinstance(t, (ArrayType, NullType)),
            "an array of items",
            "use NegativeSample for single items",
        )
        require_keys(self._label, keys)
        wanted = value_type(element(lists.dataType))
        require(
            self._label,
            "excludeCols",
            others,
            lambda t: value_type(element(t)) == wanted or isinstance(element(t), NullType),
            f"{wanted.simpleString()} values as in inputCol",
            "cast it",
        )
        require_categorical(self._label, others, "excludeCols")
        field = sequence_field(self.getOutputCol(), StructField("", element(lists.dataType), True, lists.metadata))
        return [field]

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        lists, keys, others = self._split_inputs(inputs)
        return [
            ArrayType(value_type(element(lists.dataType))),
            *[plain_type(f.dataType) for f in keys],
            *[plain_type(f.dataType) for f in others],
        ]


class SequenceNegativesModel(SamplerModel, _SequenceNegativesParams, RowLocalModel):
    """Fitted items; draws negatives for the arrays of any row."""

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        self._require_fitted_type(self.getInputCol(), inputs[0].dataType)
        return super()._output_fields(self._typed(inputs))

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return super()._kernel_types(self._typed(inputs))

    def _typed(self, inputs: list[StructField]) -> list[StructField]:
        """The inputs, with arrays of nothing but null typed as they were at fit."""
        lists, *others = inputs
        if not isinstance(element(lists.dataType), NullType):
            return inputs
        return [StructField(lists.name, ArrayType(self._value_type()), True, lists.metadata), *others]

    def _kernel(self) -> Kernel:
        return partial(
            kernels.negatives_of_lists,
            items=self._items(),
            number=self.getNumNegatives(),
            keys=len(self.getKeyCols()),
            seed=seed_of(self.getSeed()),
        )


class SequenceNegatives(_SequenceNegativesParams, Estimator):
    """Negatives for arrays of positives: for each item of an array, items that are not in it.

    Parameters
    ----------
    inputCol, outputCol : str
        Column of arrays of strings, integers, booleans or dates, and the name of the result: arrays of the same type,
        first the negatives of the first item, then those of the second, and so on.
    keyCols : list of str
        Columns that tell rows apart: strings, integers, booleans or dates. Rows of equal keys draw alike.
    excludeCols : list of str
        Columns of further items, or of arrays of them, that are not drawn; such as the target.
    numNegatives : int
        Negatives of each item, all different.
    power : float
        An item is drawn in proportion to ``count ** power``.
    seed : int
        Another seed gives other negatives.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: no item.

    Warns
    -----
    UserWarning
        At fit, if arrays hold so many items that fewer are left; it says how many rows.

    Notes
    -----
    Draw j for the item at place i (from 0) is SQL's ``xxhash64(seed, keys..., i, j)`` (all numbers as BIGINT), the same
    on and off Spark. A null in an array gets negatives too, so that places fit. A null array stays null. If fewer than
    ``numNegatives`` items are left, each place gets as many as there are. The fit counts the items of all arrays, and
    in a second pass the arrays that are too full.

    Examples
    --------
    >>> SequenceNegatives(  # doctest: +SKIP
    ...     inputCol="items_before", outputCol="others", keyCols=["user", "time"], excludeCols=["item"]
    ... ).fit(df).transform(df)
    """

    _model = SequenceNegativesModel

    @keyword_only
    def __init__(
        self,
        *,
        inputCol=None,
        outputCol=None,
        keyCols=None,
        excludeCols=[],  # noqa: B006, only shown: the Param's default is what counts
        numNegatives=1,
        power=0.0,
        seed=0,
        verbose=True,
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit_state(self, dataset: DataFrame) -> State:
        with working(f"{self._label}: counting items", self.getVerbose()):
            state = self._fitted_items(dataset, self.getInputCol())
            items = len(state.tables["vocabulary"])
            self._warn_of_few(self._short(dataset, state, items), items)
        return state

    def _short(self, dataset: DataFrame, state: State, items: int) -> int:
        """How many rows get fewer negatives."""
        own = F.filter(F.array_distinct(column(self.getInputCol())), lambda x: x.isNotNull())
        return dataset.where(F.size(own) > items - self.getNumNegatives()).count()
