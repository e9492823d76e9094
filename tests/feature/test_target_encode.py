"""TargetEncode."""

import datetime
import math
import random
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.ml import Estimator, Model, Pipeline
from pyspark.sql import functions as F

import aiok_spark
from aiok_spark.core.errors import ColumnError, ColumnTypeError, DataError, ParamError
from aiok_spark.feature import TargetEncode
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree
from aiok_spark.testing.data import mixed_frame

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEYS = st.none() | st.sampled_from(["", "a", "b", "ß", "🙂" * 20])
LABELS = st.none() | st.sampled_from([0.0, 1.0, 2.5, math.nan])


def encode(**params):
    return TargetEncode(**{"inputCols": ["k"], "labelCols": ["y"], "outputCols": ["te"], **params})


def has(y):
    return y is not None and y == y


def mean(pairs, key, smoothing, least=1):
    """Encoding of ``key`` by the documented formula, from (key, label) pairs."""
    labels = [y for _, y in pairs if has(y)]
    prior = sum(labels) / len(labels)
    own = [y for k, y in pairs if k == key and has(y)]
    return prior if len(own) < least else (sum(own) + prior * smoothing) / (len(own) + smoothing)


def numbered(spark, keys, labels):
    rows = [(i, k, y) for i, (k, y) in enumerate(zip(keys, labels, strict=True))]
    return spark.createDataFrame(rows, "id int, k string, y double")


def training(stage, df):
    return {r.id: r.te for r in stage.fitTransform(df)[1].collect()}


@SOME
@given(st.lists(KEYS, min_size=8, max_size=30), st.data(), st.sampled_from([0.0, 1.5, 20.0]), st.integers(1, 3))
def test_encodings_follow_the_formula_everywhere(spark, keys, data, smoothing, least):
    keys = ["a", *keys]
    labels = [1.0, 0.0, 1.0, 0.0, *data.draw(st.lists(LABELS, min_size=len(keys) - 4, max_size=len(keys) - 4))]
    df = numbered(spark, keys, labels)
    model, train = encode(smoothing=smoothing, minCount=least, numFolds=2, foldCol="id").fitTransform(df)
    pairs = list(zip(keys, labels, strict=True))
    assert_all_executions_agree(
        model,
        {"k": [None, "a", "b", "new", "ß"]},
        "k string",
        spark,
        reference=lambda rows: {"te": [mean(pairs, k, smoothing, least) for k in rows["k"]]},
        ulps=16,
    )
    others = [pairs[1::2], pairs[::2]]  # a row whose id is even is encoded by the odd ones
    expected = {i: mean(others[i % 2], k, smoothing, least) for i, k in enumerate(keys)}
    assert {r.id: r.te for r in train.collect()} == pytest.approx(expected, rel=1e-12)


def test_several_keys_and_labels_come_in_the_documented_order(spark):
    rng = random.Random(1)
    rows = [
        (i, rng.choice(["a", "b", None]), rng.choice([1, 2, None]), rng.random(), rng.random() < 0.5) for i in range(60)
    ]
    df = spark.createDataFrame(rows, "id int, s string, i int, y double, `the label` boolean")
    stage = TargetEncode(
        inputCols=["i", "s"],
        crosses=[["s", "i"]],
        labelCols=["y", "the label"],
        outputCols=["i_y", "i_b", "s_y", "s_b", "x_y", "x_b"],
        smoothing=2.0,
    )
    model = stage.fit(df)
    for r in model.transform(df.select("*")).collect():
        for name, key in [("i", lambda r: r[2]), ("s", lambda r: r[1]), ("x", lambda r: r[1:3])]:
            for label, at in [("y", 3), ("b", 4)]:
                pairs = [(key(row), float(row[at])) for row in rows]
                assert r[f"{name}_{label}"] == pytest.approx(mean(pairs, key(tuple(r)), 2.0), rel=1e-12)
    assert model.priors["y"] == pytest.approx(np.mean([r[3] for r in rows]), rel=1e-12)
    shown = model.statistics().where("size(columns) = 2 AND values[0] = 'a' AND values[1] = '2'").first()
    mine = [r for r in rows if r[1:3] == ("a", 2)]
    assert (shown.rows, shown["count_the label"], shown["sum_the label"]) == (
        len(mine),
        len(mine),
        sum(r[4] for r in mine),
    )
    assert_all_executions_agree(
        model, {"s": ["a", None, "a", None, "q"], "i": [None, 2, 1, None, 1]}, "s string, i int", spark
    )


