"""Categorify."""

import datetime
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import aiok_spark
from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError
from aiok_spark.feature import Categorify
from aiok_spark.feature import vocabulary as vocabulary_module
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree

SOME = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CELLS = st.none() | st.sampled_from("abcde") | st.text(max_size=2)


def reference_ids(values, min_frequency=1):
    """Ids by the documented rule, in plain Python: frequency, then the value's UTF-8 bytes."""
    counts = Counter(v for v in values if v is not None)
    kept = sorted((v for v in counts if counts[v] >= min_frequency), key=lambda v: (-counts[v], v.encode()))
    ids = {v: i + 2 for i, v in enumerate(kept)}
    return lambda v: 1 if v is None else ids.get(v, 0)


def fit(df, inputs=("s",), **params):
    return Categorify(inputCols=list(inputs), outputCols=[f"{c}_id" for c in inputs], **params).fit(df)


def frame(spark, values, kind="string"):
    return spark.createDataFrame([(v,) for v in values], f"s {kind}")


@SOME
@given(st.lists(CELLS, min_size=1, max_size=40), st.lists(CELLS, min_size=1, max_size=20), st.integers(1, 3))
def test_ids_follow_the_rule_everywhere(spark, train, test, min_frequency):
    model = fit(frame(spark, [*train, "z"]), minFrequency=min_frequency)
    id_of = reference_ids([*train, "z"], min_frequency)
    assert_all_executions_agree(
        model, {"s": test}, "s string", spark, reference=lambda rows: {"s_id": [id_of(v) for v in rows["s"]]}
    )


@SOME
@given(st.lists(st.none() | st.lists(CELLS, max_size=4), min_size=1, max_size=15))
def test_lists_keep_their_order_everywhere(spark, rows):
    model = fit(frame(spark, [*rows, ["z"]], "array<string>"))
    id_of = reference_ids([v for row in [*rows, ["z"]] for v in row or []])
    assert_all_executions_agree(
        model,
        {"s": rows},
        "s array<string>",
        spark,
        reference=lambda data: {"s_id": [None if row is None else [id_of(v) for v in row] for row in data["s"]]},
    )


@pytest.mark.parametrize("partitions", [1, 4, 37])
def test_ids_do_not_depend_on_partitions_or_order(spark, partitions):
    values = [f"v{i % 50 * (i % 7)}" for i in range(500)]
    df = (
        frame(spark, values).repartition(partitions).orderBy("s", ascending=False)
        if partitions > 1
        else frame(spark, values)
    )
    id_of = reference_ids(values)
    shown = {r.value: r.id for r in fit(df).vocabulary("s").collect()}
    assert shown == {v: id_of(v) for v in values}


@pytest.mark.parametrize(
    ("kind", "values", "asked", "ids"),
    [
        ("long", [5, 5, -7, 2**62, None], [5, -7, 2**62, None, 8], [2, 3, 4, 1, 0]),
        ("byte", [5, 5, 9], [9, None], [3, 1]),
        ("boolean", [True, False, True], [False, True, None], [3, 2, 1]),
        (
            "date",
            [datetime.date(2024, 1, 2)] * 2 + [datetime.date(1969, 1, 1)],
            [datetime.date(1969, 1, 1), None],
            [3, 1],
        ),
    ],
)
def test_other_types(spark, kind, values, asked, ids):
    model = fit(frame(spark, values, kind))
    assert_all_executions_agree(model, {"s": asked}, f"s {kind}", spark, reference=lambda rows: {"s_id": ids})


def test_columns_share_a_vocabulary(spark):
    df = spark.createDataFrame([("a", "b", "x"), ("c", "b", "y"), ("b", None, "x")], "u string, v string, w string")
    model = fit(df, ["u", "v", "w"], sharedVocabulary=[["u", "v"]])
    id_of = reference_ids(["a", "c", "b", "b", "b", None])
    made = model.transform(df).collect()
    assert [(r.u_id, r.v_id) for r in made] == [(id_of(r.u), id_of(r.v)) for r in made]
    assert [r.w_id for r in made] == [2, 3, 2]
    assert [tuple(r) for r in model.vocabulary("v").orderBy("id").collect()] == [
        (["u", "v"], 2, "b", 3),
        (["u", "v"], 3, "a", 1),
        (["u", "v"], 4, "c", 1),
    ]


def test_a_list_and_a_plain_column_share_a_vocabulary(spark):
    df = spark.createDataFrame([("a", ["b", "b"]), ("b", None)], "u string, l array<string>")
    model = fit(df, ["u", "l"], sharedVocabulary=[["u", "l"]])
    assert [(r.u_id, r.l_id) for r in model.transform(df).collect()] == [(3, [2, 2]), (2, None)]


