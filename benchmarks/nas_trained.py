"""What a search finds for images and for texts, beside networks of the same space and limits that chance draws."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pyspark
from pyspark.sql import DataFrame, SparkSession

from aiok_spark.nas import BertSpace, CnnSpace, DENASEstimator, DENASSearch
from aiok_spark.nas.space import ArchitectureSpace
from benchmarks import real_data, table
from benchmarks.process import Facts, facts_of

DRAWN, SEEDS, CANDIDATES = 10, 3, 200
TOKENS = 32  # of a text at most
SMALL: dict[str, Any] = {  # so that two cores can train it, and about half of what is drawn is within the limit
    "strides": (2, 1, 2),
    "kernels": (3, 5),
    "channels": (8, 16, 24, 32),
    "blocks": (1, 2, 3),
    "stems": (8, 16),
    "heads": (64, 128),
}
SAME = {"problemType": "multiclass", "numWorkers": 2, "optimizer": "adamw", "schedule": "linear", "verbose": False}


def main(rows: int | None, quick: bool) -> None:
    """Search, draw and train for each data set."""
    drawn, seeds, candidates = (1, 1, 2) if quick else (DRAWN, SEEDS, CANDIDATES)
    table.heading("nas_trained", spark=pyspark.__version__, drawn=drawn, seeds=seeds, candidates=candidates)
    for name, subject in list(SUBJECTS.items())[: 1 if quick else None]:
        if not (real_data.DATA / subject.file).exists():
            print(f"\n  {name}: NOT RUN, found no {subject.file}, which is not part of this repository")
            continue
        count = rows or (200 if quick else subject.train)
        told = facts_of(trained, data=name, count=count, drawn=drawn, seeds=seeds, candidates=candidates)
        _show(name, subject, count, told)


def _show(name: str, subject: Subject, count: int, told: list[Facts]) -> None:
    by = {way: [facts for facts in told if facts["way"] == way] for way in ("found", "drawn")}
    ours, middle = mean(f["accuracy"] for f in by["found"]), median(f["accuracy"] for f in by["drawn"])
    below = sum(facts["accuracy"] < ours for facts in by["drawn"])

    def size(way: str, fact: str) -> float:
        return float(median(facts[fact] for facts in by[way]))

    lines = [
        [
            f"found, mean of {len(by['found'])} seeds",
            f"{ours:.4f}",
            size("found", "params"),
            size("found", "flops"),
            f"above {below} of {len(by['drawn'])}: {'met' if ours > middle else 'MISSED'}",
        ],
        [f"median of {len(by['drawn'])} drawn", f"{middle:.4f}", size("drawn", "params"), size("drawn", "flops"), ""],
    ]
    title = f"{name}: {count:,} rows, space {subject.space.name}, limits {subject.limits}: accuracy on test rows"
    table.show(title, ["", "accuracy", "parameters", "operations", "better than drawn"], lines)
    print("  drawn:", ", ".join(f"{facts['accuracy']:.4f}" for facts in by["drawn"]))


def trained(data: str, count: int, drawn: int, seeds: int, candidates: int) -> Iterator[Facts]:
    """Accuracy on test rows of what a search finds, and of legal networks by chance, all trained alike."""
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator

    from aiok_spark.training import TorchEstimator
    from benchmarks.session import open_session

    spark, subject = open_session(), SUBJECTS[data]
    measure = MulticlassClassificationEvaluator(metricName="accuracy")
    with tempfile.TemporaryDirectory() as folder:
        train, test, inputs = subject.read(spark, Path(folder), count)
        same = {**inputs, **SAME, **subject.training}

        def accuracy(model: Any) -> float:
            return float(measure.evaluate(model.transform(test)))

        search = DENASEstimator(searchSpace=subject.space, limits=subject.limits, numCandidates=candidates, **same)
        model = search.fit(train)
        best = model.searchSummary.best
        task = model.searchSummary.task_of(best)
        sizes = {"params": best.params, "flops": best.flops}
        yield {"way": "found", "accuracy": accuracy(model), **sizes}

        def again(arguments: Any, seed: int) -> float:
            network = {"module": subject.space.network, "moduleArgs": dict(arguments)}
            return accuracy(TorchEstimator(**network, seed=seed, **same).fit(train))

        for seed in range(1, seeds):
            yield {"way": "found", "accuracy": again(model.architecture, seed), **sizes}
        chance = DENASSearch(
            subject.space, engine="random", limits=subject.limits, numCandidates=drawn, seed=1, verbose=False
        )
        legal = chance.run(spark, task.features, task.kind, task.numClasses).ranking
        for candidate in legal[:drawn]:
            sizes = {"params": candidate.params, "flops": candidate.flops}
            yield {"way": "drawn", "accuracy": again(candidate.arguments, 0), **sizes}


# Rows: those to train on, those to measure on, and Params that name the columns

Read = tuple[DataFrame, DataFrame, dict[str, object]]


def mnist(spark: SparkSession, folder: Path, count: int) -> Read:
    """The first handwritten digits, and the first 5,000 to test with."""

    def read(name: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
        files = (real_data.DATA / f"mnist/{name}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
        pixels, labels = (np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8) for file in files)
        return pixels[16:].reshape(-1, 784)[:rows], labels[8:][:rows]

    return _images(spark, folder, read("train", count), read("t10k", 5000))


def cifar10(spark: SparkSession, folder: Path, count: int) -> Read:
    """The first photographs, and the first 5,000 to test with."""
    import pyarrow.parquet as pq
    from PIL import Image

    def read(name: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
        found = pq.read_table(real_data.DATA / f"cifar10/cifar10_{name}.parquet", columns=["jpeg", "label"])[:rows]
        pixels = [np.asarray(Image.open(io.BytesIO(image.as_py()))) for image in found["jpeg"]]
        return np.stack(pixels).transpose(0, 3, 1, 2).reshape(len(pixels), -1), found["label"].to_numpy()

    return _images(spark, folder, read("train", count), read("test", 5000))


def _images(spark: SparkSession, folder: Path, *parts: tuple[np.ndarray, np.ndarray]) -> Read:
    """Pixels as numbers with mean 0 and deviation 1 over the rows to train on."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pixels = parts[0][0].astype(np.float32)
    center, scale = pixels.mean(), pixels.std()
    frames = []
    for number, (values, labels) in enumerate(parts):
        flat = ((values - center) / scale).astype(np.float32).ravel()
        lists = pa.FixedSizeListArray.from_arrays(flat, values.shape[1]).cast(pa.list_(pa.float32()))
        file = str(folder / f"{number}.parquet")
        pq.write_table(pa.table({"pixels": lists, "label": labels.astype(float)}), file)
        frames.append(spark.read.parquet(file))
    return frames[0], frames[1], {"featuresCol": "pixels", "numClasses": 10}


