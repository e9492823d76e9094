"""Params of ``DENASEstimator``, which its model keeps."""

from __future__ import annotations

from typing import Any

from aiok_spark.core import allow
from aiok_spark.core.errors import PersistenceError
from aiok_spark.core.params import at_least, one_of, param, to_name, to_positive
from aiok_spark.nas.engines import ENGINES
from aiok_spark.nas.limits import Limits
from aiok_spark.nas.search import LATENCIES, score_name
from aiok_spark.nas.spaces import to_space
from aiok_spark.training.estimator import GroupedStage
from aiok_spark.training.params import HasNumClasses, HasOptimizer, HasProblemType


def _to_scores(value: Any) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise TypeError(f"found {value!r} ({type(value).__name__}), expected a list of names or functions")
    if wrong := [score for score in value if not (isinstance(score, str) or callable(score))]:
        raise TypeError(f"found {wrong[0]!r} ({type(wrong[0]).__name__}), expected a name or a function")
    return list(value)


def _to_limits(value: Any) -> dict[str, list[float | None]]:
    if not isinstance(value, dict):
        raise TypeError(f"found {value!r} ({type(value).__name__}), expected a dict such as {{'params': 1e6}}")
    return Limits.of(value).to_json()


class DENASParams(HasProblemType, GroupedStage, HasNumClasses, HasOptimizer):
    """What is searched, and how."""

    _id_lists = True  # tokens
    _searches = True  # and so needs the scores' code

    searchSpace = param(
        "searchSpace",
        "architectures to draw from, such as CtrSpace(); or 'bert', 'cnn', 'ctr', 'nasbench201' or 'vit', a space with "
        "its own defaults; no default",
        to_space,
    )
    scores = param(
        "scores",
        "what candidates are ranked by, all alike: names, 'package.module:name', or functions; default none, those of "
        "the space",
        _to_scores,
        [],
    )
    searchEngine = param(
        "searchEngine",
        "where candidates come from: 'evolution' (default), 'random', or 'pareto' for score against latency",
        one_of(*ENGINES),
        "evolution",
    )
    numCandidates = param(
        "numCandidates",
        "candidates to score, at least; illegal ones do not count; from 1; default 200",
        at_least(1),
        200,
    )
    maxSeconds = param(
        "maxSeconds",
        "seconds of the search, after which no candidates are added, above 0; default none",
        to_positive,
        None,
    )
    limits = param(
        "limits",
        "most, or least and most, of 'params' (numbers that train), 'flops' (operations of a row) and 'latency' "
        "(milliseconds), such as {'params': 1e6}; default none",
        _to_limits,
        {},
    )
    latency = param(
        "latency",
        "time of a call with latencyRows rows: 'none' (default), 'measured' on an executor with spark.task.cpus "
        "threads (a median, after calls that warm up), or 'predicted' from counts, the same everywhere",
        one_of(*LATENCIES),
        "none",
    )
    latencyRows = param("latencyRows", "rows of a call whose latency is asked for, from 1; default 1", at_least(1), 1)
    scoreRows = param(
        "scoreRows", "rows that scores look at, from 2; default 0, as many as the space says", at_least(0), 0
    )
    generationSize = param(
        "generationSize",
        "candidates that are thought of at once, and so tasks that can run side by side, from 1; default 32",
        at_least(1),
        32,
    )
    candidateSeconds = param(
        "candidateSeconds", "seconds that a candidate may take to be scored, above 0; default 60", to_positive, 60.0
    )
    candidateMemory = param(
        "candidateMemory",
        "megabytes that a candidate may ask for to be scored, beyond what its process has; default 4096, 0 for any",
        at_least(0),
        4096,
    )
    topK = param(
        "topK",
        "candidates to train, from the best; the best of them by metric on held-out rows is kept; from 1; default 1",
        at_least(1),
        1,
    )
    journalPath = param(
        "journalPath",
        "file of the driver's file system that keeps what the search found: the same search goes on from there; "
        "default none",
        to_name,
        None,
    )

    def _network(self) -> Any:
        return self.getSearchSpace().network

    # Persistence

    def _saved_params(self) -> dict[str, Any]:
        found = super()._saved_params()
        if "searchSpace" in found:
            found = {**found, "searchSpace": self.getSearchSpace().to_json()}
        if "scores" in found and not self._searches:
            names = [score if isinstance(score, str) else score_name(score) for score in self.getScores()]
            found = {**found, "scores": names}
        return found

    def _before_save(self) -> None:
        super()._before_save()
        live = [score for score in self.getScores() if self._searches and not isinstance(score, str)]
        if self.isDefined("searchSpace"):
            space = self.getSearchSpace()
            live += [type(space)] if _only_here(type(space)) else []
            live += [] if isinstance(space.network, str) else [space.network]
        if live:
            raise PersistenceError(
                f"{self._label}: found {live[0]!r}, code of this session alone, expected code that others can import; "
                "move it into a module"
            )

    def _after_load(self, path: str) -> None:
        super()._after_load(path)
        if self.isDefined("searchSpace"):
            allow.check(self.getSearchSpace().network.replace(":", "."), path)
        for score in self.getScores():
            if ":" in score and self._searches:
                allow.check(score.replace(":", "."), path)


def _only_here(cls: type) -> bool:
    return cls.__module__ == "__main__" or "<" in cls.__qualname__
