"""The user's own creators: what they train against a plain loop of torch, resumed trainings, wrong types."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from training.staged import columns, shard_of, trained

from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.task import BINARY, RAW, Creators, TrainTask
from aiok_spark.training.worker import weights
from aiok_spark.training.worker.creators import Created
from aiok_spark.training.worker.refused import RefusedError

pytestmark = pytest.mark.orca

CONFIG = {"factors": 3, "rate": 0.05}


class Net(nn.Module):
    def __init__(self, factors):
        super().__init__()
        self.table = nn.Embedding(7, factors)
        self.last = nn.Linear(factors + 2, 1)

    def forward(self, c, a, b):
        return torch.sigmoid(self.last(torch.cat([self.table(c), a[:, None], b[:, None]], 1)))[:, 0]


def network(config):
    torch.manual_seed(3)
    return Net(config["factors"])


def adam(model, config):
    return torch.optim.Adam(model.parameters(), lr=config["rate"])


def halving(optimizer, config):
    return torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)


def task(kind=BINARY, made=network, optimizer=adam, scheduler=halving, loss=None, metrics=(), **settings):
    code = {"live:net:1": made, "live:optimizer:1": optimizer, "live:loss:1": loss or nn.BCELoss()}
    code |= {f"live:metric:{i}": metric for i, metric in enumerate(metrics)}
    code |= {"live:scheduler:1": scheduler} if scheduler else {}
    creators = Creators(
        "live:optimizer:1",
        "live:loss:1",
        "live:scheduler:1" if scheduler else "",
        [f"live:metric:{i}" for i in range(len(metrics))],
        config=CONFIG,
    )
    arguments = {"creator": "live:net:1", "config": CONFIG, "columns": ["c", "a", "b"], "scalars": ["a", "b", "c"]}
    named = {"epochs": 3, "batchSize": 20, "shuffle": False, "label": "label", "probabilities": True, **settings}
    return TrainTask(
        f"{Created.__module__}:Created",
        FeatureSpec(("a", "b"), (1, 1), ("c",), (0,)),
        kind,
        arguments=arguments,
        creators=creators,
        live=code,
        **named,
    )


def plainly(table, epochs=3):
    model, loss = network(CONFIG), nn.BCELoss()
    optimizer = adam(model, CONFIG)
    scheduler = halving(optimizer, CONFIG)
    tensors = [torch.tensor(table[n]).float() for n in ("a", "b", "label")]
    a, b, label = tensors
    c = torch.tensor(table["c"])
    told = []
    for _ in range(epochs):
        total = 0.0
        for at in range(0, len(c), 20):
            rows = slice(at, at + 20)
            optimizer.zero_grad()
            value = loss(model(c[rows], a[rows], b[rows]), label[rows])
            value.backward()
            optimizer.step()
            total += value.item() * 20
        scheduler.step()
        told.append(total / len(c))
    return model, told


@pytest.mark.parametrize("kind", [BINARY, RAW])
def test_they_train_as_a_plain_loop(kind):
    table = columns()
    made = trained(task(kind), table)
    model, told = plainly(shard_columns(task(kind), table))
    assert [done["loss"] for done in made.history] == pytest.approx(told, rel=1e-5)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(made.network.network.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def shard_columns(task, table):
    """The columns in the order in which a worker has its rows."""
    shard = shard_of(task, table)
    rows = shard.rows(torch.from_numpy(shard.training))
    dense, ids = rows["dense"].double().numpy(), rows["categorical"].numpy()
    return {"a": dense[:, 0], "b": dense[:, 1], "c": ids[:, 0], "label": rows["label"].double().numpy()}


def test_metrics_of_probabilities_are_those_of_their_logits():
    table = columns()
    made = trained(task(validationFraction=0.3), table)
    assert made.history[-1]["auc"] > 0.8
    assert made.history[-1]["logLoss"] == pytest.approx(made.history[-1]["loss"], rel=1e-4)
    assert 0.6 < made.history[-1]["accuracy"] <= 1


def test_the_users_metrics_see_all_held_out_rows_at_once():
    seen = []

    def count(output, target):
        seen.append((tuple(output.shape), tuple(target.shape)))
        return len(output)

    made = trained(task(RAW, metrics=[count], validationFraction=0.3), columns())
    assert made.facts["validationRows"] > 5
    assert {done["validation_count"] for done in made.history} == {made.facts["validationRows"]}
    assert set(seen) == {((made.facts["validationRows"],), (made.facts["validationRows"],))}


class KilledError(Exception):
    pass


@pytest.mark.parametrize("at", [2, 4, 7])
def test_a_resumed_training_has_the_optimizers_and_schedules_of_an_undisturbed_one(at, tmp_path):
    steps = iter(range(1, 100))

    class Killing(nn.BCELoss):
        def forward(self, output, target):
            if next(steps) == at:
                raise KilledError
            return super().forward(output, target)

    table, named = columns(), {"checkpointInterval": 2}
    undisturbed = trained(task(checkpointDir=str(tmp_path / "a"), run="a", **named), table)
    with pytest.raises(KilledError):
        trained(task(loss=Killing(), checkpointDir=str(tmp_path / "b"), run="b", **named), table)
    resumed = trained(task(checkpointDir=str(tmp_path / "b"), run="b", **named), table)
    assert (resumed.facts["resumed"] is None) == (at == 2)
    for name, value in undisturbed.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"made": lambda config: 3}, "modelCreator: gave int, expected a torch.nn.Module"),
        ({"optimizer": lambda model, config: "adam"}, "optimizerCreator: gave str, expected a torch.optim.Optimizer"),
        ({"scheduler": lambda optimizer, config: 1}, "schedulerCreator: gave int, expected a schedule"),
        (
            {"scheduler": lambda optimizer, config: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)},
            "schedulerCreator: gave ReduceLROnPlateau, expected a schedule of torch.optim.lr_scheduler that needs no",
        ),
        ({"loss": lambda config: "mse"}, "lossCreator: gave str, expected a function of output and label"),
        ({"loss": lambda config: lambda output, label: 3.0}, "lossCreator: its loss gave float, expected a tensor"),
    ],
)
def test_what_creators_should_not_give_is_named(params, message):
    with pytest.raises(RefusedError, match=message):
        trained(task(**params), columns())


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_loss_counts_each_row_once_whatever_its_reduction(reduction):
    table = columns(60)
    made = trained(task(loss=nn.BCELoss(reduction=reduction)), table)
    assert made.history[0]["loss"] == pytest.approx(trained(task(), table).history[0]["loss"], rel=1e-5)


def test_rows_weigh_as_their_weights_say():
    table = columns(60)
    table["weight"] = np.repeat([0.0, 2.0], 30)
    made = trained(task(weight="weight", batchSize=60, epochs=1), table)
    network_, rows = weights.build(task()), {n: v[30:] for n, v in table.items()}
    output = network_.network(torch.tensor(rows["c"]), torch.tensor(rows["a"]).float(), torch.tensor(rows["b"]).float())
    expected = nn.BCELoss()(output, torch.tensor(rows["label"]).float()).item()
    assert made.history[0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_no_epoch_measures_the_weights_to_begin_with():
    table = columns()
    first = trained(task(), table)
    only = replace(task(validationFraction=0.99), epochs=0)
    made = trained(only, table)
    assert [done["epoch"] for done in made.history] == [0]
    assert made.history[0]["validationRows"] == made.facts["validationRows"]
    for name, value in weights.build(task()).state_dict().items():
        assert torch.equal(made.network.state_dict()[name], value)
    assert not torch.equal(first.network.network.last.bias, made.network.network.last.bias)
