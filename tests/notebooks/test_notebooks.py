"""Each notebook runs from its first cell to its last, in a kernel of its own."""

import os
import sys
from pathlib import Path

import pyspark
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.cluster
@pytest.mark.skipif(pyspark.__version__ >= "4", reason="notebooks are run with Spark 3.5")
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_and_plots(file, tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_MASTER", "local[2]")
    monkeypatch.chdir(tmp_path)
    notebook = nbformat.read(file, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "a notebook is committed without its outputs"
    nbclient.NotebookClient(notebook, timeout=400, kernel_name="python3", cwd=os.fspath(tmp_path)).execute()
    shown = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert any("image/png" in out.get("data", {}) for out in shown)
    assert not any(out["output_type"] == "error" for out in shown)
    told = "".join(out.get("text", "") for out in shown if out["output_type"] == "stream")
    assert 0.6 < float(told.split("AUC ")[1].split(";")[0]) < 0.8
