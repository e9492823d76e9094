"""Optimisers, learning rates and clipping, against those of torch."""

import copy
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.task import Group, TrainTask
from aiok_spark.training.worker.exchange import Solo
from aiok_spark.training.worker.optimisers import Gradients, Optimisers, rate, sparse_parameters
from aiok_spark.training.worker.refused import RefusedError
from aiok_spark.training.worker.sparse import coalesced
from aiok_spark.training.worker.weights import from_bytes, to_bytes

STOCK = {
    "sgd": lambda ps, g: torch.optim.SGD(ps, g.learningRate, momentum=g.momentum, weight_decay=g.weightDecay),
    "adam": lambda ps, g: torch.optim.Adam(ps, g.learningRate, weight_decay=g.weightDecay),
    "adamw": lambda ps, g: torch.optim.AdamW(ps, g.learningRate, weight_decay=g.weightDecay),
    "adagrad": lambda ps, g: torch.optim.Adagrad(ps, g.learningRate, weight_decay=g.weightDecay),
    "sparseAdam": lambda ps, g: torch.optim.SparseAdam(ps, g.learningRate),
}
DENSE = [
    Group(optimizer="sgd", learningRate=0.1, weightDecay=0.01),
    Group(optimizer="sgd", learningRate=0.1, momentum=0.9),
    Group(optimizer="adam", learningRate=0.1, weightDecay=0.01),
    Group(optimizer="adamw", learningRate=0.1, weightDecay=0.01),
    Group(optimizer="adagrad", learningRate=0.1, weightDecay=0.01),
]
SPARSE = [Group(optimizer=name, learningRate=0.1, sparse=True) for name in ("sgd", "adagrad", "sparseAdam")]
REST = (Group(optimizer="sgd"), Group(optimizer="sgd", sparse=True))


def named(group):
    return f"{group.optimizer}{'-momentum' * bool(group.momentum)}"


class Net(nn.Module):
    def __init__(self, kind=torch.float64):
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(10, 3, sparse=True, dtype=kind)
        self.dense = nn.Linear(3, 4, dtype=kind)
        self.last = nn.Linear(4, 1, dtype=kind)

    def forward(self, ids):
        return self.last(torch.tanh(self.dense(self.table(ids))))


def task_of(*groups, **settings):
    return TrainTask("no:ne", FeatureSpec(("x",), (1,)), label="y", groups=groups, **settings)


def backward(network, step):
    """Gradients of a step: the same for equal networks, with ids that are touched twice or not at all."""
    for p in network.parameters():
        p.grad = None
    ids = torch.from_numpy(np.random.default_rng(step).integers(0, 10, 8))
    network(ids).square().sum().backward()


