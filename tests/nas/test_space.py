"""Spaces: what they draw, how it changes, what comes of it as JSON and as a network."""

import csv
import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from aiok_spark import register
from aiok_spark.core.errors import UnsafeClassError
from aiok_spark.nas import ArchitectureSpace, CtrSpace, NasBench201, VitSpace
from aiok_spark.nas.space import key_of
from aiok_spark.nas.spaces import space_of
from aiok_spark.nas.spaces.nasbench201 import genes_of
from aiok_spark.nas.worker.counting import flops_of, params_of, sketched
from aiok_spark.nas.worker.probe import batch
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.task import TrainTask
from aiok_spark.training.worker.weights import build, forward
from tests.nas.spaces import CLICKS, PIXELS, SMALL

BENCH = Path(__file__).parents[3] / "shared/data/nasbench201/nasbench201_cifar10_1000.csv.gz"


def task_of(space, features, kind, genes):
    return TrainTask(space.network, features, kind, numClasses=10, arguments=space.arguments(genes, features))


@pytest.mark.parametrize("name", SMALL)
def test_drawn_candidates_are_networks_with_as_many_parameters_as_counted(name):
    space, features, kind = SMALL[name]
    chance = random.Random(0)
    for _ in range(12):
        task = task_of(space, features, kind, space.draw(features, chance))
        built = build(task)
        assert params_of(sketched(task)) == sum(p.numel() for p in built.parameters())
        assert flops_of(sketched(task), task) > 0
        made = forward(built, batch(features, 3, torch.Generator().manual_seed(1)))
        assert made.shape == (3, task.outputs)
        assert torch.isfinite(made).all()


@pytest.mark.parametrize("name", SMALL)
def test_moves_stay_in_the_space(name):
    space, features, _ = SMALL[name]
    chance, genes = random.Random(1), space.genes(features)
    one, other = space.draw(features, chance), space.draw(features, chance)
    mutant, child = space.mutate(one, features, chance, 0.0), space.cross(one, other, chance)
    assert sum(mutant[gene] != one[gene] for gene in genes) == 1
    assert all(child[gene] in (one[gene], other[gene]) for gene in genes)
    for made in (one, mutant, child):
        assert all(made[gene] in values for gene, values in genes.items())


@pytest.mark.parametrize("name", SMALL)
def test_a_space_comes_back_from_json(name):
    space = SMALL[name][0]
    assert space_of(json.loads(json.dumps(space.to_json()))) == space


def test_genes_that_do_not_matter_make_no_other_candidate():
    space, features, _ = SMALL["vit"]
    genes = space.draw(features, random.Random(2)) | {"depth": 1}
    other = genes | {"2.heads": 5 - genes["2.heads"]}
    assert key_of(space.arguments(genes, features)) == key_of(space.arguments(other, features))
    clicks = CtrSpace()
    genes = clicks.draw(CLICKS, random.Random(2)) | {"interaction": "none", "cross": 1, "common": 8}
    assert clicks.arguments(genes, CLICKS) == clicks.arguments(genes | {"cross": 3, "common": 32}, CLICKS)


@pytest.mark.skipif(not BENCH.exists(), reason="nasbench201 is not part of this repository")
def test_networks_of_nasbench201_have_the_parameters_that_it_publishes():
    space, features = NasBench201(), FeatureSpec(("pixels",), (3072,))
    with gzip.open(BENCH, "rt") as lines:
        for row in list(csv.DictReader(lines))[::100]:
            task = task_of(space, features, "multiclass", genes_of(row["arch_str"]))
            assert params_of(sketched(task)) == round(1e6 * float(row["params_m_cifar10"]))


def test_a_cell_is_what_its_definition_says():
    """Node 3 is avg(node 0) + conv(node 1) + node 2, with node 1 = node 0 and node 2 = none + node 1."""
    from aiok_spark.nas.networks.nasbench201 import Cell

    cell = Cell(4, ["skip_connect", "none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "skip_connect"]).eval()
    x = torch.randn(2, 4, 5, 5)
    pooled = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    weight = cell.edges["1_3"][1].weight[:, :, 0, 0]
    mixed = torch.einsum("oi,nihw->nohw", weight, x.relu()) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(cell(x), pooled + mixed + x)


def test_columns_that_do_not_fit_are_refused():
    assert "expected 64 numbers" in SMALL["cnn"][0].refuse(CLICKS)
    assert "at least two" in CtrSpace().refuse(PIXELS)
    assert "array of tokens" in SMALL["bert"][0].refuse(CLICKS)
    assert "divides height" in VitSpace(imageShape=(1, 8, 8), patch=3).refuse(PIXELS)
    for space, features, _ in SMALL.values():
        assert space.refuse(features) is None


@register
@dataclass(frozen=True)
class Widths(ArchitectureSpace):
    widths: tuple[int, ...] = (2, 4)
    name = "widths"
    network = "aiok_spark.models.networks.mlp:MLP"

    def genes(self, features):
        return {"first": self.widths, "second": self.widths}

    def arguments(self, genes, features):
        return {"hiddenLayers": [genes["first"], genes["second"]], "embeddingDim": 2, "dropout": 0.0}


class Unknown(Widths):
    pass


def test_a_space_of_the_user_is_loaded_if_it_is_registered():
    assert space_of(Widths((3, 5)).to_json()) == Widths((3, 5))
    with pytest.raises(UnsafeClassError, match="Unknown"):
        space_of(Unknown().to_json())
