"""Where the next candidates come from."""

import random
from collections import Counter

import pytest

from aiok_spark.nas.candidate import Candidate
from aiok_spark.nas.engines import Evolution, ParetoEvolution, RandomSearch
from aiok_spark.nas.space import key_of
from tests.nas.spaces import SMALL

SPACE, FEATURES, _ = SMALL["nasbench201"]
WORTH = {"none": 0, "skip_connect": 1, "avg_pool_3x3": 2, "nor_conv_1x1": 3, "nor_conv_3x3": 4}


def scored(number, genes, latency=None):
    score = float(sum(WORTH[operation] for operation in genes.values()))
    return Candidate(number, genes, SPACE.arguments(genes, FEATURES), scores={"worth": score}, latency=latency)


def engine(cls, **settings):
    return cls(SPACE, FEATURES, ("worth",), **settings)


def pool(count, seed=0):
    chance = random.Random(seed)
    return [scored(i + 1, SPACE.draw(FEATURES, chance)) for i in range(count)]


def test_evolution_takes_its_parents_from_the_best_of_the_recent():
    """The best of 8 of 64 is among the better half but for a chance of 1/256."""
    found = pool(200)
    by_number = {candidate.number: candidate for candidate in found}
    recent = sorted(found[-64:], key=lambda c: c.scores["worth"])
    middle = recent[31].scores["worth"]
    propose = engine(Evolution, crossing=0.0).ready(found)
    parents = [int(propose(random.Random(i))[1].rpartition(" ")[2]) for i in range(400)]
    assert min(parents) > 200 - 64
    assert sum(by_number[number].scores["worth"] >= middle for number in parents) >= 395
    assert len(set(parents)) > 3  # not the best alone


def test_a_mutant_differs_from_its_parent_and_a_child_has_two():
    found = pool(64)
    propose = engine(Evolution, crossing=0.5).ready(found)
    kinds = Counter()
    for i in range(200):
        genes, origin = propose(random.Random(i))
        kinds[origin.split()[0]] += 1
        numbers = [int(word) for word in origin.split() if word.isdigit()]
        parents = [found[number - 1].genes for number in numbers]
        if origin.startswith("mutant"):
            changed = [gene for gene in genes if genes[gene] != parents[0][gene]]
            assert 1 <= len(changed) <= 4
        else:
            assert len(numbers) == 2
            assert all(genes[gene] in (parents[0][gene], parents[1][gene]) for gene in genes)
    assert kinds["mutant"] > 60
    assert kinds["child"] > 60


@pytest.mark.parametrize("seed", range(3))
def test_evolution_finds_more_than_chance_in_as_many_candidates(seed):
    def best(cls):
        found, known, chance = [], set(), random.Random(seed)
        maker = engine(cls, population=32, first=32)
        while len(found) < 256:
            propose = maker.ready(found)
            for _ in range(32):
                genes, _ = propose(chance)
                if (key := key_of(SPACE.arguments(genes, FEATURES))) not in known:
                    known.add(key)
                    found.append(scored(len(found) + 1, genes))
        return max(candidate.scores["worth"] for candidate in found)

    assert best(Evolution) == 24.0  # six 3x3 convolutions: one of 15,625
    assert best(RandomSearch) < 24.0


def test_pareto_parents_are_those_that_nobody_beats():
    found = [scored(1, dict.fromkeys(SPACE.genes(FEATURES), "nor_conv_3x3"), 9.0)]
    found += [scored(2, dict.fromkeys(SPACE.genes(FEATURES), "nor_conv_1x1"), 3.0)]
    found += [scored(3, dict.fromkeys(SPACE.genes(FEATURES), "avg_pool_3x3"), 5.0)]
    found += [scored(4, dict.fromkeys(SPACE.genes(FEATURES), "none"), 1.0)]
    parents = engine(ParetoEvolution, population=4).parents(found)
    assert [candidate.number for _, candidate in parents] == [1, 2, 4]
