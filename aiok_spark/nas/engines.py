"""Where the next candidates come from."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiok_spark.nas.candidate import Candidate
from aiok_spark.nas.ranking import aggregated, front
from aiok_spark.nas.space import ArchitectureSpace, Genes
from aiok_spark.training.features import FeatureSpec

Proposal = tuple[Genes, str]  # with its origin


@dataclass(frozen=True)
class Engine:
    """Base: by chance.

    Attributes
    ----------
    space : ArchitectureSpace
        Where candidates are from.
    features : FeatureSpec
        Columns that they read.
    names : tuple of str
        Scores that they are ranked by.
    first : int
        Candidates by chance, before any is chosen for a parent.
    population : int
        Candidates that may be parents, the last ones.
    sample : int
        Of them, by chance, that meet for the place of a parent.
    share : float
        Of the genes that a mutation changes.
    crossing : float
        Share of children of two parents.
    """

    space: ArchitectureSpace
    features: FeatureSpec
    names: tuple[str, ...]
    first: int = 64
    population: int = 64
    sample: int = 8
    share: float = 0.1
    crossing: float = 0.3

    def ready(self, pool: Sequence[Candidate]) -> Callable[[random.Random], Proposal]:
        """What makes proposals, given all candidates that were scored, in their order."""
        return self._drawn

    def _drawn(self, chance: random.Random) -> Proposal:
        return self.space.draw(self.features, chance), "drawn"


class RandomSearch(Engine):
    """Every candidate by chance."""


class Evolution(Engine):
    """Regularised evolution: the best of a few recent candidates is the parent, the oldest ones go.

    Real, Aggarwal, Huang, Le: Regularized Evolution for Image Classifier Architecture Search, arXiv:1802.01548,
    algorithm 1; with children of two parents, as the discontinued kit had them.
    """

    def ready(self, pool: Sequence[Candidate]) -> Callable[[random.Random], Proposal]:
        """Children of the best, once there are some to choose from."""
        if len(pool) < self.first:
            return self._drawn
        parents = list(self.parents(pool))
        return lambda chance: self._child(parents, chance)

    def parents(self, pool: Sequence[Candidate]) -> Sequence[tuple[float, Candidate]]:
        """Who may be a parent, with what decides between them; the larger the better."""
        fitness = aggregated([candidate.scores for candidate in pool], self.names)
        return list(zip(fitness, pool, strict=True))[-self.population :]

    def _child(self, parents: Sequence[tuple[float, Candidate]], chance: random.Random) -> Proposal:
        def best() -> Candidate:
            met = chance.sample(range(len(parents)), min(self.sample, len(parents)))
            return parents[max(met, key=lambda i: (parents[i][0], i))][1]

        one = best()
        if chance.random() < self.crossing and (other := best()) is not one:
            genes = self.space.cross(one.genes, other.genes, chance)
            return genes, f"child of {one.number} and {other.number}"
        return self.space.mutate(one.genes, self.features, chance, self.share), f"mutant of {one.number}"


class ParetoEvolution(Evolution):
    """Two objectives, score and latency: the parents are those that no other one beats in both."""

    def parents(self, pool: Sequence[Candidate]) -> Sequence[tuple[float, Candidate]]:
        """The front, all alike."""
        return [(0.0, pool[place]) for place in front(trade_offs(pool, self.names))]


def trade_offs(pool: Sequence[Candidate], names: Sequence[str]) -> list[tuple[float, float]]:
    """Aggregate and speed of each candidate, both the larger the better."""
    fitness = aggregated([candidate.scores for candidate in pool], names)
    return [(value, -(candidate.latency or 0.0)) for value, candidate in zip(fitness, pool, strict=True)]


ENGINES: dict[str, type[Engine]] = {"random": RandomSearch, "evolution": Evolution, "pareto": ParetoEvolution}
