"""Saving and loading: formats, guards, damage."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.ml import Pipeline, PipelineModel, Transformer
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.tuning import CrossValidator
from pyspark.sql.types import IntegerType, StructField

import aiok_spark
from aiok_spark.core.errors import PathExistsError, PersistenceError, UnsafeClassError
from aiok_spark.core.params import HasInputCols, HasOutputCols
from aiok_spark.core.persistence import BLOB_CHUNK
from aiok_spark.core.stage import RowLocalModel
from aiok_spark.core.state import State
from aiok_spark.feature import Categorify, CategorifyModel, Clip
from aiok_spark.inference import LocalPipeline


class Blob(RowLocalModel, HasInputCols, HasOutputCols):
    """A model with all three kinds of state."""

    def _output_fields(self, inputs):
        return [StructField(n, IntegerType()) for n in self._paired_outputs()]


@pytest.fixture(scope="module")
def words(spark):
    return spark.createDataFrame([("a",), ("b",), ("a",), (None,)], "s string")


@pytest.fixture
def saved(words, tmp_path):
    """A saved PipelineModel of two stages."""
    stages = [Categorify(inputCols=["s"], outputCols=["id"]), Clip(inputCols=["id"], outputCols=["id"], upper=2.0)]
    path = str(tmp_path / "model")
    Pipeline(stages=stages).fit(words).save(path)
    return path


def metadata_file(path):
    return next(p for p in Path(path, "metadata").iterdir() if p.name.startswith("part-"))


def change_metadata(path, **changes):
    file = metadata_file(path)
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}) + "\n")
    for crc in file.parent.glob(".*.crc"):
        crc.unlink()


def stage_path(path, i):
    return str(sorted(Path(path, "stages").iterdir())[i])


LOADERS = [aiok_spark.load, LocalPipeline.load]


def test_all_kinds_of_state_come_back(spark, tmp_path, monkeypatch):
    aiok_spark.register(Blob)
    bytes_ = bytes(range(256)) * (BLOB_CHUNK // 256) + b"the end"
    model = Blob().setParams(inputCols=["s"], outputCols=["o"])
    facts = {"mean": 0.1 + 0.2, "names": ["ä", "b"], "nested": {"k": [1, None]}}
    table = pa.table({"id": pa.array([2, 1], pa.int32()), "text": ["x", "ÿ"], "key": pa.array([2**62, -1], pa.int64())})
    model._state = State(facts, {"t": table}, {"weights": bytes_, "empty": b""})
    path = str(tmp_path / "m")
    model.save(path)
    for back in (aiok_spark.load(path), Blob.load(path), LocalPipeline.load(path).stages[0]):
        assert back.uid == model.uid
        assert back._state.facts == facts
        assert back._state.tables["t"].sort_by("id") == table.sort_by("id")
        assert back._state.blobs == {"weights": bytes_, "empty": b""}


def test_nothing_on_disk_is_a_pickle(saved):
    kinds = {p.suffix for p in Path(saved).rglob("*") if p.is_file() and p.name not in {"_SUCCESS"}}
    assert kinds <= {"", ".txt", ".parquet", ".crc"}
    assert not any(p.read_bytes().startswith(b"\x80") for p in Path(saved).rglob("part-*"))


def test_an_existing_path_is_not_overwritten_unless_asked(words, tmp_path):
    model = Categorify(inputCols=["s"], outputCols=["id"]).fit(words)
    path = str(tmp_path / "m")
    model.save(path)
    before = metadata_file(path).read_text()
    with pytest.raises(
        PathExistsError, match=r"CategorifyModel\(Categorify_\w+\): save: found something at .*overwrite"
    ):
        model.save(path)
    assert metadata_file(path).read_text() == before
    model.write().overwrite().save(path)
    assert CategorifyModel.load(path).transform(words).count() == 4


@pytest.mark.parametrize("load", LOADERS)
def test_a_class_off_the_allow_list_is_not_imported(spark, saved, load):
    change_metadata(stage_path(saved, 1), **{"class": "antigravity.Payload"})
    with pytest.raises(UnsafeClassError, match=r"names 'antigravity.Payload', expected a class of aiok_spark"):
        load(saved)


@pytest.mark.parametrize("load", LOADERS)
def test_a_function_of_an_allowed_package_is_no_stage(spark, saved, load):
    change_metadata(stage_path(saved, 1), **{"class": "aiok_spark.core.ship.ship"})
    with pytest.raises(UnsafeClassError, match="expected a Spark ML stage class"):
        load(saved)


def test_a_registered_class_of_ones_own_loads(spark, tmp_path):
    aiok_spark.register(Blob)
    path = str(tmp_path / "m")
    Blob().setParams(inputCols=["s"], outputCols=["o"]).save(path)
    assert aiok_spark.load(path).getInputCols() == ["s"]


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("version", [99, "x", None])
def test_a_newer_format_is_refused(spark, saved, load, version):
    change_metadata(stage_path(saved, 0), formatVersion=version, aiokVersion="99.0")
    with pytest.raises(PersistenceError, match=r"found formatVersion .*99.0.*upgrade aiok_spark"):
        load(saved)


@pytest.mark.parametrize("load", LOADERS)
def test_a_truncated_table_is_noticed(spark, saved, load):
    file = next(Path(stage_path(saved, 0), "data", "vocabulary").glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-10])
    for crc in file.parent.glob(".*.crc"):
        crc.unlink()
    with pytest.raises(PersistenceError, match=r"data/vocabulary: found no readable Parquet"):
        load(saved)


@pytest.mark.parametrize("load", LOADERS)
def test_missing_rows_are_noticed(spark, saved, load):
    folder = Path(stage_path(saved, 0), "data", "vocabulary")
    for file in folder.glob("*.parquet"):
        if rows := pq.read_table(file).num_rows:
            pq.write_table(pq.read_table(file).slice(0, rows - 1), file)
    for crc in folder.glob(".*.crc"):
        crc.unlink()
    with pytest.raises(PersistenceError, match=r"found \d rows, expected 2"):
        load(saved)


@pytest.mark.parametrize("load", LOADERS)
def test_truncated_metadata_is_noticed(spark, saved, load):
    file = metadata_file(stage_path(saved, 0))
    file.write_text(file.read_text()[:40])
    for crc in file.parent.glob(".*.crc"):
        crc.unlink()
    with pytest.raises(PersistenceError, match=r"metadata: found .*expected JSON"):
        load(saved)


@pytest.mark.parametrize("load", LOADERS)
def test_a_path_with_nothing_or_with_something_else(spark, tmp_path, load):
    with pytest.raises(PersistenceError, match=r"found (nothing|no metadata), expected a saved"):
        load(str(tmp_path / "absent"))
    (tmp_path / "else").mkdir()
    with pytest.raises(PersistenceError, match=r"found no metadata, expected a saved"):
        load(str(tmp_path / "else"))


def test_what_cannot_be_saved_writes_nothing(words, tmp_path):
    model = Categorify(inputCols=["s"], outputCols=["id"]).fit(words)
    model._state = State({"not": {1, 2}}, model._state.tables)  # a set is no JSON, so the metadata cannot be written
    path = str(tmp_path / "m")
    with pytest.raises(PersistenceError, match=r"save: found a Param or fact that JSON cannot hold .* nothing was"):
        model.save(path)
    assert not Path(path).exists()


def test_an_overwrite_that_fails_leaves_the_old_model(words, tmp_path):
    model = Categorify(inputCols=["s"], outputCols=["id"]).fit(words)
    path = str(tmp_path / "m")
    model.save(path)
    model._state = State({"not": float("nan")}, model._state.tables)
    with pytest.raises(PersistenceError, match="JSON cannot hold"):
        model.write().overwrite().save(path)
    assert CategorifyModel.load(path).transform(words).count() == 4


def test_an_interrupted_save_is_not_taken_for_a_model(saved):
    shutil.rmtree(Path(stage_path(saved, 0), "metadata"))
    with pytest.raises(PersistenceError, match="found no metadata, expected a saved stage"):
        CategorifyModel.load(stage_path(saved, 0))


def test_a_second_metadata_file_cannot_hide_a_class(spark, saved):
    Path(stage_path(saved, 1), "metadata", "data.json").write_text('{"class": "antigravity.Payload", "uid": "x"}\n')
    with pytest.raises(PersistenceError, match="found more than one line of metadata"):
        aiok_spark.load(saved)


@pytest.mark.parametrize("uid", ["../../elsewhere", "x/_hidden", ".hidden", "_hidden", ""])
def test_a_stage_cannot_be_named_to_lie_elsewhere(spark, saved, uid):
    change_metadata(saved, paramMap={"stageUids": [uid], "language": "Python"})
    with pytest.raises(UnsafeClassError, match="names a place"):
        aiok_spark.load(saved)


def test_a_class_deep_in_a_cross_validator_is_checked(words, tmp_path):
    inner = Pipeline(stages=[Categorify(inputCols=["s"], outputCols=["prediction"])])
    validator = CrossValidator(estimator=inner, estimatorParamMaps=[{}], evaluator=RegressionEvaluator(), numFolds=2)
    path = str(tmp_path / "cv")
    validator.save(path)
    assert aiok_spark.load(path).uid == validator.uid
    nested = next(Path(path, "estimator", "stages").iterdir())
    change_metadata(nested, **{"class": "antigravity.Payload"})
    with pytest.raises(UnsafeClassError, match=r"antigravity.Payload"):
        aiok_spark.load(path)


def test_loading_by_the_wrong_class_says_which_is_right(words, tmp_path):
    Categorify(inputCols=["s"], outputCols=["id"]).fit(words).save(str(tmp_path / "m"))
    with pytest.raises(
        PersistenceError, match=r"found a saved CategorifyModel, expected a Clip; use CategorifyModel.load"
    ):
        Clip.load(str(tmp_path / "m"))


def test_stock_pipelines_load_with_our_load_and_ours_with_stock(spark, saved, words, tmp_path):
    expected = PipelineModel.load(saved).transform(words).collect()
    assert aiok_spark.load(saved).transform(words).collect() == expected
    Pipeline(stages=[VectorAssembler(inputCols=["x"], outputCol="v")]).save(str(tmp_path / "p"))
    assert isinstance(aiok_spark.load(str(tmp_path / "p")).getStages()[0], Transformer)
