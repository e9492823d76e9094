"""The newest events before each event, as an array: what ``SequenceBuilder`` and ``LagFeatures`` stand on."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from aiok_spark.core.schema import column

HISTORY = "__aiok_history"
_EVENT, _PAST, _RECENT = "__aiok_event", "__aiok_past", "__aiok_recent"


def with_history(
    placed: DataFrame, by: Sequence[Column], order: Sequence[Column], event: Column, length: int, gaps: bool
) -> DataFrame:
    """Add ``HISTORY``: the newest events of an earlier time, the oldest first; null or empty if there is none.

    Parameters
    ----------
    placed : DataFrame
        From ``EventStage._placed``.
    by, order : sequence of Column
        Key of the events, and what puts them in order: time first, then what breaks ties.
    event : Column
        What the array holds of each event, a struct; null leaves the event out, and a null inside is kept.
    length : int
        How many events at most.
    gaps : bool
        Whether ``event`` may be null.

    Notes
    -----
    The rows of a frame are those before a row, events of the same time among them. So the array is taken at the
    first of each time and passed on to the others of that time. One shuffle and one sort (two with gaps).
    """
    in_order = Window.partitionBy(*by).orderBy(*order)
    df = placed.withColumn(_EVENT, event)
    if gaps:
        # A frame counts rows, so events that are left out have to be apart from the others.
        kept = column(_EVENT).isNotNull()
        apart = Window.partitionBy(*by, kept).orderBy(*order).rowsBetween(1 - length, 0)
        df = df.withColumn(_RECENT, F.when(kept, F.collect_list(column(_EVENT)).over(apart)))
        past = F.last(column(_RECENT), ignorenulls=True).over(in_order.rowsBetween(Window.unboundedPreceding, -1))
    else:
        past = F.collect_list(column(_EVENT)).over(in_order.rowsBetween(-length, -1))
    # In the same order of the rows, so nothing is sorted again.
    of_a_time = Window.partitionBy(*by, order[0]).orderBy(*order[1:])
    whole = of_a_time.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    return df.withColumn(_PAST, past).withColumn(HISTORY, F.first(column(_PAST)).over(whole))
