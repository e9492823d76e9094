"""Markers: one small file whose name says where the training is."""

import pytest

from aiok_spark.training.worker import markers as module
from aiok_spark.training.worker.markers import Markers


@pytest.fixture
def clock(monkeypatch):
    """Give a clock that only the test moves on."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_marker_says_numbers_in_its_name(tmp_path, clock):
    Markers(str(tmp_path / "new")).tell({"epoch": 2, "loss": 0.123456789, "why": "text"})
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["000001,epoch=2,loss=0.123457"]


def test_a_newer_marker_replaces_the_last_one(tmp_path, clock):
    markers = Markers(tmp_path.as_uri())
    for step in range(3):
        markers.tell({"step": step})
        clock[0] += 1
    assert [file.name for file in tmp_path.iterdir()] == ["000003,step=2"]


def test_markers_are_not_written_more_often_than_they_are_read(tmp_path, clock):
    markers = Markers(str(tmp_path))
    markers.tell({"step": 1})
    clock[0] += 0.4
    markers.tell({"step": 2})
    assert [file.name for file in tmp_path.iterdir()] == ["000001,step=1"]
    clock[0] += 0.2
    markers.tell({"step": 3})
    assert [file.name for file in tmp_path.iterdir()] == ["000002,step=3"]


def test_without_news_or_without_a_place_nothing_is_written(tmp_path, clock, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Markers(None).tell({"step": 1})
    Markers(str(tmp_path)).tell({})
    assert not list(tmp_path.iterdir())
