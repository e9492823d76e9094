"""LocalPipeline: formats, equality with Spark, errors, and no JVM."""

import math
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.feature import VectorAssembler
from pyspark.sql.types import DoubleType, StructField

import aiok_spark
from aiok_spark.core.errors import ColumnError, ColumnTypeError, DataError, NotLocalError
from aiok_spark.core.params import HasInputCols, HasOutputCols
from aiok_spark.core.stage import RowLocalTransformer
from aiok_spark.feature import Categorify, Clip, FillMissing, LogTransform
from aiok_spark.inference import LocalPipeline
from aiok_spark.kernels import numeric

ROWS = [
    {"i": 1, "d": 2.0, "s": "a", "l": ["x", "y"], "kept": "k"},
    {"i": None, "d": None, "s": "b", "l": ["y", None], "kept": None},
    {"i": 3, "d": -1.5, "s": None, "l": None, "kept": "k"},
    {"i": 4, "d": 0.0, "s": "a", "l": [], "kept": "k"},
]


@pytest.fixture(scope="module")
def fitted(spark, tmp_path_factory):
    """A saved pipeline and the rows that Spark makes of ROWS."""
    df = spark.createDataFrame(ROWS, "i int, d double, s string, l array<string>, kept string")
    model = Pipeline(
        stages=[
            FillMissing(inputCols=["i", "d"], outputCols=["i", "d"], strategy="mean"),
            Clip(inputCols=["d"], outputCols=["d"], lower=0.0),
            LogTransform(inputCols=["d"], outputCols=["d_log"]),
            Categorify(inputCols=["s", "l"], outputCols=["s_id", "l_id"]),
        ]
    ).fit(df)
    path = str(tmp_path_factory.mktemp("local") / "model")
    model.save(path)
    return path, [row.asDict() for row in model.transform(df).collect()]


@pytest.fixture(scope="module")
def local(fitted):
    return LocalPipeline.load(fitted[0])


@pytest.fixture(scope="module")
def expected(fitted):
    return fitted[1]


