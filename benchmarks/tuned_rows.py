"""A search on real rows against defaults and against chance in the same time, measured on rows that no search saw."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import mean, stdev
from typing import Any

import pyspark

from benchmarks import real_data, table
from benchmarks.process import Facts, facts_of

DATA = ["Adult", "Frappe"]
SEEDS, SECONDS = 5, 120.0  # of each search
SEARCHES = {  # all with the advisor's space
    "random": {"service": "random"},
    "optuna": {"service": "optuna"},
    "sigoptlite": {"service": "sigoptlite"},
    "optuna, median": {"service": "optuna", "pruner": "median"},
}
_STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}  # 97.5 % quantile, by degrees of freedom


def main(rows: int | None, quick: bool) -> None:
    """Tune a DLRM on each data set, in turns with random search."""
    seeds, seconds = (2, 600.0) if quick else (SEEDS, SECONDS)
    ways = ["random", "optuna"] if quick else list(SEARCHES)
    table.heading("tuned_rows", spark=pyspark.__version__, seeds=seeds, seconds=seconds)
    print(
        "   A DLRM as `advise` has it: Params of its own, the advisor's, and those of searches that learn and measure"
    )
    print("   on the training rows alone, two trials at a time, without pruner if none is named. AUC on the test rows,")
    print("   mean of the seeds.")
    for name in DATA[: 1 if quick else None]:
        file, _ = real_data.NAMED[name]
        if not (real_data.DATA / file).exists():
            print(f"\n  {name}: NOT RUN, found no {file}, which is not part of this repository")
            continue
        found: dict[str, list[Facts]] = {}
        for facts in facts_of(
            contend, data=name, seeds=seeds, seconds=seconds, trials=2 if quick else 10_000, ways=ways
        ):
            found.setdefault(facts["way"], []).append(facts)
        lines = []
        searched = {way: [facts["auc"] for facts in found[way]] for way in ways if way != "random"}
        for way, told in found.items():
            aucs = [facts["auc"] for facts in told]
            trials = f"{mean(facts['trials'] for facts in told):.0f}" if "trials" in told[0] else ""
            row = [way, trials, f"{mean(aucs):.4f}", f"{stdev(aucs):.4f}"]
            for ours in searched.values():
                apart = [one - other for one, other in zip(ours, aucs, strict=True)]
                row.append("" if ours == aucs else "[{:+.4f}, {:+.4f}]".format(*interval(apart)))
            lines.append(row)
        header = ["", "trials", "AUC", "s.d.", *(f"{way} less it, 95 %" for way in searched)]
        table.show(name, header, lines)
        for way, told in found.items():
            scores = ", ".join(f"{facts['auc']:.4f}" for facts in told)
            print(f"  {way}, by seed: {scores}")


def interval(apart: list[float]) -> tuple[float, float]:
    """Student's, of the mean of differences between pairs."""
    half = _STUDENT[len(apart) - 1] * stdev(apart) / math.sqrt(len(apart))
    return mean(apart) - half, mean(apart) + half


def contend(data: str, seeds: int, seconds: float, trials: int, ways: list[str]) -> Iterator[Facts]:
    """Areas under the ROC curve of all ways, seed by seed; which search goes first changes."""
    from pyspark.ml.evaluation import BinaryClassificationEvaluator

    from aiok_spark.models import DLRMClassifier
    from aiok_spark.tuning import advise
    from benchmarks.session import open_session

    rows = real_data.NAMED[data][1](open_session())
    auc = BinaryClassificationEvaluator()
    common = {**rows.inputs, "numWorkers": 1, "verbose": False}

    def measured(model: Any) -> float:
        return float(auc.evaluate(model.transform(rows.test)))

    for seed in range(seeds):
        advice = advise("dlrm", rows.train, {**common, "seed": seed}, cluster={"slots": 2})
        yield {"way": "Params of its own", "auc": measured(DLRMClassifier(**common, seed=seed).fit(rows.train))}
        advised = advice.estimator(verbose=False).getEstimator()
        yield {"way": "the advisor's", "auc": measured(advised.fit(rows.train))}
        for way in ways if seed % 2 else ways[::-1]:
            tuned = advice.estimator(
                **SEARCHES[way], seed=seed, numTrials=trials, maxSeconds=seconds, parallelism=2, verbose=False
            )
            model = tuned.fit(rows.train)
            yield {"way": way, "auc": measured(model), "trials": len(model.trials)}