def assert_equal_weights(network, other, rtol=1e-12):
    for (name, p), q in zip(network.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=rtol, atol=1e-14, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("group", DENSE, ids=named)
def test_dense_parameters_change_as_with_the_optimiser_of_torch(group):
    network = Net()
    other = copy.deepcopy(network)
    ours = Optimisers(network, task_of(group, REST[1]))
    table = torch.optim.SGD([other.table.weight], 1e-3)
    rest = STOCK[group.optimizer]([*other.dense.parameters(), *other.last.parameters()], group)
    for step in range(6):
        backward(network, step)
        ours.step(step, 6)
        backward(other, step)
        table.step()
        rest.step()
    assert_equal_weights(network, other)


@pytest.mark.parametrize("group", SPARSE, ids=named)
def test_tables_change_as_with_the_optimiser_of_torch(group):
    network = Net()
    other = copy.deepcopy(network)
    ours = Optimisers(network, task_of(REST[0], group))
    rest = torch.optim.SGD([*other.dense.parameters(), *other.last.parameters()], 1e-3)
    table = STOCK[group.optimizer]([other.table.weight], group)
    for step in range(6):
        backward(network, step)
        ours.step(step, 6)
        backward(other, step)
        table.step()
        rest.step()
    assert_equal_weights(network, other)


@pytest.mark.parametrize("name", ["sgd", "adagrad"])
def test_a_sparse_table_changes_like_a_dense_one(name):
    network = Net()
    other = copy.deepcopy(network)
    other.table.sparse = False
    groups = task_of(REST[0], Group(match="table", optimizer=name, learningRate=0.1, sparse=True))
    ours = Optimisers(network, groups)
    dense = Optimisers(other, task_of(Group(match="table", optimizer=name, learningRate=0.1), REST[0]))
    for step in range(6):
        backward(network, step)
        ours.step(step, 6)
        backward(other, step)
        dense.step(step, 6)
    assert_equal_weights(network, other)


def test_a_parameter_goes_to_the_first_group_that_matches_its_name():
    network = Net()
    other = copy.deepcopy(network)
    groups = [
        Group(match=r"bias$", optimizer="sgd", learningRate=0.5),
        Group(match="^last", optimizer="adam", learningRate=0.3),
        Group(optimizer="adagrad", learningRate=0.1),
        Group(match="", optimizer="sparseAdam", learningRate=0.2, sparse=True),
    ]
    ours = Optimisers(network, task_of(*groups))
    members = [[other.dense.bias, other.last.bias], [other.last.weight], [other.dense.weight], [other.table.weight]]
    stock = [STOCK[g.optimizer](ps, g) for g, ps in zip(groups, members, strict=True)]
    for step in range(4):
        backward(network, step)
        ours.step(step, 4)
        backward(other, step)
        for optimiser in stock:
            optimiser.step()
    assert_equal_weights(network, other)


def test_a_parameter_without_a_group_is_refused():
    with pytest.raises(RefusedError, match=r"parameterGroups: found no group for 'dense\.weight', a parameter, expe"):
        Optimisers(Net(), task_of(Group(match="bias"), Group(sparse=True)))
    with pytest.raises(RefusedError, match=r"found no group for 'table\.weight', a table with sparse gradients,.*add"):
        Optimisers(Net(), task_of(Group()))


def test_frozen_parameters_need_no_group_and_do_not_change():
    network = Net()
    network.table.requires_grad_(False)
    network.dense.requires_grad_(False)
    before = copy.deepcopy(network)
    ours = Optimisers(network, task_of(Group(match="last", weightDecay=0.1)))
    backward(network, 0)
    ours.step(0, 1)
    assert torch.equal(network.dense.weight, before.dense.weight)
    assert not torch.equal(network.last.weight, before.last.weight)


def test_tables_made_sparse_are_found_wherever_they_are():
    network = nn.ModuleDict(
        {"a": nn.Embedding(3, 2, sparse=True), "b": nn.Sequential(nn.EmbeddingBag(3, 2, sparse=True))}
    )
    network["c"] = nn.Embedding(3, 2)
    assert sparse_parameters(network) == {"a.weight", "b.0.weight"}
    assert sparse_parameters(network["a"]) == {"weight"}


def rates(steps, group=None, **settings):
    group = group or Group(learningRate=0.2)
    return [rate(task_of(**settings), group, step, steps) for step in range(steps)]


def torch_rates(schedule, steps):
    """What a scheduler of torch has before each step."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.2)
    made, scheduler = [], schedule(optimiser)
    for _ in range(steps):
        made.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return made


def test_schedules_are_those_of_torch():
    linear = torch_rates(lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, 10), 10)
    cosine = torch_rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10), 10)
    assert rates(10) == [0.2] * 10
    assert rates(10, schedule="linear") == pytest.approx(linear, rel=1e-12)
    assert rates(10, schedule="cosine") == pytest.approx(cosine, rel=1e-12)


def test_pegasos_falls_with_the_step_as_its_paper_has_it():
    made = rates(10, Group(learningRate=0.2, weightDecay=0.5), schedule="pegasos")
    shift = 1 / (0.5 * 0.2)
    assert made == pytest.approx([1 / (0.5 * (step + shift)) for step in range(10)], rel=1e-12)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_warm_up_rises_to_the_rate_with_which_the_schedule_begins(schedule):
    made = rates(12, schedule=schedule, warmupSteps=4)
    assert made[:4] == pytest.approx([0.05, 0.1, 0.15, 0.2])
    assert made[4:] == pytest.approx(rates(8, schedule=schedule))


def test_warm_up_longer_than_the_training_only_rises():
    assert rates(3, schedule="cosine", warmupSteps=10) == pytest.approx([0.02, 0.04, 0.06])


def test_steps_are_taken_at_the_rates_of_the_schedule():
    network = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    start = network.weight.item()
    ours = Optimisers(network, task_of(Group(optimizer="sgd", learningRate=0.2), schedule="linear", warmupSteps=2))
    for step in range(6):
        network.weight.grad = torch.ones(1, 1, dtype=torch.float64)
        ours.step(step, 6)
    assert start - network.weight.item() == pytest.approx(0.1 + 0.2 + 0.2 + 0.15 + 0.1 + 0.05)


@pytest.mark.parametrize("limit", [1e-3, 1.0, 1e6])
def test_gradients_are_clipped_by_their_norm_over_all_parameters(limit):
    network = Net()
    other = copy.deepcopy(network)
    other.table.sparse = False
    optimisers = Optimisers(network, task_of(*REST))
    backward(network, 1)
    Gradients(optimisers, Solo()).clip(limit)
    backward(other, 1)
    nn.utils.clip_grad_norm_(other.parameters(), limit)
    for p, q in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p.grad.to_dense(), q.grad, rtol=1e-12, atol=0)


def test_the_only_worker_has_gradients_of_the_mean():
    network = Net()
    other = copy.deepcopy(network)
    gradients = Gradients(Optimisers(network, task_of(*REST)), Solo())
    gradients.begin()
    backward(network, 1)
    assert gradients.exchange(3.0, 4.0) == (3.0, 4.0)
    backward(other, 1)
    for p, q in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p.grad.to_dense(), q.grad.to_dense() / 4, rtol=1e-12, atol=0)


def cleared(network, optimisers):
    backward(network, 0)
    optimisers.clear()
    return [p.grad for p in network.parameters()]


def test_clear_forgets_all_gradients():
    network = Net()
    assert cleared(network, Optimisers(network, task_of(*REST))) == [None] * 5


@pytest.mark.parametrize("kind", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("group", [*DENSE, *SPARSE], ids=lambda g: f"{named(g)}{'-sparse' * g.sparse}")
def test_restored_optimisers_go_on_as_if_nothing_had_been(group, kind):
    task = task_of(*sorted([group, REST[not group.sparse]], key=lambda g: g.sparse))
    network = Net(kind)
    ours = Optimisers(network, task)
    for step in range(7):
        if step == 4:
            other = copy.deepcopy(network)
            restored = Optimisers(other, task)
            restored.restore(from_bytes(to_bytes(ours.state())))
        backward(network, step)
        ours.step(step, 7)
    for step in range(4, 7):
        backward(other, step)
        restored.step(step, 7)
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), other.parameters(), strict=True))
    assert {name: value.tolist() for name, value in ours.state().items()} == {
        name: value.tolist() for name, value in restored.state().items()
    }


def test_cosine_ends_just_above_zero():
    assert 0 < rates(100, schedule="cosine")[-1] < 0.2 * (1 - math.cos(math.pi / 100))


@pytest.mark.parametrize("ids", [[[2, 0, 2]], [[0, 2, 3]], [[]], [[3, 3]]])
def test_a_sparse_gradient_is_coalesced_however_it_came(ids):
    ids = torch.tensor(ids, dtype=torch.int64)
    made = torch.sparse_coo_tensor(ids, torch.arange(2.0 * ids.shape[1]).view(-1, 2), (4, 2), check_invariants=True)
    found = coalesced(made)
    assert found.is_coalesced()
    assert torch.equal(found.to_dense(), made.to_dense())


def test_weight_decay_of_tables_is_refused_as_it_would_change_all_rows():
    with pytest.raises(RefusedError, match=r"parameterGroups: found weightDecay 0\.1 and momentum 0\.0 for tables"):
        Optimisers(Net(), task_of(Group(), Group(optimizer="adagrad", weightDecay=0.1, sparse=True)))
    with pytest.raises(RefusedError, match="found optimizer 'adam' for tables with sparse gradients, expected one of"):
        Optimisers(Net(), task_of(Group(), Group(optimizer="adam", sparse=True)))


def test_a_training_does_not_load_torchs_compiler():
    """It would take seconds in every new worker."""
    code = (
        "import sys, torch; from tests.training.worker import test_optimisers as t\n"
        "groups = [t.Group(optimizer=o, match=m) for o, m in (('adam', 'bias'), ('sgd', 'last'), ('adagrad', ''))]\n"
        "network = t.Net(); ours = t.Optimisers(network, t.task_of(*groups, *t.SPARSE[-1:]))\n"
        "t.backward(network, 0); ours.step(0, 1); ours.clear(); ours.restore(ours.state())\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