def test_nulls_in_different_columns_of_a_cross_differ(spark):
    rows = [(i, None, "x", 1.0) for i in range(10)] + [(i, "x", None, 0.0) for i in range(10)]
    df = spark.createDataFrame(rows, "id int, a string, b string, y double")
    stage = TargetEncode(crosses=[["a", "b"]], labelCols=["y"], outputCols=["te"], smoothing=0.0)
    assert {(r.a, r.b, r.te) for r in stage.fit(df).transform(df.select("*")).collect()} == {
        (None, "x", 1.0),
        ("x", None, 0.0),
    }


def test_no_row_is_encoded_by_its_own_label(spark):
    rng = random.Random(2)
    rows = [(i, rng.choice("abcdef"), float(rng.random() < 0.5)) for i in range(80)]

    def encoded(changed=None):
        made = [(i, k, 1 - y if i == changed else y) for i, k, y in rows]
        return training(encode(smoothing=3.0), spark.createDataFrame(made, "id int, k string, y double"))

    before = encoded()
    for changed in (0, 17, 42):
        after = encoded(changed)
        assert after[changed] == before[changed]
        assert sum(after[i] != before[i] for i in after) > 20  # the other folds see the change


@pytest.mark.parametrize("alike", [False, True])
def test_folds_do_not_depend_on_partitions_or_order(spark, alike):
    rng = random.Random(3)
    rows = [(0 if alike else i, rng.choice("abc"), float(rng.random() < 0.5)) for i in range(300)]
    made = []
    for partitions in (1, 4, 37):
        rng.shuffle(rows)
        df = spark.createDataFrame(rows, "id int, k string, y double").repartition(partitions)
        model, train = encode().fitTransform(df)
        assert model._state.facts["numbered"] == alike
        made.append(sorted((r.id, r.k, r.y, r.te) for r in train.collect()))
    assert made[0] == made[1] == made[2]
    assert len({r[3] for r in made[0]}) == 15  # three keys in five folds: also where rows are equal
    assert {r[3] for r in made[0]} != {r.te for r in encode(seed=1).fitTransform(df)[1].collect()}


def test_rows_that_differ_in_a_double_alone_are_dealt_the_same_way(spark):
    rng = random.Random(4)
    rows = [(rng.random(), rng.choice("ab"), float(rng.random() < 0.5)) for _ in range(100)]
    made = []
    for partitions in (1, 5):
        rng.shuffle(rows)
        df = spark.createDataFrame(rows, "id double, k string, y double").repartition(partitions)
        made.append(training(encode(), df))
    assert made[0] == made[1]


@pytest.mark.parametrize("kind", ["int", "string", "date"])
def test_a_fold_column_keeps_its_rows_together(spark, kind):
    rows = [(i, i % 3 - 1, "k", float(i % 2)) for i in range(30)]
    df = spark.createDataFrame(rows, "id int, user int, k string, y double")
    user = F.date_add(F.lit("2024-01-01"), F.col("user")) if kind == "date" else F.col("user").cast(kind)
    found = training(encode(foldCol="user", numFolds=3, smoothing=0.0), df.withColumn("user", user))
    assert len({found[i] for i in range(0, 30, 3)}) == 1
    if kind == "int":
        labels = [[y for _, u, _, y in rows if u != own] for own in (-1, 0, 1)]
        assert [found[i] for i in range(3)] == [np.mean(y) for y in labels]


