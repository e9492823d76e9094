"""Checkpoints: written whole or not at all, and read only by whom they are for."""

import dataclasses

import pytest
import torch

from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.task import Group, TrainTask
from aiok_spark.training.worker import checkpoints as module
from aiok_spark.training.worker.checkpoints import Checkpoint, Checkpoints
from aiok_spark.training.worker.refused import RefusedError

TENSORS = {
    "network/w": torch.arange(6.0).view(2, 3),
    "network/deep/er": torch.tensor([True, False]),
    "optimiser/0/0/step": torch.tensor(7),
    "best/w": torch.tensor([1 / 3], dtype=torch.float64),
    "best/none": torch.zeros(0, 2),
}


def task_of(place, run="one", **settings):
    place = None if place is None else str(place)
    return TrainTask("no:ne", FeatureSpec(("x",), (1,)), label="y", checkpointDir=place, run=run, **settings)


def checkpoint(epoch=2, step=5):
    return Checkpoint(epoch, step, dict(TENSORS), {"history": [{"loss": 0.1}], "sums": None, "rows": 10})


@pytest.mark.parametrize("uri", [False, True])
def test_what_is_read_is_what_was_written_last(tmp_path, uri):
    place = (tmp_path / "new").as_uri() if uri else tmp_path / "new"
    for epoch in (1, 2):
        Checkpoints(task_of(place)).write(checkpoint(epoch))
    found = Checkpoints(task_of(place)).read()
    assert (found.epoch, found.step, found.about) == (2, 5, checkpoint().about)
    assert found.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(found.tensors[n], t) and found.tensors[n].dtype == t.dtype for n, t in TENSORS.items())
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["checkpoint.safetensors"]


def test_parts_are_told_by_their_prefix():
    parts = {name: set(checkpoint().part(name)) for name in ("network", "optimiser", "best", "net")}
    assert parts == {"network": {"w", "deep/er"}, "optimiser": {"0/0/step"}, "best": {"w", "none"}, "net": set()}


def test_without_a_directory_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints = Checkpoints(task_of(None))
    assert not checkpoints.wanted and Checkpoints(task_of(tmp_path)).wanted
    checkpoints.write(checkpoint())
    checkpoints.finish()
    assert checkpoints.read() is None and not list(tmp_path.iterdir())


@pytest.mark.parametrize("at", ["to_bytes", "_replace"])
def test_an_interrupted_write_leaves_the_last_checkpoint(tmp_path, monkeypatch, at):
    checkpoints = Checkpoints(task_of(tmp_path))
    assert checkpoints.read() is None
    checkpoints.write(checkpoint(1))

    def interrupt(*_):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk is full"):
        patch.setattr(module, at, interrupt)
        checkpoints.write(checkpoint(2))
    assert checkpoints.read().epoch == 1
    checkpoints.write(checkpoint(3))
    assert checkpoints.read().epoch == 3


def test_a_file_system_that_does_not_rename_onto_files_is_served(tmp_path):
    from pyarrow import fs

    class Strict:
        """Local files, but a rename onto one fails."""

        def __init__(self):
            self.local = fs.LocalFileSystem()

        def move(self, source, target):
            if self.local.get_file_info(target).type == fs.FileType.File:
                raise OSError("there is one")
            self.local.move(source, target)

        def delete_file(self, path):
            self.local.delete_file(path)

    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("old")
    new.write_text("new")
    module._replace(Strict(), str(new), str(old))
    assert old.read_text() == "new" and not new.exists()


@pytest.mark.parametrize(
    "change",
    [{"batchSize": 7}, {"seed": 1}, {"groups": (Group(learningRate=0.5),)}, {"workers": 2}, {"label": "z"}],
    ids=lambda change: next(iter(change)),
)
def test_a_checkpoint_of_another_task_is_refused(tmp_path, change):
    Checkpoints(task_of(tmp_path)).write(checkpoint())
    with pytest.raises(RefusedError, match=r"checkpointDir: found a checkpoint of another training in .*delete it"):
        Checkpoints(dataclasses.replace(task_of(tmp_path), **change)).read()


@pytest.mark.parametrize(
    "change",
    [{"epochs": 9}, {"threads": 1}, {"timeout": 1.0}, {"maxRestarts": 0}, {"progressDir": "/p"}, {"run": "two"}],
    ids=lambda change: next(iter(change)),
)
def test_limits_and_places_may_differ(tmp_path, change):
    Checkpoints(task_of(tmp_path)).write(checkpoint())
    assert Checkpoints(dataclasses.replace(task_of(tmp_path), **change)).read().epoch == 2


def test_the_task_of_a_checkpoint_is_the_same_after_json():
    task = task_of("/x", groups=(Group(), Group(sparse=True)), classWeights=(1.0, 2.0), arguments={"a": [1]})
    assert TrainTask.from_json(task.to_json()).fingerprint == task.fingerprint


def test_a_finished_run_is_gone_on_with_only_by_itself(tmp_path):
    first, second = Checkpoints(task_of(tmp_path)), Checkpoints(task_of(tmp_path, "two"))
    first.write(checkpoint(4))
    assert second.read().epoch == 4
    first.finish()
    assert first.read().epoch == 4
    assert second.read() is None
    assert Checkpoints(task_of(tmp_path, "two", seed=3)).read() is None


def test_an_interrupted_run_after_a_finished_one_is_gone_on_with(tmp_path):
    Checkpoints(task_of(tmp_path)).write(checkpoint(4))
    Checkpoints(task_of(tmp_path)).finish()
    Checkpoints(task_of(tmp_path, "two")).write(checkpoint(1))
    assert Checkpoints(task_of(tmp_path, "three")).read().epoch == 1
