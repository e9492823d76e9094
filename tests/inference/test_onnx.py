"""LocalPipeline by onnxruntime: the scores of torch, for any number of rows."""

import re
import subprocess
import sys
import tempfile
import threading
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from torch import nn
from training.staged import Small

from aiok_spark.core.errors import DataError, ParamError, PersistenceError
from aiok_spark.core.state import State
from aiok_spark.feature import Clip
from aiok_spark.inference import LocalPipeline
from aiok_spark.models import (
    DLRMClassificationModel,
    LinearSVMModel,
    MLPClassificationModel,
    MLPRegressionModel,
)
from aiok_spark.training import TorchEstimator, TorchModel
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.references import reference
from aiok_spark.training.task import BINARY, MULTICLASS, REGRESSION, TrainTask
from aiok_spark.training.worker import weights

# Not imported here: whoever does that first decides whether onnxruntime reports its use to its maker.
pytestmark = pytest.mark.skipif(find_spec("onnxruntime") is None, reason="needs the extra onnx")

DENSE, IDS, SIZES = ["a", "b"], ["c", "d"], {"c": 7, "d": 300}


def fitted(model, kind=BINARY, classes=2, dense=DENSE, ids=(), widths=None, **params):
    """A model as a fit would leave it, with first weights."""
    model.setParams(denseCols=dense, categoricalCols=list(ids), **params)
    spec = FeatureSpec(tuple(dense), tuple(widths or (1,) * len(dense)), tuple(ids), tuple(SIZES[c] for c in ids))
    name, live = reference(model._network())
    task = TrainTask(
        network=name,
        arguments=dict(model._arguments()),
        features=spec,
        kind=kind,
        numClasses=classes,
        precision=params.get("precision", "float32"),
        seed=3,
        live=live,
    )
    network = weights.build(task)
    with torch.no_grad():  # as a trained one has them; some first weights are all zero
        for p in network.parameters():
            p.add_(torch.randn_like(p) / 10)
    model._state = State({"task": task.to_json()}, blobs={"weights": weights.to_bytes(network.state_dict())})
    return model


class Lengths(nn.Linear):
    """Asks for the number of rows in a way that a plain trace takes for a constant."""

    def __init__(self):
        super().__init__(2, 1)

    def forward(self, dense):
        return super().forward(dense.view(len(dense), -1)) + torch.zeros(len(dense), 1)


LAYERS = {"embeddingDim": 4, "bottomLayers": [8], "topLayers": [8]}
NETS = {
    "dlrm": lambda: fitted(DLRMClassificationModel(), ids=IDS, **LAYERS),
    "dlrm without numbers": lambda: fitted(DLRMClassificationModel(), dense=[], ids=IDS, **LAYERS),
    "mlp of classes": lambda: fitted(MLPClassificationModel(), MULTICLASS, 4, ids=IDS, hiddenLayers=[8], dropout=0.5),
    "mlp of numbers": lambda: fitted(MLPRegressionModel(), REGRESSION, 0, hiddenLayers=[8]),
    "svm": lambda: fitted(LinearSVMModel()),
    "user's": lambda: fitted(TorchModel(), ids=IDS, module=Small, moduleArgs={"dropout": 0.5}),
    "user's with len": lambda: fitted(TorchModel(), module=Lengths),
    "user's in float64": lambda: fitted(TorchModel(), ids=IDS, module=Small, precision="float64"),
    "user's of a notebook": lambda: fitted(
        TorchModel(), module=lambda: nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    ),
}


@pytest.fixture(scope="module")
def pairs():
    """Give each model with its pipeline, made once: a conversion takes a second."""
    made = {}

    def get(name):
        if name not in made:
            model = NETS[name]()
            made[name] = model, LocalPipeline([model], runtime="onnxruntime")
        return made[name]

    return get


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    numbers = {name: rng.normal(size=n) for name in DENSE}
    return pa.table({**numbers, **{name: rng.integers(0, SIZES[name], n) for name in IDS}})


