"""Categories as means of a label."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from pyspark import keyword_only
from pyspark.sql import Column, DataFrame
from pyspark.sql.types import BooleanType, LongType, StructField, StructType

from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.core.params import at_least, param, to_finite, to_int64, to_name, to_names
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, find_fields, is_categorical, is_numeric, require
from aiok_spark.core.stage import Estimator, FitTimeModel
from aiok_spark.core.state import State
from aiok_spark.core.steps import Expressions, Prepared
from aiok_spark.feature.folds import by_column, with_fold
from aiok_spark.feature.key_tables import Aggregated
from aiok_spark.feature.keys import HasKeys, KeyedModel
from aiok_spark.feature.missing import present
from aiok_spark.kernels.keyed import Numbers, look_alike, of_other_folds, smoothed

_FOLD = "__aiok_fold"  # column of the training form
_BY_FOLD = "by fold"  # what the state keeps for it: for each key and label the counts, sums and prior by fold


def _to_smoothing(value: object) -> float:
    if (number := to_finite(value)) < 0:
        raise ValueError(f"found {number}, expected a number of at least 0")
    return number


class _TargetEncodeParams(HasKeys):
    labelCols = param("labelCols", "columns of numbers or booleans, whose means are taken; no default", to_names)
    smoothing = param(
        "smoothing",
        "weight of the prior, in rows, at least 0; a key seen that often is half its own mean; default 20.0",
        _to_smoothing,
        20.0,
    )
    minCount = param(
        "minCount",
        "keys with fewer labels get the prior; whole number of rows, from 1; default 1",
        at_least(1),
        1,
    )
    numFolds = param(
        "numFolds",
        "into how many folds the training rows are split, each encoded without its own; whole number from 2; default 5",
        at_least(2),
        5,
    )
    seed = param("seed", "64-bit signed integer that gives other folds; default 0", to_int64, 0)
    foldCol = param(
        "foldCol",
        "column that says which training rows are left out together: whole numbers modulo numFolds, other values by "
        "their hash; default none, by the row's content",
        to_name,
        None,
    )

    def _targets(self) -> int:
        return len(self.getLabelCols())

    def _folded(self, dataset: DataFrame, number_equals: bool) -> DataFrame:
        """The rows with their folds."""
        folds, seed, name = self.getNumFolds(), self.getSeed(), self.getFoldCol()
        if name is None:
            return with_fold(dataset, _FOLD, self.getLabelCols(), folds, seed, number_equals)
        (field,) = find_fields(self._label, "foldCol", [name], dataset.schema)
        return dataset.select("*", by_column(name, field.dataType, folds, seed).alias(_FOLD))


class TargetEncodeModel(FitTimeModel, _TargetEncodeParams, KeyedModel):
    """Fitted means. The rows of its own fit get them out of fold, once; all others by all rows of the fit."""

    @property
    def priors(self) -> dict[str, float]:
        """Mean of each label, which unknown and rare keys get."""
        return dict(zip(self.getLabelCols(), self._state.facts["priors"], strict=True))

    def _numbers(self, group: int) -> tuple[Numbers, ...]:
        table, made = self._tables().table(group), []
        for i, prior in enumerate(self._state.facts["priors"]):
            counts, sums = table[f"count_{i}"].to_numpy(), table[f"sum_{i}"].to_numpy()
            made.append(np.append(self._smoothed(counts, sums, prior), prior))
        return tuple(made)

    def statistics(self) -> DataFrame:
        """What the fit found out, for inspection.

        Returns
        -------
        DataFrame
            ``columns`` and ``values`` (arrays of string: the columns of a key, and its values as text), ``rows``,
            and for each label ``count_<label>`` (rows that have one) and ``sum_<label>``.
        """
        names = [(f"{what}_{i}", f"{what}_{n}") for i, n in enumerate(self.getLabelCols()) for what in ("count", "sum")]
        return super().statistics().withColumnsRenamed(dict(names))

    def _smoothed(self, counts: Any, sums: Any, prior: Any) -> npt.NDArray[np.float64]:
        return smoothed(counts, sums, prior, self.getSmoothing(), self.getMinCount())

    def _transform_training(self, dataset: DataFrame) -> DataFrame:
        self.transformSchema(dataset.schema)
        other = _OutOfFold()
        other._resetUid(self.uid)
        self._copyValues(other)
        other._state = self._state
        return other.transform(self._folded(dataset, self._state.facts["numbered"])).drop(_FOLD)


class _OutOfFold(TargetEncodeModel):
    """The training form, which reads the row's fold as one more column."""

    _with_fold = True

    def _inputs(self) -> list[str]:
        return [*super()._inputs(), _FOLD]

    def _numbers(self, group: int) -> tuple[Numbers, ...]:
        made = []
        for counts, sums, prior in self._state.derived(_BY_FOLD, list)[group]:
            means = self._smoothed(of_other_folds(counts), of_other_folds(sums), prior)
            made.append(np.vstack([means, prior]))
        return tuple(made)

    def _prepared(self, inputs: list[StructField]) -> list[Prepared]:
        (keys,) = super()._prepared(inputs)
        return [replace(keys, columns=partial(_keys_and_fold, keys=keys.columns), types=(*keys.types, LongType()))]


