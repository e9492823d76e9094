"""Statistics of the training rows, by key."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pyspark import keyword_only
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, FloatType, LongType, StructField, StructType

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError
from aiok_spark.core.params import param, to_names
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, find_fields, is_categorical, require, require_numeric
from aiok_spark.core.stage import Estimator
from aiok_spark.core.state import State
from aiok_spark.feature.encoding import value_type
from aiok_spark.feature.lookup import Lookup, LookupModel, fitted_state, key_columns, with_key
from aiok_spark.feature.missing import present

_FUNCTIONS: dict[str, Callable[[Column], Column]] = {
    "count": F.count,
    "nunique": F.countDistinct,
    "sum": F.sum,
    "mean": F.avg,
    "min": F.min,
    "max": F.max,
    "std": F.stddev_samp,
}
_WHOLE = ("count", "nunique")  # these give whole numbers, the others take numbers
_OF_COLUMN = re.compile(rf"({'|'.join(_FUNCTIONS)})\((.+)\)", re.DOTALL)


def _parsed(aggregate: str) -> tuple[str, str | None]:
    """Function and column; plain "count" has none."""
    if aggregate == "count":
        return aggregate, None
    if found := _OF_COLUMN.fullmatch(aggregate):
        return found[1], found[2]
    raise ValueError(f"found {aggregate!r}, expected 'count', or one of {', '.join(_FUNCTIONS)} of a column: 'mean(x)'")


def _to_aggregates(value: Any) -> list[str]:
    names = to_names(value)
    for name in names:
        _parsed(name)
    return names


class _TableAggregateParams(Lookup):
    aggregates = param(
        "aggregates",
        "statistics of the rows of a key: 'count' of the rows, or count, nunique, sum, mean, min, max or std of a "
        "column, such as 'mean(price)'; no default",
        _to_aggregates,
    )

    _named_by = "aggregates"

    def _names(self) -> list[str]:
        return self.getAggregates()


class TableAggregateModel(LookupModel, _TableAggregateParams):
    """Adds the fitted statistics of its key to each row; a row whose key the fit did not see gets the defaults."""


class TableAggregate(_TableAggregateParams, Estimator):
    """Statistics of the training rows by key, as columns: how often a user came, what he paid on average.

    The fit keeps one row of statistics for each key; scoring needs the key's columns alone. Each row keeps its place
    and its columns; none is lost or multiplied.

    Parameters
    ----------
    keyCols : list of str
        Columns that together are the key: strings, integers, booleans or dates.
    aggregates, outputCols : list of str
        Statistics, and the names of the results. ``count`` is the number of rows (bigint). Of a column there are
        ``count(x)``, its values that are there, and ``nunique(x)``, its different ones (strings, integers, booleans,
        dates), both bigint; ``sum(x)``, ``mean(x)``, ``min(x)``, ``max(x)`` and ``std(x)`` (of a sample) of a numeric
        column, all double, in the column's own unit.
    defaults : dict of str to value
        What a row gets whose key the fit did not see, by the name in ``aggregates``, such as ``{"count": 0}``; null
        where nothing is said.
    broadcastBytes : int
        Size in bytes of the fitted table up to which Spark sends it to every executor.
    verbose : bool
        Show progress.

    Raises
    ------
    ParamError
        A default is not of its statistic's type.
    DataError
        At fit: no row has a value in each of ``keyCols``.

    Notes
    -----
    Nulls and NaN are left out, and -0.0 counts as 0.0. Without a value, ``sum``, ``mean``, ``min`` and ``max`` are
    null; so is ``std`` without two. Rows with a null in the key are left out at fit and get the defaults.

    A statistic counts the training row itself. Of a label it would tell the row its own answer: use ``TargetEncode``
    there, which leaves the row out.

    The table is looked up as by ``LookupJoin``.

    Examples
    --------
    >>> stage = TableAggregate(
    ...     keyCols=["user"], aggregates=["count", "mean(price)"], outputCols=["user_rows", "user_price"]
    ... )
    >>> stage.fit(df).transform(df)  # doctest: +SKIP
    """

    _model = TableAggregateModel

    @keyword_only
    def __init__(
        self,
        *,
        keyCols=None,
        aggregates=None,
        outputCols=None,
        defaults={},  # noqa: B006, only shown: the Param's default is what counts
        broadcastBytes=67108864,
        verbose=True,
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _columns_of(self) -> list[str]:
        """The columns of which there are statistics."""
        return list(dict.fromkeys(name for _, name in map(_parsed, self.getAggregates()) if name is not None))

    def _inputs(self) -> list[str]:
        return [*self.getKeyCols(), *self._columns_of()]

    def _input_fields(self, schema: StructType) -> list[StructField]:
        return super()._input_fields(schema) + find_fields(self._label, "aggregates", self._columns_of(), schema)

    def _value_fields(self, inputs: list[StructField]) -> list[StructField]:
        by_name = {f.name: f for f in inputs}
        made = []
        for aggregate in self.getAggregates():
            function, name = _parsed(aggregate)
            fields = [] if name is None else [by_name[name]]
            if function == "nunique":
                expected, remedy = "string, integer, boolean or date", "cast it, or round it first if it is a measure"
                require(self._label, "aggregates", fields, is_categorical, expected, remedy)
            elif function != "count":
                require_numeric(self._label, fields, "aggregates")
            made.append(StructField(aggregate, LongType() if function in _WHOLE else DoubleType()))
        return made

    def _fit_state(self, dataset: DataFrame) -> State:
        fields = {f.name: f for f in self._input_fields(dataset.schema)}
        keys = [fields[name] for name in self.getKeyCols()]
        values = {f.name: f for f in self._value_fields(list(fields.values()))}
        parsed = [_parsed(aggregate) for aggregate in values]
        counted = [_counted(function, fields[name] if name else None) for function, name in parsed]
        rows = with_key(dataset.select(*key_columns(keys), *[c.alias(f"v{i}") for i, c in enumerate(counted)]))
        made = [_FUNCTIONS[function](F.col(f"v{i}")).alias(f"v{i}") for i, (function, _) in enumerate(parsed)]
        with working(f"{self._label}: aggregating", self.getVerbose()):
            table = compat.to_arrow(rows.groupBy(*[f"k{i}" for i in range(len(keys))]).agg(*made))
        if len(table) == 0:
            raise DataError(
                f"{self._label}: keyCols: found no row with a value in each of {self.getKeyCols()}, expected at least "
                "one; check the DataFrame, or leave a column out of the key"
            )
        return fitted_state(table, keys, values)


def _counted(function: str, field: StructField | None) -> Column:
    """What a function is to see: for each row a value, or null."""
    if field is None:
        return F.lit(1)
    value = column(field.name)
    if function == "nunique":
        return value.cast(value_type(field.dataType))
    if function == "count":
        there = present(value, 0.0, isinstance(field.dataType, (FloatType, DoubleType))).isNotNull()
        return F.when(there, F.lit(1))
    return present(value.cast("double"), 0.0, True) + F.lit(0.0)  # -0.0 and 0.0 would come in any order
