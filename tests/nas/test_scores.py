"""Each score against its formula, worked out by hand on networks of a few numbers."""

import math
import random

import pytest
import torch
from torch import nn

from aiok_spark.nas.networks.transformer import Attention
from aiok_spark.nas.scores import NAMED, az_nas
from aiok_spark.nas.scores.diversity import diversity
from aiok_spark.nas.scores.gradients import grad_norm, log_synflow, snip, synflow
from aiok_spark.nas.scores.naswot import naswot
from aiok_spark.nas.scores.ntk import kernel, ntk
from aiok_spark.nas.scores.zen import zen
from aiok_spark.nas.worker.probe import Probe, kaiming
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.references import resolve
from aiok_spark.training.task import TrainTask
from tests.nas.spaces import SMALL

TWO = FeatureSpec(("a", "b"), (1, 1))


class Given(Probe):
    """A probe of a network and rows that a test knows."""

    def __init__(self, network, rows, kind="regression", features=TWO):
        super().__init__(TrainTask("", features, kind), len(rows), 0)
        self._network, self.__dict__["inputs"] = network, {"dense": torch.tensor(rows)}

    def network(self, weights=None):
        return self._network


def linear(*weights, bias=False):
    rows = torch.tensor(weights)
    made = nn.Linear(rows.shape[1], rows.shape[0], bias=bias)
    with torch.no_grad():
        made.weight.copy_(rows)
    return made


