"""How a training went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class TrainingSummary:
    """What ``model.summary`` gives.

    Attributes
    ----------
    history : list of dict
        One for each epoch: ``loss`` and metrics over the rows of all workers as they were trained on (``auc``,
        ``logLoss``, ``accuracy`` or ``rmse``), the same with the prefix ``validation_`` for held-out rows at the
        end of the epoch, ``rowsPerSecond``, ``bytesExchanged`` (sent by all workers together), ``seconds``.
        A value that is not defined, such as the AUC of one class, is None.
    workers : list of dict
        For each worker its host, executor, rows, bytes of rows and seconds by phase.
    facts : dict
        Rows, steps, why it stopped, the best epoch and the one whose weights these are, precision, restarts;
        ``lossCurve``: pairs of epochs done and mean loss of the batches since the pair before, about 100 in all.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.history: list[dict[str, Any]] = list(facts["history"])
        self.workers: list[dict[str, Any]] = list(facts["workers"])
        self.facts: dict[str, Any] = dict(facts["summary"])

    @property
    def totalIterations(self) -> int:
        """Epochs that were trained."""
        return len(self.history)

    @property
    def objectiveHistory(self) -> list[float]:
        """Training loss of each epoch."""
        return [done["loss"] for done in self.history]

    def toPandas(self) -> Any:
        """The history as a pandas DataFrame, a row for each epoch."""
        import pandas as pd

        return pd.DataFrame(self.history)

    def __repr__(self) -> str:
        kept = self.history[self.facts.get("weightsOf", 0) - 1] if self.history else {}  # else the last
        shown = ", ".join(f"{name}={value:.6g}" for name, value in kept.items() if isinstance(value, (int, float)))
        return f"TrainingSummary({self.totalIterations} epochs, {self.facts['stopped']}; weights of: {shown})"