class Remember(Estimator):
    """A last stage that keeps the rows that it was fitted on."""

    def _fit(self, dataset):
        self.seen = {r.id: r.te for r in dataset.collect()}
        return Forget()


class Forget(Model):
    def _transform(self, dataset):
        return dataset


def test_a_pipeline_trains_out_of_fold_and_scores_by_all_rows(spark, tmp_path):
    rng = random.Random(5)
    df = numbered(spark, [rng.choice("abc") for _ in range(60)], [float(rng.random() < 0.5) for _ in range(60)])
    last = Remember()
    model = Pipeline(stages=[encode(), last]).fit(df)
    assert last.seen == training(encode(), df.select("*"))
    scored = {r.id: r.te for r in model.transform(df).collect()}
    assert len(set(scored.values())) == 3 and scored != last.seen
    model.stages[0].save(str(tmp_path / "m"))
    loaded = aiok_spark.load(str(tmp_path / "m"))
    assert {r.id: r.te for r in loaded.transform(df.drop("y")).collect()} == scored
    row = LocalPipeline.load(str(tmp_path / "m")).transform({"k": "a", "other": 1})
    assert row["te"] == loaded.transform(spark.createDataFrame([("a",)], "k string")).first().te


def test_model_params_may_change_after_the_fit(spark):
    df = numbered(spark, ["a"] * 3 + ["b"] * 7, [1.0] * 3 + [0.0] * 7)
    model = encode().fit(df)
    made = {r.k: r.te for r in model.transform(df.select("*"), {model.smoothing: 0.0, model.minCount: 4}).collect()}
    assert made == {"a": pytest.approx(0.3), "b": 0.0}


def test_columns_of_all_types_say_in_which_fold_a_row_is(spark):
    df = mixed_frame(spark).withColumn("odd", F.create_map(F.lit("a"), F.lit(1)))
    model, train = TargetEncode(
        inputCols=["active", "day"], crosses=[["day", "total", "city"]], labelCols=["label"], outputCols=list("abc")
    ).fitTransform(df)
    assert train.schema == model.transformSchema(df.schema)
    assert train.count() == 40 and train.where("a IS NULL OR b IS NULL OR c IS NULL").count() == 0


