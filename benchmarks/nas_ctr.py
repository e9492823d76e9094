"""Networks for clicks that were found without training: do scores tell which train well, and is the found one good."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean
from typing import Any

import pyspark

from benchmarks import real_data, table
from benchmarks.process import Facts, facts_of
from benchmarks.tuned_rows import interval

DATA = ["Criteo", "Frappe"]
TRAINED, SEEDS, CANDIDATES, TOP, EPOCHS = 40, 5, 200, 3, 5
SHARE = 0.5  # of the DLRM's parameters, at most
TRAINING = {"optimizer": "adagrad", "learningRate": 0.02, "batchSize": 512, "numWorkers": 1}


def main(rows: int | None, quick: bool) -> None:
    """Both questions on each data set."""
    trained, seeds, candidates, epochs = (3, 2, 4, 1) if quick else (TRAINED, SEEDS, CANDIDATES, EPOCHS)
    table.heading("nas_ctr", spark=pyspark.__version__, trained=trained, seeds=seeds, candidates=candidates)
    for name in DATA[: 1 if quick else None]:
        file, _ = real_data.NAMED[name]
        if not (real_data.DATA / file).exists():
            print(f"\n  {name}: NOT RUN, found no {file}, which is not part of this repository")
            continue
        _show_correlation(name, facts_of(correlated, data=name, count=trained, epochs=epochs))
        _show_found(name, facts_of(found, data=name, seeds=seeds, candidates=candidates, epochs=epochs))


def _show_correlation(name: str, told: list[Facts]) -> None:
    import pandas as pd

    frame = pd.DataFrame(told).rank()
    alike = frame.corr()["auc"].drop("auc")
    lines = [[score, float(value)] for score, value in alike.items()]
    title = f"{name}: rank correlation with the AUC on validation rows, {len(told)} networks drawn and trained"
    table.show(title, ["", "Spearman"], lines)


def _show_found(name: str, told: list[Facts]) -> None:
    ways = list(dict.fromkeys(facts["way"] for facts in told))
    by = {way: [facts for facts in told if facts["way"] == way] for way in ways}
    ours = [facts["auc"] for facts in by["found"]]
    lines = []
    for way, facts in by.items():
        aucs = [one["auc"] for one in facts]
        apart = [one - other for one, other in zip(ours, aucs, strict=True)]
        low, high = interval(apart) if way != "found" else (0.0, 0.0)
        params = mean(one["params"] for one in facts)
        lines.append(
            [way, f"{params:,.0f}", f"{mean(aucs):.4f}", "" if way == "found" else f"[{low:+.4f}, {high:+.4f}]"]
        )
    title = f"{name}: AUC on test rows, mean of {len(ours)} seeds"
    table.show(title, ["", "parameters", "AUC", "found less it, 95 %"], lines)


def _rows(data: str) -> Any:
    from benchmarks.session import open_session

    return real_data.NAMED[data][1](open_session())


def correlated(data: str, count: int, epochs: int) -> Iterator[Facts]:
    """Scores of networks drawn by chance, and the AUC that each reaches on a quarter of the training rows."""
    import random

    from pyspark.ml.evaluation import BinaryClassificationEvaluator

    from aiok_spark.nas import CtrSpace, DENASSearch
    from aiok_spark.training import TorchEstimator
    from aiok_spark.training.inputs import feature_spec

    rows = _rows(data)
    train, validation = (part.persist() for part in rows.train.randomSplit([0.75, 0.25], 1))
    dense, ids = ([train.schema[name] for name in rows.inputs[kind]] for kind in ("denseCols", "categoricalCols"))
    features, space = feature_spec("nas_ctr", train, dense, ids, {}), CtrSpace()
    drawn = [space.draw(features, random.Random(i)) for i in range(count)]
    ranked = DENASSearch(space, verbose=False).rank(train.sparkSession, drawn, features, "binary")
    shown = ranked.toPandas().set_index("candidate")
    for candidate in ranked.candidates:
        net = TorchEstimator(
            module=space.network,
            moduleArgs=dict(candidate.arguments),
            **rows.inputs,
            **TRAINING,
            epochs=epochs,
            verbose=False,
        )
        auc = BinaryClassificationEvaluator().evaluate(net.fit(train).transform(validation))
        names = list(dict.fromkeys(["aggregate", *ranked.scores, "params"]))
        yield {"auc": auc, **{name: float(shown.loc[candidate.number, name]) for name in names}}


def found(data: str, seeds: int, candidates: int, epochs: int) -> Iterator[Facts]:
    """The DLRM with its own layers, and what a search finds with half of its parameters; both trained alike."""
    from pyspark.ml.evaluation import BinaryClassificationEvaluator

    from aiok_spark.models import DLRMClassifier
    from aiok_spark.nas import CtrSpace, DENASEstimator

    rows, auc = _rows(data), BinaryClassificationEvaluator()

    def size(model: Any) -> int:
        return sum(p.numel() for p in model.network().parameters())

    for seed in range(seeds):
        same = {**rows.inputs, **TRAINING, "epochs": epochs, "seed": seed, "verbose": False}
        dlrm = DLRMClassifier(**same).fit(rows.train)
        yield {"way": "DLRM", "auc": auc.evaluate(dlrm.transform(rows.test)), "params": size(dlrm)}
        search = DENASEstimator(
            searchSpace=CtrSpace(),
            limits={"params": SHARE * size(dlrm)},
            numCandidates=candidates,
            topK=TOP,
            validationFraction=0.1,
            **same,
        )
        model = search.fit(rows.train)
        yield {"way": "found", "auc": auc.evaluate(model.transform(rows.test)), "params": size(model)}
