"""Progress: plain lines where there is no terminal, silence when asked."""

import sys
import time

from aiok_spark.core import progress
from aiok_spark.core.watch import epochs_told, is_heard
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.progress import Progress
from aiok_spark.training.task import TrainTask


def test_plain_lines_when_it_takes_long(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.0)
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    monkeypatch.delitem(sys.modules, "ipykernel")
    assert list(progress.progress(iter("abc"), 3, "Categorify: counting")) == ["a", "b", "c"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith("Categorify: counting: 1 of 3 after ")


def test_quick_work_and_verbose_false_show_nothing(capsys, monkeypatch):
    list(progress.progress(iter("abc"), 3, "quick"))
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.0)
    list(progress.progress(iter("abc"), 3, "silenced", verbose=False))
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "_BAR_AFTER", 0.0)
    assert list(progress.progress(iter("abc"), 3, "counting")) == ["a", "b", "c"]
    assert "counting" in capsys.readouterr().err


def test_work_without_parts_says_that_it_goes_on(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.01)
    with progress.working("Categorify: counting"):
        time.sleep(0.1)
    assert capsys.readouterr().err.startswith("Categorify: counting: 0 s so far")
    with progress.working("silenced", verbose=False):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_who_listens_hears_of_epochs_and_may_end_the_training(spark, tmp_path):
    task = TrainTask("x", FeatureSpec(), "binary", progressDir=str(tmp_path), epochs=9)
    (tmp_path / "000007,epoch=2,step=1,steps=4,loss=0.7,ended=2,ended_loss=0.5,ended_validation_loss=0.6").touch()
    heard = []
    with epochs_told(lambda epoch, told: heard.append((epoch, told))):
        assert is_heard()
        Progress(spark, task, "x", verbose=False).look()
    assert heard == [(2, {"loss": 0.5, "validation_loss": 0.6})] and not is_heard()
