"""BigDL Orca's runner on a real cluster of two workers: the same models as our own loop's, one fit after the other."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.sql import functions as F
from torch import nn

import aiok_spark
from aiok_spark.core.errors import ParamError
from aiok_spark.feature import Categorify, Clip, FillMissing, LogTransform
from aiok_spark.models import DLRMClassifier, LinearSVM, MLPClassifier
from aiok_spark.training import OrcaEstimator, TorchEstimator

pytestmark = [pytest.mark.standalone, pytest.mark.orca]
pytest.importorskip("bigdl.orca", reason="needs BigDL Orca, which .venv-compat has")

DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"
DENSE, IDS = ["a", "b"], ["c", "d"]
NAMES = {"denseCols": DENSE, "categoricalCols": IDS, "tableSizes": {"c": 30, "d": 50}}


@pytest.fixture(scope="module")
def rows(spark):
    """Give 4,000 rows whose label depends on numbers and ids."""
    made = spark.range(4000).select(
        F.randn(1).alias("a"),
        F.randn(2).alias("b"),
        (F.col("id") % 30).alias("c"),
        (F.rand(3) * 50).cast("int").alias("d"),
    )
    return made.withColumn("label", (F.col("a") + F.sin(F.col("c")) + F.cos(F.col("d")) > 0).cast("double"))


def weights(model):
    return model._state.blobs["weights"]


@pytest.mark.parametrize("kind", [DLRMClassifier, MLPClassifier], ids=["dlrm", "mlp"])
@pytest.mark.parametrize(
    "settings",
    [
        {"validationFraction": 0.2, "earlyStoppingEpochs": 2, "gradientClipNorm": 1.0},
        {"optimizer": "adagrad", "schedule": "cosine", "warmupSteps": 5, "weightCol": "b2", "seed": 3},
        {"numWorkers": 1},
    ],
    ids=["validated", "weighted", "alone"],
)
def test_a_model_and_its_summary_are_those_of_our_own_loop(rows, kind, settings):
    rows = rows.withColumn("b2", F.col("b") ** 2)
    named = {"numWorkers": 2, "epochs": 4, "batchSize": 250, "verbose": False, **NAMES, **settings}
    ours, theirs = (kind(engine=engine, **named).fit(rows) for engine in ("spark", "orca"))
    assert weights(ours) == weights(theirs)
    for one, other in zip(ours.summary.history, theirs.summary.history, strict=True):
        told = {name for name in one if name not in ("seconds", "rowsPerSecond", "bytesExchanged")}
        assert {n: one[n] for n in told} == {n: other[n] for n in told}
        assert (one["bytesExchanged"] > 0) == (other["bytesExchanged"] > 0)
    assert ours.summary.facts.keys() == theirs.summary.facts.keys()


def test_its_model_is_saved_and_loaded_like_any(rows, tmp_path):
    model = MLPClassifier(numWorkers=2, engine="orca", batchSize=500, verbose=False, **NAMES).fit(rows)
    model.save(str(tmp_path / "model"))
    again = aiok_spark.load(str(tmp_path / "model")).transform(rows)
    assert again.select("probability").collect() == model.transform(rows).select("probability").collect()


def test_workers_that_step_by_themselves_are_refused(rows):
    svm = LinearSVM(denseCols=DENSE, numWorkers=2, averageEvery=5, engine="orca", verbose=False)
    with pytest.raises(ParamError, match=r"averageEvery: found 5 with engine='orca', expected 0"):
        svm.fit(rows)


def processes():
    """Python processes of this application's executors: other suites run beside it with interpreters of their own."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    ours = re.escape(sys.executable)
    return {int(pid) for pid in re.findall(rf"^\s*(\d+)\s+{ours} -m \S*daemon", listed, re.M)}


@pytest.mark.heavy
def test_ten_fits_in_a_row_leave_nothing_behind(rows):
    mlp = MLPClassifier(numWorkers=2, engine="orca", batchSize=500, verbose=False, **NAMES)
    first = mlp.fit(rows)
    before = processes()
    for _ in range(9):
        assert weights(mlp.fit(rows)) == weights(first)
    assert 0 < len(processes()) <= len(before), "workers of earlier fits are still there"


def file(name):
    if not (DATA / name).exists():
        pytest.skip(f"the data set {name} is not on this machine")
    return str(DATA / name)