def test_the_policies_do_not_shift_ids(spark):
    df = frame(spark, ["a", "b", None])
    model = fit(df)
    asked = frame(spark, ["b", None, "new"])

    def ids(**params):
        return [r.s_id for r in model.transform(asked, {model.getParam(k): v for k, v in params.items()}).collect()]

    assert ids() == [3, 1, 0]
    assert ids(oovPolicy="null", nullPolicy="null") == [3, None, None]
    for params, message in [
        ({"oovPolicy": "error"}, r"CategorifyModel\(Categorify_\w+\): oovPolicy='error' and column 's' .*found 'new'"),
        ({"nullPolicy": "error"}, "nullPolicy='error' and column 's' has nulls: found 1 in this batch"),
    ]:
        with pytest.raises(Exception, match=message):
            ids(**params)


@pytest.mark.parametrize("oov", ["id", "null"])
@pytest.mark.parametrize("null", ["id", "null"])
def test_a_join_gives_the_same_ids(spark, oov, null):
    df = spark.createDataFrame([("a", 1, ["x"]), ("b", 2, None), ("a", None, [])], "s string, i int, l array<string>")
    model = Categorify(inputCols=["s", "i", "l"], outputCols=["i", "s", "l"], oovPolicy=oov, nullPolicy=null).fit(df)
    asked = spark.createDataFrame(
        [("a", 9, ["x", "q"]), (None, 2, None), ("c", None, [])], "s string, i int, l array<string>"
    )
    expected = model.transform(asked)
    joined = model.transform(asked, {model.joinAbove: 1})
    assert joined.schema == expected.schema
    assert sorted(map(str, joined.collect())) == sorted(map(str, expected.collect()))
    with pytest.raises(Exception, match=r"oovPolicy='error' and column '[sil]'"):
        model.transform(asked, {model.joinAbove: 1, model.oovPolicy: "error"}).collect()


def test_a_vocabulary_that_is_joined_is_never_broadcast(spark, capsys):
    df = spark.createDataFrame([("a",), ("b",)], "s string")
    model = Categorify(inputCols=["s"], outputCols=["i"], joinAbove=1).fit(df)
    model.transform(df).explain()
    plan = capsys.readouterr().out
    assert "SortMergeJoin" in plan
    assert "Broadcast" not in plan


def test_colliding_keys_lead_to_another_salt(spark, monkeypatch):
    real = vocabulary_module.xxhash64
    first = vocabulary_module.seed_of(0)

    def colliding(values, seed):
        return real(values, seed) * 0 + 5 if seed == first else real(values, seed)

    monkeypatch.setattr(vocabulary_module, "xxhash64", colliding)
    model = fit(frame(spark, ["a", "b"]))
    assert model._state.facts["salt"] == 1
    assert [r.s_id for r in model.transform(frame(spark, ["b", "a", "c"])).collect()] == [3, 2, 0]


@pytest.mark.parametrize(
    ("values", "params", "error", "message"),
    [
        ([], {}, DataError, "inputCols: found no rows, expected at least one value"),
        ([None, None], {}, DataError, "inputCols: found no value in column 's'"),
        (
            list("abc"),
            {"maxSize": 2},
            DataError,
            "maxSize: found 3 values in column 's', expected at most 2; raise minF",
        ),
        (
            ["a"],
            {"sharedVocabulary": [["s", "t"]]},
            ParamError,
            "sharedVocabulary: found 't', expected names of inputCols",
        ),
        (["a"], {"sharedVocabulary": [["s"], ["s"]]}, ParamError, "sharedVocabulary: found 's' 2 times"),
    ],
)
def test_what_cannot_be_fitted_is_refused(spark, values, params, error, message):
    with pytest.raises(error, match=message) as raised:
        fit(frame(spark, values), **params)
    assert "\n" not in str(raised.value) and str(raised.value).startswith("Categorify(Categorify_")


def test_truncation_keeps_the_most_frequent(spark):
    model = fit(frame(spark, list("aabbbc")), maxSize=2, maxSizePolicy="truncate")
    assert [r.value for r in model.vocabulary().orderBy("id").collect()] == ["b", "a"]


def test_rare_values_only_are_an_empty_vocabulary(spark):
    model = fit(frame(spark, list("abc")), minFrequency=2)
    assert [r.s_id for r in model.transform(frame(spark, ["a", None])).collect()] == [0, 1]


def test_columns_of_different_types_cannot_share(spark):
    df = spark.createDataFrame([("a", 1)], "u string, v int")
    with pytest.raises(ParamError, match=r"sharedVocabulary: found the types \['bigint', 'string'\]"):
        fit(df, ["u", "v"], sharedVocabulary=[["u", "v"]])


def test_a_column_of_another_type_than_at_fit_is_refused(spark):
    model = fit(frame(spark, ["1", "2"]))
    with pytest.raises(ColumnTypeError, match="found 's' to hold bigint values, expected string as at fit"):
        model.transform(frame(spark, [1], "int"))


