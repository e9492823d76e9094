"""The commands, as they are typed."""

import pytest
from pyspark.ml import Model
from pyspark.sql import functions as F

import aiok_spark
from aiok_spark.cli import main
from aiok_spark.tuning import TunedModel

pytestmark = pytest.mark.two_modes


@pytest.fixture(scope="module")
def place(spark, tmp_path_factory):
    """Give a directory with rows."""
    folder = tmp_path_factory.mktemp("tune")
    rows = spark.range(200).select(F.rand(1).alias("a"), F.rand(2).alias("b"))
    rows.withColumn("label", (F.col("a") > F.col("b")).cast("double")).write.parquet(str(folder / "rows"))
    return folder


def test_advice_is_printed(place, capsys):
    main(["advise", "linear_svm", str(place / "rows"), "--set", "denseCols=[a, b]"])
    told = capsys.readouterr().out
    assert "rows = 200" in told and "search regParam = [1e-06, 0.1]" in told


def test_a_search_leaves_model_journal_and_report(place, capsys):
    out = place / "out"
    given = ["--set", "denseCols=[a, b]", "--set", "engine=local", "--set", "epochs=1", "--service", "random"]
    main(["tune", "linear_svm", str(place / "rows"), *given, "--trials", "2", "--output", str(out)])
    told = capsys.readouterr().out
    assert "Chosen by random (as asked). Best of 2: trial" in told
    assert sorted(file.name for file in out.iterdir()) == ["journal.jsonl", "model", "report.html"]
    model = aiok_spark.load(str(out / "model"))
    assert isinstance(model, TunedModel) and isinstance(model.bestModel, Model)
    with pytest.raises(SystemExit, match=r"found .*model already, expected nothing there"):
        main(["tune", "linear_svm", str(place / "rows"), *given, "--output", str(out)])


def test_an_option_without_a_value_is_told(place):
    with pytest.raises(SystemExit, match="--set denseCols: found no '='"):
        main(["advise", "linear_svm", str(place / "rows"), "--set", "denseCols"])
