"""Which rows a trial learns from, and which it is measured on."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType

from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.core.schema import column, find_fields

KINDS = ("split", "folds", "time", "indicator")
_FOLD = "aiok_fold"
_PRECISE = 1e-4  # of the quantile of times

Fold = tuple[DataFrame, DataFrame]  # to learn from, to measure on


def folds_of(df: DataFrame, kind: str, share: float, folds: int, by: str, seed: int, label: str) -> list[Fold]:
    """Parts of the rows, as ``TunedEstimator`` says what they are.

    Parameters
    ----------
    df : DataFrame
        All rows.
    kind : {"split", "folds", "time", "indicator"}
        How they are divided.
    share : float
        Of the rows to learn from, for "split" and "time".
    folds : int
        How many, for "folds".
    by : str
        Column of times, or of true for the rows to measure on.
    seed : int
        Of what is drawn.
    label : str
        Who asks, for messages.
    """
    if kind == "folds":
        drawn = df.withColumn(_FOLD, F.floor(F.rand(seed) * folds))
        return [
            (drawn.where(F.col(_FOLD) != k).drop(_FOLD), drawn.where(F.col(_FOLD) == k).drop(_FOLD))
            for k in range(folds)
        ]
    if kind == "split":
        drawn = df.withColumn(_FOLD, F.rand(seed) < share)
        return [(drawn.where(F.col(_FOLD)).drop(_FOLD), drawn.where(~F.col(_FOLD)).drop(_FOLD))]
    if kind in ("time", "indicator"):
        (field,) = find_fields(label, "validationCol", [by], df.schema)
        if kind == "indicator" and not isinstance(field.dataType, BooleanType):
            found = field.dataType.simpleString()
            raise ParamError(f"{label}: validationCol: found {found} '{by}', expected true (to measure on) or false")
    if kind == "indicator":
        flag = column(by)
        if nulls := df.where(flag.isNull()).count():
            raise DataError(
                f"{label}: validationCol: found {nulls} nulls in '{by}', expected true (to measure on) or "
                "false; fill them"
            )
        return [(df.where(~flag), df.where(flag))]
    time = column(by).cast("double")
    if nulls := df.where(time.isNull()).count():
        raise DataError(f"{label}: validationCol: found {nulls} nulls in '{by}', expected times; fill or filter them")
    (cut,) = df.select(time.alias(_FOLD)).approxQuantile(_FOLD, [share], _PRECISE)
    return [(df.where(time <= cut), df.where(time > cut))]
