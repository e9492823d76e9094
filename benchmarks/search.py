"""Services of ``TunedEstimator`` on functions with known minima: how good after so many trials, and what they cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import mean
from typing import Any

import numpy as np

from aiok_spark.tuning.binding import BoundSpace
from aiok_spark.tuning.dimensions import Dimension
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Metric, Objective, Trial
from aiok_spark.tuning.services import Search, open_service
from benchmarks import table

TRIALS, SEEDS = 60, 10
SERVICES = ("sigoptlite", "optuna", "optuna-tpe", "random")
TARGETS = {"Branin": 0.40, "Hartmann6": -3.28}  # of the mean after 60 trials, for sigoptlite and optuna
SECONDS = {"sigoptlite": 0.5, "optuna": 0.2}  # for each trial
_SCALES = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_WEIGHTS = np.array([1, 1.2, 3, 3.2])
_CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def branin(x: float, y: float) -> float:
    """Three minima of 0.397887 in [-5, 10] x [0, 15]."""
    level = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return level**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def hartmann6(*x: float) -> float:
    """One minimum of -3.32237 in the unit cube of six dimensions."""
    return -float(_WEIGHTS @ np.exp(-(_SCALES * (np.array(x) - _CENTRES) ** 2).sum(1)))


PROBLEMS: dict[str, tuple[Callable[..., float], list[tuple[float, float]]]] = {
    "Branin": (branin, [(-5, 10), (0, 15)]),
    "Hartmann6": (hartmann6, [(0, 1)] * 6),
}


def main(rows: int | None, quick: bool) -> None:
    """Search each function by each service, one trial at a time and four."""
    trials, seeds = (8, 1) if quick else (TRIALS, SEEDS)
    table.heading("search", trials=trials, seeds=seeds)
    print(
        "   Best value after so many trials, mean of the seeds; seconds of the service for each trial. With four trials"
    )
    print("   at a time, the results of the oldest come when the fourth has begun.")
    for name in PROBLEMS:
        lines = []
        for service in SERVICES:
            for parallel in (1, 4):
                found = [searched(service, name, seed, trials, parallel) for seed in range(seeds)]
                half, best = (mean(f[at - 1] for f, _ in found) for at in (trials // 2, trials))
                cost = mean(seconds for _, seconds in found) / trials
                target = TARGETS[name] if service in SECONDS else None
                limit = SECONDS.get(service)
                lines.append(
                    [
                        f"{service}, {parallel} at a time",
                        half,
                        best,
                        table.verdict(best, target, most=True) if target is not None else "",
                        cost,
                        table.verdict(cost, limit, most=True) if limit is not None else "",
                    ]
                )
        header = ["", f"after {trials // 2}", f"after {trials}", "target", "s/trial", "target"]
        table.show(name, header, lines)


def searched(service: str, problem: str, seed: int, trials: int, parallel: int) -> tuple[list[float], float]:
    """Best value after each trial, and the seconds of the service."""
    act, limits = PROBLEMS[problem]
    dimensions = tuple(Dimension(f"x{i}", "float", *map(float, pair)) for i, pair in enumerate(limits))
    search = Search(BoundSpace(dimensions, (), {}), Objective((Metric("value", larger=False),)), seed, trials, parallel)
    made = open_service(service, search, Journal(None, {}))
    running: list[Trial] = []
    best: list[float] = []
    spent, number = 0.0, 0
    while len(best) < trials:
        while len(running) < parallel and number < trials:
            number += 1
            (values, token), seconds = _timed(lambda n=number: made.suggest(n, list(running)))
            running.append(Trial(number, values, chosen=service, token=token))
            spent += seconds
        trial = running.pop(0)
        value = act(*trial.values.values())
        best.append(min([value, *best[-1:]]))
        done = Trial(trial.number, trial.values, "done", {"value": value}, service, trial.token)
        spent += _timed(lambda done=done: made.observe(done))[1]
    made.close()
    return best, spent


def _timed(act: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    made = act()
    return made, time.perf_counter() - begun