def expected(model, table):
    """What torch's plain forward and numpy's formulas give, by column."""
    task = model.task
    real = torch.float64 if task.precision == "float64" else torch.float32
    tensors = {}
    if task.features.dense:
        tensors["dense"] = torch.tensor(np.stack([table[c].to_numpy() for c in DENSE], 1)).to(real)
    if task.features.categorical:
        tensors["categorical"] = torch.tensor(np.stack([table[c].to_numpy() for c in IDS], 1))
    with torch.no_grad():
        raw = weights.forward(model.network(), tensors).double().numpy()
    if task.kind == REGRESSION:
        return {"prediction": raw[:, 0]}
    odds = np.exp(raw) if task.kind == MULTICLASS else np.hstack([np.ones_like(raw), np.exp(raw)])
    raw = raw if task.kind == MULTICLASS else np.hstack([-raw, raw])
    made = {"rawPrediction": raw, "probability": odds / odds.sum(1, keepdims=True), "prediction": raw.argmax(1)}
    return {what: made[what] for what in model._named_outputs()}


def check(found, want):
    """Columns of lists, arrays or series against numpy."""
    for name, values in want.items():
        got = np.array([np.asarray(v) for v in found[name]], np.float64).reshape(values.shape)
        np.testing.assert_allclose(got, values, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", NETS)
def test_one_session_scores_any_number_of_rows_as_torch_does(pairs, name):
    model, pipeline = pairs(name)
    for n in (1, 2, 10_000, 0, 3):
        table = rows(n, seed=n)
        made = pipeline.transform(table)
        assert made.schema == LocalPipeline([model]).transform(table).schema and made.num_rows == n
        if n:  # not every network of torch can take none
            check(made.to_pydict(), expected(model, table))


@pytest.mark.parametrize("name", NETS)
def test_one_row_and_other_kinds_of_rows(pairs, name):
    model, pipeline = pairs(name)
    table = rows(5)
    want = expected(model, table)
    for i, row in enumerate(table.to_pylist()):
        check({c: [v] for c, v in pipeline.transform(row).items()}, {c: v[i : i + 1] for c, v in want.items()})
    check(pipeline.transform(table.to_pydict()), want)
    frame = pipeline.transform(table.to_pandas().set_index(pd.Index(list("vwxyz"))))
    assert list(frame.index) == list("vwxyz")
    check(frame, want)


def test_vectors_and_numbers_together():
    model = fitted(MLPClassificationModel(), dense=["a", "v"], widths=(1, 2), hiddenLayers=[4])
    torchs, onnx = LocalPipeline([model]), LocalPipeline([model], "onnxruntime")
    row = {"a": 0.5, "v": [1.0, -2.0]}
    np.testing.assert_allclose(onnx.transform(row)["probability"], torchs.transform(row)["probability"], atol=1e-6)


@pytest.mark.parametrize(("column", "value"), [("a", None), ("b", float("inf")), ("c", -1), ("d", 300), ("d", None)])
def test_invalid_rows_are_told_or_kept_as_by_torch(pairs, column, value):
    model = pairs("dlrm")[0]
    table = rows(4)
    cells = table[column].to_pylist()
    table = table.set_column(table.schema.names.index(column), column, pa.array([*cells[:3], value]))
    row, told = table.to_pylist()[3], []
    for runtime in ("torch", "onnxruntime"):
        pipeline = LocalPipeline([model], runtime=runtime)
        for data in (table, row):
            with pytest.raises(ValueError, match=rf"DLRM.*: found 1 .* in '{column}'.*handleInvalid='keep'") as caught:
                pipeline.transform(data)
            told.append(str(caught.value))
    assert len(set(told)) == 1
    kept = LocalPipeline([model.copy({model.handleInvalid: "keep"})], runtime="onnxruntime")
    check(kept.transform(table.slice(0, 3)).to_pydict(), expected(model, table.slice(0, 3)))
    for last in (kept.transform(table).to_pylist()[3], kept.transform(row)):
        assert np.isnan(last["probability"]).all() and np.isnan(last["prediction"])


def test_threads_share_one_session(pairs):
    model, pipeline = pairs("dlrm")
    tables = [rows(n, seed=n) for n in (1, 10, 100, 1000)]
    wants, wrong = [expected(model, table) for table in tables], []

    def score(table, want):
        try:
            for _ in range(20):
                check(pipeline.transform(table).to_pydict(), want)
                check(
                    {c: [v] for c, v in pipeline.transform(table.to_pylist()[0]).items()},
                    {c: v[:1] for c, v in want.items()},
                )
        except AssertionError as e:
            wrong.append(e)

    threads = [threading.Thread(target=score, args=pair) for pair in zip(tables, wants, strict=True)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert wrong == []


def test_pipelines_may_be_made_at_once():
    made, wrong = [], []

    def make():
        try:
            model = NETS["dlrm"]()
            made.append((model, LocalPipeline([model], runtime="onnxruntime")))
        except Exception as e:
            wrong.append(e)

    threads = [threading.Thread(target=make) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert wrong == [] and len(made) == 3
    for model, pipeline in made:
        check(pipeline.transform(rows(3)).to_pydict(), expected(model, rows(3)))


def test_the_models_that_were_given_stay_as_they_are_and_others_too(pairs):
    model, clip = pairs("svm")[0], Clip(inputCols=["a"], outputCols=["a"], lower=0.0)
    before = dict(model._state.blobs)
    pipeline = LocalPipeline([clip, model], runtime="onnxruntime")
    assert dict(model._state.blobs) == before and model._state.blobs.keys() == {"weights"}
    assert pipeline.stages[0] is clip and pipeline.stages[1].uid == model.uid
    assert LocalPipeline([clip, model]).stages[1] is model


def test_nothing_is_printed_and_no_file_is_left(tmp_path):
    code = """
import sys
import aiok_spark.inference, aiok_spark.training, aiok_spark.models.dlrm
assert not {"torch", "onnx", "onnxscript", "onnxruntime"} & set(sys.modules), "at import"
from inference import test_onnx as cases
cases.LocalPipeline([cases.NETS["dlrm"]()], runtime="onnxruntime").transform(cases.rows(3))
for bad in (cases.Branches, cases.OneBatch):
    try:
        cases.LocalPipeline([cases.fitted(cases.TorchModel(), module=bad)], runtime="onnxruntime")
    except cases.ParamError:
        continue
    raise AssertionError(bad)
"""
    place = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": ":".join(sys.path),  # with tests/
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, env=place, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (done.stdout, done.stderr) == ("", "")
    # An empty folder that torch makes when torch.export is imported; nothing of onnxruntime's telemetry.
    assert [p.name for p in tmp_path.rglob("*") if not p.name.startswith("torchinductor_")] == []


# What cannot be


class Branches(Lengths):
    """Does one thing or another, as the values are."""

    def forward(self, dense):
        return dense[:, :1] if dense.sum() > 0 else -dense[:, :1]


class OneBatch(Lengths):
    """Loops over the rows, so that a trace knows one number of them."""

    def forward(self, dense):
        return torch.stack([row[:1] * 2 for row in dense])


class Guesses(Lengths):
    """Gives other scores each time."""

    def forward(self, dense):
        return dense[:, :1] + torch.rand_like(dense[:, :1])


class Bessel(Lengths):
    """Something that ONNX lacks."""

    def forward(self, dense):
        return torch.special.bessel_j0(dense[:, :1])


@pytest.mark.parametrize("network", [Branches, OneBatch, Guesses, Bessel])
def test_a_network_that_cannot_be_converted_is_told_with_the_remedy(network):
    model = fitted(TorchModel(), module=network)
    said = rf"^{re.escape(model._label)}: found a network that cannot be converted to ONNX \(.+\), expected .*; use "
    said += "runtime='torch'$"
    with pytest.raises(ParamError, match=said):
        LocalPipeline([model], runtime="onnxruntime")


def test_a_network_beyond_the_format_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr("aiok_spark.training.onnx._LARGEST", 10)
    with pytest.raises(ParamError, match=r"found a network of 0 MiB, expected less than 2048.*; use runtime='torch'"):
        LocalPipeline([NETS["svm"]()], runtime="onnxruntime")


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_the_absent_extra_is_told_once_a_network_needs_it(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    model, clip = NETS["svm"](), Clip(inputCols=["a"], outputCols=["a"], lower=0.0)
    said = rf"^{re.escape(model._label)}: found no module '{missing}', .*; pip install 'aiok-spark\[onnx\]'$"
    with pytest.raises(ImportError, match=said):
        LocalPipeline([clip, model], runtime="onnxruntime")
    assert LocalPipeline([clip], runtime="onnxruntime").transform({"a": -1.0}) == {"a": 0.0}
    assert LocalPipeline([model]).transform(rows(1)).num_rows == 1


@pytest.mark.parametrize(
    ("runtime", "near"),
    [
        ("onnxruntim", "did you mean 'onnxruntime'"),
        ("Torch", "did you mean 'torch'"),
        ("tpu", "there are"),
        (None, "there are"),
    ],
)
def test_a_wrong_runtime_is_told(runtime, near):
    with pytest.raises(ParamError, match=rf"LocalPipeline: runtime: found {runtime!r}, expected one of .*; {near}"):
        LocalPipeline([], runtime=runtime)


# Saved and loaded


@pytest.fixture(scope="module")
def frame(spark):
    """Give 40 rows whose label depends on both numbers."""
    return spark.createDataFrame(
        [(float(i % 7), float(i % 5), float(i % 7 > i % 5)) for i in range(40)], "a double, b double, label double"
    )


def saved_and_scored(frame, path, **params):
    named = {"denseCols": DENSE, "epochs": 2, "batchSize": 10, "engine": "local", "verbose": False, **params}
    model = TorchEstimator(**named).fit(frame)
    model.save(path)
    return model, [r.probability.toArray() for r in model.transform(frame).select("probability").collect()]


def test_a_saved_model_is_loaded_for_either_runtime(frame, tmp_path):
    path = str(tmp_path / "model")
    _, scores = saved_and_scored(frame, path, module="aiok_spark.models.networks.linear:Linear")
    for runtime in ("torch", "onnxruntime"):
        made = LocalPipeline.load(path, runtime=runtime).transform(frame.toPandas())
        np.testing.assert_allclose(np.stack(made["probability"]), scores, atol=1e-6)


def test_a_notebooks_network_is_saved_as_onnx_and_scores_on_spark_and_without(frame, tmp_path):
    def loss(output, label):
        return (output - label).square()

    path = str(tmp_path / "model")
    model, scores = saved_and_scored(frame, path, module=lambda: nn.Linear(2, 1), loss=loss)
    assert callable(model.getModule())  # it stays as it is
    again = TorchModel.load(path)
    again.save(str(tmp_path / "again"))
    for loaded in (again, TorchModel.load(str(tmp_path / "again"))):
        found = [r.probability.toArray() for r in loaded.transform(frame).select("probability").collect()]
        np.testing.assert_allclose(found, scores, atol=1e-6)
        with pytest.raises(ImportError, match="found only its name, expected the code, which was in a notebook"):
            loaded.network()
    for runtime in ("torch", "onnxruntime"):
        local = LocalPipeline.load(path, runtime=runtime)
        np.testing.assert_allclose(np.stack(local.transform(frame.toPandas())["probability"]), scores, atol=1e-6)
        one = local.transform({"a": 0.0, "b": 0.0})["probability"]
        np.testing.assert_allclose(one, scores[0], atol=1e-6)


@pytest.mark.parametrize("why", ["absent", "impossible"])
def test_a_notebooks_network_that_cannot_be_onnx_is_not_saved(spark, tmp_path, monkeypatch, why):
    if why == "absent":
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model = fitted(TorchModel(), module=lambda: Branches() if why == "impossible" else nn.Linear(2, 1))
    remedy = "pip install" if why == "absent" else "cannot be converted to ONNX"
    said = rf"module: found .* code of this session alone.*move it into a module; .*{remedy}"
    with pytest.raises(PersistenceError, match=said):
        model.save(str(tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_a_loaded_network_without_the_extra_is_told(frame, tmp_path, monkeypatch):
    path = str(tmp_path / "model")
    saved_and_scored(frame, path, module=lambda: nn.Linear(2, 1))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for data, error in (({"a": 0.0, "b": 0.0}, DataError), (rows(2), ImportError)):
        with pytest.raises(error, match=r"found no module 'onnxruntime'.*pip install 'aiok-spark\[onnx\]'"):
            LocalPipeline.load(path).transform(data)


def test_temporary_files_are_not_made(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a temporary file")

    for name in ("mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory"):
        monkeypatch.setattr(tempfile, name, refuse)
    LocalPipeline([NETS["mlp of classes"]()], runtime="onnxruntime")