def test_a_fit_is_one_job(spark):
    if "connect" in type(spark).__module__ or spark.version >= "4":
        pytest.skip("jobs are counted in local mode")
    df = numbered(spark, list("abcd") * 10, [0.0, 1.0] * 20)
    context = spark.sparkContext
    spark.conf.set("spark.sql.adaptive.enabled", "false")  # which makes a job of every shuffle
    context.setLocalProperty("spark.jobGroup.id", "one fit")
    try:
        TargetEncode(inputCols=["k"], crosses=[["k", "id"]], labelCols=["y"], outputCols=["a", "b"]).fit(df)
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)
        spark.conf.unset("spark.sql.adaptive.enabled")
    assert len(context.statusTracker().getJobIdsForGroup("one fit")) == 1


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"labelCols": []}, ParamError, "labelCols: found nothing, expected at least one column"),
        ({"labelCols": ["k"]}, ColumnTypeError, "labelCols names 'k', found type string, expected a number or a bool"),
        ({"labelCols": ["id"], "inputCols": ["id"]}, ParamError, "labelCols: found 'id', which is also a key"),
        ({"outputCols": ["y"]}, ParamError, "labelCols: found 'y', which is also a result"),
        ({"labelCols": ["z"]}, ColumnError, "labelCols names 'z', found no such column"),
        ({"foldCol": "z"}, ColumnError, "foldCol names 'z', found no such column"),
        ({"foldCol": "y"}, ColumnTypeError, "foldCol names 'y', found type double, expected string, integer"),
        ({"crosses": [["k", "q"]]}, ColumnError, "crosses names 'q', found no such column"),
        ({"crosses": [["k", "k"]]}, ParamError, r"crosses: found the group \['k', 'k'\], expected different names"),
        ({"crosses": [["k", "id"]]}, ParamError, "outputCols: found 1 names for 2 keys .inputCols and crosses., exp"),
        ({"inputCols": []}, ParamError, "outputCols: found 1 names for 0 keys"),
        ({"inputCols": ["l"]}, ColumnTypeError, "the key names 'l', found type array<string>, .* explode a list"),
        ({"numFolds": 11}, DataError, "numFolds: found 11 folds for 10 rows, expected at most as many folds as rows"),
        ({"inputCols": ["n"]}, DataError, "inputCols: found no value in column 'n', expected at least one"),
        ({"labelCols": ["none"]}, DataError, "labelCols: found no value in column 'none'"),
        ({"labelCols": ["inf"]}, DataError, "labelCols: found infinite values, or ones that add up to it, in column"),
        ({"foldCol": "k"}, DataError, "labelCols: found all values of 'y' in rows of one fold"),
        ({"foldCol": "n"}, DataError, "labelCols: found all values of 'y' in rows of one fold"),
    ],
)
def test_what_cannot_be_fitted_is_refused(spark, params, error, message):
    df = spark.range(10).selectExpr(
        "CAST(id AS INT) id", "'a' k", "CAST(id % 2 AS DOUBLE) y", "array('a') l", "CAST(NULL AS STRING) n",
        "CAST(NULL AS DOUBLE) none", "CAST('Infinity' AS DOUBLE) inf",
    )  # fmt: skip
    with pytest.raises(error, match=message) as raised:
        encode(**params).fit(df)
    assert "\n" not in str(raised.value) and str(raised.value).startswith("TargetEncode(TargetEncode_")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"smoothing": -1.0}, "smoothing: found -1.0, expected a number of at least 0"),
        ({"numFolds": 1}, "numFolds: found 1 .int., expected a whole number of at least 2"),
        ({"minCount": 0}, "minCount: found 0 .int., expected a whole number of at least 1"),
    ],
)
def test_params_out_of_range_are_refused(params, message):
    with pytest.raises(ParamError, match=message):
        encode(**params)


def test_no_rows_and_other_types_are_refused(spark):
    df = numbered(spark, list("abcde"), [0.0, 1.0, 0.0, 1.0, 1.0])
    with pytest.raises(DataError, match="inputCols: found no rows"):
        encode().fit(df.limit(0))
    model = encode().fit(df)
    with pytest.raises(ColumnTypeError, match="found 'k' to hold bigint values, expected string as at fit"):
        model.transform(df.withColumn("k", F.lit(1)))
    with pytest.raises(DataError, match="column 'k' was str at fit"):
        LocalPipeline([model]).transform({"k": 3})
    assert LocalPipeline([model]).transform({"k": None})["te"] == model.priors["y"]


def test_a_date_is_its_text(spark):
    day = datetime.date(2024, 2, 29)
    df = spark.createDataFrame(
        [(i, day if i % 3 else None, float(i % 2)) for i in range(12)], "id int, k date, y double"
    )
    model = encode().fit(df)
    assert_all_executions_agree(model, {"k": [day, None, datetime.date(1969, 1, 1)]}, "k date", spark)


def auc(scores, labels):
    """Area under the ROC curve, by ranks; ties count half."""
    order = np.argsort(scores, kind="stable")
    _, at, counts = np.unique(np.asarray(scores)[order], return_inverse=True, return_counts=True)
    ranks = np.empty(len(scores))
    ranks[order] = (np.cumsum(counts) - (counts - 1) / 2)[at]
    ones = np.asarray(labels) == 1
    return (ranks[ones].sum() - ones.sum() * (ones.sum() + 1) / 2) / (ones.sum() * (~ones).sum())


