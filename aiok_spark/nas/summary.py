"""What a search found: every candidate, their order, the front of score and latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiok_spark.nas.candidate import Candidate
from aiok_spark.nas.engines import trade_offs
from aiok_spark.nas.ranking import aggregated, front
from aiok_spark.nas.scores import COUNTED
from aiok_spark.training.task import TrainTask


class SearchSummary:
    """All candidates of a search; part of the model, saved with it.

    Attributes
    ----------
    candidates : list of Candidate
        As they came, illegal and failed ones with their reasons.
    scores : list of str
        What they are ranked by.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts
        self.candidates = [Candidate(**told) for told in facts["candidates"]]
        self.scores: list[str] = list(facts["names"])

    @property
    def facts(self) -> Mapping[str, Any]:
        """All of it, as JSON has it."""
        return self._facts

    @property
    def scored(self) -> list[Candidate]:
        """Those that take part in the ranking, as they came."""
        return [candidate for candidate in self.candidates if candidate.scored]

    @property
    def ranking(self) -> list[Candidate]:
        """Those that were scored, the best first; of equal ones the smaller, then the earlier.

        With the engine "pareto" the front of score and latency comes first, in the order of log(rank) of both added up:
        so the winner is not the best of one of them alone, unless nothing else is near.
        """
        return ranked(self.scored, self.scores, self._facts["engine"])

    @property
    def trained(self) -> dict[int, float]:
        """Of the candidates that were trained, by number: the metric that chose between them, on held-out rows."""
        return {int(number): value for number, value in self._facts.get("trained", {}).items()}

    @property
    def best(self) -> Candidate | None:
        """The one that a model has; of a search alone the first of the ranking, if any was scored."""
        kept = self._facts.get("kept")
        return next((c for c in self.ranking if kept is None or c.number == kept), None)

    @property
    def paretoFront(self) -> list[Candidate]:
        """Those that no other one beats in both score and latency, the best score first."""
        pool = self.scored
        return [pool[place] for place in front(trade_offs(pool, self.scores))]

    def task_of(self, candidate: Candidate) -> TrainTask:
        """What builds a candidate's network."""
        task = TrainTask.from_json(self._facts["task"])
        return replace(task, arguments=dict(candidate.arguments))

    def toPandas(self) -> Any:
        """Every candidate as a row, ranked ones first: aggregate, scores, counts, latency, state, reason, arguments."""
        import pandas as pd

        ranking, trained, best = self.ranking, self.trained, self.best
        pool = self.scored
        totals = dict(
            zip(
                (candidate.number for candidate in pool),
                aggregated([candidate.scores for candidate in pool], self.scores),
                strict=True,
            )
        )
        rest = [candidate for candidate in self.candidates if not candidate.scored]
        rows = [
            {
                "rank": rank if candidate.scored else None,
                "candidate": candidate.number,
                "aggregate": totals.get(candidate.number),
                **{name: candidate.scores.get(name) for name in self.scores if name not in COUNTED},
                "params": candidate.params,
                "flops": candidate.flops,
                "latency": candidate.latency,
                **({"trained": trained.get(candidate.number)} if trained else {}),
                "best": candidate is best,
                "state": candidate.state,
                "reason": candidate.reason,
                "origin": candidate.origin,
                "seconds": candidate.seconds,
                **candidate.arguments,
            }
            for rank, candidate in enumerate([*ranking, *rest], 1)
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        best = self.best
        told = f"; best {best.number} of {best.params:,} parameters" if best else ""
        return f"SearchSummary({len(self.scored)} of {len(self.candidates)} candidates scored{told})"

    def correlations(self) -> Any:
        """Spearman's rank correlation of all scores, the aggregate and the counts, as a pandas DataFrame."""
        table = self.toPandas()
        columns = list(dict.fromkeys(["aggregate", *self.scores, "params", "flops", "latency"]))
        # Ranks, then Pearson's: pandas' own way to Spearman's asks for scipy.
        return table[table.state == "scored"][columns].dropna(axis=1, how="all").rank().corr()

    def report(self, path: str) -> str:
        """Write the search as an HTML page; gives the path."""
        from aiok_spark.nas.report import write_report

        return write_report(path, self)


def ranked(pool: list[Candidate], names: Sequence[str], engine: str) -> list[Candidate]:
    """Candidates that were scored, as ``SearchSummary.ranking`` has them."""
    fitness, first = aggregated([candidate.scores for candidate in pool], names), set(range(len(pool)))
    if engine == "pareto":
        both = trade_offs(pool, names)
        fitness = aggregated([{"score": score, "speed": speed} for score, speed in both], ("score", "speed"))
        first = set(front(both))
    order = sorted(range(len(pool)), key=lambda i: (i not in first, -fitness[i], pool[i].params or 0, pool[i].number))
    return [pool[i] for i in order]