def lists(rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


def agree(found, expected):
    assert list(found) == list(expected)
    for name, value in expected.items():
        if isinstance(value, float):
            assert found[name] == pytest.approx(value, rel=4e-16), name
        else:
            assert found[name] == value, name


def test_one_row(local, expected):
    for row, want in zip(ROWS, expected, strict=True):
        before = dict(row)
        agree(local.transform(row), want)
        assert row == before


def test_a_dict_of_lists(local, expected):
    made = local.transform(lists(ROWS))
    for i, want in enumerate(expected):
        agree({name: values[i] for name, values in made.items()}, want)


@pytest.mark.parametrize("kind", [pa.Table, pa.RecordBatch])
def test_arrow(local, expected, kind):
    made = local.transform(kind.from_pydict(lists(ROWS)))
    assert type(made) is kind
    for found, want in zip(made.to_pylist(), expected, strict=True):
        agree(found, want)


@pytest.mark.filterwarnings("error")
def test_what_spark_leaves_on_a_pandas_frame_is_not_warned_of():
    rows = pd.DataFrame({"x": [1.0]})
    rows.attrs["metrics"] = [object()]  # as toPandas over Connect does
    found = LocalPipeline([Clip(inputCols=["x"], outputCols=["x"], upper=0.5)]).transform(rows)
    assert found["x"].tolist() == [0.5] and found.attrs.keys() == {"metrics"}


def test_pandas_keeps_index_and_untouched_columns(local, expected):
    frame = pd.DataFrame(lists(ROWS), index=list("wxyz"))
    made = local.transform(frame)
    assert list(made.index) == list("wxyz") and made["kept"] is not None
    assert made["d_log"].tolist() == pytest.approx([row["d_log"] for row in expected])
    assert made["s_id"].tolist() == [row["s_id"] for row in expected] and made["s_id"].dtype == np.int32
    assert math.isnan(frame["d"]["x"])  # the caller's frame is untouched


def test_no_rows(local):
    table = pa.Table.from_pydict(lists(ROWS)).slice(0, 0)
    assert local.transform(table).num_rows == 0
    assert local.transform(table).schema.field("s_id").type == pa.int32()


def test_a_stage_without_a_row_kernel_serves_rows_too():
    class Plain(RowLocalTransformer, HasInputCols, HasOutputCols):
        def _output_fields(self, inputs):
            return [StructField(name, DoubleType()) for name in self._paired_outputs()]

        def _kernel(self):
            return partial(numeric.clip, lower=0.0, upper=None)

    stage = Plain().setParams(inputCols=["x", "y"], outputCols=["x", "z"])
    assert LocalPipeline([stage]).transform({"x": -1, "y": None}) == {"x": 0.0, "y": None, "z": None}


def test_threads_share_one_pipeline(local, expected):
    wrong = []

    def score():
        for _ in range(50):
            for row, want in zip(ROWS, expected, strict=True):
                if local.transform(row)["s_id"] != want["s_id"] or local.transform(lists([row]))["l_id"] != [
                    want["l_id"]
                ]:
                    wrong.append(row)

    threads = [threading.Thread(target=score) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert wrong == []


def test_no_jvm_and_no_torch(fitted):
    code = f"""
import sys
from aiok_spark.inference import LocalPipeline
made = LocalPipeline.load({fitted[0]!r}).transform({{"i": 1, "d": 2.0, "s": "a", "l": ["x"], "kept": 0}})
assert made["s_id"] == 2, made
from pyspark import SparkContext
assert SparkContext._gateway is None and "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"i": 1, "d": 2.0, "l": []}, ColumnError, r"found no 's' in the row, expected \['i', 'd', 's', 'l'\]"),
        (
            {**ROWS[0], "d": "2"},
            DataError,
            r"Clip\(Clip_\w+\): found d='2' \(str\), expected|FillMissingModel\(.*found d='2'",
        ),
        ({**ROWS[0], "s": 5}, DataError, r"CategorifyModel\(.*\): found s=5 \(int\), expected .*was str at fit"),
        ({**lists(ROWS), "i": [1]}, DataError, "found lists of unequal length .*'i': 1"),
        ({**lists(ROWS), "i": [1, "a", 2, 3]}, DataError, "column 'i': found values of several types"),
        (
            {**lists(ROWS), "d": list("abcd")},
            ColumnTypeError,
            "inputCols names 'd', found type string, expected a numeric",
        ),
        ([1, 2], DataError, "LocalPipeline: found list, expected a dict, a pandas DataFrame"),
        (pa.table({"i": [1]}), ColumnError, "inputCols names 'd', found no such column"),
    ],
)
def test_bad_input_is_named(local, data, error, message):
    with pytest.raises(error, match=message):
        local.transform(data)


def test_stages_that_need_spark_are_refused_by_name(spark, tmp_path):
    df = spark.createDataFrame([(1.0,)], "x double")
    model = Pipeline(
        stages=[Clip(inputCols=["x"], outputCols=["x"], lower=0.0), VectorAssembler(inputCols=["x"], outputCol="v")]
    )
    model.fit(df).save(str(tmp_path / "m"))
    with pytest.raises(NotLocalError, match=r"VectorAssembler\(VectorAssembler_\w+\): found a stage that needs Spark"):
        LocalPipeline.load(str(tmp_path / "m"))
    Categorify(inputCols=["x"], outputCols=["y"]).save(str(tmp_path / "e"))
    with pytest.raises(NotLocalError, match=r"Categorify\(Categorify_\w+\): found a stage that needs Spark"):
        LocalPipeline.load(str(tmp_path / "e"))


def test_a_single_saved_stage_and_a_nested_pipeline_load(spark, tmp_path):
    inner = Pipeline(stages=[Clip(inputCols=["x"], outputCols=["x"], lower=0.0)])
    model = Pipeline(stages=[inner, Clip(inputCols=["x"], outputCols=["x"], upper=1.0)]).fit(
        spark.createDataFrame([(1.0,)], "x double")
    )
    model.save(str(tmp_path / "nested"))
    assert LocalPipeline.load("file://" + str(tmp_path / "nested")).transform({"x": 7}) == {"x": 1.0}
    Clip(inputCols=["x"], outputCols=["x"], lower=0.0).save(str(tmp_path / "one"))
    assert LocalPipeline.load(str(tmp_path / "one")).transform({"x": -7.0}) == {"x": 0.0}
    assert aiok_spark.load(str(tmp_path / "nested")).uid == model.uid
