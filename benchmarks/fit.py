"""Whole fits of a DLRM from a DataFrame: ours against TorchDistributor with its own DataFrame feed and DDP."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
import pyspark
import torch
import torch.distributed as dist
from pyspark.ml.torch.distributor import TorchDistributor, _get_spark_partition_data_loader
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from torch.nn.parallel import DistributedDataParallel

from aiok_spark.models import DLRMClassifier
from benchmarks import table
from benchmarks.clicks import LABEL, SIZES, quality, write_clicks
from benchmarks.data import CATEGORIES, NUMBERS
from benchmarks.facebook_dlrm import FacebookDLRM, facebook_batch
from benchmarks.measure import cost
from benchmarks.process import Facts, facts_of
from benchmarks.session import open_session

ROWS, QUICK_ROWS = 400_000, 2_000
REPEATS = 4  # each with a seed of its own, the same for both
WORKERS, EPOCHS = 2, 2
BATCH, QUICK_BATCH = 2048, 512  # of all workers together
DIM = 16
NETWORKS = [([512, 256, 64], [512, 256]), ([64], [64])]  # bottom, top: the default, and one that asks for little
RATE = 1.0  # at the start, and down to 0 at the end: without that, two seeds differ more than two networks
TARGET = 3.0
CLOSE = 0.01  # how much larger our mean log loss may be
_WARM_UP = 2  # batches


def main(rows: int | None, quick: bool) -> None:
    """Fit on the same rows by both, score the same held-out rows, and compare the wall time of the fits."""
    rows = rows or (QUICK_ROWS if quick else ROWS)
    batch = QUICK_BATCH if quick else BATCH
    table.heading("fit", spark=pyspark.__version__, torch=torch.__version__, rows=rows, columns=39, ids=sum(SIZES))
    print(f"   {WORKERS} workers of one thread on local[2], {EPOCHS} epochs, batches of {batch} over both, float32.")
    print(f"   SGD of rate {RATE} falling to 0, DLRM with vectors of {DIM}. Wall: from the call to the weights, median")
    print(f"   of {REPEATS} fits of as many seeds, after one of {_WARM_UP} batches in the same process. The peer has")
    print(
        "   facebook's network, DistributedDataParallel on gloo, its tables with dense gradients (a little faster than"
    )
    print(
        "   sparse), and rows from repartition(2) by pyspark's feed, in one order in all epochs; ours are shuffled anew"
    )
    print("   in each. It gets the 39 columns as the table has them, or, which is faster, put into two arrays before.")
    with tempfile.TemporaryDirectory() as folder:
        write_clicks(Path(folder, "rows"), rows)
        write_clicks(Path(folder, "few"), _WARM_UP * batch, seed=2)
        for bottom, top in NETWORKS[1 if quick else 0 :]:
            given: dict[str, Any] = {"folder": folder, "batch": batch, "bottom": bottom, "top": top}
            given["repeats"] = 1 if quick else REPEATS
            peers = {
                f"TorchDistributor, {name}": facts_of(distributor, arrays=name == "arrays", **given)
                for name in ("39 columns", "arrays")[1 if quick else 0 :]
            }
            _show(f"bottom {bottom}, top {top}", peers, facts_of(ours, **given))


def _show(name: str, peers: dict[str, list[Facts]], own: list[Facts]) -> None:
    found = {
        fit: {
            **{what: median(f[what] for f in facts) for what in ("wall", "epochs", "cpu")},
            **{what: [f[what] for f in facts] for what in ("logLoss", "auc")},
        }
        for fit, facts in {**peers, "ours": own}.items()
    }
    mine, better = found["ours"], min((found[peer] for peer in peers), key=lambda f: f["wall"])
    lines = []
    for fit, f in found.items():
        ratio, cpu = (f[what] / mine[what] for what in ("wall", "cpu"))
        verdict = table.verdict(ratio, TARGET) if f is better else ""
        lines.append(
            [fit, f["wall"], ratio, verdict, f["epochs"], f["cpu"], cpu, _spread(f["logLoss"]), _spread(f["auc"])]
        )
    header = ["", "wall s", "to ours", "target", "in epochs s", "CPU-s", "to ours", "log loss", "AUC"]
    table.show(f"whole fits of {name}, and the model on held-out rows", header, lines)
    theirs = [f["logLoss"] for facts in peers.values() for f in facts]
    apart = mean(mine["logLoss"]) - mean(theirs)
    same = "yes" if apart <= CLOSE else "NO"
    print(f"  log loss of the labels' mean alone: {own[0]['mean']:.4f}; our mean less that of the peers: {apart:+.4f};")
    print(f"  as good (at most {CLOSE} more): {same}")


def _spread(values: list[float]) -> str:
    """Mean and standard deviation over the seeds."""
    return f"{mean(values):.4f}" + (f" ±{stdev(values):.4f}" if len(values) > 1 else "")


def ours(folder: str, batch: int, bottom: list[int], top: list[int], repeats: int) -> Iterator[Facts]:
    """Fits of the estimator."""
    data = _read(folder)
    made = DLRMClassifier(
        denseCols=NUMBERS,
        categoricalCols=CATEGORIES,
        tableSizes=dict(zip(CATEGORIES, SIZES, strict=True)),
        embeddingDim=DIM,
        bottomLayers=bottom,
        topLayers=top,
        optimizer="sgd",
        learningRate=RATE,
        schedule="linear",
        numWorkers=WORKERS,
        epochs=EPOCHS,
        batchSize=batch,
        verbose=False,
    )
    made.fit(data["few"])
    for seed in range(repeats):
        with cost() as spent:
            model = made.setSeed(seed).fit(data["rows"])
        network = model.network()
        epochs = sum(done["seconds"] for done in model.summary.history)
        yield {**spent, "epochs": epochs, **quality(lambda dense, ids, network=network: network(ids, dense))}


def distributor(
    folder: str, batch: int, bottom: list[int], top: list[int], repeats: int, arrays: bool
) -> Iterator[Facts]:
    """Fits as a user of the feed would write them."""
    data = {name: _arrays(rows) if arrays else rows for name, rows in _read(folder).items()}
    counts = {name: rows.count() for name, rows in data.items()}
    for name, seed in [("few", 0), *(("rows", seed) for seed in range(repeats))]:
        made = TorchDistributor(num_processes=WORKERS, local_mode=False, use_gpu=False)
        with cost() as spent:
            told = made._train_on_dataframe(
                train, data[name].repartition(WORKERS), counts[name], batch, bottom, top, arrays, seed
            )
        network = FacebookDLRM(SIZES, DIM, [len(NUMBERS), *bottom], top)
        network.load_state_dict(told["weights"])
        if name == "rows":
            scores = quality(lambda *rows, net=network: net(*facebook_batch(*rows, torch.zeros(1))[:3]))
            yield {**spent, "epochs": told["epochs"], **scores}


def train(rows: int, batch: int, bottom: list[int], top: list[int], arrays: bool, seed: int) -> Facts:
    """The train function: the same in each of the processes; gives the weights and the seconds of its epochs."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    np.random.seed(seed)
    network = FacebookDLRM(SIZES, DIM, [len(NUMBERS), *bottom], top)
    for embedding in network.emb_l:
        embedding.sparse = False  # DDP on gloo takes sparse gradients too, but is a little slower with them
    parallel = DistributedDataParallel(network, gradient_as_bucket_view=True)
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    steps = EPOCHS * -(-rows // batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    begun = time.perf_counter()
    for _ in range(EPOCHS):
        # One loader process beside the training, the feed's default, is faster than none.
        for columns in _get_spark_partition_data_loader(rows // WORKERS, batch // WORKERS):
            dense, ids, label = columns if arrays else _stacked(columns)
            *given, wanted = facebook_batch(dense.float(), ids.long(), label.float())
            loss = network.loss_fn(parallel(*given), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    seconds = time.perf_counter() - begun
    dist.destroy_process_group()
    return {"weights": network.state_dict(), "epochs": seconds}


def _stacked(columns: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    cut = len(NUMBERS)
    return torch.stack(columns[:cut], 1), torch.stack(columns[cut:-1], 1), columns[-1]


def _arrays(rows: DataFrame) -> DataFrame:
    return rows.select(F.array(*NUMBERS).alias("dense"), F.array(*CATEGORIES).alias("ids"), LABEL)


def _read(folder: str) -> dict[str, DataFrame]:
    session = open_session(**{"spark.master": f"local[{WORKERS}]"})
    return {name: session.read.parquet(f"{folder}/{name}") for name in ("few", "rows")}
