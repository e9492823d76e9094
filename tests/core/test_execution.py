"""How stages run on Spark: pruning, push-down, fusion, and equal results of all ways."""

from functools import partial

import pyspark
import pytest
from pyspark.ml import Pipeline
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, StructField

from aiok_spark.core import execution
from aiok_spark.core.params import HasInputCols, HasOutputCols
from aiok_spark.core.stage import RowLocalTransformer
from aiok_spark.feature import Categorify, Clip, CountEncode, FillMissing, HashBuckets, LogTransform
from aiok_spark.kernels import numeric

ARROW_UDF = tuple(map(int, pyspark.__version__.split(".")[:2])) >= (4, 1)


class KernelOnly(RowLocalTransformer, HasInputCols, HasOutputCols):
    """A stage with nothing but a kernel, for all columns at once."""

    def _output_fields(self, inputs):
        return [StructField(name, DoubleType()) for name in self._paired_outputs()]

    def _kernel_types(self, inputs):
        return [DoubleType()] * len(inputs)

    def _kernel(self):
        return partial(numeric.clip, lower=0.0, upper=None)


def kernel_only(inputs, outputs):
    return KernelOnly().setParams(inputCols=inputs, outputCols=outputs)


def plan_of(df, capfd):
    capfd.readouterr()
    df.explain()
    return capfd.readouterr().out


def crossings(plan):
    return plan.count("ArrowEvalPython") + plan.count("MapInArrow")


@pytest.fixture
def numbers(spark):
    return spark.createDataFrame(
        [(1.0, -2.0, "a"), (None, float("nan"), None), (-3.5, 4.0, "b")], "x double, y double, s string"
    )


@pytest.fixture
def parquet(spark, tmp_path):
    rows = [(i, i * 1.5, f"v{i % 7}", f"w{i % 3}", "unused") for i in range(100)]
    spark.createDataFrame(rows, "i int, d double, a string, b string, u string").write.parquet(str(tmp_path / "t"))
    return spark.read.parquet(str(tmp_path / "t"))


def scan_of(plan):
    return next(line for line in plan.splitlines() if "FileScan parquet" in line)


@pytest.mark.parametrize("way", ["expressions", "arrow_udf", "pandas_udf"])
def test_only_needed_columns_and_the_filter_reach_the_scan(parquet, capfd, way):
    pipeline = Pipeline(
        stages=[
            LogTransform(inputCols=["d"], outputCols=["d_log"]),
            Categorify(inputCols=["a", "b"], outputCols=["a_id", "b_id"]),
        ]
    )
    model = pipeline.fit(parquet)
    with execution.forced(way):
        scan = scan_of(plan_of(model.transform(parquet).where("i > 50").select("a_id"), capfd))
    assert "ReadSchema: struct<i:int,a:string>" in scan
    assert "GreaterThan(i,50)" in scan


def test_map_in_arrow_hides_the_plan_as_the_docs_say(parquet, capfd):
    with execution.forced("mapInArrow"):
        made = Clip(inputCols=["d"], outputCols=["d"], lower=0.0).transform(parquet)
        assert "u:string" in scan_of(plan_of(made.where("i > 50").select("d"), capfd))


def test_a_stage_with_expressions_stays_in_the_jvm(numbers, capfd):
    made = LogTransform(inputCols=["x"], outputCols=["x"]).transform(
        Clip(inputCols=["x"], outputCols=["x"], lower=0.0).transform(numbers)
    )
    assert crossings(plan_of(made, capfd)) == 0


def test_neighbouring_kernels_cross_once(numbers, capfd):
    made = numbers
    for stage in (kernel_only(["x"], ["x2"]), kernel_only(["x2", "y"], ["x3", "y"]), kernel_only(["y"], ["y3"])):
        made = stage.transform(made)
    assert crossings(plan_of(made, capfd)) == 1
    assert [tuple(r) for r in made.select("x3", "y3").collect()][::2] == [(1.0, 0.0), (0.0, 4.0)]


def test_an_expression_stage_that_reads_a_kernels_output_joins_its_crossing(numbers, capfd):
    made = Clip(inputCols=["x2"], outputCols=["x2"], upper=0.5).transform(kernel_only(["x"], ["x2"]).transform(numbers))
    made = kernel_only(["x2"], ["x3"]).transform(made)
    assert crossings(plan_of(made, capfd)) == 1
    assert [r.x3 for r in made.collect()] == [0.5, None, 0.0]


def test_an_expression_stage_beside_a_kernel_goes_before_the_crossing(numbers, capfd):
    made = HashBuckets(inputCols=["s"], outputCols=["h"], numBuckets=5).transform(
        kernel_only(["x"], ["x2"]).transform(numbers)
    )
    made = kernel_only(["y"], ["y2"]).transform(made)
    assert crossings(plan_of(made, capfd)) == 1
    assert made.columns == ["x", "y", "s", "x2", "h", "y2"]