def frappe(spark):
    """Rows of ten ids to train on and to test with."""
    ids = [f"f{i}" for i in range(10)]

    def part(name):
        cells = F.split("value", " ")
        made = [F.split(cells[i + 1], ":")[0].cast("int").alias(name) for i, name in enumerate(ids)]
        label = (cells[0] == "1").cast("double").alias("label")
        return spark.read.text(file(f"frappe_ctr/frappe.{name}.libfm.gz")).select(label, *made).cache()

    return part("validation"), part("test"), [], ids, dict.fromkeys(ids, 5400)


def criteo(spark):
    """Rows of numbers and ids to train on and to test with."""
    dense, ids = [f"n{i}" for i in range(13)], [f"c{i}" for i in range(26)]
    schema = ", ".join(["label double", *(f"{n} double" for n in dense), *(f"{c} string" for c in ids)])
    raw = spark.read.csv(file("criteo_sample/criteo_train_10k.tsv.gz"), schema=schema, sep="\t")
    raw = raw.withColumn("row", F.monotonically_increasing_id()).cache()
    stages = [
        FillMissing(inputCols=dense, outputCols=dense),
        Clip(inputCols=dense, outputCols=dense, lower=0.0),
        LogTransform(inputCols=dense, outputCols=dense),
        Categorify(inputCols=ids, outputCols=ids, minFrequency=5),
    ]
    train, test = raw.where("row % 5 < 4"), raw.where("row % 5 = 4")
    features = Pipeline(stages=stages).fit(train)
    return features.transform(train).cache(), features.transform(test).cache(), dense, ids, {}


class Columns(nn.Module):
    """An MLP of columns, for both kinds of estimators."""

    def __init__(self, dense, sizes):
        super().__init__()
        self.dense = dense
        self.tables = nn.ModuleList([nn.Embedding(size, 8) for size in sizes])
        self.last = nn.Sequential(nn.Linear(8 * len(sizes) + dense, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, *columns):
        dense, ids = columns[: self.dense], columns[self.dense :]
        parts = [c[:, None] for c in dense] + [table(c) for table, c in zip(self.tables, ids, strict=True)]
        return self.last(torch.cat(parts, 1))


class Groups(Columns):
    """The same of groups of columns."""

    def forward(self, categorical, dense=None):
        return super().forward(*(dense.unbind(1) if self.dense else ()), *categorical.unbind(1))


@pytest.mark.heavy
@pytest.mark.parametrize("data", [criteo, frappe], ids=["criteo sample", "frappe"])
def test_it_learns_as_much_as_our_own_loop(spark, data):
    train, test, dense, ids, sizes = data(spark)
    sizes = sizes or {f.name: f.metadata["aiok"]["cardinality"] for f in train.schema.fields if f.name in ids}
    shape, common = {"dense": len(dense), "sizes": [sizes[c] for c in ids]}, {"numWorkers": 2, "epochs": 3}
    common |= {"batchSize": 500, "verbose": False}
    named = {"denseCols": dense, "categoricalCols": ids, "tableSizes": sizes}
    rate = {"criteo": 0.002, "frappe": 0.01}[data.__name__]

    def auc(estimator):
        return BinaryClassificationEvaluator().evaluate(estimator.fit(train).transform(test))

    def kinds(seed):
        yield "ours", TorchEstimator(module=Groups, moduleArgs=shape, learningRate=rate, seed=seed, **named, **common)
        yield (
            "Orca's loop",
            TorchEstimator(
                module=Groups, moduleArgs=shape, learningRate=rate, seed=seed, engine="orca", **named, **common
            ),
        )
        yield (
            "creators",
            OrcaEstimator(
                modelCreator=lambda config: Columns(**config),
                optimizerCreator=lambda model, config: torch.optim.Adam(model.parameters(), lr=rate),
                lossCreator=nn.BCEWithLogitsLoss(),
                config=shape,
                featureCols=[*dense, *ids],
                engine="orca",
                seed=seed,
                **common,
            ),
        )

    found = {}
    for seed in range(5):
        for name, estimator in kinds(seed):
            found.setdefault(name, []).append(auc(estimator))
    mean = {name: sum(values) / 5 for name, values in found.items()}
    assert mean["ours"] > {"criteo": 0.65, "frappe": 0.9}[data.__name__], mean
    assert abs(mean["Orca's loop"] - mean["ours"]) <= 0.002, found
    assert abs(mean["creators"] - mean["ours"]) <= 0.002, found
