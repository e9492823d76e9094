"""The DLRM recipe: raw rows to a trained, saved, scored model, and what a user may do wrong on the way."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array

from aiok_spark.cli import main
from aiok_spark.core.errors import ConfError, DataError
from aiok_spark.flow import run
from aiok_spark.flow.recipe import configured
from aiok_spark.inference import LocalPipeline
from aiok_spark.testing import criteo_text, generate_criteo

pytestmark = pytest.mark.two_modes

ROOT = Path(__file__).parents[2]
CONF = str(ROOT / "conf/dlrm_small.yaml")
QUICK = ["model.epochs=1", "model.numWorkers=1", "minFrequency=3", "model.embeddingDim=4"]


def text(spark, rows):
    return [r.value for r in criteo_text(generate_criteo(spark, rows)).collect()]


def configure(*changes):
    return configured(CONF, [*QUICK, *changes])


@pytest.fixture(scope="module")
def lines(spark):
    return text(spark, 1500)


@pytest.fixture(scope="module")
def raw(lines, tmp_path_factory):
    file = tmp_path_factory.mktemp("raw") / "rows.tsv"
    cut = lines[0][:50]
    file.write_text("\n".join([*lines[1:], cut, lines[1].replace("\t", "\tx", 1)]))
    return file


@pytest.fixture(scope="module")
def done(spark, raw, tmp_path_factory):
    """One run, which all tests look at."""
    output = tmp_path_factory.mktemp("runs") / "one"
    recipe, conf = configure(f"input={raw}", f"output={output}", "badRows=skip")
    folder = run(recipe, conf, references={"known": 0.79})
    main(["report", str(output)])
    return output, folder.facts()


def test_every_row_is_used_once_or_rejected(spark, done):
    output, facts = done
    train, test = facts["rows"]["train"], facts["rows"]["test"]
    assert train["rows"] + test["rows"] == 1499
    assert 0.15 < test["rows"] / 1499 < 0.25
    rejected = {r["_reason"] for r in spark.read.parquet(str(output / "rejects")).collect()}
    assert len(rejected) == 2
    assert any(re.fullmatch(r"found \d+ cells, expected 40", reason) for reason in rejected)
    assert any(re.fullmatch(r"I1: found 'x.*', expected a value of type int", reason) for reason in rejected)
    assert facts["training"]["facts"]["rows"] == train["rows"]
    assert facts["scores"]["rows"] == test["rows"]


def test_what_was_measured_can_be_measured_again(spark, done, lines):
    _, facts = done
    assert 0.5 < facts["scores"]["auc"] < 0.9
    assert facts["baseline"]["rows"] == facts["scores"]["rows"]
    assert [stage["name"] for stage in facts["stages"]][-2:] == ["PetastormConverter", "DLRMClassifier"]
    assert facts["stages"][-2]["rowsOut"] == facts["rows"]["train"]["rows"]
    ids = {n: size for stage in facts["stages"] for n, size in stage["sizes"].items()}
    column = pd.Series([line.split("\t")[14] for line in lines[1:]])
    assert 2 < ids["C1_id"] <= (column.value_counts() >= 3).sum() + 2
    assert {"fit Categorify", "fit DLRMClassifier", "save the model"} <= {part["name"] for part in facts["phases"]}


def test_the_saved_model_scores_everywhere_the_same(spark, done):
    output, _ = done
    rows = generate_criteo(spark, 40, seed=5).drop("label")  # scoring needs no label
    model, local = PipelineModel.load(str(output / "model")), LocalPipeline.load(str(output / "model"))
    on_spark = [r["p"] for r in model.transform(rows).select(_chance()).collect()]
    table = pa.Table.from_pylist([r.asDict() for r in rows.collect()], schema=_arrow(rows))
    off_spark = [p[1] for p in local.transform(table)["probability"].to_pylist()]
    assert off_spark == pytest.approx(on_spark, abs=1e-6)
    one = local.transform(table.slice(3, 1).to_pylist()[0])
    assert one["probability"][1] == pytest.approx(off_spark[3], abs=1e-6)


def _arrow(rows):
    return pa.schema([(f.name, pa.int32() if f.name[0] == "I" else pa.string()) for f in rows.schema.fields])


def _chance():
    return vector_to_array("probability")[1].alias("p")


def test_a_stream_of_files_is_scored_as_a_batch(spark, done, tmp_path):
    output, _ = done
    generate_criteo(spark, 60, seed=6).drop("label").write.parquet(str(tmp_path / "in"))
    model, rows = PipelineModel.load(str(output / "model")), spark.read.parquet(str(tmp_path / "in"))
    stream = spark.readStream.schema(rows.schema).parquet(str(tmp_path / "in"))
    query = (
        model.transform(stream)
        .select("C1", "I2", _chance())
        .writeStream.format("parquet")
        .option("path", str(tmp_path / "out"))
        .option("checkpointLocation", str(tmp_path / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(120)
    streamed = spark.read.parquet(str(tmp_path / "out"))
    batch = model.transform(rows).select("C1", "I2", _chance())
    assert sorted(r["p"] for r in streamed.collect()) == pytest.approx(
        sorted(r["p"] for r in batch.collect()), abs=1e-6
    )


def test_the_report_needs_no_network_and_shows_it_all(done):
    output, facts = done
    page = (output / "report.html").read_text()
    assert page.count("<svg") >= 6
    assert not re.search(r"""(?:src|href)\s*=\s*["']?https?:""", page)
    assert "<script" not in page
    for shown in (
        f"{facts['scores']['auc']:.4f}",
        "Categorify",
        "known",
        "logistic regression",
        "Calibration",
        "pyspark",
    ):
        assert shown in page


