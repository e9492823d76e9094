"""The estimator: search, training, model, as a stage among others."""

import math
import random

import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.sql.types import ArrayType, DoubleType, FloatType, IntegerType, StructField, StructType

import aiok_spark
from aiok_spark.core.errors import DataError, ParamError, ParamTypeError, PersistenceError, UnsafeClassError
from aiok_spark.feature import Categorify
from aiok_spark.inference import LocalPipeline
from aiok_spark.nas import CtrSpace, DENASEstimator, DENASModel
from aiok_spark.testing import check_stage
from tests.nas.spaces import SMALL

SPACE = CtrSpace(dims=(2, 4), widths=(8, 16), commons=(4,), crosses=(1,), bottomDepths=(0, 1), topDepths=(1, 2))
COLUMNS = {"denseCols": ["age"], "categoricalCols": ["city", "device"]}
QUICK = {"numCandidates": 4, "epochs": 2, "batchSize": 64, "engine": "local", "verbose": False}


def search(**settings):
    return DENASEstimator(**{"searchSpace": SPACE, **COLUMNS, **QUICK, **settings})


@pytest.fixture(scope="module")
def frame(spark):
    """Give a number, two columns of ids, and a label that follows from them."""
    draw = random.Random(0)
    rows = []
    for _ in range(200):
        age, city, device = draw.gauss(0, 1), draw.randrange(5), draw.randrange(3)
        rows.append((age, city, device, float(age + city * device > 3)))
    ids = [StructField(n, IntegerType(), True, {"aiok": {"cardinality": c}}) for n, c in (("city", 5), ("device", 3))]
    schema = StructType([StructField("age", DoubleType()), *ids, StructField("label", DoubleType())])
    return spark.createDataFrame(rows, schema)


@pytest.mark.two_modes
def test_it_is_a_first_class_citizen(frame):
    estimator = search(optimizer="sgd", learningRate=0.1, numCandidates=2)
    check_stage(estimator, frame.limit(40), labelCols=["label"], tolerance=1e-6)


def test_the_best_candidate_is_trained(frame, spark, tmp_path):
    model = search(epochs=20, optimizer="adagrad", learningRate=0.1, batchSize=20).fit(frame)
    summary = model.searchSummary
    assert model.architecture == summary.best.arguments
    assert sum(p.numel() for p in model.network().parameters()) == summary.best.params
    scored = model.transform(frame)
    assert BinaryClassificationEvaluator().evaluate(scored) > 0.9
    model.write().save(str(tmp_path / "model"))
    loaded = aiok_spark.load(str(tmp_path / "model"))
    assert isinstance(loaded, DENASModel)
    assert loaded.searchSummary.toPandas().equals(summary.toPandas())
    assert loaded.transform(frame).collect() == scored.collect()
    assert loaded.getSearchSpace() == SPACE


def test_it_nests_behind_features_and_scores_without_a_jvm(spark, frame, tmp_path):
    raw = frame.selectExpr("age", "cast(city as string) city", "cast(device as string) device", "label")
    names = ["city", "device"]
    model = Pipeline(stages=[Categorify(inputCols=names, outputCols=names), search()]).fit(raw)
    model.write().save(str(tmp_path / "flow"))
    expected = [row.prediction for row in PipelineModel.load(str(tmp_path / "flow")).transform(raw).collect()]
    found = LocalPipeline.load(str(tmp_path / "flow")).transform(raw.toPandas())
    assert list(found["prediction"]) == expected


def test_of_several_the_best_on_held_out_rows_is_kept(frame, capsys):
    model = search(topK=3, validationFraction=0.3, verbose=True, numCandidates=6).fit(frame)
    told = [line for line in capsys.readouterr().err.splitlines() if "is trained" in line]
    values = [float(line.rpartition(" ")[2]) for line in told]
    assert len(values) == 3
    kept = model.summary.history[model.summary.facts.get("weightsOf", 0) - 1]["validation_auc"]
    assert math.isclose(kept, max(values), rel_tol=1e-5)
    summary = model.searchSummary
    assert model.architecture == summary.best.arguments
    assert set(summary.trained) == {candidate.number for candidate in summary.ranking[:3]}
    assert summary.trained[summary.best.number] == max(summary.trained.values())
    rows = summary.toPandas()
    assert rows[rows["best"]]["candidate"].tolist() == [summary.best.number]
    assert rows["trained"].notna().sum() == 3


