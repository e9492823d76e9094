"""LookupJoin."""

import random
from datetime import date, datetime
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.sql import functions as F

from aiok_spark.core.errors import ColumnError, ColumnTypeError, DataError, ParamError
from aiok_spark.feature import Clip, LookupJoin, LookupJoinModel
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing import assert_same_rows

pytestmark = pytest.mark.two_modes

TEXTS = ["a", "", " ", "Zürich", "東京", "null", "NaN", "x" * 5000, None]
ITEMS = [
    (t, n, float(i) if i % 3 else None, f"{t}{n}") for i, (t, n) in enumerate((t, n) for t in TEXTS for n in (1, 2))
]
WIDE = "text STRING, number INT, price DOUBLE, name STRING"


def join(**params):
    given = {"keyCols": ["k"], "valueCols": ["price"], "outputCols": ["price"], "verbose": False}
    return LookupJoin(**{**given, **params})


@pytest.fixture(scope="module")
def items(spark):
    return spark.createDataFrame(ITEMS, WIDE)


def asked(seed=0):
    rng = random.Random(seed)
    return [(i, rng.choice([*TEXTS, "absent"]), rng.choice([0, 1, 2, None])) for i in range(300)]


def reference(rows):
    """What pandas merges; null is nothing that could be equal there but for pandas, so it is left out."""
    table = pd.DataFrame(ITEMS, columns=["text", "number", "price", "name"]).dropna(subset=["text", "number"])
    left = pd.DataFrame(rows, columns=["i", "text", "number"])
    made = left.merge(table, on=["text", "number"], how="left", indicator=True)
    met = made["_merge"] == "both"
    price = [None if m and p != p else p if m else -1.0 for m, p in zip(met, made["price"], strict=True)]
    return list(zip(left["i"], price, made["name"].where(met, None), strict=True))


def test_every_way_gives_what_pandas_gives(spark, items):
    rows = asked()
    stage = join(
        keyCols=["text", "number"],
        valueCols=["price", "name"],
        outputCols=["price", "item name"],
        defaults={"price": -1},
    )
    model = stage.fitTable(items)
    df = spark.createDataFrame(rows, "i INT, text STRING, number BIGINT")
    expected = reference(rows)
    for params, partitions in [({}, 1), ({}, 37), ({model.broadcastBytes: 0}, 4)]:
        shuffled = df.repartition(partitions)
        made = model.transform(shuffled, params)
        assert made.columns == [*df.columns, "price", "item name"]
        assert sorted((r.i, r.price, r["item name"]) for r in made.collect()) == expected

    local, table = LocalPipeline([model]), pa.table(dict(zip(df.columns, zip(*rows, strict=True), strict=True)))
    found = local.transform(table)
    columns = [found[n].to_pylist() for n in ("i", "price", "item name")]
    assert list(zip(*columns, strict=True)) == expected
    dicts = [local.transform(dict(zip(df.columns, row, strict=True))) for row in rows]
    assert [(d["i"], d["price"], d["item name"]) for d in dicts] == expected


@pytest.mark.parametrize(("limit", "way"), [(10**6, "BroadcastHashJoin"), (0, "SortMergeJoin")])
def test_the_join_is_chosen_by_the_size_of_the_table(spark, items, capsys, limit, way):
    model = join(keyCols=["text", "number"], broadcastBytes=limit).fitTable(items)
    model.transform(spark.createDataFrame([("a", 1)], "text STRING, number INT")).explain()
    assert way in capsys.readouterr().out


def test_types_survive_save_and_load(spark, tmp_path):
    moment = datetime(2024, 2, 29, 12, 30, 0, 123456)
    row = (date(2024, 1, 2), moment, moment, Decimal("-1.50"), [1, None], True, 3, bytearray(b"\0x"))
    schema = "k DATE, at TIMESTAMP, local TIMESTAMP_NTZ, price DECIMAL(12, 2), codes ARRAY<SMALLINT>, yes BOOLEAN"
    table = spark.createDataFrame([row], f"{schema}, small TINYINT, raw BINARY")
    names = table.columns[1:]
    model = join(valueCols=names, outputCols=names).fitTable(table)
    model.write().overwrite().save(str(tmp_path))
    df = spark.createDataFrame([("2024-01-02",), ("2024-01-03",)], "k STRING")
    expected = [("2024-01-02", *row[1:]), ("2024-01-03", *[None] * 7)]
    for made in (model, LookupJoinModel.load(str(tmp_path))):
        result = made.transform(df)
        assert [f.dataType for f in result.schema.fields[1:]] == [f.dataType for f in table.schema.fields[1:]]
        assert sorted(map(tuple, result.collect())) == expected
    local = LocalPipeline.load(str(tmp_path)).transform({"k": date(2024, 1, 2)})
    assert local["price"] == Decimal("-1.50") and local["codes"] == [1, None] and local["local"] == moment
    assert local["at"].replace(tzinfo=None) == moment


