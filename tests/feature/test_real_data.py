"""Pipelines on public data sets: none of the rows is lost, none is made, and what is learnt is useful."""

from pathlib import Path

import numpy as np
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.classification import GBTClassifier
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import functions as F

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError
from aiok_spark.feature import (
    Categorify,
    Clip,
    FillMissing,
    HashBuckets,
    LogTransform,
    LookupJoin,
    Scale,
    TableAggregate,
)
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.equality import difference

pytestmark = pytest.mark.once

DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"


def data(name):
    """Path of a data set's file; skips where there is none."""
    if not (DATA / name).exists():
        pytest.skip(f"the data set {name} is not on this machine")
    return str(DATA / name)


def csv(spark, name, **options):
    return spark.read.csv(data(name), **{"header": True, "inferSchema": True, **options})


def fitted(stages, rows, count):
    """Fit on rows and transform them; all are there, and a few come out of LocalPipeline as they do of Spark."""
    rows = rows.cache()
    assert rows.count() == count
    model = Pipeline(stages=stages).fit(rows)
    made = model.transform(rows).cache()
    assert made.count() == count
    assert made.columns[: len(rows.columns)] == rows.columns
    few = rows.sparkSession.createDataFrame(rows.limit(20).collect(), rows.schema)
    local = LocalPipeline(model.stages).transform(compat.to_arrow(few)).to_pylist()
    different = difference(local, model.transform(few).collect(), [], ulps=2)
    assert different is None, different
    return model, made


def numbers(df, *names):
    return df.agg(*[F.expr(name) for name in names]).first()


ADULT_NUMBERS = ["age", "years", "gain", "loss", "hours"]
ADULT_CATEGORIES = ["workclass", "marital", "occupation", "relationship", "race", "sex", "country"]


def adult(spark, name):
    columns = (
        "age workclass weight education years marital occupation relationship race sex gain loss hours country income"
    )
    schema = ", ".join(f"{c} STRING" for c in columns.split())
    rows = csv(spark, name, header=False, inferSchema=False, schema=schema, ignoreLeadingWhiteSpace=True, nullValue="?")
    rows = rows.where("income IS NOT NULL")  # what is left are an empty line and a comment
    measures = [F.col(c).cast("double").alias(c) for c in ADULT_NUMBERS]
    label = F.col("income").startswith(">50K").cast("double").alias("label")
    return rows.select(*measures, *ADULT_CATEGORIES, "education", label)


def test_adult_features_and_boosted_trees_reach_the_auc_of_the_literature(spark):
    train, test = adult(spark, "adult/adult.data.gz"), adult(spark, "adult/adult.test.gz")
    stages = [
        TableAggregate(
            keyCols=["occupation", "education"],
            aggregates=["count", "mean(hours)", "mean(age)"],
            outputCols=["peers", "peer_hours", "peer_age"],
            defaults={"count": 0, "mean(hours)": 40.0, "mean(age)": 38.0},
        ),
        Categorify(inputCols=ADULT_CATEGORIES, outputCols=ADULT_CATEGORIES, minFrequency=20),
    ]
    model, made = fitted(stages, train.repartition(2), 32561)
    scored = model.transform(test)
    assert scored.count() == 16281
    features = [*ADULT_CATEGORIES, *ADULT_NUMBERS, "peers", "peer_hours", "peer_age"]
    # Most gains are 0, so with few bins there would be hardly a split among the others.
    trees = GBTClassifier(maxIter=40, maxDepth=4, stepSize=0.3, maxBins=256, seed=1)
    boosted = Pipeline(stages=[VectorAssembler(inputCols=features, outputCol="features"), trees]).fit(made)
    assert BinaryClassificationEvaluator().evaluate(boosted.transform(scored)) >= 0.92


