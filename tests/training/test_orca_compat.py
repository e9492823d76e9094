"""Scripts of BigDL Orca with the import lines changed, and what is refused."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pyspark.sql import functions as F
from torch import nn

from aiok_spark.core.errors import ColumnError, ColumnTypeError, ParamError, PersistenceError
from aiok_spark.training.orca_compat import AUC, Estimator

SCRIPTS = Path(__file__).parent / "orca_scripts"
TOLD = {
    "ncf": """epochs [1, 2, 3, 4, 5, 6]
train loss falls True
same loss True
same AUC True
rows True
type float
AUC True
same after load True
goes on 7 True
""",
    "cnn": """rows 1000 300
same True
accuracy True
model LeNet
""",
    "tabular": """type array<float>
loss is the metric True
predictions have it too True
learned True True
weights [(16, 4), (16,), (2, 16), (2,)]
""",
}


@pytest.mark.cluster
@pytest.mark.parametrize("name", TOLD)
def test_a_script_runs_with_its_imports_changed(name, tmp_path):
    script = (SCRIPTS / f"{name}.py").read_text().replace("/PLACE", str(tmp_path))
    script, changed = re.subn(r"from bigdl\.orca[\w.]* import", "from aiok_spark.training.orca_compat import", script)
    assert changed == 3
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == TOLD[name]


@pytest.fixture(scope="module")
def rows(spark):
    """Give 60 rows of two numbers and a label."""
    return spark.range(60).select(
        F.randn(1).cast("float").alias("a"), F.randn(2).alias("b"), (F.col("id") % 2).cast("float").alias("label")
    )


class Pair(nn.Module):
    def __init__(self, width=1):
        super().__init__()
        self.last = nn.Linear(2, width)

    def forward(self, a, b):
        return self.last(torch.stack([a, b], 1).float())


def made(**arguments):
    named = {
        "model": lambda config: Pair(),
        "optimizer": lambda model, config: torch.optim.SGD(model.parameters(), lr=0.1),
        "loss": lambda config: lambda output, label: ((output[:, 0] - label) ** 2).mean(),
    }
    return Estimator.from_torch(**{**named, **arguments})


COLUMNS = {"feature_cols": ["a", "b"], "label_cols": ["label"]}


@pytest.mark.two_modes
def test_a_second_fit_goes_on_from_the_weights_and_a_file_of_orca_is_read(rows, tmp_path):
    est = made()
    first = est.fit(rows, epochs=2, batch_size=20, **COLUMNS)
    second = est.fit(rows, epochs=1, batch_size=20, **COLUMNS)
    assert [s["epoch"] for s in first + second] == [1, 2, 3]
    assert second[0]["train_loss"] <= first[-1]["train_loss"]
    state = {f"module.{name}": value for name, value in est.get_model().state_dict().items()}  # as Orca's DDP names it
    torch.save({"epoch": 3, "models": [state], "optimizers": [{}]}, tmp_path / "orca.ckpt")
    other = made()
    other.load(str(tmp_path / "orca.ckpt"))
    assert other.evaluate(rows, **COLUMNS) == est.evaluate(rows, **COLUMNS)
    scored = other.predict(rows, feature_cols=["a", "b"])
    assert scored.schema["prediction"].dataType.simpleString() == "float"
    given = scored.toPandas()
    with torch.no_grad():
        expected = est.get_model()(torch.tensor(given["a"]), torch.tensor(given["b"]))[:, 0]
    np.testing.assert_allclose(given["prediction"], expected, rtol=1e-5)


@pytest.mark.two_modes
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda est, rows: est.fit(rows, max_steps=5, **COLUMNS), ParamError, "max_steps: found 5, .*; set epochs"),
        (lambda est, rows: est.fit(rows, callbacks=[1], **COLUMNS), ParamError, "callbacks: found"),
        (lambda est, rows: est.fit(rows, feature_cols=["a"]), ParamError, "label_cols: found None, expected a list"),
        (
            lambda est, rows: est.fit(rows, feature_cols="a", label_cols=["label"]),
            ParamError,
            "feature_cols: found 'a'",
        ),
        (
            lambda est, rows: est.fit(rows, feature_cols=["a"], label_cols=["label", "b"]),
            ParamError,
            "label_cols: found .*expected one column; make an array",
        ),
        (
            lambda est, rows: est.fit([1, 2]),
            ParamError,
            "data: found builtins.list, expected DataFrames of Spark, or functions that make",
        ),
        (
            lambda est, rows: est.fit(rows, feature_cols=["a", "c"], label_cols=["label"]),
            ColumnError,
            "Estimator: feature_cols, label_cols names 'c', found no such column",
        ),
        (lambda est, rows: est.fit(rows, epochs=0, **COLUMNS), ParamError, "fit: epochs: found 0"),
        (lambda est, rows: made(optimizer=None).fit(rows, **COLUMNS), ParamError, "found no optimizer or no loss"),
        (
            lambda est, rows: made(metrics=["accuracy"]),
            ParamError,
            r"metrics: found 'accuracy', expected .*Accuracy\(\)",
        ),
        (lambda est, rows: made(backend="tf"), ParamError, "backend: found 'tf', expected one of .*'horovod'"),
        (
            lambda est, rows: made(loss=torch.nn.CrossEntropyLoss()).fit(
                rows.withColumn("label", rows.label.cast("double")), **COLUMNS
            ),
            ColumnTypeError,
            "labelCol: found 'label' of double, expected whole numbers, as CrossEntropyLoss .*; cast it to int",
        ),
        (lambda est, rows: est.fit(rows, batch_size=0, **COLUMNS), ParamError, "batch_size: found 0"),
        (lambda est, rows: est.predict(rows, **{"feature_cols": ["a", "b"]}), ParamError, "found no weights"),
        (lambda est, rows: est.save("/tmp/x", entire=True), ParamError, "entire: found True"),
        (lambda est, rows: made(config={"batch_size": 3}), ParamError, "config: found batch_size"),
        (lambda est, rows: made(model=None), ParamError, "modelCreator: found NoneType, expected a function"),
        (lambda est, rows: made(surprise=1), TypeError, "surprise"),
        (
            lambda est, rows: est.fit(lambda config, batch_size: [1, 2]),
            ParamError,
            "data: its function gave list, expected a torch.utils.data.DataLoader",
        ),
        (
            lambda est, rows: est.fit(lambda config, size: torch.utils.data.DataLoader(Endless(), batch_size=size)),
            ParamError,
            "data: found a loader of an IterableDataset",
        ),
    ],
)
def test_what_has_no_meaning_here_is_refused_with_the_remedy(rows, call, error, message):
    with pytest.raises(error, match=message):
        call(made(), rows)


def test_what_has_no_use_here_is_warned_of():
    with pytest.warns(UserWarning, match="model_dir 'x' is not used; save the model after fit"):
        made(model_dir="x")
    with pytest.warns(UserWarning, match="backend 'ray' is not used"):
        made(backend="ray")


def test_a_name_of_orca_that_is_not_here_is_told():
    with pytest.raises(ImportError, match=r"found no Precision, expected one of .*'Accuracy'.*any function of outputs"):
        from aiok_spark.training.orca_compat import Precision  # noqa: F401


def test_columns_that_the_network_does_not_take_are_told(rows):
    est = made()
    est.fit(rows, **COLUMNS)
    with pytest.raises(ParamError, match=r"predict: feature_cols: found \['a'\], which the network does not take"):
        est.predict(rows, feature_cols=["a"])


def test_the_area_under_a_curve_is_of_one_score_a_row():
    with pytest.raises(ValueError, match=r"AUC: found outputs of shape \[4, 3\] for labels of shape \[4\]"):
        AUC()(torch.zeros(4, 3), torch.zeros(4))


class Endless(torch.utils.data.IterableDataset):
    def __iter__(self):
        yield torch.zeros(2), 0.0


def test_a_whole_model_of_orca_is_not_read(tmp_path):
    torch.save(Pair(), tmp_path / "entire.pt")
    with pytest.raises(PersistenceError, match="a whole network, which can run code when it is read"):
        made().load(str(tmp_path / "entire.pt"))
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(PersistenceError, match="found no weights"):
        made().load(str(tmp_path / "text"))


def test_another_networks_weights_are_told_when_they_are_read(tmp_path):
    torch.save({"models": [Pair(2).state_dict()]}, tmp_path / "other.ckpt")
    with pytest.raises(PersistenceError, match="weights of another network"):
        made().load(str(tmp_path / "other.ckpt"))


@pytest.mark.parametrize("mode", ["yarn-client", "standalone", "k8s-client"])
def test_a_cluster_is_started_by_spark_submit(mode):
    # In a process of its own, which has no session.
    program = f"from aiok_spark.training.orca_compat import init_orca_context; init_orca_context(cluster_mode={mode!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert f"cluster_mode: found '{mode}' outside a session, expected to be started by spark-submit" in done.stderr
