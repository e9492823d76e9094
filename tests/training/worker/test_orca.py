"""What is wrong with BigDL Orca by itself, and that none of it comes through the adapter."""

import io
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from aiok_spark.core.errors import PersistenceError
from aiok_spark.training.orca_compat.weights import read_weights
from aiok_spark.training.worker import orca

pytestmark = [pytest.mark.orca, pytest.mark.cluster]
pytest.importorskip("bigdl.orca", reason="needs BigDL Orca, which .venv-compat has")

PAIR = Path(__file__).with_name("orca_pair.py")


def said(program, **environment):
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


ABOUT = """
import os, sys, torch, pandas, pyspark
from aiok_spark.training.worker.orca import import_orca
before = dict(os.environ), list(sys.path)
{}
print((dict(os.environ), sys.path) == before)
"""


def test_importing_orca_changes_the_environment_and_the_adapter_does_not():
    assert said(ABOUT.format("import bigdl.orca")) == "False"
    assert said(ABOUT.format("import_orca()")) == "True"


def test_starting_orca_sets_a_home_without_a_library_and_the_adapter_does_not():
    start = "from bigdl.dllib.utils.utils import set_python_home; set_python_home(); "
    run = "import subprocess, sys; print(subprocess.run([sys.executable, '-c', ''], capture_output=True).returncode)"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONHOME"}
    assert said(start + run, **environment) != "0"  # no module named 'encodings'
    source = Path(orca.__file__).read_text()
    assert "init_orca_context(" not in source and "set_python_home" not in source


def pair(how, folder, limit):
    """Two workers that train and shut down; gives whether both have ended in so many seconds."""
    workers = [subprocess.Popen([sys.executable, PAIR, how, str(rank), str(folder)]) for rank in range(2)]
    try:
        for worker in workers:
            assert worker.wait(timeout=limit) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    return True


def test_orcas_shutdown_hangs_and_the_adapters_does_not(tmp_path):
    for how in ("ours", "theirs"):
        (tmp_path / how).mkdir()
    assert pair("ours", tmp_path / "ours", 240)
    if pair("theirs", tmp_path / "theirs", 60):  # two locks taken in different orders, by threads
        pytest.skip("Orca's own shutdown happened to end this time")


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["EVIL"],)


def test_orca_runs_the_code_of_a_file_and_the_adapter_reads_none(tmp_path, monkeypatch):
    from bigdl.orca.common import SafePickle

    monkeypatch.setenv("EVIL", str(tmp_path / "harm"))
    (tmp_path / "state.pkl").write_bytes(pickle.dumps(Evil()))
    SafePickle.load(io.BytesIO((tmp_path / "state.pkl").read_bytes()))  # as Orca does with model_dir
    assert (tmp_path / "harm").exists()
    (tmp_path / "harm").rmdir()
    torch.save(Evil(), tmp_path / "model.pt")
    for name in ("state.pkl", "model.pt"):
        with pytest.raises(PersistenceError):
            read_weights(str(tmp_path / name))
    assert not (tmp_path / "harm").exists()


def test_orcas_ranks_collide_where_addresses_begin_alike_and_the_adapter_has_the_stages(monkeypatch):
    from bigdl.orca.learn.utils import get_rank

    hosts = ["10.0.0.1", "10.0.0.10", "10.0.0.2"]
    cluster = [f"{host}:100{i}" for i, host in enumerate([hosts[1], hosts[0], hosts[2]])]

    def rank(task):
        context = types.SimpleNamespace(
            partitionId=lambda: task, getLocalProperty=lambda name: ",".join(f"{host}:0" for host in hosts)
        )
        barrier = types.SimpleNamespace(get=lambda: context)
        monkeypatch.setattr("pyspark.BarrierTaskContext", lambda: barrier)
        return get_rank(cluster)

    assert len({rank(task) for task in range(3)}) < 3
    # The adapter asks nobody: a worker's number is its partition's.
    assert "get_rank" not in Path(orca.__file__).read_text()