def test_working_files_are_gone_when_it_is_done(done):
    output, _ = done
    assert {f.name for f in output.iterdir()} == {"model", "rejects", "report.html", "run.json"}


def test_check_finds_nothing_wrong_and_then_what_is(done, capsys):
    output, _ = done
    main(["check", str(output / "model")])
    shown = capsys.readouterr().out
    assert "DLRMClassificationModel" in shown and "nothing is wrong" in shown
    stranger = next((output / "model/stages").iterdir()) / "model.pkl"
    stranger.write_bytes(b"")
    try:
        with pytest.raises(SystemExit) as exit_:
            main(["check", str(output / "model")])
        assert exit_.value.code == 1
        assert re.search(r"PROBLEM .*found the file stages/.*model.pkl, which no save writes", capsys.readouterr().out)
    finally:
        stranger.unlink()


def test_a_run_that_is_done_is_not_replaced_unasked(spark, done, raw):
    output, _ = done
    recipe, conf = configure(f"input={raw}", f"output={output}")
    with pytest.raises(ConfError, match="found a run that is done, expected none; choose another, or say --overwrite"):
        run(recipe, conf)
    assert (output / "run.json").exists()


def test_a_dry_run_tells_stages_columns_and_resources(spark, raw, tmp_path, capsys):
    main(["run", CONF, "--input", str(raw), "--output", str(tmp_path / "out"), "--dry-run"])
    shown = capsys.readouterr().out
    assert "1 file(s)" in shown and "label, " not in shown.split("raw rows")[0]
    for stage in ("FillMissing", "Categorify", "PetastormConverter", "DLRMClassifier"):
        assert re.search(rf"^\d\. {stage}", shown, re.MULTILINE)
    assert "makes C1_id ... C26_id (26): int" in shown
    assert "task slots" in shown and "needs 2 slots at once" in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda lines: [], DataError, "input .*: found no rows, expected some"),
        (
            lambda lines: [line for line in lines if line[0] == "0"],
            DataError,
            r"found label \{0: \d+\} to train on, expected rows of both 0 and 1",
        ),
        (
            lambda lines: [*lines, lines[0] + "\tmore"],
            DataError,
            "found 1 of .* rows that cannot be read, the first in .*: found 41 cells, expected 40",
        ),
        (lambda lines: ["a,b,c"] * 5, DataError, "found 5 of 5 rows that cannot be read"),
    ],
)
def test_rows_that_cannot_be_trained_on_stop_the_run(spark, lines, tmp_path, made, error, message):
    (tmp_path / "rows").write_text("".join(f"{line}\n" for line in made(lines[:200])))
    recipe, conf = configure(f"input={tmp_path / 'rows'}", f"output={tmp_path / 'out'}")
    with pytest.raises(error, match=message) as raised:
        run(recipe, conf)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out/run.json").exists()