def test_cardinality_and_vocabulary_survive_saving(spark, tmp_path):
    model = fit(frame(spark, ["a", "b", "b"]))
    model.save(str(tmp_path / "m"))
    back = aiok_spark.load(str(tmp_path / "m"))
    made = back.transform(frame(spark, ["a"]))
    assert made.schema["s_id"].metadata["ml_attr"] == {"type": "nominal", "name": "s_id", "num_vals": 4}
    assert sorted(map(tuple, back.vocabulary().collect())) == [(["s"], 2, "b", 2), (["s"], 3, "a", 1)]
    with pytest.raises(ParamError, match="inputCol: found 't', expected one of inputCols"):
        back.vocabulary("t")


def test_collated_texts_are_refused(spark):
    if spark.version < "4":
        pytest.skip("collations came with Spark 4")
    df = spark.sql("SELECT 'a' COLLATE UTF8_LCASE AS s")
    with pytest.raises(ColumnTypeError, match="expected string, integer"):
        fit(df)


def test_arrow_dictionaries_are_values(spark):
    model = fit(frame(spark, ["a", "b", "b"]))
    table = pa.table({"s": pa.array(["a", None, "q"]).dictionary_encode()})
    assert LocalPipeline([model]).transform(table)["s_id"].to_pylist() == [3, 1, 0]


def shown(model, column="s"):
    return [(r.id, r.value, r["count"]) for r in model.vocabulary(column).orderBy("id").collect()]


@pytest.mark.parametrize("partitions", [1, 4, 37])
def test_an_update_appends(spark, tmp_path, partitions):
    model = fit(frame(spark, ["b", "b", "c", "a"]))
    more = frame(spark, ["z", "a", "y", "z", None, "x", "b"]).repartition(partitions)
    updated = model.updated(more)
    assert shown(model) == [(2, "b", 2), (3, "a", 1), (4, "c", 1)]
    assert shown(updated) == [(2, "b", 3), (3, "a", 2), (4, "c", 1), (5, "z", 2), (6, "x", 1), (7, "y", 1)]
    updated.save(str(tmp_path / "m"))
    again = aiok_spark.load(str(tmp_path / "m")).updated(frame(spark, ["w", "z"]))
    assert shown(again)[3:] == [(5, "z", 3), (6, "x", 1), (7, "y", 1), (8, "w", 1)]
    assert_all_executions_agree(
        again, {"s": ["c", "z", "w", None, "q"]}, "s string", spark, lambda rows: {"s_id": [4, 5, 8, 1, 0]}
    )
    schemas = [m.transform(frame(spark, ["a"])).schema["s_id"].metadata["aiok"] for m in (model, updated, again)]
    assert schemas == [{"cardinality": 5}, {"cardinality": 8}, {"cardinality": 9}]


def test_an_update_of_shared_lists_and_numbers(spark):
    df = spark.createDataFrame([(5, [5, 7]), (None, [5])], "i int, l array<int>")
    model = fit(df, ["i", "l"], sharedVocabulary=[["i", "l"]])
    updated = model.updated(spark.createDataFrame([(9, [9, 7, None]), (9, None)], "i int, l array<int>"))
    assert shown(updated, "l") == [(2, "5", 3), (3, "7", 2), (4, "9", 3)]
    assert shown(updated.updated(spark.sql("SELECT NULL i, NULL l")), "i") == shown(updated, "i")


def test_an_update_obeys_the_params(spark):
    model = fit(frame(spark, ["a", "a", "b"]), minFrequency=2, maxSize=2)
    # The b of the fit is forgotten, as it was too rare then.
    assert shown(model.updated(frame(spark, ["b", "c", "c", "a"]))) == [(2, "a", 3), (3, "c", 2)]
    more = frame(spark, ["c", "c", "d", "d", "d"])
    with pytest.raises(DataError, match=r"CategorifyModel\(.*\): maxSize: found 3 values in column 's', expected at m"):
        model.updated(more)
    cut = model.copy({model.maxSizePolicy: "truncate"}).updated(more)
    assert shown(cut) == [(2, "a", 2), (3, "d", 3)]
    with pytest.raises(ColumnTypeError, match="found 's' to hold bigint values, expected string as at fit"):
        model.updated(frame(spark, [1], "int"))


def test_an_update_with_colliding_keys_takes_another_salt(spark, monkeypatch):
    model = fit(frame(spark, ["a"]))
    real, first = vocabulary_module.xxhash64, vocabulary_module.seed_of(0)

    def colliding(values, seed):
        return real(values, seed) * 0 + 5 if seed == first else real(values, seed)

    monkeypatch.setattr(vocabulary_module, "xxhash64", colliding)
    updated = model.updated(frame(spark, ["b"]))
    assert updated._state.facts["salt"] == 1
    assert [r.s_id for r in updated.transform(frame(spark, ["b", "a", "c"])).collect()] == [3, 2, 0]
