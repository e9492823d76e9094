"""Sessions: events of a key with no long gap between them."""

from __future__ import annotations

from typing import Any

from pyspark import keyword_only
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import param, to_names, to_positive
from aiok_spark.core.schema import column, double_field, put_columns
from aiok_spark.core.stage import SetTransformer
from aiok_spark.feature.events import TIME, EventStage, is_event, ticks_of, ticks_per_second

FEATURES = ["session", "positionInSession", "secondsSincePrevious", "secondsInSession"]
_PREVIOUS, _RANK, _STARTS, _LAG = "__aiok_previous", "__aiok_rank", "__aiok_starts", "__aiok_lag"


def to_features(value: Any) -> list[str]:
    """List of some of FEATURES."""
    names = to_names(value)
    if not names or set(names) - set(FEATURES) or len(set(names)) != len(names):
        raise ValueError(f"found {names}, expected some of {FEATURES}, each once")
    return names


class SessionFeatures(EventStage, SetTransformer):
    """Sessions of each key, which end with a gap, as far as they are known at an event.

    No feature looks at later events, so it is the same when the event is scored as it happens.

    Parameters
    ----------
    keyCols : list of str
        Whose an event is, such as the user: strings, integers, booleans or dates.
    orderCol : str
        When it was: a timestamp, a date, or a number, which counts seconds (or the unit that ``gap`` is in).
    gap : float
        A session ends when there is no event for more than so many seconds.
    features : list of {"session", "positionInSession", "secondsSincePrevious", "secondsInSession"}
        What to make: the number of the session of its key, from 1; the events of the session before this one, plus 1;
        the time since the last event of an earlier time, of the session or not; the time since the session began.
    outputCols : list of str
        Names of the results, one for each feature: the first two long, the others double. Empty: those of features.

    Raises
    ------
    ParamError
        If features and names are not equally many.

    Notes
    -----
    Events of one key and time have equal features, so no tie needs to be broken. At the
    first event of a key, ``secondsSincePrevious`` is null. An event without key or time has nulls. Fractions of a
    second count to the microsecond. The rows are shuffled by key and sorted once; time is linear in the events.

    Examples
    --------
    >>> SessionFeatures(keyCols=["user"], orderCol="time", gap=1800).transform(df)  # doctest: +SKIP
    """

    gap = param("gap", "longest time without an event inside a session, seconds above 0; default 1800", to_positive,
                1800.0)  # fmt: skip
    features = param(
        "features",
        "what to make; default ['session', 'positionInSession', 'secondsSincePrevious', 'secondsInSession']",
        to_features,
        FEATURES,
    )
    outputCols = param("outputCols", "names of the results; default none, those of features", to_names, [])

    @keyword_only
    def __init__(
        self,
        *,
        keyCols=None,
        orderCol=None,
        gap=1800.0,
        features=FEATURES,
        outputCols=[],  # noqa: B006, only shown: the Param's default is what counts
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        features = self.getFeatures()
        names = self.getOutputCols() or features
        if len(names) != len(features):
            raise ParamError(
                f"{self._label}: outputCols: found {len(names)} names for the features {features}, expected one for "
                "each; make the lists equally long"
            )
        return [
            double_field(name) if feature.startswith("seconds") else StructField(name, LongType(), True)
            for name, feature in zip(names, features, strict=True)
        ]

    def _transform_set(self, dataset: DataFrame) -> DataFrame:
        names = self.transformSchema(dataset.schema).names
        order = dataset.schema[self.getOrderCol()]
        a_second = ticks_per_second(order.dataType)
        in_time = Window.partitionBy(*self._by_key()).orderBy(column(TIME))
        df = self._placed(dataset, [], ticks_of(order)).withColumns(
            {
                _PREVIOUS: F.max(column(TIME)).over(in_time.rangeBetween(Window.unboundedPreceding, -1)),
                _LAG: F.lag(column(TIME)).over(in_time),
                _RANK: F.rank().over(in_time),
            }
        )
        # Of events at one time just one starts the session, as the others have it as their lag.
        late = column(TIME) - column(_LAG) > F.lit(round(self.getGap() * a_second, 3))
        df = df.withColumn(_STARTS, column(_LAG).isNull() | late)
        so_far = in_time.rangeBetween(Window.unboundedPreceding, 0)

        def at_start(value: Column) -> Column:
            return F.max(F.when(column(_STARTS), value)).over(so_far)

        values = {
            "session": F.count(F.when(column(_STARTS), 1)).over(so_far),
            "positionInSession": column(_RANK) - at_start(column(_RANK)) + 1,
            "secondsSincePrevious": (column(TIME) - column(_PREVIOUS)) / a_second,
            "secondsInSession": (column(TIME) - at_start(column(TIME))) / a_second,
        }
        fields = self._output_fields([order])
        made = [
            (f, F.when(is_event(), values[feature]).cast(f.dataType))
            for f, feature in zip(fields, self.getFeatures(), strict=True)
        ]
        return put_columns(df, made, names)