def test_metadata_of_a_value_comes_along(spark):
    table = spark.createDataFrame([(1, 2)], "k INT, id INT").withMetadata("id", {"aiok": {"cardinality": 3}})
    made = join(valueCols=["id"], outputCols=["item_id"]).fitTable(table).transform(spark.range(1).toDF("k"))
    assert made.schema["item_id"].metadata == {"aiok": {"cardinality": 3}}


def test_a_pipeline_reads_its_table_by_name(spark, items, tmp_path):
    items.dropna().where("number = 1").createOrReplaceTempView("lookup_items")
    rows = spark.createDataFrame([(0, "a"), (1, "東京"), (2, None)], "i INT, t STRING")
    files = f"{tmp_path}/items"
    spark.table("lookup_items").write.parquet(files)

    def pipeline(table):
        by_name = join(keyCols=["t"], tableKeyCols=["text"], table=table)
        return Pipeline(stages=[by_name, Clip(inputCols=["price"], outputCols=["price"], upper=5.0)])

    pipeline("lookup_items").save(f"{tmp_path}/pipeline")
    pipelines = pipeline("lookup_items"), pipeline(f"parquet.`{files}`"), Pipeline.load(f"{tmp_path}/pipeline")
    made = [one.fit(rows) for one in pipelines]
    spark.catalog.dropTempView("lookup_items")  # a fitted model does without it
    made[0].save(f"{tmp_path}/model")
    expected = spark.createDataFrame(
        [(0, "a", None), (1, "東京", 5.0), (2, None, None)], "i INT, t STRING, price DOUBLE"
    )
    for model in (*made, PipelineModel.load(f"{tmp_path}/model")):
        assert_same_rows(model.transform(rows), expected, key=["i"])
    assert LocalPipeline.load(f"{tmp_path}/model").transform({"t": "東京"}) == {"t": "東京", "price": 5.0}


def test_a_fitted_lookup_is_a_stage_of_a_pipeline(spark, items, tmp_path):
    model = join(keyCols=["text", "number"]).fitTable(items)
    pipeline = Pipeline(stages=[model])
    pipeline.save(f"{tmp_path}/pipeline")
    rows = spark.createDataFrame([("Zürich", 2)], "text STRING, number INT")
    assert Pipeline.load(f"{tmp_path}/pipeline").fit(rows).transform(rows).first().price == 7.0
    assert model.fittedTable().columns == ["text", "number", "price"]
    assert model.fittedTable().count() == 16  # those with a null in their key match nothing


def test_lookups_follow_each_other(spark):
    ads = spark.createDataFrame([(1, 10), (2, 20)], "ad INT, doc INT")
    docs = spark.createDataFrame([(10, "news")], "doc INT, topic STRING")
    first = join(keyCols=["ad"], valueCols=["doc"], outputCols=["doc"]).fitTable(ads)
    second = join(keyCols=["doc"], valueCols=["topic"], outputCols=["topic"], defaults={"topic": "?"}).fitTable(docs)
    made = Pipeline(stages=[first, second]).fit(ads).transform(spark.createDataFrame([(1,), (2,), (3,)], "ad INT"))
    assert sorted(map(tuple, made.collect())) == [(1, 10, "news"), (2, 20, "?"), (3, None, "?")]


TWICE = [(1, "x", 0.0), (2, "a", 0.0), (2, "a", 1.0), (2, "a", 1.0), (7, "b", 0.0), (7, "b", 0.0), (None, "n", 0.0)]


def test_arrays_without_nulls_are_handed_over(spark):
    table = spark.createDataFrame([("a", "x y")], "k STRING, text STRING").select("k", F.split("text", " ").alias("l"))
    rows = spark.createDataFrame([("a",), ("b",)], "k STRING")
    model = LookupJoin(keyCols=["k"], valueCols=["l"], outputCols=["l"], verbose=False).fitTable(table)
    made = model.transform(rows)
    assert {row.k: row.l for row in made.collect()} == {"a": ["x", "y"], "b": None}
    assert made.schema == model.transformSchema(rows.schema)