def sst2(spark: SparkSession, folder: Path, count: int) -> Read:
    """The first phrases of film reviews, and all whole sentences to test with; frequent words as ids."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import Tokenizer
    from pyspark.sql import functions as F

    from aiok_spark.feature import Categorify

    def read(name: str) -> DataFrame:
        schema = "sentence string, label double"
        return spark.read.csv(
            str(real_data.DATA / f"sst2/{name}.tsv.gz"), schema=schema, sep="\t", header=True, quote=""
        )

    words = Tokenizer(inputCol="sentence", outputCol="words")
    ids = Categorify(inputCols=["words"], outputCols=["words"], minFrequency=3)
    train, test = read("train").limit(count).persist(), read("test")
    model = Pipeline(stages=[words, ids]).fit(train)

    def padded(part: DataFrame) -> DataFrame:
        found = model.transform(part)
        longer = F.concat("words", F.array_repeat(F.lit(0), TOKENS))
        same = F.slice(longer, 1, TOKENS).alias("words", metadata=found.schema["words"].metadata)
        return found.select("label", same).persist()

    return padded(train), padded(test), {"categoricalCols": ["words"], "numClasses": 2}


@dataclass(frozen=True)
class Subject:
    """What is searched for, and how all are trained."""

    file: str
    read: Callable[[SparkSession, Path, int], Read]
    train: int
    space: ArchitectureSpace
    limits: dict[str, float]
    training: dict[str, object]


SUBJECTS = {
    "MNIST": Subject(
        "mnist/train-images-idx3-ubyte.gz",
        mnist,
        4_000,
        CnnSpace(imageShape=(1, 28, 28), **SMALL),
        {"flops": 2e7},
        {"epochs": 4, "batchSize": 64, "learningRate": 2e-3},
    ),
    "CIFAR-10": Subject(
        "cifar10/cifar10_train.parquet",
        cifar10,
        10_000,
        CnnSpace(**SMALL),
        {"flops": 3e7},
        {"epochs": 6, "batchSize": 64, "learningRate": 2e-3},
    ),
    "SST-2": Subject(
        "sst2/train.tsv.gz",
        sst2,
        20_000,
        BertSpace(layers=(1, 2, 3, 4), widths=(32, 48, 64, 96), heads=(1, 2, 4), hidden=(64, 128, 256), headWidth=16),
        {"flops": 6e6},
        {"epochs": 3, "batchSize": 128, "learningRate": 1e-3},
    ),
}
