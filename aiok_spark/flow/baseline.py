"""Logistic regression by Spark's own stages: what a network has to be better than."""

from __future__ import annotations

from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import FeatureHasher, SQLTransformer
from pyspark.sql.types import NumericType, StructType

_WIDTH = 1 << 18  # hashed columns
_ITERATIONS = 50


def hashed_regression(columns: StructType, label: str, penalty: float = 1e-3) -> Pipeline:
    """Logistic regression on the hashes of all cells, numbers by groups of their squared logarithm.

    So the winners of Criteo's contest prepared its numbers; a group for each small number and wider ones for larger
    (github.com/ycjuan/kaggle-2014-criteo).  Missing cells are left out.

    Parameters
    ----------
    columns : StructType
        The raw rows'.
    label : str
        The column of them that is 0 or 1.
    penalty : float
        Of the squared weights, as ``regParam`` of Spark's LogisticRegression.
    """
    names = [f.name for f in columns.fields if f.name != label]
    numbers = {f.name for f in columns.fields if isinstance(f.dataType, NumericType)}
    cells = [_grouped(name) if name in numbers else f"`{name}`" for name in names]
    chosen = ", ".join(f"{cell} AS `{name}`" for cell, name in zip(cells, names, strict=True))
    return Pipeline(
        stages=[
            SQLTransformer(statement=f"SELECT `{label}`, {chosen} FROM __THIS__"),
            FeatureHasher(inputCols=names, outputCol="features", numFeatures=_WIDTH),
            LogisticRegression(labelCol=label, maxIter=_ITERATIONS, regParam=penalty, standardization=False),
        ]
    )


def _grouped(name: str) -> str:
    return f"CAST(IF(`{name}` > 2, FLOOR(POW(LN(`{name}`), 2)), `{name}` - 2) AS STRING)"
