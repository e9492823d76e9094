"""TokenFrequency."""

import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import aiok_spark
from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError
from aiok_spark.feature import TokenFrequency
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing.compare import assert_all_executions_agree

pytestmark = pytest.mark.two_modes

SOME = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = ["spark", "Spark", "été", "ΣΊΣΥΦΟΣ", "don't", "東京", "a_b", "C3", "🙂🙂", "ж", "İ", "ẞ"]
TEXT = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=8).map(" ".join)
TEXTS = st.lists(st.none() | TEXT | st.text(max_size=12), min_size=1, max_size=12)


def words(text):
    """The documented rule, written out."""
    small = "".join(c.lower() if ord(c) < 0x530 and len(c.lower()) == 1 else c for c in text or "")

    def separates(c):
        n = ord(c)
        ascii_sign = n < 128 and not (c.isalnum() or c == "_")
        latin_sign = (128 <= n < 0xC0 and c not in "ªµº") or n in (0xD7, 0xF7, 0x1680)
        wide = any(a <= n <= b for a, b in [(0x2000, 0x2BFF), (0x2E00, 0x2E7F), (0x3000, 0x3004), (0x3008, 0x3020),
                                            (0x3030, 0x3030), (0xFE10, 0xFE1F), (0xFE30, 0xFE6F), (0xFF00, 0xFF0F),
                                            (0xFF1A, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65)])  # fmt: skip
        return ascii_sign or latin_sign or wide

    return "".join(" " if separates(c) else c for c in small).split(" ") if small else []


def vocabulary(texts, size=10_000, least=1):
    counts = Counter(w for text in texts for w in words(text) if w)
    kept = sorted((w for w in counts if counts[w] >= least), key=lambda w: (-counts[w], w.encode()))[:size]
    return {w: counts[w] for w in kept}


def bucket_of(vocabulary, number):
    total, before, made = sum(vocabulary.values()), 0, {}
    for word, count in vocabulary.items():
        made[word] = 1 + number * before // total
        before += count
    return made


def expected(result, texts, vocabulary, buckets, top):
    split = [None if t is None else [w for w in words(t) if w] for t in texts]
    if result == "counts":
        return {"s_counts": [[float((row or []).count(w)) for w in vocabulary] for row in split]}
    found = [None if row is None else [buckets.get(w, 0) for w in row] for row in split]
    if result == "buckets":
        return {"s_buckets": found}
    best = [
        None if row is None else sorted(set(row) - {0}, key=lambda b: (-row.count(b), b))[:top] + [0] * top
        for row in found
    ]
    return {f"s_top_{i + 1}": [row and row[i] for row in best] for i in range(top)}


def frame(spark, texts):
    return spark.createDataFrame([(t,) for t in texts], "s string")


def fit(df, **params):
    return TokenFrequency(inputCols=["s"], outputType="array", **params).fit(df)


@pytest.mark.parametrize("result", ["buckets", "top", "counts"])
@SOME
@given(TEXTS, TEXTS, st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
def test_words_mean_the_same_everywhere(spark, result, train, test, size, number, top):
    train = [*train, "z Z a"]
    model = fit(frame(spark, train), result=result, maxSize=size, numBuckets=number, numTop=top)
    known = vocabulary(train, size)
    assert model.words("s") == list(known)
    wanted = expected(result, test, known, bucket_of(known, number), top)
    assert_all_executions_agree(model, {"s": test}, "s string", spark, lambda _: wanted)


def test_buckets_are_used_about_equally(spark):
    texts = [f"w{i % 50} w{i % 7} the" for i in range(1000)]
    model = fit(frame(spark, texts), numBuckets=10)
    used = Counter(b for r in model.transform(frame(spark, texts)).collect() for b in r.s_buckets)
    assert used[1] == 1000  # the most common word is a third of all, and has a bucket of its own
    assert 2 not in used and sum(used.values()) == 3000
    assert all(150 <= used[b] <= 350 for b in used if b > 1)


@pytest.mark.parametrize("partitions", [1, 4, 37])
def test_words_do_not_depend_on_partitions_or_order(spark, partitions):
    texts = [f"v{i % 30 * (i % 7)} V1, v2!" for i in range(300)]
    df = frame(spark, texts[::-1] if partitions > 1 else texts).repartition(partitions)
    assert fit(df, maxSize=20).words("s") == list(vocabulary(texts, 20))


def test_several_columns_names_and_saving(spark, tmp_path):
    df = spark.createDataFrame([("a a b", "x"), (None, "")], "s string, t string")
    model = TokenFrequency(inputCols=["t", "s"], result="top", numBuckets=3, numTop=2).fit(df)
    model.save(str(tmp_path / "m"))
    made = aiok_spark.load(str(tmp_path / "m")).transform(df)
    assert made.columns == ["s", "t", "t_top_1", "t_top_2", "s_top_1", "s_top_2"]
    assert made.schema["s_top_1"].metadata["aiok"] == {"cardinality": 4}
    assert {tuple(r)[2:] for r in made.collect()} == {(1, 0, 1, 3), (0, 0, None, None)}
    assert LocalPipeline.load(str(tmp_path / "m")).transform({"s": "B", "t": "y"})["s_top_1"] == 3
    counts = TokenFrequency(inputCols=["s"], outputCols=["n"], result="counts").fit(df).transform(df)
    assert counts.schema["n"].metadata == {"ml_attr": {"num_attrs": 2}}
    assert sorted(r.n.toArray().tolist() for r in counts.collect()) == [[0.0, 0.0], [2.0, 1.0]]


def test_all_of_unicode_is_split_alike(spark):
    text = " ".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x11000), *range(0x1F300, 0x1F700)]))
    model = fit(frame(spark, [text]), maxSize=100_000)
    found = model.words("s")
    assert set(found) == {w for w in words(text) if w} and len(found) > 55_000
    assert not any(re.search(r"[\s!-/:-@\u00ab\u2013\u3001]", w) for w in found)


def test_refusals(spark):
    df = frame(spark, ["a b", None, "!?"])
    with pytest.raises(DataError, match="found no word that is 2 times in column 's', expected at least one; lower"):
        fit(df, minFrequency=2)
    with pytest.raises(ColumnTypeError, match="names 'id', found type bigint, expected string; join the words"):
        TokenFrequency(inputCols=["id"]).fit(spark.range(1))
    with pytest.raises(ParamError, match="maxSize: found 100001, expected at most 100000 for counts"):
        fit(df, result="counts", maxSize=100_001)
    with pytest.raises(ParamError, match=r"outputCols: found 1 names, expected 2: one for each of \['s_top_1', 's_to"):
        fit(df, result="top", outputCols=["x"])
    with pytest.raises(ParamError, match="inputCols: found no names, expected at least one"):
        TokenFrequency(inputCols=[]).fit(df)
    model = fit(df)
    with pytest.raises(ParamError, match="inputCol: found 't', expected one of inputCols"):
        model.words("t")
    with pytest.raises(DataError, match=r"found s=5 \(int\), .* expected a text"):
        LocalPipeline([model]).transform({"s": 5})