def test_a_key_of_several_rows_is_refused(spark):
    table = spark.createDataFrame(TWICE, "k INT, text STRING, price DOUBLE").repartition(4)
    told = r"table: found 2 keys in several rows, such as k=2, text='a' in 3, expected one row for each key; aggregate"
    with pytest.raises(DataError, match=rf"LookupJoin\(LookupJoin_\w+\): {told}"):
        join(keyCols=["k", "text"]).fitTable(table)


@pytest.mark.parametrize("rows", [[], [(None, 1.0), (None, 1.0)]])
def test_a_table_without_keys_is_refused(spark, rows):
    with pytest.raises(DataError, match=r"table: found no row with a key in \['k'\], expected at least one"):
        join().fitTable(spark.createDataFrame(rows, "k INT, price DOUBLE"))


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"table": None}, ParamError, "table: found nothing, expected the name of a table or view; set table="),
        ({"table": "no_such_view"}, ParamError, "table: found nothing to read as 'no_such_view'"),
        ({"table": "not ( a name"}, ParamError, r"table: found nothing to read as 'not \( a name'"),
        ({"keyCols": []}, ParamError, "keyCols: found no names, expected at least one"),
        ({"keyCols": ["x"]}, ColumnError, "keyCols names 'x', found no such column"),
        ({"keyCols": ["k", "f"]}, ColumnTypeError, "keyCols names 'f', found type float, expected string, integer"),
        ({"tableKeyCols": ["x"]}, ColumnError, "tableKeyCols names 'x', found no such column"),
        ({"tableKeyCols": ["k", "t"]}, ParamError, "keyCols: found 1 names, expected 2 as in the table"),
        ({"tableKeyCols": ["t"]}, ColumnTypeError, "keyCols: found 'k' to hold bigint values, expected string as in"),
        ({"tableKeyCols": ["price"]}, ColumnTypeError, "tableKeyCols names 'price', found type double, expected"),
        ({"valueCols": ["prise"]}, ColumnError, "valueCols names 'prise', found no such column.*did you mean 'price'"),
        ({"valueCols": ["m"]}, ColumnTypeError, r"valueCols names 'm', found type map<int,int>, expected numbers"),
        ({"outputCols": ["a", "b"]}, ParamError, "outputCols: found 2 names for 1 values, expected one for each"),
        ({"outputCols": ["K"]}, ColumnError, "outputCols has 'K', found a column 'k', expected names that differ"),
        ({"valueCols": ["price", "t"], "outputCols": ["p", "p"]}, ColumnError, "outputCols has 'p' 2 times"),
        (
            {"defaults": {"prise": 1}},
            ParamError,
            "defaults: found 'prise', expected names of valueCols, not of",
        ),
        ({"defaults": {"price": "x"}}, ParamError, "defaults: found 'x' for 'price' of type double, expected a value"),
        ({"defaults": {"price": True}}, ParamError, "defaults: found True for 'price' of type double, expected"),
        (
            {"valueCols": ["small"], "defaults": {"small": 128}},
            ParamError,
            "defaults: found 128 for 'small' of type tinyint, expected a value of that type",
        ),
    ],
)
def test_bad_params_are_refused_before_any_job(spark, params, error, message):
    schema = "k INT, t STRING, price DOUBLE, m MAP<INT, INT>, small TINYINT"
    spark.createDataFrame([], schema).createOrReplaceTempView("lookup_bad")
    stage = join(**{"table": "lookup_bad", **params})
    with pytest.raises(error, match=message) as raised:
        stage.fit(spark.createDataFrame([], "k INT, f FLOAT"))
    assert "\n" not in str(raised.value) and str(raised.value).startswith("LookupJoin(LookupJoin_")


@pytest.mark.parametrize("defaults", [["price"], {"price": [1]}, {1: 2}, {"price": float("nan")}])
def test_defaults_are_a_dict_of_single_values(defaults):
    with pytest.raises(ParamError, match=r"defaults: found .* expected .*; defaults is: what a row gets"):
        join(defaults=defaults)


def test_a_fitted_lookup_refuses_other_keys_and_values(spark):
    model = join().fitTable(spark.createDataFrame([(1, 2.0)], "k INT, price DOUBLE"))
    texts = spark.createDataFrame([("1",)], "k STRING")
    with pytest.raises(ColumnTypeError, match="keyCols: found 'k' to hold string values, expected bigint as at fit"):
        model.transform(texts)
    with pytest.raises(
        DataError, match=r"found k='1' \(str\), expected values of the columns' types; a part of the key"
    ):
        LocalPipeline([model]).transform({"k": "1"})
    with pytest.raises(ParamError, match="found the value 'brand', expected one that was fitted; there are"):
        model.transform(spark.range(1).toDF("k"), {model.valueCols: ["brand"]})
