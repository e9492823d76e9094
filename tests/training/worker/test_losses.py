"""Losses of rows against their formulas, and outputs of networks by shape."""

import numpy as np
import pytest
import torch

from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.task import BINARY, MULTICLASS, REGRESSION, TrainTask
from aiok_spark.training.worker.losses import loss_of, shaped
from aiok_spark.training.worker.refused import RefusedError

RNG = np.random.default_rng(0)
OUTPUT, SCORES = RNG.normal(size=50) * 3, RNG.normal(size=(50, 3))
LABELS = {
    BINARY: RNG.integers(0, 2, 50).astype(float),
    MULTICLASS: RNG.integers(0, 3, 50),
    REGRESSION: RNG.normal(size=50),
}


def log_loss(output, y):
    p = 1 / (1 + np.exp(-output))
    return -y * np.log(p) - (1 - y) * np.log(1 - p)


def cross_entropy(output, y):
    return np.log(np.exp(output).sum(1)) - output[np.arange(len(y)), y]


def huber(output, y):
    off = np.abs(output - y)
    return np.where(off < 1, off**2 / 2, off - 0.5)


FORMULAS = {
    (BINARY, "logLoss"): log_loss,
    (BINARY, "auto"): log_loss,
    (BINARY, "hinge"): lambda output, y: np.maximum(0, 1 - np.where(y == 1, 1, -1) * output),
    (MULTICLASS, "logLoss"): cross_entropy,
    (MULTICLASS, "auto"): cross_entropy,
    (REGRESSION, "squared"): lambda output, y: (output - y) ** 2,
    (REGRESSION, "auto"): lambda output, y: (output - y) ** 2,
    (REGRESSION, "absolute"): lambda output, y: np.abs(output - y),
    (REGRESSION, "huber"): huber,
}


def task_of(kind, loss="auto", **settings):
    return TrainTask("no:ne", FeatureSpec(("x",), (1,)), kind=kind, loss=loss, numClasses=3, label="y", **settings)


@pytest.mark.parametrize(("kind", "name"), FORMULAS)
def test_a_loss_is_its_formula(kind, name):
    output = SCORES if kind == MULTICLASS else OUTPUT
    made = loss_of(task_of(kind, name))(torch.from_numpy(output), torch.from_numpy(LABELS[kind]))
    np.testing.assert_allclose(made.numpy(), FORMULAS[kind, name](output, LABELS[kind]), rtol=1e-12)


@pytest.mark.parametrize("margin", [-100.0, 100.0])
def test_log_loss_of_a_far_margin_is_finite(margin):
    made = loss_of(task_of(BINARY))(torch.tensor([margin]), torch.tensor([0.0]))
    assert made.item() == max(0.0, margin)


def user_task(loss, **settings):
    return task_of(REGRESSION, "live:mine:1", live={"live:mine:1": loss}, **settings)


def used(loss, **settings):
    return loss_of(user_task(loss, **settings))(torch.from_numpy(OUTPUT), torch.from_numpy(LABELS[REGRESSION]))


def test_a_loss_of_the_user_gives_a_value_for_each_row_or_their_mean():
    each = used(lambda output, label: (output - label) ** 4)
    np.testing.assert_allclose(each.numpy(), (OUTPUT - LABELS[REGRESSION]) ** 4)
    mean = used(lambda output, label: ((output - label) ** 4).mean())
    np.testing.assert_allclose(mean.numpy(), np.full(50, each.mean()))


def test_a_loss_is_found_by_where_it_is():
    loss = loss_of(task_of(REGRESSION, "torch.nn.functional:smooth_l1_loss"))
    made = loss(torch.from_numpy(OUTPUT), torch.from_numpy(LABELS[REGRESSION]))
    np.testing.assert_allclose(made, np.full(50, huber(OUTPUT, LABELS[REGRESSION]).mean()))


@pytest.mark.parametrize("settings", [{"weight": "w"}, {"classWeights": (1.0, 2.0)}])
def test_a_mean_is_refused_where_rows_have_weights(settings):
    message = r"loss: found values of shape \(\) for 50 rows, expected one for each row, as rows have weights; return"
    with pytest.raises(RefusedError, match=message):
        used(lambda output, label: (output - label).mean(), **settings)


@pytest.mark.parametrize("shape", [(50, 1), (25,), (50, 50)])
def test_a_loss_of_another_shape_is_refused(shape):
    message = rf"loss: found values of shape \({', '.join(map(str, shape))},?\) for 50 rows, expected one for each row;"
    with pytest.raises(RefusedError, match=message):
        used(lambda output, label: torch.zeros(shape))


@pytest.mark.parametrize("kind", [BINARY, REGRESSION])
def test_an_output_is_one_number_for_each_row(kind):
    flat = torch.arange(4.0)
    assert torch.equal(shaped(flat, 4, task_of(kind)), flat)
    assert torch.equal(shaped(flat.view(4, 1), 4, task_of(kind)), flat)
    assert torch.equal(shaped(flat[:1].view(1, 1), 1, task_of(kind)), flat[:1])


def test_an_output_is_one_score_for_each_class():
    scores = torch.zeros(4, 3)
    assert shaped(scores, 4, task_of(MULTICLASS)) is scores


@pytest.mark.parametrize(
    ("kind", "output", "found", "expected"),
    [
        (BINARY, torch.zeros(4, 2), r"shape \(4, 2\)", r"\(4,\) for binary: one number for each row"),
        (REGRESSION, torch.zeros(3), r"shape \(3,\)", r"\(4,\) for regression: one number for each row"),
        (MULTICLASS, torch.zeros(4, 1), r"shape \(4, 1\)", r"\(4, 3\) for multiclass: one score for each class"),
        (MULTICLASS, torch.zeros(4), r"shape \(4,\)", r"\(4, 3\)"),
        (BINARY, (torch.zeros(4),), "shape tuple", r"\(4,\)"),
    ],
)
def test_an_output_of_another_shape_is_refused(kind, output, found, expected):
    with pytest.raises(RefusedError, match=f"module: found an output of {found}, expected {expected}"):
        shaped(output, 4, task_of(kind))
