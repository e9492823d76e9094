"""Measures from counts are those of the rows themselves."""

import numpy as np
import pytest
from pyspark.ml.functions import array_to_vector
from pyspark.sql import functions as F

from aiok_spark.flow.scores import Scores


def scored(spark, chances, labels):
    rows = spark.createDataFrame([(float(p), int(y)) for p, y in zip(chances, labels, strict=True)], "p double, y int")
    return rows.select("y", array_to_vector(F.array(1 - F.col("p"), F.col("p"))).alias("probability"))


def pairs(chances, labels):
    """The AUC by its definition."""
    ones, zeros = chances[labels == 1], chances[labels == 0]
    return ((ones[:, None] > zeros).mean() + (ones[:, None] == zeros).mean() / 2).item()


@pytest.fixture(scope="module")
def drawn():
    random = np.random.default_rng(1)
    chances = random.beta(1, 3, 500).round(2)  # with many ties
    return chances, (random.random(500) < chances).astype(int)


def test_auc_and_log_loss_are_those_of_the_rows(spark, drawn):
    chances, labels = drawn
    found = Scores.of(scored(spark, chances, labels), "y")
    assert found.auc == pytest.approx(pairs(chances, labels), abs=1e-12)
    held = chances.clip(1e-7, 1 - 1e-7)
    assert found.logLoss == pytest.approx(-np.mean(np.log(np.where(labels == 1, held, 1 - held))), rel=1e-9)


def test_its_error_is_that_of_many_draws(spark):
    """Hanley and McNeil's formula is for scores of two exponentials, as are drawn here."""
    random, aucs = np.random.default_rng(2), []
    for _ in range(300):
        chances = np.concatenate([random.exponential(1, 100), random.exponential(2, 60)]) / 100
        aucs.append(pairs(chances, np.repeat([0, 1], [100, 60])))
    found = Scores.of(scored(spark, chances, np.repeat([0, 1], [100, 60])), "y")
    assert found.aucError == pytest.approx(np.std(aucs), rel=0.2)


def test_plots_are_of_all_rows(spark, drawn):
    chances, labels = drawn
    facts = Scores.of(scored(spark, chances, labels), "y").facts()
    assert (facts["rows"], facts["ones"]) == (500, labels.sum())
    assert sum(group["rows"] for group in facts["calibration"]) == 500
    total = sum(group["found"] * group["rows"] for group in facts["calibration"])
    assert total == pytest.approx(labels.sum())
    assert sum(facts["histogram"]["zeros"]) + sum(facts["histogram"]["ones"]) == 500
    assert facts["roc"][0] == [0, 0] and facts["roc"][-1] == [1, 1]
    area = np.trapezoid(*np.array(facts["roc"])[:, ::-1].T)
    assert area == pytest.approx(facts["auc"], abs=0.01)


def test_rows_of_one_label_have_no_auc(spark):
    found = Scores.of(scored(spark, [0.2, 0.4], [1, 1]), "y")
    assert found.auc is None and found.aucError is None
    assert found.facts()["logLoss"] == pytest.approx(-np.mean(np.log([0.2, 0.4])), rel=1e-9)
