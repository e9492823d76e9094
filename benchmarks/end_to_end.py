"""Raw rows to a saved model: the DLRM recipe against Spark's own stages, Parquet, and TorchDistributor's feed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyspark
import torch
import torch.distributed as dist
from pyspark.ml import Pipeline
from pyspark.ml.feature import StandardScaler, StringIndexer, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.ml.torch.distributor import TorchDistributor, _get_spark_partition_data_loader
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from torch.nn.parallel import DistributedDataParallel

from aiok_spark.flow.phases import Phases
from aiok_spark.flow.raw import audit
from aiok_spark.flow.recipe import configured
from aiok_spark.flow.scores import Scores
from aiok_spark.testing import bayes_auc, criteo_text, generate_criteo
from aiok_spark.training.worker.metrics import auc
from benchmarks import table
from benchmarks.data import CATEGORIES, NUMBERS
from benchmarks.facebook_dlrm import FacebookDLRM, facebook_batch
from benchmarks.measure import cost
from benchmarks.process import ROOT, Facts, facts_of
from benchmarks.session import open_session

ROWS, QUICK_ROWS = 1_000_000, 5_000
MEASURED = 10  # the rows to measure on are a tenth as many
TARGET = 3.0
CLOSE = 0.005  # how much smaller our AUC may be
CONF = str(ROOT / "conf/dlrm.yaml")
KEPT = 4_000  # values of a category that the peer keeps: StringIndexer can leave out none by their frequency


def main(rows: int | None, quick: bool) -> None:
    """Make raw text, let both train on it from a fresh process, and compare wall, CPU and AUC."""
    rows = rows or (QUICK_ROWS if quick else ROWS)
    table.heading("end_to_end", spark=pyspark.__version__, torch=torch.__version__, rows=rows)
    print(
        f"   Criteo's text to a saved pipeline and network, by {CONF.removeprefix(str(ROOT) + '/')}: the same network,"
    )
    print("   epochs, batches, optimiser and rates for both; two workers on local[2]. The peer: Spark's CSV reader,")
    print(
        "   VectorAssembler, StandardScaler, StringIndexer (the most frequent values), Parquet, TorchDistributor with"
    )
    print("   its DataFrame feed of two arrays, DistributedDataParallel. From the first row read to the last file.")
    with tempfile.TemporaryDirectory() as folder:
        facts_of(make, folder=folder, rows=rows)
        found = {name: facts_of(way, folder=folder)[0] for name, way in (("peer", peer), ("ours", ours))}
    names = list(dict.fromkeys(phase for facts in found.values() for phase in facts["phases"]))
    lines = [[n, *(found[who]["phases"].get(n, "") for who in found)] for n in names]
    table.show("seconds by phase", ["", *found], lines)
    ratio, cpu = (found["peer"][what] / found["ours"][what] for what in ("wall", "cpu"))
    table.show(
        "in all",
        ["", "peer", "ours", "ratio", "target"],
        [
            ["wall s", found["peer"]["wall"], found["ours"]["wall"], ratio, table.verdict(ratio, TARGET)],
            ["CPU-s", found["peer"]["cpu"], found["ours"]["cpu"], cpu, ""],
            ["AUC", *(f"{found[who]['auc']:.4f}" for who in found), "", ""],
        ],
    )
    apart = found["ours"]["auc"] - found["peer"]["auc"]
    same = "yes" if apart >= -CLOSE else "NO"
    print(f"  the best AUC that is possible: {bayes_auc():.4f}; as good (at most {CLOSE} less): {same}")


def make(folder: str, rows: int) -> Iterator[Facts]:
    """The raw rows."""
    spark = open_session()
    for name, count, seed in (("train", rows, 0), ("test", rows // MEASURED, 1)):
        criteo_text(generate_criteo(spark, count, seed=seed)).write.text(f"{folder}/{name}")
    yield {}


def ours(folder: str) -> Iterator[Facts]:
    """The recipe."""
    spark = open_session()
    recipe, conf = configured(CONF, [])
    phases = Phases(verbose=False)
    with cost() as spent:
        with phases("read and check"):
            dataset = recipe.rows.read(spark, f"{folder}/train", f"{folder}/work", "train", 0)
            rows = spark.read.parquet(dataset.path)
            audit(rows, recipe.rows, F.lit("train"))["train"].check("train", skip=False)
        stages = recipe.build(conf, work=f"{folder}/work").getStages()
        train = recipe.rows.usable(rows)
        with phases("features and Parquet"):
            prepared = Pipeline(stages=stages[:-1]).fit(train)
            data = prepared.transform(train)
        with phases("train"):
            network = stages[-1].fit(data)
        with phases("save"):
            model = pyspark.ml.PipelineModel([*prepared.stages, network])
            model.write().overwrite().save(f"{folder}/model")
    test = recipe.rows.read(spark, f"{folder}/test", f"{folder}/work", "test", 0)
    scored = model.transform(recipe.rows.usable(spark.read.parquet(test.path)))
    yield {**spent, "phases": phases.seconds, "auc": Scores.of(scored, "label").auc}


def peer(folder: str) -> Iterator[Facts]:
    """Spark's own stages, and a network as a user of TorchDistributor would write it."""
    spark = open_session(**{"spark.master": "local[2]"})
    _, conf = configured(CONF, [])
    told = conf.model
    phases = Phases(verbose=False)
    with cost() as spent:
        with phases("features and Parquet"):
            train = _read(spark, f"{folder}/train")
            logs = [f"{n}_log" for n in NUMBERS]
            indexed = [f"{c}_id" for c in CATEGORIES]
            prepared = Pipeline(
                stages=[
                    VectorAssembler(inputCols=logs, outputCol="logs"),
                    StandardScaler(inputCol="logs", outputCol="scaled", withMean=True),
                    StringIndexer(inputCols=CATEGORIES, outputCols=indexed, handleInvalid="keep"),
                ]
            ).fit(train)
            sizes = [min(len(labels), KEPT) + 1 for labels in prepared.stages[-1].labelsArray]
            _arrays(prepared.transform(train), sizes).write.parquet(f"{folder}/prepared")
            data = spark.read.parquet(f"{folder}/prepared")
            rows = data.count()
        with phases("train"):
            distributor = TorchDistributor(num_processes=told["numWorkers"], local_mode=False, use_gpu=False)
            feed = data.repartition(told["numWorkers"])
            weights = distributor._train_on_dataframe(train_network, feed, rows, told, sizes)
        with phases("save"):
            prepared.write().overwrite().save(f"{folder}/peer")
            torch.save(weights, Path(folder, "peer.pt"))
    network = _network(sizes, told)
    network.load_state_dict(weights)
    test = _arrays(prepared.transform(_read(spark, f"{folder}/test")), sizes).toPandas()
    dense, ids = (torch.from_numpy(np.stack(test[name].to_numpy())) for name in ("dense", "ids"))
    with torch.no_grad():
        logits = network(*facebook_batch(dense.float(), ids.long(), torch.zeros(1))[:3]).view(-1).numpy()
    found = auc(logits, test["label"].to_numpy(), np.ones(len(test)))
    yield {**spent, "phases": phases.seconds, "auc": float(found)}


