"""How good scores are: one job that counts them finely, and all measures from the counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from aiok_spark.core import compat
from aiok_spark.core.schema import column

_STEPS = 1_000_000  # probabilities nearer than this are taken as equal
_CALIBRATION = 10  # groups of equally many rows
_HISTOGRAM = 50  # bars
_CURVE = 200  # points of the ROC curve


@dataclass(frozen=True)
class Scores:
    """Rows by their probability of label 1, from the least: value, rows of label 0 and of label 1."""

    values: np.ndarray
    zeros: np.ndarray
    ones: np.ndarray
    logLoss: float

    @classmethod
    def of(cls, scored: DataFrame, label: str, probability: str = "probability") -> Scores:
        """Count the rows of a scored DataFrame; ``probability`` is a vector of both labels' chances."""
        chance = vector_to_array(column(probability))[1]
        # What float32 rounds to 0 or 1 would lose infinitely much.
        held = F.least(F.greatest(chance, F.lit(1e-7)), F.lit(1 - 1e-7))
        loss = F.when(column(label) == 1, -F.log(held)).otherwise(-F.log(1 - held))
        rows = scored.select(
            F.round(chance * _STEPS).cast("int").alias("at"), column(label).alias("y"), loss.alias("l")
        )
        counted = rows.groupBy("at").agg(
            F.sum(F.when(F.col("y") == 1, 0).otherwise(1)).alias("zeros"),
            F.sum(F.when(F.col("y") == 1, 1).otherwise(0)).alias("ones"),
            F.sum("l").alias("loss"),
        )
        found = compat.to_arrow(counted).sort_by("at")
        at, zeros, ones, lost = (found[n].to_numpy().astype(float) for n in ("at", "zeros", "ones", "loss"))
        return cls(at / _STEPS, zeros, ones, float(lost.sum() / max(1.0, (zeros + ones).sum())))

    @property
    def auc(self) -> float | None:
        """Chance that a row of label 1 is above one of label 0, equal ones half; None without both labels."""
        zeros, ones = self.zeros.sum(), self.ones.sum()
        if not zeros or not ones:
            return None
        below = np.cumsum(self.zeros) - self.zeros
        return float((self.ones * (below + self.zeros / 2)).sum() / (zeros * ones))

    @property
    def aucError(self) -> float | None:
        """Standard error of the AUC by Hanley and McNeil, Radiology 143 (1982)."""
        auc = self.auc
        if auc is None:
            return None
        zeros, ones = self.zeros.sum(), self.ones.sum()
        both_ones, both_zeros = auc / (2 - auc), 2 * auc**2 / (1 + auc)
        spread = auc * (1 - auc) + (ones - 1) * (both_ones - auc**2) + (zeros - 1) * (both_zeros - auc**2)
        return float(np.sqrt(spread / (zeros * ones)))

    def facts(self) -> dict[str, Any]:
        """All measures and what plots need, as JSON takes it."""
        rows = self.zeros + self.ones
        return {
            "rows": int(rows.sum()),
            "ones": int(self.ones.sum()),
            "auc": self.auc,
            "aucError": self.aucError,
            "logLoss": self.logLoss,
            "calibration": self._calibration(rows),
            "histogram": self._histogram(),
            "roc": self._roc(),
        }

    def _calibration(self, rows: np.ndarray) -> list[dict[str, float]]:
        """Mean probability and share of ones in groups of about equally many rows."""
        middle = np.cumsum(rows) - rows / 2
        group = np.minimum((middle / rows.sum() * _CALIBRATION).astype(int), _CALIBRATION - 1)
        made = []
        for number in np.unique(group):
            there = group == number
            count = rows[there].sum()
            mean, share = (self.values * rows)[there].sum() / count, self.ones[there].sum() / count
            made.append({"rows": int(count), "predicted": float(mean), "found": float(share)})
        return made

    def _histogram(self) -> dict[str, list[int]]:
        bar = np.minimum((self.values * _HISTOGRAM).astype(int), _HISTOGRAM - 1)
        counted = {"zeros": self.zeros, "ones": self.ones}
        return {n: np.bincount(bar, weights, _HISTOGRAM).astype(int).tolist() for n, weights in counted.items()}

    def _roc(self) -> list[list[float]]:
        """False and true positive rates, from the highest threshold."""
        false, true = (np.concatenate([[0.0], np.cumsum(n[::-1])]) for n in (self.zeros, self.ones))
        at = np.unique(np.linspace(0, len(false) - 1, _CURVE).astype(int))
        return np.column_stack([false[at] / max(1.0, false[-1]), true[at] / max(1.0, true[-1])]).tolist()
