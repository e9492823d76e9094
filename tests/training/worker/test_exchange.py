"""Three workers that exchange over gloo, against numpy and one worker with all rows."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load
from training.staged import trained
from training.worker import peers

from aiok_spark.training.worker.exchange import Solo

pytestmark = [pytest.mark.cluster, pytest.mark.orca]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Give what each of three workers made of its exchanges, by rank, and what another pair's second one did."""
    folder = tmp_path_factory.mktemp("peers")
    command = [sys.executable, peers.__file__, str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    # The third of three and the first of two leave without a word.
    assert json.loads((folder / "ended").read_text()) == [0, 0, 3, 3, 0], ended.stderr
    three = [pickle.loads((folder / "three" / f"made-{rank}").read_bytes()) for rank in range(3)]
    return [*three, pickle.loads((folder / "two" / "made-1").read_bytes())]


@pytest.fixture(params=[2, 3], ids=["two workers", "three workers"])
def exchanged(request, made):
    """Give the exchanges of two or of three workers."""
    return [made[rank][request.param] for rank in range(request.param)]


def test_every_worker_knows_its_number(exchanged):
    assert [(e["rank"], e["world"]) for e in exchanged] == [(r, len(exchanged)) for r in range(len(exchanged))]
    assert not any(e["waiting"] for e in exchanged)


def test_a_sum_is_over_all_workers(exchanged):
    total = sum(np.arange(6.0) * 10**r for r in range(len(exchanged))).tolist()
    assert [e["sum"][0] for e in exchanged] == [total] * len(exchanged)


def test_the_first_workers_values_come_to_all(exchanged):
    assert [e["first"][0] for e in exchanged] == [[0, 0]] * len(exchanged)


def test_rows_of_all_come_to_all_whatever_their_numbers(exchanged):
    expected = [[[r + 1.0] * 3] * count for r, count in enumerate([4, 0, 2][: len(exchanged)])]
    assert [e["rows"][0] for e in exchanged] == [expected] * len(exchanged)
    assert [e["no rows"] for e in exchanged] == [([[0, 3]] * len(exchanged), 0)] * len(exchanged)


def test_rows_are_gathered_at_the_first_worker(exchanged):
    expected = [np.arange(2 * (r + 1)).reshape(-1, 2) + 10 * r for r in range(len(exchanged))]
    assert np.array_equal(exchanged[0]["gather"][0], np.concatenate(expected))
    assert exchanged[0]["gather"][0].dtype == np.float32
    assert all(e["gather"][0] is None for e in exchanged[1:])


def test_bytes_sent_are_counted(exchanged):
    world = len(exchanged)
    assert [e["sum"][1] for e in exchanged] == [2 * (world - 1) * 6 * 8 // world] * world
    assert [e["first"][1] for e in exchanged] == [2 * 8] + [0] * (world - 1)
    assert [e["rows"][1] for e in exchanged] == [(world - 1) * 4 * 3 * 4] * world


def all_rows():
    return [torch.from_numpy(np.concatenate(tensors)) for tensors in zip(*peers.parts(), strict=True)]


def test_gradients_are_those_of_the_mean_over_all_rows_though_a_worker_has_none(made):
    network, (dense, ids) = peers.network(), all_rows()
    losses = network(dense, ids).square()
    losses.mean().backward()
    for worker in made[:3]:
        loss, weight = worker[3]["gradients"]["told"]
        assert (loss, weight) == (pytest.approx(losses.sum().item(), rel=1e-12), 7)
        for name, p in network.named_parameters():
            torch.testing.assert_close(worker[3]["gradients"]["grads"][name], p.grad.to_dense(), rtol=1e-12, atol=1e-15)


def test_steps_of_three_workers_are_those_of_one_and_the_same_for_all(made):
    network, (dense, ids) = peers.network(), all_rows()
    optimiser = torch.optim.SGD(network.parameters(), 0.3)
    for _ in range(3):
        optimiser.zero_grad()
        network(dense, ids).square().mean().backward()
        optimiser.step()
    for name, p in network.state_dict().items():
        weights = [worker[3]["gradients"]["weights"][name] for worker in made[:3]]
        assert torch.equal(weights[0], weights[1]) and torch.equal(weights[0], weights[2])
        torch.testing.assert_close(weights[0], p, rtol=1e-12, atol=1e-14)


def expected_metrics():
    output, label, losses, weight = peers.metered()
    share = np.where(label == 1, 1, -1) * output
    rows = list(zip(output, label, weight, strict=True))
    pairs = [(w * v, a, b) for a, y, w in rows for b, z, v in rows if y > z]
    return {
        "loss": np.average(losses, weights=weight),
        "logLoss": np.average(np.log1p(np.exp(-share)), weights=weight),
        "accuracy": np.average((output > 0) == label, weights=weight),
        "auc": sum(w * (a > b) for w, a, b in pairs) / sum(w for w, _, _ in pairs),
    }


def test_metrics_of_three_workers_are_those_of_one(made):
    assert [worker["meter"][0] for worker in made[:3]] == [pytest.approx(expected_metrics(), rel=1e-12)] * 3


def test_a_worker_without_rows_adds_nothing_to_the_metrics(made):
    assert [worker["meter without rows"][0] for worker in made[:3]] == [pytest.approx(expected_metrics(), rel=1e-6)] * 3


def result(made, name):
    """Weights and facts of a whole training."""
    rows = [row for worker in made[:3] for row in worker[name]]
    assert {row["kind"] for row in rows} == {"facts", "weights"}, [row["bytes"] for row in rows]
    facts = [json.loads(row["bytes"]) for row in rows if row["kind"] == "facts"]
    return load(b"".join(row["bytes"] for row in rows if row["kind"] == "weights")), facts


@pytest.mark.parametrize(
    ("name", "off"), [("trained", 1e-12), ("averaged", 1e-12), ("fewer rows than workers", 1e-5)], ids=str
)
def test_a_training_of_three_workers_is_that_of_one(made, name, off):
    weights, facts = result(made, name)
    task, table = peers.whole_trainings()[name]
    alone = trained(peers.replace(task, workers=1), table)
    assert [fact["rank"] for fact in facts] == [0, 1, 2] and len({fact["digest"] for fact in facts}) == 1
    assert sum(fact["rows"] for fact in facts) == len(table["a"])
    for key, value in alone.network.state_dict().items():
        torch.testing.assert_close(weights[key], value, rtol=off, atol=off / 10)
    for ours, theirs in zip(facts[0]["history"], alone.history, strict=True):
        for metric in ("loss", "logLoss", "accuracy"):
            assert ours[metric] == pytest.approx(theirs[metric], rel=off)


def test_the_others_learn_quickly_why_a_worker_failed(made):
    errors = [worker["failing"] for worker in made[:3]]
    assert errors[1][0] == """ValueError("a worker's own error")"""
    for told, seconds in (errors[0], errors[2]):
        assert told.startswith('PeerFailedError: worker 1 failed: ValueError("a worker\'s own error")')
        assert seconds < 5


@pytest.mark.parametrize(("worker", "gone"), [(0, 2), (1, 2), (3, 0)], ids=["first", "second", "without a store"])
def test_the_others_learn_quickly_that_a_worker_is_gone(made, worker, gone):
    told, seconds = made[worker]["lost"]
    assert told.startswith(f"WorkerLostError: found no answer from worker [{gone}], expected one in time")
    assert seconds < 12


def test_the_only_worker_gets_what_it_gives():
    alone, values = Solo(), torch.ones(2, 3)
    assert alone.sum(values) is values and alone.first(values) is values and alone.rows(values, [2]) == [values]
    assert alone.gather(values.numpy()).shape == (2, 3) and alone.sent == 0
