"""``DENASSearch``: looks for architectures without training any, candidates scored as Spark tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from aiok_spark.core.errors import ParamError
from aiok_spark.nas.limits import Limits
from aiok_spark.nas.run import Run
from aiok_spark.nas.scores import COUNTED, NAMED
from aiok_spark.nas.space import ArchitectureSpace, Genes
from aiok_spark.nas.spaces import to_space
from aiok_spark.nas.summary import SearchSummary
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.references import reference
from aiok_spark.training.task import MULTICLASS, TrainTask

LATENCIES = ("none", "measured", "predicted")


@dataclass(frozen=True)
class DENASSearch:
    """A search for architectures by scores that need no training.

    Attributes
    ----------
    searchSpace : ArchitectureSpace or str
        What to draw from; by name ("bert", "cnn", "ctr", "nasbench201", "vit") with its defaults.
    scores : sequence of str or callable
        What candidates are ranked by, all alike; default the space's own.  ``params`` and ``flops`` are always shown.
    engine : str
        "random", "evolution", or "pareto" (score against latency).
    numCandidates : int
        To score, at least; illegal ones do not count.
    maxSeconds : float or None
        After which no generation begins.
    limits : mapping
        Most, or least and most, of "params", "flops" and "latency" (milliseconds).
    latency : str
        "none", "measured" on an executor, or "predicted" from counts, the same everywhere.
    latencyRows : int
        Rows of a call whose latency is asked for.
    scoreRows : int
        Rows that scores look at; 0 for the space's own number.
    generationSize : int
        Candidates that are thought of at once; the same search on any cluster has the same number.
    candidateSeconds, candidateMemory : float, int
        Seconds, and megabytes more than the process has, that a candidate may take; 0 megabytes for no limit.
    seed : int
        Of everything that is random.
    journalPath : str or None
        A file that keeps what was found; a search that finds its own goes on from there.
    verbose : bool
        Whether to tell each generation.

    Examples
    --------
    >>> from aiok_spark.nas import DENASSearch, NasBench201
    >>> from aiok_spark.training.features import FeatureSpec
    >>> search = DENASSearch(NasBench201(), numCandidates=64, limits={"params": 1e6})
    >>> found = search.run(spark, FeatureSpec(("pixels",), (3072,)), classes=10)  # doctest: +SKIP
    >>> found.best.arguments  # doctest: +SKIP
    """

    searchSpace: ArchitectureSpace
    scores: Sequence[Any] = ()
    engine: str = "evolution"
    numCandidates: int = 200
    maxSeconds: float | None = None
    limits: Mapping[str, Any] | None = None
    latency: str = "none"
    latencyRows: int = 1
    scoreRows: int = 0
    generationSize: int = 32
    candidateSeconds: float = 60.0
    candidateMemory: int = 4096
    seed: int = 0
    journalPath: str | None = None
    verbose: bool = True
    label: str = "DENASSearch"

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "searchSpace", to_space(self.searchSpace))
        except (TypeError, ValueError) as e:
            raise ParamError(f"{self.label}: searchSpace: {e}") from None

    def run(
        self, spark: SparkSession, features: FeatureSpec, kind: str = MULTICLASS, classes: int = 2
    ) -> SearchSummary:
        """Search for networks that read these columns and give ``classes`` scores, a logit or a number.

        Raises
        ------
        ParamError
            Before the first job: names that are unknown, limits that contradict each other, columns that the space
            cannot serve, no legal candidate.
        TrainingError
            If no candidate can be scored; the first reason is in it.
        """
        return self.prepared(spark, features, kind, classes).run()

    def rank(
        self,
        spark: SparkSession,
        genes: Sequence[Genes],
        features: FeatureSpec,
        kind: str = MULTICLASS,
        classes: int = 2,
    ) -> SearchSummary:
        """Score and rank architectures that are given, in place of a search; as ``run`` otherwise."""
        return self.prepared(spark, features, kind, classes).rank(genes)

    def prepared(self, spark: SparkSession, features: FeatureSpec, kind: str, classes: int) -> Run:
        """A search that is checked and has not begun; raises as ``run`` does before its first job."""
        network, _ = reference(self.searchSpace.network)
        return Run(self, spark, TrainTask(network, features, kind, numClasses=classes))

    def named_scores(self) -> dict[str, Any]:
        """Functions, or where they are, by name; ``params`` and ``flops``, which are counted, have none."""
        found: dict[str, Any] = {}
        for score in self.scores or self.searchSpace.scores:
            name, code = score_name(score), score
            if isinstance(score, str) and (score in NAMED or score in COUNTED):
                code = NAMED.get(score)
            elif isinstance(score, str) and ":" not in score:
                raise ParamError(
                    f"{self.label}: scores: found '{score}', expected one of {[*NAMED, *COUNTED]}, "
                    "'package.module:name', or a function of a Probe"
                )
            if name in found:
                raise ParamError(f"{self.label}: scores: found two by the name '{name}', expected different names")
            found[name] = code
        return found

    def checked_limits(self) -> Limits:
        """Limits that can be met, and that somebody looks at."""
        try:
            limits = Limits.of(self.limits or {})
        except ValueError as e:
            raise ParamError(f"{self.label}: limits: {e}") from None
        for asked, why in (("latency" in limits.bounds, "limits of latency"), (self.engine == "pareto", "'pareto'")):
            if asked and self.latency == "none":
                raise ParamError(
                    f"{self.label}: latency: found 'none' with {why}, expected 'measured' or 'predicted'; set it"
                )
        return limits


def score_name(score: Any) -> str:
    """What a score is called: a name, the last part of where it is, or a function's own."""
    if isinstance(score, str):
        return score.rpartition(":")[2]
    return getattr(score, "__name__", type(score).__name__)
