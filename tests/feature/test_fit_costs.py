"""What a fit costs: one job and one scan of its rows, however many columns."""

import uuid
from pathlib import Path

import pytest
from pyspark.ml import Estimator

from aiok_spark import feature
from aiok_spark.core import compat
from aiok_spark.feature import (
    Bucketize,
    Categorify,
    CountEncode,
    FillMissing,
    FrequencyBucketizer,
    FrequencyEncode,
    ListEncode,
    LookupJoin,
    NegativeSample,
    Scale,
    SequenceNegatives,
    TableAggregate,
    TargetEncode,
    TimeSplit,
    TokenFrequency,
)

pytestmark = pytest.mark.two_modes

PARTITIONS = 3
NUMBERS = [f"x{i}" for i in range(8)]
TEXTS = [f"t{i}" for i in range(4)]


def replacing(columns):
    return {"inputCols": columns, "outputCols": columns}


# Each stage with the jobs and scans that its fit may cost.
FITS = {
    "Categorify": (Categorify(**replacing(TEXTS)), 1, 1),
    "Categorify, shared": (Categorify(**replacing(TEXTS), sharedVocabulary=[TEXTS[:2]]), 1, 1),
    "FillMissing by mean": (FillMissing(**replacing(NUMBERS)), 1, 1),
    "FillMissing by median": (FillMissing(**replacing(NUMBERS), strategy="median"), 1, 1),
    # A groupBy for each column took less CPU than one of all columns (the design's table of measurements).
    "FillMissing by mode": (FillMissing(**replacing(TEXTS), strategy="mode"), len(TEXTS), len(TEXTS)),
    "FillMissing by a constant": (FillMissing(**replacing(NUMBERS), strategy="constant", value=0.0), 0, 0),
    "LookupJoin": (
        LookupJoin(table="fit_costs", keyCols=["t0", "t1"], valueCols=NUMBERS, outputCols=NUMBERS),
        1,
        0,  # it reads the table alone
    ),
    "Bucketize": (Bucketize(**replacing(NUMBERS)), 1, 1),
    "CountEncode": (CountEncode(**replacing(TEXTS)), 1, 1),
    "FrequencyBucketizer": (FrequencyBucketizer(**replacing(TEXTS)), 1, 1),
    "FrequencyEncode": (FrequencyEncode(**replacing(TEXTS)), 1, 1),
    "ListEncode": (ListEncode(**replacing(TEXTS)), 1, 1),
    # The items; then, for the warning, the rows of users; and the items of users with many rows, as are all here.
    "NegativeSample": (NegativeSample(keyCols=["t0"], itemCol="t1"), 3, 3),
    # The items; then, for the warning, the rows with so many of them that some are lacking.
    "SequenceNegatives": (SequenceNegatives(inputCol="l0", outputCol="l0", keyCols=["t0"]), 2, 2),
    "Scale": (Scale(**replacing(NUMBERS)), 1, 1),
    "Scale to a normal distribution": (Scale(**replacing(NUMBERS), method="quantileNormal"), 1, 1),
    "TargetEncode": (TargetEncode(**replacing(TEXTS), labelCols=["x0"]), 1, 1),
    "TimeSplit": (TimeSplit(orderCol="x7"), 1, 1),
    "TokenFrequency": (TokenFrequency(**replacing(TEXTS)), 1, 1),
    "Scale, robust": (Scale(**replacing(NUMBERS), method="robust"), 1, 1),
    "TableAggregate": (
        TableAggregate(
            keyCols=["t0"],
            aggregates=[f"{f}({x})" for x in NUMBERS for f in ("mean", "std", "max")] + ["nunique(t1)", "nunique(t2)"],
            outputCols=[f"{f}_{x}" for x in NUMBERS for f in ("mean", "std", "max")] + ["t1s", "t2s"],
        ),
        1,
        1,
    ),
}


def test_the_fit_of_every_stage_is_counted():
    stages = [getattr(feature, name) for name in feature.__all__]
    estimators = {stage.__name__ for stage in stages if issubclass(stage, Estimator)}
    assert {type(stage).__name__ for stage, _, _ in FITS.values()} == estimators


def made(spark):
    numbers = [f"CAST(id % {i + 3} AS DOUBLE) AS {name}" for i, name in enumerate(NUMBERS)]
    texts = [f"CAST(id % {i + 5} AS STRING) AS {name}" for i, name in enumerate(TEXTS)]
    return spark.range(0, 120, 1, PARTITIONS).selectExpr(*numbers, *texts, "array(CAST(id % 9 AS STRING)) AS l0")


def leaving_files(df, folder):
    """The rows of a DataFrame; each scan of a partition leaves a file."""

    def mark(batches):
        Path(folder, uuid.uuid4().hex).touch()
        yield from batches

    return df.mapInArrow(mark, df.schema)


@pytest.fixture
def plain_jobs(spark):
    """Let every action be one job: adaptive execution makes a job of each of its shuffles."""
    adaptive = spark.conf.get("spark.sql.adaptive.enabled")
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    yield
    spark.conf.set("spark.sql.adaptive.enabled", adaptive)


def jobs_of(spark, call):
    """How many jobs a call runs; None over Connect, whose client cannot tell."""
    if compat.is_connect(spark):
        call()
        return None
    group = uuid.uuid4().hex
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", group)
    try:
        call()
    finally:
        spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)
    return len(spark.sparkContext.statusTracker().getJobIdsForGroup(group))


@pytest.mark.parametrize("name", FITS)
def test_a_fit_costs_one_job_and_one_scan(spark, plain_jobs, tmp_path, name):
    stage, jobs, scans = FITS[name]
    made(spark).limit(3).createOrReplaceTempView("fit_costs")
    rows = leaving_files(made(spark), str(tmp_path))
    found = jobs_of(spark, lambda: stage.fit(rows))
    assert found in (jobs, None)
    assert len(list(tmp_path.iterdir())) == scans * PARTITIONS
