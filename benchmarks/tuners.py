"""Other tuners and ours on the same Pipeline of Spark's own stages: seconds, AUC on other rows, lines of code."""

from __future__ import annotations

import inspect

import pyspark

from benchmarks import real_data, table, tuning_peers
from benchmarks.process import ROOT, Outcome, run

TRIALS = 16
PEERS = ROOT / ".venv-peers/bin/python"  # see README: tuners that are no part of any lock
WAYS = {
    "TunedEstimator": ("", tuning_peers.ours),
    "pyspark TrainValidationSplit": ("", tuning_peers.train_validation_split),
    "optuna alone": ("", tuning_peers.optuna_alone),
    "hyperopt": ("hyperopt", tuning_peers.hyperopt_alone),
    "Ray Tune": ("ray", tuning_peers.ray_tune),
    "SynapseML TuneHyperparameters": ("synapseml", tuning_peers.synapseml),
}


def main(rows: int | None, quick: bool) -> None:
    """Tune boosted trees on Adult by each, two trials at a time where it can."""
    file, _ = real_data.NAMED["Adult"]
    if not (real_data.DATA / file).exists():
        print(f"\n== tuners: NOT RUN, found no {file}, which is not part of this repository")
        return
    trials = 2 if quick else TRIALS
    table.heading("tuners", spark=pyspark.__version__, trials=trials)
    print("   GBTClassifier behind indexers and an assembler, on two cores: depth, step and share of the rows are")
    print("   searched, measured on a quarter of the training rows. Lines: of the way's function in tuning_peers.")
    lines = []
    for way, (package, contender) in list(WAYS.items())[: 2 if quick else None]:
        if package and not PEERS.exists():
            lines.append([way, "NOT RUN", "", "", ""])
            continue
        extra = {"python": str(PEERS)} if package else {}
        found = run(contender, data=str(real_data.DATA / "adult"), trials=trials, **extra)
        lines.append([way, *_told(found), len(inspect.getsource(contender).splitlines())])
    table.show("Adult", ["", "trials", "s", "AUC on test rows", "lines"], lines)


def _told(outcome: Outcome) -> list[object]:
    if outcome.failure:
        print(f"\n{outcome.failure}")
        return ["FAILED", "", ""]
    (facts,) = outcome.facts
    return [facts["trials"], facts["seconds"], f"{facts['auc']:.4f}"]