def test_a_join_of_fitted_keys_goes_before_the_crossing(numbers, capfd):
    counts = CountEncode(inputCols=["s"], outputCols=["n"], verbose=False).fit(numbers)
    assert "BroadcastHashJoin" in (alone := plan_of(counts.transform(numbers), capfd))
    assert "ArrowEvalPython" not in alone
    first, second = kernel_only(["x"], ["x2"]), kernel_only(["x2"], ["x3"])
    made = second.transform(counts.transform(first.transform(numbers)))
    plan = plan_of(made, capfd)
    assert "BroadcastHashJoin" in plan
    assert plan.count("ArrowEvalPython") == 1
    assert sorted(row.n for row in made.collect()) == [1, 1, 1]


def test_many_keys_cross_with_the_others(numbers, capfd):
    names = [f"n{i}" for i in range(5)]
    counts = CountEncode(inputCols=["s"] * 5, outputCols=names, verbose=False).fit(numbers)
    plan = plan_of(counts.transform(numbers), capfd)
    assert "Join" not in plan and plan.count("ArrowEvalPython") == 1


def test_any_other_operation_ends_the_run(numbers, capfd):
    first = kernel_only(["x"], ["x2"]).transform(numbers).where("x2 IS NOT NULL")
    made = kernel_only(["x2"], ["x3"]).transform(first)
    assert [r.x3 for r in made.collect()] == [1.0, 0.0]
    assert "x2" in made.columns


def test_a_column_replaced_later_is_read_in_its_older_version_before(numbers):
    made = kernel_only(["x"], ["a"]).transform(numbers)  # reads the first x
    made = kernel_only(["y"], ["x"]).transform(made)  # replaces it
    made = kernel_only(["x"], ["b"]).transform(made)  # reads the second
    rows = made.select("a", "b").collect()
    assert [r.a for r in rows] == [1.0, None, 0.0]
    assert [r.b for r in rows][::2] == [0.0, 4.0]


def test_the_source_of_a_run_is_left_alone(numbers):
    kernel_only(["x"], ["x2"]).transform(numbers)
    assert numbers.columns == ["x", "y", "s"]
    assert numbers.schema.names == ["x", "y", "s"]


@pytest.mark.parametrize("way", execution.WAYS)
def test_null_nan_and_large_integers_survive_every_way(spark, way):
    df = spark.createDataFrame([(2**60 + 1, None), (None, float("nan")), (-5, 1.5)], "i long, d double")
    with execution.forced(way):
        made = FillMissing(inputCols=["i"], outputCols=["i2"], strategy="constant", value=0).fit(df).transform(df)
        made = kernel_only(["d"], ["d2"]).transform(made)
        rows = made.collect()
    assert [r.i2 for r in rows] == [2**60 + 1, 0, -5]
    assert [str(r.d2) for r in rows] == ["None", "nan", "1.5"]


def test_odd_names_and_types_beside_the_inputs_pass(spark):
    df = spark.sql(
        "SELECT 1.0D AS `a.b`, -2.0D AS `c ``d`, map(1, 'x') AS m, INTERVAL '1' YEAR AS iv, "
        "named_struct('p', array(1)) AS st, CAST(1.5 AS DECIMAL(5,2)) AS de"
    )
    made = kernel_only(["a.b", "c `d"], ["a.b", "e.f"]).transform(df)
    assert made.columns == ["a.b", "c `d", "m", "iv", "st", "de", "e.f"]
    row = made.drop("iv").collect()[0]
    assert (row["a.b"], row["e.f"], row["m"]) == (1.0, 0.0, {1: "x"})


def test_metadata_of_outputs_and_of_other_columns_is_kept(spark):
    df = spark.createDataFrame([("a", 1.0)], "s string, x double").withMetadata("x", {"unit": "m"})
    model = Categorify(inputCols=["s"], outputCols=["id"]).fit(df)
    for way in execution.WAYS:
        with execution.forced(way):
            schema = kernel_only(["x"], ["x2"]).transform(model.transform(df)).schema
        assert schema["x"].metadata == {"unit": "m"}
        assert schema["id"].metadata["aiok"] == {"cardinality": 3}
        assert schema["id"].metadata["ml_attr"]["num_vals"] == 3


def test_forced_refuses_an_unknown_way():
    with pytest.raises(ValueError, match="way: found 'rdd', expected one of"), execution.forced("rdd"):
        pass


def test_columns_of_equal_names_that_a_stage_does_not_use_are_no_obstacle(spark):
    df = spark.createDataFrame([(1.0, 2.0, 3.0)], "x double, y double, z double").select(
        "x", "y", F.col("z").alias("y")
    )
    assert [list(r) for r in kernel_only(["x"], ["x2"]).transform(df).collect()] == [[1.0, 2.0, 3.0, 1.0]]