class Stages(nn.Module):
    def __init__(self, *parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def stages(self):
        return list(self.parts)

    def forward(self, dense):
        for part in self.parts:
            dense = part(dense)
        return dense


def test_entropy_of_two_equal_components_is_log_two():
    values = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert az_nas.entropy(values) == pytest.approx(math.log(2), abs=1e-6)
    assert az_nas.entropy(values * torch.tensor([1.0, 0.0])) == pytest.approx(0, abs=1e-6)
    image = values.reshape(1, 4, 2, 1).movedim(2, 1)  # the same channels at four places
    assert az_nas.entropy(image) == pytest.approx(math.log(2), abs=1e-6)


def test_expressivity_adds_entropies_and_progressivity_is_their_least_gain():
    rows = [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    same, half = linear([1.0, 0.0], [0.0, 1.0]), linear([1.0, 0.0], [0.0, 0.0])
    probe = Given(Stages(same, half), rows)
    assert az_nas.expressivity(probe) == pytest.approx(math.log(2), abs=1e-5)
    assert az_nas.progressivity(Given(Stages(half, same), rows)) == pytest.approx(0, abs=1e-5)
    assert az_nas.progressivity(probe) == pytest.approx(-math.log(2), abs=1e-5)


def test_trainability_is_best_where_gradients_keep_their_size():
    """With g of -1 and 1, h = g w, so h^T g / n is about w: its largest singular value is |w| for one channel."""
    rows = [[float(i)] for i in range(64)]
    one = FeatureSpec(("a",), (1,))
    for gain in (0.5, 1.5):
        probe = Given(Stages(linear([1.0]), linear([gain])), rows, features=one)
        assert az_nas.trainability(probe) == pytest.approx(2 - gain - 1 / gain, abs=1e-4)
    untouched = Given(Stages(linear([1.0]), nn.Identity()), rows, features=one)
    assert az_nas.trainability(untouched) == float("-inf")


def test_naswot_counts_activations_that_rows_share():
    """Codes 10, 01, 11: rows share 0, 1, 1 of two activations."""
    network = nn.Sequential(linear([1.0, 0.0], [0.0, 1.0]), nn.ReLU())
    found = naswot(Given(network, [[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]))
    expected = torch.tensor([[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [1.0, 1.0, 2.0]])
    assert found == pytest.approx(math.log(torch.det(expected)), abs=1e-6)
    assert naswot(Given(network, [[1.0, 2.0], [3.0, 4.0]])) == float("-inf")


def flow_network():
    return nn.Sequential(linear([1.0, -2.0]), nn.BatchNorm1d(1), nn.ReLU(), linear([-3.0]))


def test_synflow_is_the_sum_over_paths_for_each_layer():
    """R = 3 (1 + 2) = 9; the sum of w dR/dw is R once for each of two layers."""
    assert synflow(Given(flow_network(), [[5.0, 7.0]])) == pytest.approx(18)


def test_log_synflow():
    """By dR/dw = 3, 3 for the first layer and 3 for the second: (1 + 2) log 4 + 3 log 4."""
    assert log_synflow(Given(flow_network(), [[5.0, 7.0]])) == pytest.approx(6 * math.log(4))


def test_gradients_of_the_loss():
    """One row, loss (w x - y)^2: dL/dw = 2 (w x - y) x."""
    probe = Given(linear([2.0, 1.0]), [[3.0, 4.0]])
    label = torch.randn(1, generator=probe.random("labels")).item()
    gradient = [2 * (10 - label) * 3, 2 * (10 - label) * 4]
    assert grad_norm(probe) == pytest.approx(math.hypot(*gradient), rel=1e-5)
    assert snip(probe) == pytest.approx(abs(2 * gradient[0]) + abs(gradient[1]), rel=1e-5)


def test_zen_puts_back_the_scale_that_norms_take_out():
    """One norm: what comes out changes by 0.01 |e| / s, and log s is added again."""

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(1, eps=1e-12)

        def stages(self):
            return [self.norm]

        def forward(self, dense):
            return self.norm(dense)

    rows = [[0.0], [4.0], [8.0], [12.0]]
    probe = Given(Normed(), rows, features=FeatureSpec(("a",), (1,)))
    x = torch.tensor(rows)
    noise = torch.randn(4, 1, generator=probe.random("noise"))
    moved = x + 0.01 * noise
    scale, scale_moved = x.std(unbiased=False), moved.std(unbiased=False)
    change = ((x - x.mean()) / scale - (moved - moved.mean()) / scale_moved).abs().mean()
    assert zen(probe) == pytest.approx(float(change.log() + scale.log()), rel=1e-4)


def test_ntk_of_one_layer_is_that_of_its_rows():
    """The gradient of w x by w is x: rows (3, 0) and (0, 1) have the kernel diag(9, 1)."""
    probe = Given(linear([1.0, 1.0]).double(), [[3.0, 0.0], [0.0, 1.0]])
    assert ntk(probe) == pytest.approx(-math.log(9))
    alike = Given(linear([1.0, 1.0]).double(), [[1.0, 1.0], [1.0, 1.0]])
    assert ntk(alike) == float("-inf")


@pytest.mark.parametrize("name", ["cnn", "bert", "ctr"])
def test_the_kernel_of_all_rows_at_once_is_that_of_row_by_row(name):
    space, features, kind = SMALL[name]
    genes = space.draw(features, random.Random(3))
    task = TrainTask(space.network, features, kind, numClasses=4, arguments=space.arguments(genes, features))
    probe = Probe(task, 5, 0)
    found = kernel(probe)
    network = probe.network(kaiming).double().eval()
    layers = [m.weight for m in network.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    rows = []
    for i in range(5):
        one = {k: (v.double() if v.is_floating_point() else v)[i : i + 1] for k, v in probe.inputs.items()}
        gradients = torch.autograd.grad(probe.forward(network, one).sum(), layers, allow_unused=True)
        rows.append(torch.cat([g.flatten() for g in gradients if g is not None]))
    each = torch.stack(rows)
    torch.testing.assert_close(found, each @ each.T, rtol=1e-9, atol=1e-12)


def test_diversity_multiplies_nuclear_norms():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = Attention(2, 1, 2)

        def forward(self, dense):
            return self.attention(dense.unsqueeze(1)).sum((1, 2)).unsqueeze(1)

    torch.manual_seed(0)
    network = Attending()
    probe = Given(network, [[1.0, 2.0], [3.0, -1.0]])
    labels = torch.randn(2, generator=probe.random("labels"))
    weights = [p for p in network.parameters() if p.ndim == 2]
    loss = (network(probe.inputs["dense"]).flatten() - labels).square().mean()
    gradients = torch.autograd.grad(loss, weights)
    expected = sum(
        torch.linalg.matrix_norm(w.detach(), "nuc") * torch.linalg.matrix_norm(g, "nuc")
        for w, g in zip(weights, gradients, strict=True)
    )
    assert diversity(probe) == pytest.approx(float(expected), rel=1e-5)
    assert math.isnan(diversity(Given(linear([1.0, 1.0]), [[1.0, 2.0]])))


@pytest.mark.parametrize("name", NAMED)
def test_a_score_depends_on_the_candidate_alone(name):
    space, features, kind = SMALL["vit"]
    score = resolve(NAMED[name], {})
    tasks = [
        TrainTask(space.network, features, kind, numClasses=4, arguments=space.arguments(genes, features))
        for genes in (space.draw(features, random.Random(i)) for i in range(2))
    ]
    first = score(Probe(tasks[0], 8, 7))
    torch.manual_seed(123)
    torch.rand(5)
    before = torch.get_rng_state()
    score(Probe(tasks[1], 8, 7))
    assert score(Probe(tasks[0], 8, 7)) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert score(Probe(tasks[0], 8, 8)) != first
