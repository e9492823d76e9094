"""The stage under test, with all that the rules share: rows, the fitted model, the expected result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from pyspark.ml import Estimator, Model, Pipeline, PipelineModel
from pyspark.ml.param import Param, Params
from pyspark.sql import DataFrame, Row
from pyspark.sql.types import LongType, StructField, StructType

from aiok_spark.core.errors import DataError
from aiok_spark.core.schema import column
from aiok_spark.core.stage import Stage
from aiok_spark.testing.equality import Rows, collect_all, difference
from aiok_spark.testing.passing import PassThrough
from aiok_spark.testing.rules import applies, expect
from aiok_spark.testing.snapshot import changes, snapshot

ROW = "__check_row__"  # number of the row, so that rows can be told apart
MOST_ROWS = 1000  # the rows are collected and sent back with every rule

_OUTPUTS = ("output", "prediction", "rawPrediction", "probability")


class Subject:
    """What the rules look at.

    Parameters
    ----------
    stage : Transformer, Estimator or Model
        Under test; never changed.
    df : DataFrame
        Rows that it accepts.
    labelCols : sequence of str
        Columns that only the fit needs.
    inputCols : sequence of str, optional
        Columns that it reads to transform; found from its Params if left out.
    folder : str
        Where stages may be saved.
    tolerance : float
        How far floats of one row may lie apart between executions.
    """

    def __init__(
        self,
        stage: Any,
        df: DataFrame,
        labelCols: Sequence[str],
        inputCols: Sequence[str] | None,
        folder: str,
        tolerance: float = 0.0,
    ) -> None:
        self.stage, self.spark = stage, df.sparkSession
        self.ours = isinstance(stage, Stage)
        self.labels = list(labelCols)
        self._inputs = inputCols
        self._folder, self._saves = folder, 0
        self.tolerance = tolerance
        rows = df.limit(MOST_ROWS + 1).collect()
        if not 0 < len(rows) <= MOST_ROWS:
            found = "no rows" if not rows else f"more than {MOST_ROWS} rows"
            raise DataError(f"check_stage: df: found {found}, expected a few dozen; use df.limit(40)")
        # Metadata, so that its loss can be seen even if df has none.
        number = StructField(ROW, LongType(), False, {"check_stage": {"number": "of the row"}})
        self.schema = StructType([*df.schema.fields, number])
        self.rows = [(*row, i) for i, row in enumerate(rows)]

    # Data

    def frame(self, rows: Sequence[tuple] | None = None, schema: StructType | None = None) -> DataFrame:
        """A new DataFrame object of the rows, numbered in the column ``ROW``."""
        schema = schema or self.schema
        made = self._base if rows is None else self.spark.createDataFrame(list(rows), schema)
        return made.select(*[column(f.name).alias(f.name, metadata=f.metadata or {}) for f in schema.fields])

    @cached_property
    def _base(self) -> DataFrame:
        return self.spark.createDataFrame(self.rows, self.schema)

    @cached_property
    def training(self) -> DataFrame:
        """The very object that the estimator was fitted on."""
        return self.frame()

    @property
    def inputs(self) -> list[str]:
        """Columns that the stage reads to transform."""
        if self._inputs is not None:
            return list(self._inputs)
        if isinstance(self.fitted, Stage):
            return list(dict.fromkeys(self.fitted._inputs()))
        named = [n for p, names in self._columns() if not p.name.startswith(_OUTPUTS) for n in names]
        return [n for n in dict.fromkeys(named) if n in self.schema.names and n not in self.labels]

    @property
    def outputs(self) -> list[str]:
        """Columns that the stage makes or replaces."""
        named = [n for p, names in self._columns() if p.name.startswith(_OUTPUTS) for n in names]
        return list(dict.fromkeys([*named, *(n for n in self.expected[0].__fields__ if n not in self.schema.names)]))

    @property
    def untouched(self) -> list[str]:
        """Columns of the input that the stage has no reason to change."""
        return [n for n in self.schema.names if n not in self.outputs]

    def _columns(self) -> list[tuple[Param, list[str]]]:
        """Params of the fitted stage that name columns, with the names."""
        found = []
        for p in self.fitted.params:
            if p.name.endswith(("Col", "Cols")) and self.fitted.isDefined(p):
                value = self.fitted.getOrDefault(p)
                found.append((p, [value] if isinstance(value, str) else list(value or [])))
        return found

    # Stages

    @cached_property
    def fitted(self) -> Any:
        """The model, or the transformer itself."""
        if not isinstance(self.stage, Estimator):
            return self.stage
        before = snapshot(self.stage)
        model = self.stage.fit(self.training)
        self.changed_by_fit = changes(before, snapshot(self.stage))
        return model

    @cached_property
    def pipeline_model(self) -> PipelineModel:
        """A PipelineModel fitted on ``pipeline_training``, which it has not transformed since.

        Another estimator follows the stage, because a fit-time stage keeps its training form for the next one.
        """
        return Pipeline(stages=[self.stage, PassThrough()]).fit(self.pipeline_training)

    @cached_property
    def pipeline_training(self) -> DataFrame:
        """The very object that the pipeline was fitted on."""
        return self.frame()

    @property
    def parts(self) -> list[Any]:
        """The stage, and its model if it is an estimator."""
        return [self.stage] if self.fitted is self.stage else [self.stage, self.fitted]

    def fresh(self) -> Any:
        """The stage's class called with no arguments."""
        applies(not isinstance(self.stage, Model), "users do not construct a model")
        return type(self.stage)()

    def renaming(self, stage: Params) -> tuple[Param, Any]:
        """A Param that names results, and another valid value for it."""
        for p in stage.params:
            if p.name.startswith(_OUTPUTS) and p.name.endswith(("Col", "Cols")) and stage.isDefined(p):
                value = stage.getOrDefault(p)
                if value:
                    return p, f"{value}_2" if isinstance(value, str) else [f"{v}_2" for v in value]
        applies(False, "no Param of the stage names its results")
        raise AssertionError

    # Verdicts

    @cached_property
    def expected(self) -> list[Row]:
        """What the stage makes of the rows; every other way must give the same."""
        # A new object: that of the fit may give a stage's training form.
        return self.fitted.transform(self.frame()).collect()

    def expect_same(self, *found: DataFrame, numbers: Callable[[int], bool] | None = None, ulps: int = 0) -> None:
        """Raise ``Broken`` unless each of ``found`` has the expected rows (those of the given numbers), in any order.

        All are computed by one job.
        """
        by_number = ROW in self.expected[0].__fields__
        applies(by_number or numbers is None, "the stage makes rows of its own")
        wanted = [r for r in self.expected if numbers is None or numbers(r[ROW])]
        names = self.expected[0].__fields__
        for df in found:
            expect(set(df.columns) == set(names), f"columns {df.columns}", f"{names}")
        for i, rows in enumerate(collect_all(found, names)):
            different = self.difference(rows, wanted, ulps)
            where = f" (in try {i + 1} of {len(found)})" if len(found) > 1 else ""
            expect(different is None, f"{different}{where}", "the rows of the plain transform")

    def difference(self, found: Rows, expected: Rows, ulps: int = 0) -> str | None:
        """What distinguishes two sets of rows beyond the stage's tolerance, or None."""
        by_number = bool(expected) and ROW in (expected[0].__fields__ if isinstance(expected[0], Row) else expected[0])
        return difference(found, expected, [ROW] if by_number else [], ulps, self.tolerance)

    def place(self) -> str:
        """A path where nothing is yet."""
        self._saves += 1
        return f"{self._folder}/{self._saves}"
