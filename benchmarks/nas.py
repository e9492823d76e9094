"""Architecture search without training: how scores rank NAS-Bench-201, and what a candidate costs."""

from __future__ import annotations

import csv
import gzip
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import table
from benchmarks.process import Facts, facts_of

DATA = Path(__file__).parents[2] / "shared/data/nasbench201/nasbench201_cifar10_1000.csv.gz"
OTHERS = ("naswot", "logSynflow", "synflow", "zen", "ntk", "gradNorm", "snip")
SPEARMAN, SECONDS, SLOTS = 0.90, 0.5, 1.8  # targets
PEERS, SHARE = 8, 100  # candidates by the predecessor's method, and for the comparison of slots
PUBLISHED = {"AZ-NAS, as published (GPU, all 15,625)": (0.913, 0.741)}


def main(rows: int | None, quick: bool) -> None:
    """Rank the benchmark's architectures."""
    table.heading("nas", seed=0)
    if not DATA.exists():
        print(f"   NOT RUN, found no {DATA.name}, which is not part of this repository")
        return
    count, peers, share = (rows or 4, 1, 2) if quick else (rows or 1000, PEERS, SHARE)
    print("   Networks of NAS-Bench-201 with their CIFAR-10 test accuracies, scored on noise, none of them trained.")
    found, beside = facts_of(ranked, count=count)
    lines = [["DENASSearch's aggregate", *found["aggregate"], table.verdict(found["aggregate"][0], SPEARMAN)]]
    lines += [[f"  {name}", *pair, ""] for name, pair in found["alone"].items()]
    lines += [[name, *pair, ""] for name, pair in beside["alone"].items()]
    lines += [[name, *pair, ""] for name, pair in {"params": found["params"], **PUBLISHED}.items()]
    table.show(f"rank correlation with the accuracy of {count} networks", ["", "Spearman", "Kendall", "target"], lines)

    (peer,) = facts_of(predecessor, count=peers)
    ratio = peer["seconds"] / found["seconds"]
    lines = [
        ["the predecessor's score, made again", peer["seconds"], "", ""],
        ["DENASSearch", found["seconds"], ratio, table.verdict(found["seconds"], SECONDS, most=True)],
    ]
    table.show("a candidate, one thread", ["", "CPU-s", "times less", "target"], lines)

    one, two = (facts_of(timed, count=share, slots=slots)[0]["seconds"] for slots in (1, 2))
    lines = [["local[1]", one, "", ""], ["local[2]", two, one / two, table.verdict(one / two, SLOTS)]]
    table.show(f"{share} candidates, Python workers warm", ["", "s", "times as fast", "target"], lines)


def _known(count: int) -> list[dict[str, str]]:
    with gzip.open(DATA, "rt") as lines:
        return list(csv.DictReader(lines))[:count]


def _task() -> tuple[Any, Any]:
    from aiok_spark.nas import NasBench201
    from aiok_spark.training.features import FeatureSpec

    return NasBench201(), FeatureSpec(("pixels",), (3072,))


def _rank(spark: Any, rows: list[dict[str, str]], scores: list[str]) -> Any:
    from aiok_spark.nas import DENASSearch
    from aiok_spark.nas.spaces.nasbench201 import genes_of

    space, features = _task()
    search = DENASSearch(space, scores=scores, verbose=False)
    return search.rank(spark, [genes_of(row["arch_str"]) for row in rows], features, classes=10)


def ranked(count: int) -> Iterator[Facts]:
    """Of the space's own scores and then of others: rank correlations, and the mean CPU-seconds of a candidate."""
    from benchmarks.session import open_session

    rows, spark = _known(count), open_session()
    for scores in ([], list(OTHERS)):
        yield _told(_rank(spark, rows, scores), rows)


def _told(found: Any, rows: list[dict[str, str]]) -> Facts:
    shown = found.toPandas()
    if len(shown) != len(rows) or (shown.state != "scored").any():
        raise RuntimeError(f"not all were scored: {shown.state.value_counts().to_dict()}")
    shown = shown.set_index("candidate").sort_index()
    accuracy = [float(row["cifar10_test_acc"]) for row in rows]
    return {
        "aggregate": _alike(shown["aggregate"], accuracy),
        "alone": {name: _alike(shown[name], accuracy) for name in found.scores},
        "params": _alike(shown["params"], accuracy),
        "seconds": mean(candidate.seconds for candidate in found.candidates),
    }


def _alike(values: Any, accuracy: list[float]) -> tuple[float, float]:
    """Spearman and Kendall; what is no finite number is below all others."""
    from scipy import stats

    kept = values.astype(float).fillna(float("-inf")).rank()
    return float(stats.spearmanr(kept, accuracy)[0]), float(stats.kendalltau(kept, accuracy)[0])


def timed(count: int, slots: int) -> Iterator[Facts]:
    """Seconds to rank, once the Python workers have loaded torch."""
    from benchmarks.session import open_session

    rows, spark = _known(2 * count), open_session(**{"spark.master": f"local[{slots}]"})
    _rank(spark, rows[: 8 * slots], [])
    begun = time.perf_counter()
    _rank(spark, rows[count : 2 * count], [])
    yield {"seconds": time.perf_counter() - begun}


def predecessor(count: int) -> Iterator[Facts]:
    """CPU-seconds of a candidate by the score of the discontinued kit (DE-NAS, CNN), 64 rows, one thread.

    Its expressivity is a difference of features, its saliency SynFlow, and its complexity the condition of the neural
    tangent kernel, for which it went back through the network once for each row.
    """
    import torch

    from aiok_spark.nas.scores.gradients import synflow
    from aiok_spark.nas.scores.zen import zen
    from aiok_spark.nas.spaces.nasbench201 import genes_of
    from aiok_spark.nas.worker.probe import Probe, normal
    from aiok_spark.training.task import TrainTask

    torch.set_num_threads(1)
    space, features = _task()
    spent = []
    for row in _known(count):
        arguments = space.arguments(genes_of(row["arch_str"]), features)
        probe = Probe(TrainTask(space.network, features, "multiclass", numClasses=10, arguments=arguments), 64, 0)
        begun = time.process_time()
        network = probe.network(normal).train()
        gradients = []
        for i in range(probe.rows):
            one = {name: values[i : i + 1] for name, values in probe.inputs.items()}
            weights = [p for p in network.parameters() if p.ndim > 1]
            found = torch.autograd.grad(probe.forward(network, one).sum(), weights, allow_unused=True)
            gradients.append(torch.cat([g.flatten() for g in found if g is not None]))
        each = torch.stack(gradients)
        values = torch.linalg.eigvalsh(each @ each.T)
        zen(probe) / synflow(probe) - float(values[-1] / values[0])
        spent.append(time.process_time() - begun)
    yield {"seconds": mean(spent)}
