"""The networks' sizes, against their formulas; values and gradients, against plain ones of torch."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from aiok_spark.models.networks.dlrm import DLRM, pair_products
from aiok_spark.models.networks.layers import Tables
from aiok_spark.models.networks.linear import Linear
from aiok_spark.models.networks.mlp import MLP
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.worker.sparse import coalesced, sum_by_id

SIZES = (5, 3, 11)


def spec(dense=4, sizes=SIZES):
    return FeatureSpec(tuple(f"x{i}" for i in range(dense)), (1,) * dense, tuple("abcdef"[: len(sizes)]), sizes)


def count(network):
    return sum(p.numel() for p in network.parameters())


def dense_layers(*widths):
    """Parameters of linear layers with biases, from width to width."""
    return sum(n * m + m for n, m in pairwise(widths))


def draw(rows, sizes=SIZES, dense=4, kind=torch.float32):
    rng = np.random.default_rng(0)
    ids = np.stack([rng.integers(0, size, rows) for size in sizes], 1)
    return torch.from_numpy(ids), torch.from_numpy(rng.normal(size=(rows, dense))).to(kind)


@pytest.mark.parametrize(("bottom", "top"), [([7, 6], [9]), ([], []), ([2], [3, 4])])
def test_a_dlrm_has_the_parameters_of_its_formula(bottom, top):
    tables = sum(SIZES) * 8
    with_numbers = dense_layers(4, *bottom, 8) + dense_layers(8 + 4 * 3 // 2, *top, 1)
    assert count(DLRM(spec(), 8, bottom, top)) == tables + with_numbers
    assert count(DLRM(spec(dense=0), 8, bottom, top)) == tables + dense_layers(3 * 2 // 2, *top, 1)


def test_the_default_dlrm_has_the_parameters_of_facebooks():
    """26 tables of 16, bottom 13-512-256-64-16, top (16 + 27 * 26 / 2)-512-256-1."""
    network = DLRM(spec(13, (100,) * 6), 16, [512, 256, 64], [512, 256])
    assert count(network) - 600 * 16 == dense_layers(13, 512, 256, 64, 16) + dense_layers(16 + 7 * 6 // 2, 512, 256, 1)


def test_the_others_have_the_parameters_of_their_formulas():
    assert count(MLP(spec(), 3, [7, 5], 2, 0.1)) == sum(SIZES) * 2 + dense_layers(4 + 3 * 2, 7, 5, 3)
    assert count(MLP(spec(sizes=()), 1, [], 2, 0.0)) == dense_layers(4, 1)
    assert count(Linear(spec(sizes=()))) == 4 + 1


@pytest.mark.parametrize("rows", [1, 255, 256, 600])
@pytest.mark.parametrize("dense", [0, 4])
def test_a_dlrm_computes_what_its_paper_says(rows, dense):
    torch.manual_seed(1)
    network = DLRM(spec(dense), 8, [7], [9]).double()
    ids, numbers = draw(rows, dense=dense, kind=torch.float64)
    tables = network.tables.weight.split(SIZES)
    vectors = [F.embedding(ids[:, i], table) for i, table in enumerate(tables)]
    below = [network.bottom(numbers)] if dense else []
    everything = below + vectors
    pairs = [(everything[i] * everything[j]).sum(1, keepdim=True) for i in range(len(everything)) for j in range(i)]
    expected = network.last(network.top(torch.cat(below + pairs, 1)))
    made = network(ids, numbers) if dense else network(ids)
    assert torch.allclose(made, expected, rtol=0, atol=1e-12)
    parameters = list(network.parameters())
    ours, theirs = (torch.autograd.grad(output.square().sum(), parameters) for output in (made, expected))
    for p, q in zip(ours, theirs, strict=True):
        assert torch.allclose(p.to_dense(), q, rtol=0, atol=1e-10)


def test_an_mlp_computes_its_layers():
    network = MLP(spec(), 3, [7], 2, 0.0)
    ids, numbers = draw(50)
    vectors = [F.embedding(ids[:, i], table) for i, table in enumerate(network.tables.weight.split(SIZES))]
    linear = network.hidden[0]
    hidden = torch.relu(F.linear(torch.cat([numbers, *vectors], 1), linear.weight, linear.bias))
    assert torch.allclose(network(numbers, ids), network.last(hidden), atol=1e-6)
    assert torch.equal(network(categorical=ids, dense=numbers), network(numbers, ids))


def test_dropout_is_of_the_training_only():
    network = MLP(spec(), 1, [50], 2, 0.5)
    ids, numbers = draw(20)
    assert not torch.equal(network(numbers, ids), network(numbers, ids))
    network.eval()
    assert torch.equal(network(numbers, ids), network(numbers, ids))


def test_pair_products_have_the_gradients_of_finite_differences():
    vectors = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(pair_products, vectors)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 2**40), max_size=200), st.integers(1, 3))
def test_rows_are_summed_by_id(ids, dim):
    rows = torch.from_numpy(np.random.default_rng(len(ids)).normal(size=(len(ids), dim)))
    unique, sums = sum_by_id(torch.tensor(ids, dtype=torch.int64), rows)
    assert unique.tolist() == sorted(set(ids))
    for i, total in zip(unique.tolist(), sums, strict=True):
        expected = rows[torch.tensor(ids) == i].sum(0)
        assert torch.allclose(total, expected, rtol=0, atol=1e-12)


def test_a_tables_gradient_holds_what_was_touched_once_and_in_order():
    tables = Tables((1000, 1000), 4)
    ids = torch.tensor([[1, 1], [1, 2], [7, 2]])
    (tables(ids) * torch.arange(24.0).view(3, 2, 4)).sum().backward()
    gradient = coalesced(tables.weight.grad)
    assert gradient._indices().tolist() == tables.weight.grad._indices().tolist() == [[1, 7, 1001, 1002]]
    assert gradient.is_coalesced()
    dense = tables.weight.detach().clone().requires_grad_()
    (F.embedding(ids + torch.tensor([0, 1000]), dense) * torch.arange(24.0).view(3, 2, 4)).sum().backward()
    assert torch.equal(gradient.to_dense(), dense.grad)


def test_first_values_of_a_table_shrink_with_its_size():
    """Uniform within +-1 / sqrt(ids), as in facebook's DLRM."""
    small, large = Tables((16, 10_000), 8).weight.detach().split((16, 10_000))
    assert 0.2 < small.abs().max() <= 0.25
    assert 0.0099 < large.abs().max() <= 0.01