class TargetEncode(_TargetEncodeParams, Estimator):
    """Replace categories by the mean of a label among their rows, drawn towards the mean of all rows.

    The rows of the fit are encoded out of fold: sums, counts and prior leave out the row's own fold, so never hold
    its own label. That is what the stages behind it in a ``Pipeline`` are fitted on (and what ``fitTransform``
    gives). All other rows get the statistics of all rows of the fit. Scoring needs no labels.

    Parameters
    ----------
    inputCols : list of str
        Columns of strings, integers, booleans or dates, each of which is a key.
    crosses : list of list of str
        Groups of such columns, each of which is one key; their keys follow those of ``inputCols``.
    labelCols : list of str
        Columns of numbers or booleans. Rows where a label is null or NaN do not count for it.
    outputCols : list of str
        Names of the results, double: for each key those of all labels, in the order of ``labelCols``.
    smoothing : float
        Weight of the prior, in rows.
    minCount : int
        Keys with fewer labels get the prior.
    numFolds, seed : int
        How many folds, and which.
    foldCol : str
        Column of the training rows that says which are left out together: whole numbers modulo ``numFolds``, other
        values by their hash. Give the user's id and no row is encoded by others of its user.
    verbose : bool
        Show progress.

    Raises
    ------
    ParamError
        A label is a key or a result, or the number of ``outputCols`` does not fit.
    DataError
        At fit: fewer rows than folds, a key column of nothing but null, a label without a value, with an infinite
        one, or whose rows all are in one fold.

    Notes
    -----
    A key becomes ``(sum + prior * smoothing) / (count + smoothing)``, where ``prior`` is the label's mean; unknown
    and rarer keys become ``prior`` (Micci-Barreca, SIGKDD Explorations 3, 2001). Null is a key of its own.

    Without ``foldCol``, a row's fold is the hash of its content: of all columns but the labels, floats, doubles and
    vectors, which may be computed anew with another last bit. So folds depend neither on the order of rows nor on
    partitions, but all other columns must come out the same whenever they are computed. Rows of equal content share
    a fold. If these are so many that keys gather in single folds, the fit counts once more with equal rows numbered
    (by their labels, then their floats and doubles), which shuffles the rows by their hash, in the training form
    too; a ``foldCol`` is faster.

    The fit is one job over the rows, and its distinct keys must fit into the driver's memory, the training form's
    ``numFolds`` times.

    Examples
    --------
    >>> te = TargetEncode(inputCols=["country"], labelCols=["label"], outputCols=["country_te"])  # doctest: +SKIP
    >>> model, train = te.fitTransform(df)  # doctest: +SKIP
    >>> model.transform(other)  # doctest: +SKIP
    """

    _model = TargetEncodeModel

    @keyword_only
    def __init__(
        self,
        *,
        inputCols=[],  # noqa: B006, only shown: the Param's default is what counts
        crosses=[],  # noqa: B006
        labelCols=None,
        outputCols=None,
        smoothing=20.0,
        minCount=1,
        numFolds=5,
        seed=0,
        foldCol=None,
        verbose=True,
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def transformSchema(self, schema: StructType) -> StructType:
        """Schema of the output for one of the input, which has the labels; runs no job."""
        labels = find_fields(self._label, "labelCols", self.getLabelCols(), schema)
        require(
            self._label,
            "labelCols",
            labels,
            lambda kind: is_numeric(kind) or isinstance(kind, BooleanType),
            "a number or a boolean",
            "cast it first",
        )
        if fold := self.getFoldCol():
            field = find_fields(self._label, "foldCol", [fold], schema)
            require(self._label, "foldCol", field, is_categorical, "string, integer, boolean or date", "cast it first")
        for name in self.getLabelCols() or [""]:
            what = "a key" if name in self._inputs() else "a result" if name in self.getOutputCols() else ""
            if what or not name:
                raise ParamError(
                    f"{self._label}: labelCols: found {f'{name!r}, which is also {what}' if name else 'nothing'}, "
                    "expected at least one column that is neither key nor result; correct labelCols"
                )
        return super().transformSchema(schema)

    def _fit_state(self, dataset: DataFrame) -> State:
        with working(f"{self._label}: adding up labels", self.getVerbose()):
            found = self._aggregated(dataset, False)
            rows = [self._by_fold(found, group, "rows") for group in range(len(found.parts))]
            numbered = self.getFoldCol() is None and any(map(look_alike, rows))
            if numbered:
                found = self._aggregated(dataset, True)
        self._check_rows(int(rows[0].sum()))
        labels = range(len(self.getLabelCols()))
        counts = [[self._by_fold(found, g, f"count_{i}") for i in labels] for g in range(len(found.parts))]
        sums = [[self._by_fold(found, g, f"sum_{i}") for i in labels] for g in range(len(found.parts))]
        totals = [(counts[0][i].sum(axis=0), sums[0][i].sum(axis=0)) for i in labels]
        for name, (count, total) in zip(self.getLabelCols(), totals, strict=True):
            self._check_label(name, count, total)
        numbers = [
            {
                "rows": each.sum(axis=1),
                **{f"count_{i}": c.sum(axis=1) for i, c in enumerate(counts[g])},
                **{f"sum_{i}": s.sum(axis=1) for i, s in enumerate(sums[g])},
            }
            for g, each in enumerate(rows)
        ]
        state = found.state(numbers, {"priors": [float(s.sum() / c.sum()) for c, s in totals], "numbered": numbered})
        priors = [of_other_folds(s) / of_other_folds(c) for c, s in totals]
        # For the training form of this model alone, so not part of what is saved.
        state.derived(
            _BY_FOLD, lambda: [list(zip(c, s, priors, strict=True)) for c, s in zip(counts, sums, strict=True)]
        )
        return state

    def _aggregated(self, dataset: DataFrame, number_equals: bool) -> Aggregated:
        return Aggregated(
            self._label,
            self._folded(dataset, number_equals),
            self._keys(),
            by={_FOLD: column(_FOLD)},
            numbers={str(i): present(column(n).cast("double"), 0.0, True) for i, n in enumerate(self.getLabelCols())},
        )

    def _by_fold(self, found: Aggregated, group: int, name: str) -> Any:
        """A number of each key (first axis) in each fold."""
        part, keys = found.parts[group], found.keys[group]
        distinct, at = np.unique(keys, return_inverse=True)
        values = pc.fill_null(part[name], 0).to_numpy()
        made = np.zeros((len(distinct), self.getNumFolds()), values.dtype)
        made[at, part[_FOLD].to_numpy()] = values
        return made

    def _check_rows(self, rows: int) -> None:
        if rows < self.getNumFolds():
            raise DataError(
                f"{self._label}: numFolds: found {self.getNumFolds()} folds for {rows} rows, expected at most as many "
                "folds as rows; lower numFolds or give more rows"
            )

    def _check_label(self, name: str, counts: Numbers, sums: Numbers) -> None:
        """Raise DataError unless each fold leaves others with a label."""
        if not counts.any():
            found = f"no value in column '{name}', expected at least one that is not missing"
        elif not np.isfinite(sums).all():
            found = f"infinite values, or ones that add up to it, in column '{name}', expected finite numbers"
        elif not of_other_folds(counts).all():
            found = f"all values of '{name}' in rows of one fold, expected several folds"
        else:
            return
        raise DataError(f"{self._label}: labelCols: {'found ' + found}; check the DataFrame, seed and foldCol")


def _keys_and_fold(columns: list[Column], keys: Expressions) -> list[Column]:
    return [*keys(columns), columns[-1]]
