"""Services of ``TunedEstimator`` on known functions and on a table of real trials: how good, and what they cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from statistics import mean
from typing import Any

import numpy as np

from aiok_spark.tuning.binding import BoundSpace
from aiok_spark.tuning.dimensions import Dimension
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Metric, Objective, Trial
from aiok_spark.tuning.services import Search, Service, open_service
from benchmarks import frozen, table

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


def _cube(*limits: tuple[float, float]) -> tuple[Dimension, ...]:
    return tuple(Dimension(f"x{i}", "float", *map(float, pair)) for i, pair in enumerate(limits))


def _problems() -> dict[str, tuple[Callable[[Mapping[str, Any]], float], tuple[Dimension, ...]]]:
    """What to make small, and where."""
    made: dict[str, tuple[Callable[[Mapping[str, Any]], float], tuple[Dimension, ...]]] = {
        "Branin": (lambda values: branin(*values.values()), _cube((-5, 10), (0, 15))),
        "Hartmann6": (lambda values: hartmann6(*values.values()), _cube(*[(0, 1)] * 6)),
    }
    known = frozen.read()
    if len(known) < frozen.SIZE:
        print(
            f"   AUC missed: NOT RUN, found {len(known)} of {frozen.SIZE} trials; python -m benchmarks.frozen goes on"
        )
        return made
    best = max(known.values())
    return {**made, "AUC missed": (lambda values: best - known[frozen.key(values)], frozen.dimensions())}


def main(rows: int | None, quick: bool) -> None:
    """Search each function by each service, one trial at a time and four."""
    trials, seeds = (8, 1) if quick else (TRIALS, SEEDS)
    table.heading("search", trials=trials, seeds=seeds)
    print(
        "   Best value after so many trials, mean of the seeds; seconds of the service for each trial. With four trials"
    )
    print("   at a time, the results of the oldest come when the fourth has begun.")
    more = trials * 11 // 10  # what four at a time may need
    problems = _problems()
    for name in problems:
        lines = []
        for service in SERVICES:
            target, limit = TARGETS.get(name) if service in SECONDS else None, SECONDS.get(service)
            for parallel, most in ((1, trials), (4, more)):
                found = [searched(service, *problems[name], seed, most, parallel) for seed in range(seeds)]
                half, best, last = (mean(f[at - 1] for f, _ in found) for at in (trials // 2, trials, most))
                cost = mean(seconds for _, seconds in found) / most
                lines.append(
                    [
                        f"{service}, {parallel} at a time",
                        half,
                        best,
                        last if most > trials else "",
                        table.verdict(last, target, most=True) if target is not None else "",
                        cost,
                        table.verdict(cost, limit, most=True) if limit is not None else "",
                    ]
                )
        header = [
            "",
            f"after {trials // 2}",
            f"after {trials}",
            f"after {more}",
            "target",
            "s/trial",
            "target",
        ]
        table.show(name, header, lines)


def searched(
    service: str,
    act: Callable[[Mapping[str, Any]], float],
    dimensions: tuple[Dimension, ...],
    seed: int,
    trials: int,
    parallel: int,
) -> tuple[list[float], float]:
    """Best value after each trial, and the seconds of the service."""
    search = Search(BoundSpace(dimensions, (), {}), Objective((Metric("value", larger=False),)), seed, trials, parallel)
    made = open_service(service, search, Journal(None, {}))
    running: list[Trial] = []
    best: list[float] = []
    seen: list[dict[str, Any]] = []
    spent, number = 0.0, 0
    while len(best) < trials:
        while len(running) < parallel and number < trials:
            number += 1
            (values, token), seconds = _timed(lambda n=number: _suggested(made, n, running, seen))
            seen.append(dict(values))
            running.append(Trial(number, values, chosen=service, token=token))
            spent += seconds
        trial = running.pop(0)
        value = act(trial.values)
        best.append(min([value, *best[-1:]]))
        done = Trial(trial.number, trial.values, "done", {"value": value}, service, trial.token)
        spent += _timed(lambda done=done: made.observe(done))[1]
    made.close()
    return best, spent


def _suggested(made: Service, number: int, running: list[Trial], seen: list[dict[str, Any]]) -> tuple[Any, Any]:
    """What was not tried before, as far as three suggestions have it; a search takes chance then."""
    for _ in range(3):
        values, token = made.suggest(number, list(running))
        if dict(values) not in seen:
            break
        made.refuse(values, token)
    return values, token


def _timed(act: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    made = act()
    return made, time.perf_counter() - begun
