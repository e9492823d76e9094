"""Values of another table, by key."""

from __future__ import annotations

from contextvars import ContextVar

import pyarrow as pa
import pyarrow.compute as pc
from pyspark import keyword_only
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructField

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError, ParamError, first_line
from aiok_spark.core.params import param, to_name, to_names
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, find_fields, is_plain, require, require_keys
from aiok_spark.core.stage import Estimator, Model
from aiok_spark.core.state import State
from aiok_spark.feature.encoding import value_type
from aiok_spark.feature.lookup import Lookup, LookupModel, fitted_state, key_columns, with_key

# Whose tables a fit sees: those of its rows. A thread of its own need not have an active session.
_fitting: ContextVar[SparkSession | None] = ContextVar("aiok_lookup_join", default=None)


class _LookupJoinParams(Lookup):
    valueCols = param("valueCols", "names of the table's columns that are looked up; no default", to_names)
    table = param(
        "table",
        "where a fit finds the table, as SQL names it after FROM: a table or view of the session, or files, such as "
        "parquet.`/data/items`; no default, fitTable takes a DataFrame",
        to_name,
        None,
    )
    tableKeyCols = param(
        "tableKeyCols",
        "names of the key's columns in the table, in the order of keyCols; default [], the names of keyCols",
        to_names,
        [],
    )

    _named_by = "valueCols"

    def _names(self) -> list[str]:
        return self.getValueCols()


class LookupJoinModel(LookupModel, _LookupJoinParams):
    """Adds values of the fitted table to the rows; a row whose key is not in it gets the defaults."""


