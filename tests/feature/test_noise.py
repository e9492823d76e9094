"""A label of pure noise stays unpredictable through the stages of sequences: nothing of an event leaks into it."""

import math
import random

import numpy as np
import pandas as pd
import pytest
from pyspark.ml import Pipeline

from aiok_spark.feature import (
    HashSplit,
    LagFeatures,
    LeaveLastOut,
    NegativeSample,
    SequenceBuilder,
    SessionFeatures,
    TimeSplit,
)

pytestmark = pytest.mark.once


def auc(label, score):
    """AUC and its standard error if there is nothing to be found."""
    ranks = pd.Series(score).rank().to_numpy()
    ones, zeros = label.sum(), (1 - label).sum()
    found = (ranks[label == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros)
    return found, math.sqrt((ones + zeros + 1) / (12 * ones * zeros))


def held_out_auc(features, label, training):
    """Linear least squares on some rows, measured on the others."""
    x = np.column_stack([np.ones(len(features)), features.fillna(features[training].mean()).fillna(0.0)])
    weights, *_ = np.linalg.lstsq(x[training], label[training], rcond=None)
    return auc(label[~training], (x @ weights)[~training])


@pytest.fixture(scope="module")
def noise(spark):
    rng = random.Random(3)
    # Many events at the same time, each with a label of its own.
    rows = [(rng.randrange(150), rng.randrange(60), float(rng.random() < 0.5), i) for i in range(6000)]
    return spark.createDataFrame(rows, "u int, t int, label double, n int")


@pytest.fixture(scope="module")
def made(noise):
    events = {"keyCols": ["u"], "orderCol": "t"}
    stages = [
        SequenceBuilder(**events, inputCols=["label"], outputCols=["labels"], maxLength=5),
        SequenceBuilder(
            **events, inputCols=["label"], outputCols=["newest"], sequenceOrder="newestFirst", nullPolicy="drop"
        ),
        LagFeatures(**events, inputCols=["label"], lags=3, windows=[1, 10, 1000]),
        SessionFeatures(**events, gap=2),
        HashSplit(keyCols=["n"], outputCol="by_hash"),
        TimeSplit(orderCol="t", outputCol="by_time"),
        LeaveLastOut(**events, tieCols=["n"], outputCol="by_user", numTest=8),
    ]
    return Pipeline(stages=stages).fit(noise).transform(noise).toPandas()


def features_of(made):
    features = made.filter(regex="label_|count_|session|Session|seconds").copy()
    features["before"] = made.labels.map(lambda a: np.mean(a) if len(a) else np.nan)
    features["last"] = made.newest.map(lambda a: a[0] if len(a) else np.nan)
    features["number"] = made.newest.map(len)
    return features


@pytest.mark.parametrize("split", ["by_hash", "by_time", "by_user"])
def test_features_of_sequences_do_not_tell_the_label(made, split):
    features = features_of(made)
    assert features.shape == (6000, 3 + 3 * 3 + 4 + 3)
    found, error = held_out_auc(features, made.label.to_numpy(), (made[split] == "train").to_numpy())
    assert abs(found - 0.5) < 3 * error


def test_a_leak_would_be_seen(made):
    # The mean over a window that holds the event itself.
    leaky = made.groupby(["u", "t"]).label.transform("mean").to_frame()
    found, error = held_out_auc(leaky, made.label.to_numpy(), (made.by_hash == "train").to_numpy())
    assert found > 0.5 + 10 * error


def test_negatives_of_random_positives_cannot_be_told(spark):
    rng = random.Random(5)
    rows = [(u, item) for u in range(500) for item in rng.sample(range(80), 8)]
    df = HashSplit(keyCols=["u", "item"]).transform(spark.createDataFrame(rows, "u int, item int"))
    sample = NegativeSample(keyCols=["u"], itemCol="item", numNegatives=2)
    train, rest = df.where("split = 'train'"), df.where("split != 'train'")
    model, rows = sample.fitTransform(train)
    held_out = model.transformTraining(rest, known=train).toPandas()
    assert len(held_out) == 3 * rest.count()
    counts = pd.Series(model.items)
    rows = pd.concat([rows.toPandas(), held_out], ignore_index=True)
    users = rows.groupby("u").label.transform("size")
    features = pd.DataFrame({"popularity": rows.item.map(counts), "user": users, "item": rows.item})
    found, error = held_out_auc(features, rows.label.to_numpy(), (rows.index < len(rows) - len(held_out)))
    assert abs(found - 0.5) < 3 * error
