"""Trials of an MLP on Adult, 500 when all are made, each measured once: to compare searches without a fit.

``python -m benchmarks.frozen`` makes ``frozen_trials.csv``, and goes on with one that was stopped.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiok_spark.tuning.dimensions import Dimension, labels_of

FILE = Path(__file__).with_name("frozen_trials.csv")
GRID: dict[str, tuple[str, list[Any]]] = {
    "learningRate": ("grid", [0.0001, 0.0003, 0.0006, 0.001, 0.002, 0.004, 0.008, 0.016, 0.04, 0.1]),
    "hiddenLayers": ("categorical", [[16], [64], [128, 64], [256, 128], [512, 256, 128]]),
    "batchSize": ("grid", [128, 256, 512, 1024, 2048]),
    "optimizer": ("categorical", ["adam", "adagrad"]),
}
SIZE = math.prod(len(values) for _, values in GRID.values())
EPOCHS = 3


def dimensions() -> tuple[Dimension, ...]:
    """Of the space whose every point is in the table."""
    return tuple(
        Dimension(name, kind, values=tuple(values), labels=labels_of(tuple(values)) if kind == "categorical" else ())
        for name, (kind, values) in GRID.items()
    )


def read() -> dict[str, float]:
    """Area under the ROC curve on held-out rows, by ``key``."""
    with FILE.open(newline="") as lines:
        return {
            json.dumps([json.loads(row[name]) for name in GRID]): float(row["areaUnderROC"])
            for row in csv.DictReader(lines)
        }


def key(values: Mapping[str, Any]) -> str:
    """A trial's values as text."""
    return json.dumps([dimension.setting(values[dimension.name]) for dimension in dimensions()])


def make() -> None:
    """Fit and measure each point of the grid, and write the table; one that was stopped goes on."""
    from pyspark.ml.evaluation import BinaryClassificationEvaluator

    from aiok_spark.models import MLPClassifier
    from benchmarks.real_data import adult
    from benchmarks.session import open_session

    made = read() if FILE.exists() else {}
    rows = adult(open_session())
    training, validation = (part.persist() for part in rows.train.randomSplit([0.75, 0.25], 1))
    with FILE.open("a", newline="") as file:
        out = csv.writer(file)
        if not made:
            out.writerow([*GRID, "areaUnderROC"])
        for point in itertools.product(*(values for _, values in GRID.values())):
            values = dict(zip(GRID, point, strict=True))
            if json.dumps(point) in made:
                continue
            net = MLPClassifier(**rows.inputs, **values, epochs=EPOCHS, seed=1, engine="local", verbose=False)
            found = BinaryClassificationEvaluator().evaluate(net.fit(training).transform(validation))
            out.writerow([*map(json.dumps, point), f"{found:.6f}"])
            file.flush()


if __name__ == "__main__":
    make()