class LookupJoin(_LookupJoinParams, Estimator):
    """Look up values by key in another table: attributes of an item, of a user, of a day.

    The fit reads the table, not the rows, and keeps it in the model, which so needs nothing else to be saved, to score
    in another session, or off Spark. Each row keeps its place and its columns; none is lost or multiplied.

    Parameters
    ----------
    keyCols : list of str
        Columns of the rows that together are the key: strings, integers, booleans or dates.
    valueCols, outputCols : list of str
        Columns of the table, and the names of the results, of the same types: numbers, strings, booleans, dates,
        timestamps, binary, or arrays of them. Metadata comes along.
    table : str
        Where a fit finds the table: what SQL takes after FROM, so the name of a table or view, or files such as
        ``parquet.`/data/items```. It is text, so that the stage can be saved, tried by ``CrossValidator`` and used on
        Connect.
    tableKeyCols : list of str
        The key's columns in the table, if they have other names there.
    defaults : dict of str to value
        What a row without a match gets, by the name in ``valueCols``; null where nothing is said.
    broadcastBytes : int
        Size in bytes up to which Spark sends the table to every executor.
    verbose : bool
        Show progress.

    Raises
    ------
    ParamError
        There is no such table, or a default is not of its column's type.
    DataError
        At fit: a key has several rows in the table, or no row of it has a key.

    Notes
    -----
    Keys are compared by value: integers and booleans as 64-bit integers, dates as their ISO text. A null in a key
    matches nothing, on either side. A null that was looked up stays null; defaults are for absent keys alone.

    On Spark the model is a left join. A table up to ``broadcastBytes`` is sent to every executor, for a larger one
    the rows are shuffled; both give the same rows. Off Spark the table is searched in memory.

    A DataFrame at hand goes to ``fitTable``; what that gives is a fitted stage for a ``Pipeline``, which no fit of the
    ``Pipeline`` reads again.

    Examples
    --------
    >>> items.createOrReplaceTempView("items")  # doctest: +SKIP
    >>> join = LookupJoin(table="items", keyCols=["item"], valueCols=["brand"], outputCols=["brand"])  # doctest: +SKIP
    >>> join.fit(rows).transform(rows)  # doctest: +SKIP
    >>> join.fitTable(items).transform(rows)  # doctest: +SKIP
    """

    _model = LookupJoinModel

    @keyword_only
    def __init__(
        self,
        *,
        keyCols=None,
        valueCols=None,
        outputCols=None,
        table=None,
        tableKeyCols=[],  # noqa: B006, only shown: the Param's default is what counts
        defaults={},  # noqa: B006
        broadcastBytes=67108864,
        verbose=True,
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def fitTable(self, table: DataFrame) -> LookupJoinModel:
        """Fit on a DataFrame that holds the table.

        Parameters
        ----------
        table : DataFrame
            One row for each key.

        Returns
        -------
        LookupJoinModel
            Ready to transform rows, alone or as a stage of a ``Pipeline``.
        """
        return self._with_state(self._state_of(table))

    def _fit(self, dataset: DataFrame) -> Model:
        token = _fitting.set(compat.session_of(dataset))
        try:
            return super()._fit(dataset)
        finally:
            _fitting.reset(token)

    def _fit_state(self, dataset: DataFrame) -> State:
        return self._state_of(self._read())

    def _state_of(self, table: DataFrame) -> State:
        keys, values = self._table_keys(table), self._table_values(table)
        self._check_defaults(values)
        chosen = [column(name).alias(f"v{i}") for i, name in enumerate(values)]
        with working(f"{self._label}: reading the table", self.getVerbose()):
            rows = compat.to_arrow(with_key(table.select(*key_columns(keys), *chosen)))
        if len(rows) == 0:
            raise DataError(
                f"{self._label}: table: found no row with a key in {[f.name for f in keys]}, expected at least one; "
                "check the table"
            )
        self._check_unique(rows, [f.name for f in keys])
        return fitted_state(rows, keys, values)

    def _check_unique(self, rows: pa.Table, names: list[str]) -> None:
        keys = [f"k{i}" for i in range(len(names))]
        counted = rows.group_by(keys).aggregate([([], "count_all")])
        twice = counted.filter(pc.greater(counted["count_all"], 1)).sort_by([(k, "ascending") for k in keys])
        if len(twice):
            first = twice.slice(0, 1).to_pylist()[0]
            shown = ", ".join(f"{name}={first[k]!r}" for name, k in zip(names, keys, strict=True))
            raise DataError(
                f"{self._label}: table: found {len(twice)} keys in several rows, such as {shown} in "
                f"{first['count_all']}, expected one row for each key; aggregate the table first, or add a key column"
            )

    def _read(self) -> DataFrame:
        spark = _fitting.get() or SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
        if (name := self.getTable()) is None:
            raise ParamError(
                f"{self._label}: table: found nothing, expected the name of a table or view; set table=..., or give a "
                "DataFrame to fitTable"
            )
        try:
            table = spark.table(name)
            table.schema  # noqa: B018, on Connect only this looks the name up
        except AnalysisException as e:
            raise ParamError(
                f"{self._label}: table: found nothing to read as '{name}' ({first_line(e)}), expected a table or "
                "view of the session, or files such as parquet.`/data/items`; create the view, or correct the name"
            ) from None
        return table

    def _table_keys(self, table: DataFrame) -> list[StructField]:
        names = self.getTableKeyCols() or self.getKeyCols()
        keys = find_fields(self._label, "tableKeyCols", names, table.schema)
        require_keys(self._label, keys, "tableKeyCols")
        return keys

    def _table_values(self, table: DataFrame) -> dict[str, StructField]:
        fields = find_fields(self._label, "valueCols", self.getValueCols(), table.schema)
        require(
            self._label,
            "valueCols",
            fields,
            lambda t: is_plain(t) and "void" not in t.simpleString(),
            "numbers, strings, booleans, dates, timestamps, binary, or arrays of them",
            "cast it, or take its parts apart",
        )
        return {f.name: f for f in fields}

    def _value_fields(self, inputs: list[StructField]) -> list[StructField]:
        table = self._read()
        kinds = [value_type(f.dataType).simpleString() for f in self._table_keys(table)]
        self._check_kinds(inputs, kinds, "in the table")
        values = self._table_values(table)
        return [values[name] for name in self.getValueCols()]
