"""Sequences of the events before an event."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Any

from pyspark import keyword_only
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StructField

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import HasInputCols, HasOutputCols, at_least, one_of, param
from aiok_spark.core.schema import column, find_fields, nominal_metadata, put_columns, require
from aiok_spark.core.stage import SetTransformer
from aiok_spark.feature.events import TIE, EventStage, HasTieCols, hashable, is_event, is_hashable
from aiok_spark.feature.history import HISTORY, with_history

_NEXT = "__aiok_next"


class SequenceBuilder(EventStage, HasTieCols, HasInputCols, HasOutputCols, SetTransformer):
    """The newest events before each event of a key, as arrays: what a user did before.

    An array holds events of an earlier time alone: never the event itself, nor others at its time.

    Parameters
    ----------
    keyCols : list of str
        Whose an event is, such as the user: strings, integers, booleans or dates.
    orderCol : str
        When it was: a number, date or timestamp.
    tieCols : list of str
        Columns that put events of one key and time in order.
    inputCols, outputCols : list of str
        Columns of any type but maps, and the names of the results: arrays, equally long in a row, the same place for
        the same event.
    maxLength : int
        How many events an array holds at most; the newest are kept.
    minLength : int
        Rows with fewer are dropped, and ``droppedRows`` counts them; 0 keeps all.
    sequenceOrder : {"oldestFirst", "newestFirst"}
        Order of the events in the arrays.
    nullPolicy : {"keep", "drop"}
        Whether an event with a null in any of ``inputCols`` keeps its place, or is left out of all arrays.
    targets : {"each", "last"}
        Whether each event is a row of the result, or the last one of each key alone.

    Raises
    ------
    ParamError
        If ``minLength`` is above ``maxLength``.

    Notes
    -----
    Events of one key and time are ordered by ``tieCols``, then by a hash of ``inputCols`` (with ``targets="last"``,
    of all columns but maps), so arrays do not depend on the order of rows. An event without key or time (null or NaN)
    has empty arrays, is in none, and is no target of ``"last"``. NaN in ``inputCols`` is a value like others. A column
    of ids hands on its cardinality.

    The rows are shuffled by key and sorted once, twice with ``nullPolicy="drop"``. A key's events are handled by one
    task in time (events x maxLength), which holds some thousands in memory and spills the others to disk; so a
    user with a million events is no more than a long task.

    Examples
    --------
    >>> SequenceBuilder(  # doctest: +SKIP
    ...     keyCols=["user"], orderCol="time", inputCols=["item"], outputCols=["items_before"], maxLength=20
    ... ).transform(df)
    """

    maxLength = param("maxLength", "events in an array at most, whole number from 1; default 50", at_least(1), 50)
    minLength = param(
        "minLength", "events that a row must have before it, whole number from 0; default 0, all rows are kept",
        at_least(0), 0,
    )  # fmt: skip
    sequenceOrder = param(
        "sequenceOrder",
        'order of the events in an array: "oldestFirst" (default) or "newestFirst"',
        one_of("oldestFirst", "newestFirst"),
        "oldestFirst",
    )
    nullPolicy = param(
        "nullPolicy",
        'what becomes of an event with a null in inputCols: "keep" (default) it, or "drop" it from all arrays',
        one_of("keep", "drop"),
        "keep",
    )
    targets = param(
        "targets",
        'rows of the result: "each" (default) event, or the "last" of each key',
        one_of("each", "last"),
        "each",
    )

    @keyword_only
    def __init__(
        self,
        *,
        keyCols=None,
        orderCol=None,
        tieCols=[],  # noqa: B006, only shown: the Param's default is what counts
        inputCols=None,
        outputCols=None,
        maxLength=50,
        minLength=0,
        sequenceOrder="oldestFirst",
        nullPolicy="keep",
        targets="each",
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def droppedRows(self, dataset: DataFrame) -> int:
        """How many rows ``transform`` drops because of ``minLength``; runs a job."""
        made = self.copy({self.minLength: 0}).transform(dataset)
        return made.where(F.size(column(self.getOutputCols()[0])) < self.getMinLength()).count()

    def _side_columns(self) -> list[str]:
        return self.getInputCols()

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        if self.getMinLength() > self.getMaxLength():
            raise ParamError(
                f"{self._label}: minLength: found {self.getMinLength()}, expected at most maxLength "
                f"({self.getMaxLength()}), or no row is left; lower it"
            )
        outputs = self._paired_outputs()
        sides = inputs[-len(outputs) :]
        require(
            self._label, "inputCols", sides, is_hashable, "a type that is and holds no map", "take its entries as array"
        )
        return [sequence_field(name, f) for name, f in zip(outputs, sides, strict=True)]

    def _transform_set(self, dataset: DataFrame) -> DataFrame:
        names = self.transformSchema(dataset.schema).names
        sides = find_fields(self._label, "inputCols", self.getInputCols(), dataset.schema)
        last, gaps = self.getTargets() == "last", self.getNullPolicy() == "drop"
        df = self._placed(dataset, hashable(dataset.schema) if last else sides)
        event = F.struct(*[column(f.name).alias(f"c{i}") for i, f in enumerate(sides)])
        if gaps:
            event = F.when(reduce(and_, [column(f.name).isNotNull() for f in sides]), event)
        df = with_history(df, self._by_key(), self._in_order(), event, self.getMaxLength(), gaps)
        if last:
            in_order = Window.partitionBy(*self._by_key()).orderBy(*self._in_order())
            df = df.withColumn(_NEXT, F.lead(column(TIE)).over(in_order))
            df = df.where(is_event() & column(_NEXT).isNull())
        made = [(f, self._array(i, f)) for i, f in enumerate(self._output_fields(sides))]
        result = put_columns(df, made, names)
        least = self.getMinLength()
        return result.where(F.size(column(made[0][0].name)) >= least) if least else result

    def _array(self, i: int, field: StructField) -> Any:
        values = column(HISTORY).getField(f"c{i}").cast(field.dataType)
        if self.getSequenceOrder() == "newestFirst":
            values = F.reverse(values)
        none = F.array().cast(field.dataType)
        return F.when(is_event() & column(HISTORY).isNotNull(), values).otherwise(none)


def sequence_field(name: str, value: StructField) -> StructField:
    """Array of a column's values; of ids, with their cardinality."""
    cardinality = ((value.metadata or {}).get("aiok") or {}).get("cardinality")
    metadata = {} if cardinality is None else nominal_metadata(name, cardinality)
    return StructField(name, ArrayType(value.dataType, True), True, metadata)