def test_movielens_100k(spark):
    def read(name):
        made = csv(spark, f"movielens_100k/ml-100k.{name}.tsv.gz", sep="\t", inferSchema=False)
        return made.toDF(*[c.partition(":")[0] for c in made.columns])

    ratings = read("inter").selectExpr("user_id", "item_id", "CAST(rating AS DOUBLE)", "CAST(timestamp AS BIGINT)")
    items = read("item").selectExpr("item_id", "TRY_CAST(release_year AS INT) AS year", "split(class, ' ') AS genres")
    users = read("user").selectExpr("user_id", "CAST(age AS DOUBLE)", "gender", "occupation")
    names = ["age", "gender", "occupation"]
    stages = [
        LookupJoin(keyCols=["item_id"], valueCols=["year", "genres"], outputCols=["year", "genres"]).fitTable(items),
        LookupJoin(keyCols=["user_id"], valueCols=names, outputCols=names).fitTable(users),
        TableAggregate(keyCols=["user_id"], aggregates=["count", "nunique(year)"], outputCols=["seen", "years"]),
        TableAggregate(keyCols=["item_id"], aggregates=["count", "min(timestamp)"], outputCols=["seen_by", "first"]),
        FillMissing(inputCols=["year"], outputCols=["year"], strategy="median"),
        LogTransform(inputCols=["seen", "seen_by"], outputCols=["seen", "seen_by"]),
        Categorify(inputCols=["gender", "occupation", "genres"], outputCols=["gender", "occupation", "genres"]),
        Scale(inputCols=["age", "year"], outputCols=["age", "year"]),
    ]
    model, made = fitted(stages, ratings, 100_000)
    assert [model.stages[i].fittedTable().count() for i in range(4)] == [1682, 943, 943, 1682]
    assert numbers(made, "min(gender)", "max(gender)", "count(genres)") == (2, 3, 100_000)
    counted = ratings.toPandas().groupby("user_id").size()
    assert made.agg(F.max("seen")).first()[0] == pytest.approx(np.log1p(counted.max()))


def test_amazon_magazine_ratings(spark):
    schema = "item STRING, user STRING, rating DOUBLE, at BIGINT"
    rows = csv(spark, "amazon_magazine_ratings/Magazine_Subscriptions.csv.gz", header=False, schema=schema)
    stages = [
        TableAggregate(
            keyCols=["item"], aggregates=["count", "nunique(user)", "max(at)"], outputCols=["n", "users", "last"]
        ),
        HashBuckets(inputCols=["user"], outputCols=["user_id"], numBuckets=1000),
        Categorify(inputCols=["item"], outputCols=["item_id"], minFrequency=5),
        Scale(inputCols=["n", "users"], outputCols=["n", "users"], method="robust"),
    ]
    model, made = fitted(stages, rows, 89_689)
    told = rows.toPandas().groupby("item")["user"].agg(["size", "nunique"])
    found = model.stages[0].fittedTable().toPandas().set_index("item").loc[told.index]
    assert (found["count"] == told["size"]).all() and (found["nunique(user)"] == told["nunique"]).all()
    assert numbers(made, "count(DISTINCT item_id)")[0] == (told["size"] >= 5).sum() + 1


def test_nyc_taxi(spark):
    trips = csv(spark, "nyc_taxi/green_tripdata_2020-04.csv.gz").drop("lpep_pickup_datetime", "lpep_dropoff_datetime")
    measures, ids = ["trip_distance", "fare_amount", "total_amount"], ["PULocationID", "DOLocationID"]
    stages = [
        FillMissing(inputCols=["passenger_count"], outputCols=["passenger_count"], strategy="median"),
        Clip(inputCols=measures, outputCols=measures, lower=0.0, upper=200.0),
        TableAggregate(keyCols=ids, aggregates=["count", "mean(trip_distance)"], outputCols=["trips", "usual"]),
        LogTransform(inputCols=measures, outputCols=measures),
        Categorify(inputCols=ids, outputCols=ids, sharedVocabulary=[ids]),
    ]
    _, made = fitted(stages, trips, 35_612)
    pairs = trips.toPandas().groupby(ids)["trip_distance"].agg(["size", lambda x: x.clip(0, 200).mean()])
    assert numbers(made, "count(passenger_count)", "max(trips)") == (35_612, pairs["size"].max())
    assert numbers(made, "max(usual)")[0] == pytest.approx(pairs.iloc[:, 1].max())

    fares = spark.read.parquet(data("nyc_taxi/nyc_taxi_fare_10k.parquet"))
    places = [f"{end}_{axis}" for end in ("pickup", "dropoff") for axis in ("longitude", "latitude")]
    stages = [
        Clip(inputCols=places, outputCols=places, lower=-75.0, upper=42.0),
        Scale(inputCols=places, outputCols=places),
    ]
    _, made = fitted(stages, fares, 10_000)
    assert numbers(made, *[f"round(avg({p}), 6)" for p in places]) == pytest.approx((0, 0, 0, 0), abs=1e-6)