def train_network(rows: int, told: dict[str, Any], sizes: list[int]) -> dict[str, torch.Tensor]:
    """The train function of both processes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    np.random.seed(0)
    network = _network(sizes, told)
    for embedding in network.emb_l:
        embedding.sparse = False  # as in the benchmark `fit`: DDP on gloo is faster so, and Adam takes no others
    parallel = DistributedDataParallel(network, gradient_as_bucket_view=True)
    tables = {id(p) for p in network.emb_l.parameters()}
    groups = [
        {"params": [p for p in network.parameters() if id(p) not in tables], "lr": told["learningRate"]},
        {"params": list(network.emb_l.parameters()), "lr": told["embeddingLearningRate"]},
    ]
    optimizer = torch.optim.Adam(groups, fused=True)
    batch, workers = told["batchSize"], told["numWorkers"]
    steps = told["epochs"] * -(-rows // batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / steps))
    for _ in range(told["epochs"]):
        for dense, ids, label in _get_spark_partition_data_loader(rows // workers, batch // workers):
            *given, wanted = facebook_batch(dense.float(), ids.long(), label.float())
            loss = network.loss_fn(parallel(*given), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    dist.destroy_process_group()
    return network.state_dict()


def _network(sizes: list[int], told: dict[str, Any]) -> FacebookDLRM:
    return FacebookDLRM(sizes, told["embeddingDim"], [len(NUMBERS), *told["bottomLayers"]], told["topLayers"])


def _read(spark: Any, path: str) -> DataFrame:
    columns = ["label int", *(f"{n} int" for n in NUMBERS), *(f"{c} string" for c in CATEGORIES)]
    rows = spark.read.csv(path, sep="\t", schema=", ".join(columns))
    logs = [F.log1p(F.greatest(F.coalesce(n, F.lit(0)), F.lit(0))).alias(f"{n}_log") for n in NUMBERS]
    return rows.select("label", *logs, *CATEGORIES)


def _arrays(rows: DataFrame, sizes: list[int]) -> DataFrame:
    ids = [F.least(f"{c}_id", F.lit(float(s - 1))).cast("int") for c, s in zip(CATEGORIES, sizes, strict=True)]
    dense = vector_to_array("scaled", "float32")
    return rows.select(dense.alias("dense"), F.array(*ids).alias("ids"), "label")