def test_a_search_of_images_and_of_tokens(spark):
    draw = random.Random(1)
    pixels = [([draw.random() for _ in range(64)], float(draw.randrange(3))) for _ in range(30)]
    images = spark.createDataFrame(
        pixels, StructType([StructField("pixels", ArrayType(FloatType())), StructField("label", DoubleType())])
    )
    common = {"problemType": "multiclass", "denseCols": ["pixels"], "categoricalCols": []}
    for name in ("cnn", "vit", "nasbench201"):
        model = search(searchSpace=SMALL[name][0], **common, numCandidates=2, epochs=1).fit(images)
        assert model.transform(images).where("prediction in (0, 1, 2)").count() == 30
    field = StructField("words", ArrayType(IntegerType()), True, {"aiok": {"cardinality": 90}})
    tokens = [([draw.randrange(90) for _ in range(6)], float(draw.randrange(2))) for _ in range(30)]
    texts = spark.createDataFrame(tokens, StructType([field, StructField("label", DoubleType())]))
    model = search(searchSpace=SMALL["bert"][0], denseCols=[], categoricalCols=["words"], numCandidates=2).fit(texts)
    assert model.transform(texts).where("prediction in (0, 1)").count() == 30


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"topK": 2}, "topK: found 2 and no rows that are held out"),
        ({"topK": 5, "validationFraction": 0.3}, "topK: found 5 with numCandidates=4"),
        ({"scoreRows": 1}, "scoreRows: found 1, expected 0 or at least 2"),
        ({"scores": ["zem"]}, "scores: found 'zem'"),
        ({"searchEngine": "pareto"}, "latency: found 'none' with 'pareto'"),
        ({"categoricalCols": ["city"]}, "searchSpace: ctr: found 1 columns of ids"),
    ],
)
def test_what_makes_no_sense_is_refused(frame, settings, message):
    with pytest.raises(ParamError, match=message):
        search(**settings).fit(frame)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("if(id < 3, null, age) age", r"denseCols: found 3 null, NaN or infinite values in 'age'.*FillMissing"),
        ("if(id < 2, 9, city) city", r"categoricalCols: found 2 ids .* in 'city', expected ids in \[0, 5\)"),
        ("if(id < 1, 7.0, label) label", "labelCol: found 1 labels"),
    ],
)
def test_rows_that_no_network_can_use_are_told_before_the_search(frame, broken, message, capsys):
    column = broken.split()[-1]
    numbered = frame.selectExpr("*", "monotonically_increasing_id() id")
    rows = numbered.selectExpr(*[broken if name == column else name for name in frame.columns])
    for field in frame.schema.fields:
        rows = rows.withMetadata(field.name, field.metadata)
    with pytest.raises(DataError, match=message):
        search(problemType="binary", numCandidates=10**6, verbose=True).fit(rows)
    assert "candidates" not in capsys.readouterr().out


def test_a_frame_without_rows_is_told_before_the_search(frame):
    with pytest.raises(DataError, match="found no rows to train on"):
        search(numCandidates=10**6).fit(frame.limit(0))


def test_params_are_checked_when_they_are_set():
    with pytest.raises(ParamTypeError, match="expected an ArchitectureSpace"):
        search(searchSpace=CtrSpace)
    with pytest.raises(ParamError, match=r"found 'crt', expected an .* one of \['bert', 'cnn', 'ctr'"):
        search(searchSpace="crt")
    assert search(searchSpace="ctr").getSearchSpace() == CtrSpace()
    with pytest.raises(ParamError, match="at least 9 and at most 3"):
        search(limits={"params": [9, 3]})


def of_mine(probe):
    return 1.0


def test_what_others_cannot_import_is_not_saved(frame, tmp_path):
    with pytest.raises(PersistenceError, match=r"of_mine.*move it into a module"):
        search(scores=[of_mine]).save(str(tmp_path / "stage"))
    search(scores=[of_mine], numCandidates=1).fit(frame).save(str(tmp_path / "model"))  # which scores no candidates
    assert aiok_spark.load(str(tmp_path / "model")).getScores() == ["of_mine"]
    stage = search(scores=["tests.nas.test_denas_estimator:of_mine"])
    stage.save(str(tmp_path / "named"))
    with pytest.raises(UnsafeClassError, match="of_mine"):
        aiok_spark.load(str(tmp_path / "named"))
