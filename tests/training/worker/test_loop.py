"""The training loop of one worker, against a plain loop of torch; and resumed trainings, against undisturbed ones."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from training.staged import Small, columns, live, shard_of, trained

from aiok_spark.training.task import BINARY, MULTICLASS, REGRESSION, Group
from aiok_spark.training.worker import loop, weights
from aiok_spark.training.worker.exchange import Solo
from aiok_spark.training.worker.refused import RefusedError

pytestmark = pytest.mark.orca

SGD = (Group("", "sgd", 0.3, sparse=True), Group("", "sgd", 0.3))
ADAM = (Group("", "sparseAdam", 0.05, sparse=True), Group("", "adam", 0.05))
ADAGRAD = (Group("", "adagrad", 0.1, sparse=True), Group("", "adam", 0.05))


def small(**settings):
    """A task with a fixed network of its own."""
    torch.manual_seed(7)
    first = Small(live(None).features, **{k: settings.pop(k) for k in ("outputs", "dropout", "step") if k in settings})
    return live(lambda features, **_: copy.deepcopy(first), **settings)


def plainly(task, table, epochs, loss, weight=None):
    """The same training as a loop of torch with an optimiser for the table and one for the rest."""
    network = weights.build(task)
    dense = torch.from_numpy(np.stack([table["a"], table["b"]], 1))
    ids, label = torch.from_numpy(table["c"])[:, None], torch.from_numpy(table["label"])
    weight = torch.ones(len(label), dtype=torch.float64) if weight is None else torch.from_numpy(weight)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.3)
    told = []
    for _ in range(epochs):
        total, count = 0.0, 0.0
        for rows in np.array_split(np.arange(len(label)), -(-len(label) // task.batchSize)):
            losses = loss(network(dense[rows], ids[rows]), label[rows])
            optimiser.zero_grad()
            ((losses * weight[rows]).sum() / weight[rows].sum()).backward()
            optimiser.step()
            total, count = total + (losses * weight[rows]).sum().item(), count + weight[rows].sum().item()
        told.append(total / count)
    return network, told


def assert_same(network, expected, exactly=False):
    for (name, ours), theirs in zip(network.state_dict().items(), expected.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs) if exactly else torch.allclose(ours, theirs, rtol=0, atol=1e-12), name


@pytest.mark.parametrize(
    ("settings", "classes", "loss"),
    [
        ({"kind": BINARY}, 2, lambda o, y: F.binary_cross_entropy_with_logits(o[:, 0], y, reduction="none")),
        (
            {"kind": MULTICLASS, "numClasses": 3, "outputs": 3},
            3,
            lambda o, y: F.cross_entropy(o, y.long(), reduction="none"),
        ),
        ({"kind": REGRESSION}, 0, lambda o, y: (o[:, 0] - y).square()),
    ],
    ids=[BINARY, MULTICLASS, REGRESSION],
)
def test_weights_and_losses_are_those_of_a_plain_loop(settings, classes, loss):
    table = columns(classes=classes)
    task = small(groups=SGD, epochs=3, batchSize=25, **settings)
    made = trained(task, table)
    network, losses = plainly(task, table, 3, loss)
    assert_same(made.network, network)
    assert [done["loss"] for done in made.history] == pytest.approx(losses, rel=1e-12)
    assert made.facts["stepsPerEpoch"] == 3 and made.facts["stopped"] == "all epochs done"


def test_weights_of_rows_and_classes_weigh_the_loss():
    table = columns()
    table["w"] = np.random.default_rng(5).random(60)
    task = small(groups=SGD, epochs=2, batchSize=25, weight="w", classWeights=(0.5, 2.0))
    made = trained(task, table)
    weight = table["w"] * np.where(table["label"] == 1, 2.0, 0.5)
    network, losses = plainly(
        task, table, 2, lambda o, y: F.binary_cross_entropy_with_logits(o[:, 0], y, reduction="none"), weight
    )
    assert_same(made.network, network)
    assert [done["loss"] for done in made.history] == pytest.approx(losses, rel=1e-12)


def test_gradients_are_clipped_to_their_norm():
    table = columns()
    task = small(groups=SGD, epochs=1, batchSize=60)
    first, free = weights.build(task), trained(task, table).network

    def moved(network):
        pairs = zip(network.parameters(), first.parameters(), strict=True)
        return torch.cat([(p - q).flatten() for p, q in pairs])

    clipped = moved(trained(replace(task, clipNorm=0.01), table).network)
    assert clipped.norm().item() == pytest.approx(0.3 * 0.01, rel=1e-3)
    assert F.cosine_similarity(clipped, moved(free), 0).item() == pytest.approx(1)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("groups", [SGD, ADAM, ADAGRAD], ids=["sgd", "adam", "adagrad"])
@pytest.mark.parametrize("at", [1, 4, 6, 7, 9], ids="step {}".format)
def test_a_resumed_training_is_bit_identical_to_an_undisturbed_one(groups, at, tmp_path):
    """KilledError in the step of that number; an epoch has 3 steps and a checkpoint is due after every second."""
    steps = iter(range(1, 100))
    fatal = []

    def step():
        if next(steps) in fatal:
            raise KilledError

    table = columns()
    settings = {"groups": groups, "epochs": 3, "batchSize": 20, "shuffle": True, "dropout": 0.5, "step": step}
    settings |= {"validationFraction": 0.2, "patience": 3, "checkpointInterval": 2, "clipNorm": 1.0}
    task = small(**settings)
    undisturbed = trained(replace(task, checkpointDir=str(tmp_path / "a"), run="a"), table)
    task, steps = replace(task, checkpointDir=str(tmp_path / "b"), run="b"), iter(range(1, 100))
    fatal.append(at)
    with pytest.raises(KilledError):
        trained(task, table)
    fatal.clear()
    resumed = trained(task, table)
    assert_same(resumed.network, undisturbed.network, exactly=True)
    varies = {"seconds", "rowsPerSecond"}

    def told(history):
        return [{k: v for k, v in done.items() if k not in varies} for done in history]

    for ours, theirs in zip(told(resumed.history), told(undisturbed.history), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)
    done = (at - 1) // 3 * 3 + (at - 1) % 3 // 2 * 2  # steps before the last checkpoint
    assert resumed.facts["resumed"] == ({"epoch": done // 3 + 1, "step": done % 3} if done else None)


def unfinished(folder, table, **settings):
    """A task whose first epoch is in a checkpoint."""
    task = small(groups=SGD, epochs=2, checkpointDir=str(folder), **{"run": "a", **settings})
    trained(replace(task, epochs=1), table)
    (folder / "finished").unlink()
    return task


@pytest.mark.parametrize("others", [columns(50), columns(60, seed=1)], ids=["fewer", "as many"])
def test_a_checkpoint_of_other_rows_is_refused(others, tmp_path):
    task = unfinished(tmp_path, columns())
    with pytest.raises(
        RefusedError, match=r"found a checkpoint of a training on 60 rows, expected one on the \d+ rows"
    ):
        trained(task, others)


def test_a_checkpoint_of_the_same_rows_in_another_order_is_continued(tmp_path):
    table = columns()
    task = unfinished(tmp_path, table)
    made = trained(task, {name: values[::-1].copy() for name, values in table.items()})
    assert made.facts["resumed"] == {"epoch": 2, "step": 0}


def test_a_checkpoint_that_had_nothing_left_to_do_is_not_continued_again(tmp_path):
    """A fit of fewer epochs ends with it; the next one, on whatever rows, starts anew."""
    task = unfinished(tmp_path, columns())
    assert trained(replace(task, epochs=1, run="b"), columns()).facts["resumed"] == {"epoch": 2, "step": 0}
    assert trained(replace(task, epochs=1, run="c"), columns(50)).facts["resumed"] is None


def test_a_checkpoint_of_a_notebooks_class_is_known_again_in_another_process(tmp_path):
    task = unfinished(tmp_path, columns())
    code = task.live[task.network]
    again = replace(task, network="live:Net:2", live={"live:Net:2": code}, run="b")
    assert trained(again, columns()).facts["resumed"] == {"epoch": 2, "step": 0}
    other = replace(again, live={"live:Net:2": lambda features: Small(features, outputs=2)})
    (tmp_path / "finished").unlink()
    with pytest.raises(RefusedError, match="checkpointDir: found a checkpoint of another network"):
        trained(other, columns())


def test_a_target_ends_the_training_and_is_named():
    table = columns(300)
    made = trained(small(groups=ADAM, epochs=50, batchSize=50, metric="auc", targetMetric=0.9), table)
    assert 1 < len(made.history) < 50
    assert [done["auc"] >= 0.9 for done in made.history] == [False] * (len(made.history) - 1) + [True]
    assert made.facts["stopped"].startswith("auc 0.9") and made.facts["stopped"].endswith("reached the target 0.9")


def test_an_early_stop_gives_back_the_best_epochs_weights():
    table = columns(80, classes=0)
    table["label"] = np.random.default_rng(0).normal(size=80)  # nothing to learn, so it soon gets worse
    task = small(groups=ADAM, kind=REGRESSION, epochs=100, batchSize=10, validationFraction=0.4, patience=4)
    made = trained(task, table)
    held_out = [done["validation_rmse"] for done in made.history]
    best = int(np.argmin(held_out)) + 1
    assert len(made.history) == best + 4 < 100
    assert made.facts["bestEpoch"] == best
    assert made.facts["stopped"] == f"rmse is no better since epoch {best}"
    again = trained(replace(task, epochs=best, patience=0), table)
    assert_same(made.network, again.network, exactly=True)


def test_a_loss_that_is_not_finite_stops_at_its_batch_and_keeps_the_last_good_checkpoint(tmp_path):
    table = columns(classes=0)
    table["label"][45] = 1e200  # its square is infinite
    task = small(groups=SGD, kind=REGRESSION, epochs=2, batchSize=20, checkpointDir=str(tmp_path), run="a")
    task = replace(task, checkpointInterval=1)
    with pytest.raises(RefusedError, match="loss: found inf at epoch 1, batch 3 of 3, expected a finite number"):
        trained(task, table)
    shard = shard_of(task, table)
    held = loop.Loop(task, shard, Solo(), lambda about: None, weights.build(task))
    held.begin()
    assert (held.epoch, held.step) == (0, 2)
    assert all(torch.isfinite(p).all() for p in held.network.parameters())


def test_orders_differ_by_epoch_and_not_by_run():
    table, seen = columns(), []

    class Noting(Small):
        def forward(self, dense, categorical):
            if self.training:
                seen.append(dense[:, 0].tolist())
            return super().forward(dense, categorical)

    task = live(lambda features, **_: Noting(features), groups=SGD, epochs=2, batchSize=60, shuffle=True)
    trained(task, table)
    trained(task, table)
    assert seen[0] != seen[1] and seen[:2] == seen[2:]
    assert all(sorted(order) == sorted(table["a"].tolist()) for order in seen)


class Elsewhere(Solo):
    """The second of two workers, whose first one found a checkpoint that is not here."""

    rank, world = 1, 2

    def first(self, tensor):
        return tensor + 1


def test_a_checkpoint_directory_that_is_not_shared_is_refused(tmp_path):
    task = small(groups=SGD, checkpointDir=str(tmp_path), run="a")
    table = columns()
    held = loop.Loop(task, shard_of(task, table), Elsewhere(), lambda about: None, weights.build(task))
    with pytest.raises(
        RefusedError, match=r"checkpointDir: found another checkpoint, or none, .* that all nodes share"
    ):
        held.begin()