def test_outbrain_sample(spark):
    clicks = csv(spark, "outbrain_sample/clicks_train.csv.gz")
    ads = csv(spark, "outbrain_sample/promoted_content.csv.gz")
    documents = csv(spark, "outbrain_sample/documents_meta.csv.gz").distinct()
    names = ["document_id", "campaign_id", "advertiser_id"]
    ad = LookupJoin(keyCols=["ad_id"], valueCols=names, outputCols=names, defaults={"campaign_id": -1})
    source = LookupJoin(
        keyCols=["document_id"], valueCols=["source_id"], outputCols=["source_id"], defaults={"source_id": -1.0}
    )
    with pytest.raises(DataError, match="found 29 keys in several rows, such as ad_id=22886 in 2, expected one row"):
        ad.fitTable(ads)
    ads = ads.distinct()
    stages = [
        ad.fitTable(ads),
        source.fitTable(documents),
        Categorify(inputCols=["campaign_id"], outputCols=["campaign_id"]),
        TableAggregate(keyCols=["ad_id"], aggregates=["count"], outputCols=["shown"]),
    ]
    _, made = fitted(stages, clicks, 8_713)
    merged = clicks.toPandas().merge(ads.toPandas(), on="ad_id", how="left")
    assert len(merged) == 8_713
    assert numbers(made, "count(document_id)")[0] == merged["document_id"].notna().sum() > 0


def test_sessions_diginetica(spark):
    sessions = spark.read.parquet(data("sessions_diginetica/all_train_seq.parquet"))
    assert sessions.count() == 186_670
    sample = sessions.where("pmod(xxhash64(session), 10) = 0").withColumn("first", F.col("session")[0])
    count = sample.count()
    stages = [
        TableAggregate(keyCols=["first"], aggregates=["count"], outputCols=["starts"]),
        Categorify(inputCols=["session"], outputCols=["ids"], minFrequency=2),
    ]
    model, made = fitted(stages, sample, count)
    assert numbers(made, "sum(size(session))", "min(starts)") == numbers(made, "sum(size(ids))", "1")
    test = spark.read.parquet(data("sessions_diginetica/test.parquet")).limit(1000)
    assert model.transform(test.withColumn("first", F.col("session")[0])).count() == 1000


def test_card_fraud_synthetic(spark):
    rows = spark.read.parquet(data("card_fraud_synthetic/card_transactions_100k.parquet"))
    amount = F.regexp_replace("Amount", "[$,]", "").cast("double")
    rows = rows.select(*[c for c in rows.columns if c not in ("Amount", "Is Fraud?")], amount.alias("amount"))
    stages = [
        TableAggregate(
            keyCols=["User", "Card"],
            aggregates=["count", "mean(amount)", "std(amount)", "nunique(Merchant Name)"],
            outputCols=["uses", "usual amount", "spread", "merchants"],
        ),
        FillMissing(inputCols=["Zip"], outputCols=["Zip"], strategy="constant", value=0.0),
        LogTransform(inputCols=["amount"], outputCols=["amount"], method="signedLog1p"),
        Categorify(
            inputCols=["Use Chip", "Merchant State", "MCC", "Errors?"], outputCols=["chip", "state", "kind", "errors"]
        ),
        HashBuckets(inputCols=["Merchant Name", "Merchant City"], outputCols=["merchant", "city"], numBuckets=5000),
    ]
    model, made = fitted(stages, rows, 100_000)
    told = rows.toPandas().groupby(["User", "Card"])["amount"].agg(["size", "mean", "std"])
    found = model.stages[0].fittedTable().toPandas().set_index(["User", "Card"]).loc[told.index]
    np.testing.assert_array_equal(found["count"], told["size"])
    np.testing.assert_allclose(found[["mean(amount)", "std(amount)"]], told[["mean", "std"]], rtol=1e-9)
    assert numbers(made, "count(`usual amount`)", "min(errors)")[0] == 100_000