def test_what_is_not_there_or_cannot_be_written_is_told_first(spark, raw, tmp_path):
    recipe, conf = configure(f"input={tmp_path / 'nowhere'}", f"output={tmp_path / 'out'}")
    with pytest.raises(ConfError, match=r"nowhere: found nothing there"):
        run(recipe, conf)
    (tmp_path / "file").write_text("")
    recipe, conf = configure(f"input={raw}", f"output={tmp_path / 'file' / 'out'}")
    with pytest.raises(ConfError, match=r"output .*: found that it cannot be written"):
        run(recipe, conf)
    recipe, conf = configure(f"input={raw}")
    with pytest.raises(ConfError, match=r"output: found nothing, expected a path; give --output PATH"):
        run(recipe, conf)


@pytest.mark.cluster
@pytest.mark.once
def test_a_killed_run_goes_on_when_it_is_started_again(lines, tmp_path):
    """The program as spark-submit would run it, killed with its JVM once the training has a checkpoint."""
    (tmp_path / "rows").write_text("\n".join(lines))
    output = tmp_path / "out"
    changes = ["model.epochs=40", "model.numWorkers=1", "baseline=false", "model.batchSize=16"]
    command = [sys.executable, str(ROOT / "recipes/dlrm/pipeline.py"), "--conf", CONF]
    command += ["--input", str(tmp_path / "rows"), "--output", str(output), *(f"--set={c}" for c in changes)]
    first = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: any(output.glob("_work/*/checkpoints/*.safetensors")) or first.poll() is not None)
        assert first.poll() is None, "it ended before it had a checkpoint"
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert not (output / "run.json").exists()
    datasets = {m.parent: m.stat().st_mtime for m in output.glob("_work/*/*/_aiok_manifest.json")}
    assert len(datasets) == 2, "the raw rows and the prepared ones"
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert second.returncode == 0, second.stderr
    facts = json.loads((output / "run.json").read_text())
    assert facts["training"]["facts"]["resumed"] is not None
    assert len(facts["training"]["history"]) == 40
    assert not (output / "_work").exists()


@pytest.mark.cluster
@pytest.mark.once
def test_a_full_disk_ends_a_run_that_goes_on_when_there_is_space(lines, tmp_path):
    """The output is a file system of its own, first too small, then large enough."""
    (tmp_path / "rows").write_text("\n".join(lines))
    output = tmp_path / "small"
    output.mkdir()
    if shutil.which("mount") is None or _mount("size=256k", output).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        command = [sys.executable, str(ROOT / "recipes/dlrm/pipeline.py"), "--conf", CONF, "--set=baseline=false"]
        command += ["--input", str(tmp_path / "rows"), "--output", str(output / "run"), "--set=model.numWorkers=1"]
        full = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert full.returncode == 1
        assert "No space left on device: expected more; free some" in full.stderr.splitlines()[-1], full.stderr[-3000:]
        assert not (output / "run/run.json").exists()
        whole = list(output.glob("run/_work/*/*/_aiok_manifest.json"))
        assert len(whole) < 2, "the prepared rows have no manifest, as they are not whole"
        assert _mount("remount,size=64m", output).returncode == 0
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        assert json.loads((output / "run/run.json").read_text())["rows"]["train"]["bad"] == 0
    finally:
        subprocess.run(["umount", output], check=True)


def _mount(options, place):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False, capture_output=True)


def _wait(ready, seconds=240):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
