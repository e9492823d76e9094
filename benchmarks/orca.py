"""BigDL Orca's torch estimator, the same creators by its runner in our engine, and by our own loop."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import torch
from pyspark.sql import functions as F
from torch import nn

from aiok_spark.models.networks.dlrm import DLRM
from aiok_spark.training import OrcaEstimator
from aiok_spark.training.features import FeatureSpec
from benchmarks.clicks import LABEL, SIZES, quality, write_clicks
from benchmarks.data import CATEGORIES, NUMBERS
from benchmarks.process import COMPAT, Facts, Outcome, run
from benchmarks.session import open_session

ROWS, QUICK_ROWS = 200_000, 4_000
REPEATS = 3  # each with a seed of its own
WORKERS, EPOCHS, BATCH = 2, 2, 2048
COLUMNS = ["dense", "ids"]
DAEMON = "aiok_spark.core.daemon"
TARGETS = {"spark": 3.0, "orca": 1.0}
NETWORKS = {"DLRM": {"layers": [64], "rate": 0.5}, "MLP": {"layers": [], "rate": 0.05}}


class Ids(nn.Module):
    """A DLRM of two arrays, in Orca's order of arguments."""

    def __init__(self, layers: list[int]) -> None:
        super().__init__()
        features = FeatureSpec(tuple(NUMBERS), (1,) * len(NUMBERS), tuple(CATEGORIES), tuple(SIZES))
        self.network = DLRM(features, embeddingDim=16, bottomLayers=layers, topLayers=layers)

    def forward(self, dense: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.network(ids, dense).view(-1)


class Numbers(nn.Module):
    """An MLP of 39 numbers: the ids as shares of their tables."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(39, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))
        self.register_buffer("sizes", torch.tensor(SIZES, dtype=torch.float32))

    def forward(self, dense: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.layers(torch.cat([dense, ids / self.sizes], 1)).view(-1)


def model_creator(config: dict[str, Any]) -> nn.Module:
    """Orca's first creator."""
    torch.manual_seed(config["seed"])
    return Ids(config["layers"]) if config["layers"] else Numbers()


def optimizer_creator(model: nn.Module, config: dict[str, Any]) -> torch.optim.Optimizer:
    """Orca's second creator."""
    return torch.optim.SGD(model.parameters(), lr=config["rate"])


def main(rows: int | None, quick: bool) -> None:
    """Fit by the three ways on a cluster of two workers of one core, with real Orca's environment."""
    from benchmarks import table  # late, as it needs more than Orca's environment has

    rows = rows or (QUICK_ROWS if quick else ROWS)
    table.heading("orca", rows=rows, workers=WORKERS, epochs=EPOCHS, batch=BATCH)
    if not COMPAT.exists():
        print("   skipped, there is no .venv-compat (scripts/setup.sh compat makes it)")
        return
    from tests.integration.standalone import standalone

    print(f"   A standalone cluster of two workers of one core; all in {COMPAT.parent.parent.name}. The same creators,")
    print("   rows (two arrays of floats and integers) and batches. Wall: from the call to the weights, median of")
    print(f"   {1 if quick else REPEATS} fits of as many seeds, after one of a few rows in the same process. Orca runs")
    print("   on a plain session, without its JVM, whose start fails here; nothing of its training is changed. Each")
    print("   cluster is as the contender's documentation starts it: ours has aiok_spark's Python daemon, Orca's has")
    print("   Spark's. The second line is Orca with that daemon, too.")
    for name, config in list(NETWORKS.items())[1 if quick else 0 :]:
        found: dict[str, Outcome] = {}
        for way, contender, given in WAYS[-1:] if quick else WAYS:
            with tempfile.TemporaryDirectory() as folder:
                write_clicks(Path(folder, "rows"), rows)
                write_clicks(Path(folder, "few"), 2 * BATCH, seed=2)
                os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
                home = next(COMPAT.parent.parent.glob("lib/python3*/site-packages/pyspark"))
                with standalone(Path(folder), workers=WORKERS, memory="3g", home=home) as master:
                    repeats = 1 if quick else REPEATS
                    found[way] = run(
                        contender, str(COMPAT), folder=folder, master=master, config=config, repeats=repeats, **given
                    )
        _show(name, rows, found)


def _show(name: str, rows: int, found: dict[str, Outcome]) -> None:
    from benchmarks import table

    for way, outcome in found.items():
        if outcome.failure:
            print(f"   {way}: FAILED, {outcome.failure}")
    walls = {way: median(f["wall"] for f in outcome.facts) for way, outcome in found.items() if outcome.facts}
    lines = []
    for way, wall in walls.items():
        facts = found[way].facts
        ratio = walls.get("Orca itself", float("nan")) / wall
        target = {"ours, own loop": TARGETS["spark"], "ours, Orca's loop": TARGETS["orca"]}.get(way)
        aucs = [f["auc"] for f in facts]
        spread = f"{mean(aucs):.4f}" + (f" ±{stdev(aucs):.4f}" if len(aucs) > 1 else "")
        verdict = table.verdict(ratio, target) if target else ""
        lines.append([way, wall, ratio, verdict, EPOCHS * rows / wall, spread])
    header = ["", "wall s", "Orca's / this", "target", "rows/s", "AUC"]
    table.show(f"whole fits of the {name}", header, lines)


def ours(folder: str, master: str, config: dict[str, Any], repeats: int, daemon: str, engine: str) -> Iterator[Facts]:
    """Fits of ``OrcaEstimator``."""

    def fit(rows: Any, seed: int) -> nn.Module:
        estimator = OrcaEstimator(
            modelCreator=model_creator,
            optimizerCreator=optimizer_creator,
            lossCreator=nn.BCEWithLogitsLoss(),
            config={**config, "seed": seed},
            featureCols=COLUMNS,
            labelCol=LABEL,
            numWorkers=WORKERS,
            epochs=EPOCHS,
            batchSize=BATCH,
            engine=engine,
            seed=seed,
            verbose=False,
        )
        return estimator.fit(rows).network()

    yield from _fits(fit, folder, master, repeats, daemon)


def theirs(folder: str, master: str, config: dict[str, Any], repeats: int, daemon: str) -> Iterator[Facts]:
    """Fits of Orca's own estimator, on a plain session."""
    import bigdl.orca.learn.pytorch.pytorch_pyspark_estimator as estimators
    from bigdl.orca.learn.pytorch import Estimator

    # It would ask its JVM.
    estimators.get_node_and_core_number = lambda bigdl_type="float": (WORKERS, 1)

    def fit(rows: Any, seed: int) -> nn.Module:
        estimator = Estimator.from_torch(
            model=model_creator,
            optimizer=optimizer_creator,
            loss=nn.BCEWithLogitsLoss(),
            config={**config, "seed": seed},
            backend="spark",
            workers_per_node=1,
        )
        estimator.fit(rows, epochs=EPOCHS, batch_size=BATCH, feature_cols=COLUMNS, label_cols=[LABEL])
        model = estimator.get_model()
        estimator.shutdown()
        return model

    yield from _fits(fit, folder, master, repeats, daemon)


def _fits(fit: Callable[[Any, int], nn.Module], folder: str, master: str, repeats: int, daemon: str) -> Iterator[Facts]:
    session = open_session(
        **{
            "spark.master": master,
            "spark.executor.memory": "2g",
            "spark.executorEnv.OMP_NUM_THREADS": "1",
            "spark.python.daemon.module": daemon,
        }
    )
    arrays = [F.array(*NUMBERS).alias("dense"), F.array(*CATEGORIES).alias("ids"), LABEL]
    rows = {name: session.read.parquet(f"{folder}/{name}").select(*arrays) for name in ("few", "rows")}
    if repeats > 1:
        fit(rows["few"], 0)
    for seed in range(repeats):
        begun = time.perf_counter()
        network = fit(rows["rows"], seed).eval()
        wall = time.perf_counter() - begun
        yield {"wall": wall, **quality(lambda dense, ids, net=network: net(dense, ids))}
    session.stop()


WAYS: list[tuple[str, Any, dict[str, Any]]] = [
    ("Orca itself", theirs, {"daemon": "pyspark.daemon"}),
    ("Orca, our daemon", theirs, {"daemon": DAEMON}),
    ("ours, Orca's loop", ours, {"daemon": DAEMON, "engine": "orca"}),
    ("ours, own loop", ours, {"daemon": DAEMON, "engine": "spark"}),
]
