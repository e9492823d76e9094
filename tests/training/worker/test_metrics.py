"""Metrics of one worker and of several, against pair counts and numpy."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.task import BINARY, MULTICLASS, REGRESSION, TrainTask
from aiok_spark.training.worker.exchange import Solo
from aiok_spark.training.worker.metrics import Meter, auc

ROWS = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 1), st.sampled_from([0.0, 0.5, 1.0, 3.0])), max_size=30)


def pair_count(rows):
    """Share of pairs of a positive and a negative row in which the positive one scores higher."""
    won = total = 0.0
    for high, y, w in rows:
        for low, z, v in rows:
            if y == 1 and z == 0:
                total += w * v
                won += w * v * ((high > low) + (high == low) / 2)
    return won / total if total else float("nan")


@given(ROWS)
def test_auc_is_the_share_of_pairs_in_order(rows):
    scores, labels, weights = np.array(rows, float).reshape(-1, 3).T
    assert auc(scores / 4, labels, weights) == pytest.approx(pair_count(rows), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_auc_of_one_class_is_nan(label):
    assert np.isnan(auc(np.arange(5.0), np.full(5, label), np.ones(5)))


class Desk(Solo):
    """Exchanges with threads of this process."""

    def __init__(self, rank, world, table, barrier):
        self.rank, self.world, self._table, self._barrier = rank, world, table, barrier

    def _everyone(self, value):
        self._barrier.wait()
        self._table[self.rank] = value
        self._barrier.wait()
        return list(self._table)

    def sum(self, tensor):
        return tensor.copy_(torch.stack(self._everyone(tensor.clone())).sum(0))

    def first(self, tensor):
        return tensor.copy_(self._everyone(tensor.clone())[0])

    def gather(self, values):
        everyone = self._everyone(values)
        assert len({values.dtype for values in everyone}) == 1, "gloo aborts the process"
        return None if self.rank else np.concatenate(everyone)


def together(world, act):
    """What ``act(exchange)`` gives at each of some workers."""
    table, barrier = [None] * world, threading.Barrier(world, timeout=10)

    def run(rank):
        try:
            return act(Desk(rank, world, table, barrier))
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(world) as threads:
        return list(threads.map(run, range(world)))


def task_of(kind, classes=2):
    spec = FeatureSpec(("x",), (1,))
    return TrainTask("no:ne", spec, kind=kind, numClasses=classes, label="y", precision="float64")


def drawn(kind, n=200):
    """Outputs, labels, losses and weights."""
    rng = np.random.default_rng(3)
    output = rng.normal(size=(n, 3)) if kind == MULTICLASS else rng.normal(size=n).round(1)
    label = {BINARY: rng.integers(0, 2, n).astype(float), MULTICLASS: rng.integers(0, 3, n)}.get(
        kind, rng.normal(size=n)
    )
    return output, label, rng.random(n), rng.random(n)


def metered(kind, rows, exchange, size=30):
    meter = Meter(task_of(kind, 3))
    for start in range(0, max(1, len(rows[0])), size):
        meter.add(*(torch.from_numpy(values[start : start + size]) for values in rows))
    return meter.result(exchange)


def formulas(kind, output, label, losses, weight):
    def mean(values):
        return np.average(values, weights=weight)

    if kind == REGRESSION:
        return {"loss": mean(losses), "rmse": mean((output - label) ** 2) ** 0.5}
    if kind == MULTICLASS:
        shares = np.exp(output) / np.exp(output).sum(1, keepdims=True)
        log_loss = -np.log(shares[np.arange(len(label)), label])
        return {"loss": mean(losses), "logLoss": mean(log_loss), "accuracy": mean(output.argmax(1) == label)}
    p = 1 / (1 + np.exp(-output))
    return {
        "loss": mean(losses),
        "logLoss": mean(-label * np.log(p) - (1 - label) * np.log(1 - p)),
        "accuracy": mean((p > 0.5) == label),
        "auc": pair_count(list(zip(output, label, weight, strict=True))),
    }


@pytest.mark.parametrize("kind", [BINARY, MULTICLASS, REGRESSION])
def test_metrics_are_weighted_means_over_all_rows(kind):
    rows = drawn(kind)
    assert metered(kind, rows, Solo()) == pytest.approx(formulas(kind, *rows), rel=1e-12)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_worker_without_rows_adds_nothing(precision):
    rows = [torch.from_numpy(values).to(getattr(torch, precision)) for values in drawn(BINARY)]
    task = replace(task_of(BINARY), precision=precision)

    def act(exchange):
        meter = Meter(task)
        if exchange.rank:
            meter.add(*rows)
        return meter.result(exchange)

    expected = formulas(BINARY, *(values.double().numpy() for values in rows))
    assert together(2, act) == [pytest.approx(expected, rel=1e-5)] * 2


@pytest.mark.parametrize("kind", [BINARY, MULTICLASS, REGRESSION])
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), min_size=1, max_size=3))
def test_several_workers_have_the_metrics_of_one(kind, cuts):
    rows = drawn(kind)
    parts = [np.split(values, sorted(cuts)) for values in rows]
    made = together(len(cuts) + 1, lambda e: metered(kind, [part[e.rank] for part in parts], e))
    assert made == [pytest.approx(formulas(kind, *rows), rel=1e-12)] * len(made)


def test_one_class_has_no_auc_but_the_other_metrics():
    output, label, losses, weight = drawn(BINARY)
    made = metered(BINARY, (output, np.ones_like(label), losses, weight), Solo())
    assert np.isnan(made["auc"]) and made["accuracy"] == pytest.approx(np.average(output > 0, weights=weight))


@pytest.mark.parametrize("kind", [BINARY, MULTICLASS, REGRESSION])
def test_no_rows_and_rows_without_weight_have_no_metrics(kind):
    output, label, losses, weight = drawn(kind)
    for rows in ([values[:0] for values in (output, label, losses, weight)], (output, label, losses, 0 * weight)):
        assert np.isnan(list(metered(kind, rows, Solo()).values())).all()


def test_a_meter_goes_on_from_what_another_has():
    rows = [torch.from_numpy(values) for values in drawn(BINARY)]
    first, second = Meter(task_of(BINARY)), Meter(task_of(BINARY))
    first.add(*(values[:90] for values in rows))
    second.restore(first.state(Solo()))
    second.add(*(values[90:] for values in rows))
    expected = formulas(BINARY, *(values.numpy() for values in rows))
    assert second.result(Solo()) == pytest.approx(expected, rel=1e-12)


def test_outputs_in_bfloat16_are_taken():
    output, label, losses, weight = (torch.from_numpy(values).float() for values in drawn(BINARY))
    meter = Meter(task_of(BINARY))
    meter.add(output.bfloat16(), label, losses, weight)
    rounded = output.bfloat16().double().numpy()
    expected = formulas(BINARY, rounded, *(values.double().numpy() for values in (label, losses, weight)))
    assert meter.result(Solo()) == pytest.approx(expected, rel=1e-5)
