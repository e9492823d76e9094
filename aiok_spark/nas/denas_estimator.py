"""``DENASEstimator``: finds an architecture without training, and trains it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame

from aiok_spark.core import compat, progress
from aiok_spark.core.errors import ParamError
from aiok_spark.core.state import State
from aiok_spark.nas.denas_params import DENASParams
from aiok_spark.nas.search import DENASSearch
from aiok_spark.nas.summary import SearchSummary
from aiok_spark.training import engine
from aiok_spark.training.estimator import NetworkModel, SteppedEstimator
from aiok_spark.training.task import TrainResult, TrainTask


class DENASModel(DENASParams, NetworkModel):
    """The best architecture, trained; ``transform`` adds raw scores, probabilities and predictions."""

    _searches = False

    @property
    def searchSummary(self) -> SearchSummary:
        """Every candidate of the search: scores, counts, latency, and why it was left out."""
        return SearchSummary(self._state.facts["search"])

    @property
    def architecture(self) -> dict[str, Any]:
        """Arguments of the network."""
        return dict(self._state.facts["task"]["arguments"])

    def _arguments(self) -> Mapping[str, Any]:
        return self.architecture


class DENASEstimator(DENASParams, SteppedEstimator):
    """Find a network for the rows without training any, then train the best one on the executors.

    Candidates are scored as Spark tasks by what their first weights tell; scores are ranked, and the ranks added up.
    The winner, or the best of the first ``topK``, is trained as ``TorchEstimator`` would train it.

    Parameters
    ----------
    searchSpace : ArchitectureSpace
        What to draw from: ``CtrSpace``, ``CnnSpace``, ``VitSpace``, ``BertSpace``, ``NasBench201``, or your own.
    scores, searchEngine, numCandidates, limits : list, str, int, dict
        What candidates are ranked by, where they come from, how many, and what they may have at most.
    topK : int
        Candidates to train; the best of them on held-out rows is kept.
    denseCols, categoricalCols, featuresCol : list of str, list of str, str
        What the network reads.
    problemType : {"binary", "multiclass", "regression"}
        What the label is.
    numWorkers, epochs, batchSize : int
        Tasks that train together, passes over the rows, rows of a step over all workers.

    ``explainParams()`` tells all others.

    Raises
    ------
    ParamError
        Before the first candidate: limits that contradict each other, unknown names, columns that the space cannot
        serve; or if no candidate is legal.
    TrainingError
        No candidate could be scored; or as ``TorchEstimator``.

    References
    ----------
    Lee, Ham: AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search, arXiv:2403.19232: the scores that
    most spaces are ranked by, and how ranks are added up.

    Examples
    --------
    >>> from aiok_spark.nas import CtrSpace, DENASEstimator
    >>> search = DENASEstimator(searchSpace=CtrSpace(), limits={"params": 2e5}, numCandidates=64, epochs=3,
    ...                         denseCols=["age", "price"], categoricalCols=["country_id", "device_id"])
    >>> model = search.fit(df)  # doctest: +SKIP
    >>> model.searchSummary.toPandas().head()  # doctest: +SKIP
    """

    _model = DENASModel

    def _check_params(self) -> None:
        super()._check_params()
        held_out = self.getValidationFraction() or self.getValidationIndicatorCol()
        if self.getTopK() > 1 and not held_out:
            raise ParamError(
                f"{self._label}: topK: found {self.getTopK()} and no rows that are held out, expected some to choose "
                "by; set validationFraction or validationIndicatorCol"
            )
        if self.getTopK() > self.getNumCandidates():
            raise ParamError(
                f"{self._label}: topK: found {self.getTopK()} with numCandidates={self.getNumCandidates()}, expected "
                "at most as many as are scored; lower it, or raise numCandidates"
            )
        if self.getScoreRows() == 1:
            raise ParamError(f"{self._label}: scoreRows: found 1, expected 0 or at least 2; change it")
        search = self._search()
        search.checked_limits()
        search.named_scores()

    def _search(self) -> DENASSearch:
        same = (
            "searchSpace",
            "scores",
            "numCandidates",
            "maxSeconds",
            "limits",
            "latency",
            "latencyRows",
            "scoreRows",
            "generationSize",
            "candidateSeconds",
            "candidateMemory",
            "seed",
            "journalPath",
            "verbose",
        )
        return DENASSearch(
            **{name: self.getOrDefault(name) for name in same},
            engine=self.getSearchEngine(),
            label=self._label,
        )

    def _fit_state(self, dataset: DataFrame) -> State:
        task, columns = self._planned(dataset)
        search = self._search().prepared(compat.session_of(dataset), task.features, task.kind, task.numClasses)
        engine.check_rows(dataset, columns, task, self._label)  # a training would tell it only after the whole search
        found = search.run()
        best: tuple[float, int, TrainTask, TrainResult] | None = None
        trained: dict[str, float] = {}
        for candidate in found.ranking[: self.getTopK()]:
            tried = replace(
                task,
                arguments=dict(candidate.arguments),
                run=uuid.uuid4().hex,
                checkpointDir=self._folder(candidate.number),
            )
            result = self._engaged(dataset, tried, columns)
            value = _worth(tried, result)
            self._say(f"candidate {candidate.number} of {candidate.params:,} parameters is trained", value)
            trained[str(candidate.number)] = abs(value)
            if best is None or value > best[0]:
                best = (value, candidate.number, tried, result)
        assert best is not None  # a search without a candidate raises
        _, kept, task, result = best
        facts = {
            "task": task.to_json(),
            "history": result.history,
            "workers": result.workers,
            "summary": result.summary,
            "search": {**found.facts, "kept": kept, "trained": trained if len(trained) > 1 else {}},
        }
        return State(facts, blobs={"weights": result.weights})

    def _folder(self, number: int) -> str | None:
        """For a candidate's checkpoints."""
        folder = self.getOrDefault("checkpointDir")
        return f"{folder}/candidate-{number}" if folder else None

    def _say(self, text: str, value: float) -> None:
        if self.getVerbose() and self.getTopK() > 1:
            progress.say(f"{self._label}: {text}: {abs(value):.6g}")


def _worth(task: TrainTask, result: TrainResult) -> float:
    """The metric that decides, of the epoch whose weights these are; larger is better."""
    from aiok_spark.training.worker.loop import judged
    from aiok_spark.training.worker.metrics import LARGER_IS_BETTER

    name, value = judged(task, result.history[result.summary.get("weightsOf", 0) - 1])
    if value is None:
        return float("-inf")
    return value if LARGER_IS_BETTER[name] else -value