def deviation(labels):
    """Standard error of the AUC of scores that know nothing (Mann and Whitney)."""
    ones = int(np.sum(labels))
    return math.sqrt((len(labels) + 1) / (12 * ones * (len(labels) - ones)))


def test_noise_stays_noise(spark):
    rng = np.random.default_rng(6)
    keys, labels = rng.integers(0, 1500, 6000), rng.integers(0, 2, 6000)
    rows = [(i, f"k{k}", float(y)) for i, (k, y) in enumerate(zip(keys, labels, strict=True))]
    train, test = (spark.createDataFrame(part, "id int, k string, y double") for part in (rows[:4000], rows[4000:]))
    model, encoded = encode(smoothing=1.0).fitTransform(train)
    out, seen, held = (df.toPandas() for df in (encoded, model.transform(train.select("*")), model.transform(test)))
    assert auc(seen.te, seen.y) > 0.7  # what in-fold encoding would make a model believe
    assert abs(auc(held.te, held.y) - 0.5) < 3 * deviation(held.y)
    # Out of fold, a row's label pushes the others' mean the other way at most.
    assert auc(out.te, out.y) < 0.5 + 3 * deviation(out.y)
    assert len(set(out.te)) > 20


def test_out_of_fold_helps_where_in_fold_misleads(spark):
    """A weak number that is honest, and many rare keys that know nothing: trust in the keys costs AUC on other rows."""
    rng = np.random.default_rng(7)
    size = 6000
    x, keys = rng.normal(size=size), rng.integers(0, 3000, size)
    good = rng.integers(0, 20, size)  # a key that does know something
    effect = rng.normal(size=20)
    y = (rng.random(size) < 1 / (1 + np.exp(-(x + effect[good])))).astype(float)
    cells = zip(range(size), keys, good, x, y, strict=True)
    rows = [(i, f"k{k}", f"g{g}", float(a), float(b)) for i, k, g, a, b in cells]
    schema = "id int, k string, g string, x double, y double"
    train, test = spark.createDataFrame(rows[:4000], schema), spark.createDataFrame(rows[4000:], schema)
    stage = encode(inputCols=["k", "g"], outputCols=["k_te", "g_te"], smoothing=1.0)
    model, encoded = stage.fitTransform(train)
    columns = ["x", "k_te", "g_te"]
    held = model.transform(test).toPandas()

    def held_out(seen):
        weights = logistic(seen[columns].to_numpy(), seen.y.to_numpy())
        return auc(np.c_[np.ones(len(held)), held[columns]] @ weights, held.y), weights

    (out, out_weights), (inside, in_weights) = map(
        held_out, (encoded.toPandas(), model.transform(train.select("*")).toPandas())
    )
    truth = auc(x[4000:] + effect[good[4000:]], y[4000:])  # nobody can do better
    assert abs(out_weights[2]) < 0.5 < 2 < in_weights[2]  # in fold, the empty key is believed
    assert out > inside + 3 * deviation(held.y) and out > truth - 0.02


def logistic(x, y, steps=30):
    """Weights (intercept first) of a logistic regression, by Newton's method."""
    x, w = np.c_[np.ones(len(x)), x], np.zeros(x.shape[1] + 1)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-x @ w))
        w += np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(len(w)), x.T @ (y - p))
    return w


def test_sums_of_labels_know_their_groups(spark):
    """The formula on many rows, against plain Python."""
    rng = random.Random(8)
    rows = [(i, f"k{int(rng.paretovariate(0.7))}", rng.gauss(0, 1)) for i in range(2000)]
    groups = defaultdict(list)
    for _, k, y in rows:
        groups[k].append(y)
    prior = sum(y for *_, y in rows) / len(rows)
    df = spark.createDataFrame(rows, "id int, k string, y double").repartition(7)
    found = {r.k: r.te for r in encode().fit(df).transform(df.select("*")).collect()}
    assert found == pytest.approx({k: (sum(v) + prior * 20) / (len(v) + 20) for k, v in groups.items()}, rel=1e-12)
