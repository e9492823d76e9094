"""Scorer: what a network's raw scores become, against torch and numpy."""

import pickle

import numpy as np
import pyarrow as pa
import pytest
import torch
from training.staged import DENSE, IDS, SPEC, Small, live

from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.scoring import Scorer, TorchNetwork
from aiok_spark.training.task import BINARY, MULTICLASS, REGRESSION, TrainTask
from aiok_spark.training.worker import weights

ALL = ("rawPrediction", "probability", "prediction")
KINDS = [(BINARY, 2, ALL), (MULTICLASS, 3, ALL), (REGRESSION, 0, ("prediction",))]


def task_of(kind=BINARY, classes=2, **settings):
    return TrainTask(
        network="training.staged:Small",
        features=SPEC,
        kind=kind,
        numClasses=classes,
        arguments={"dropout": 0.5},
        **settings,
    )


def scorer(task, outputs=ALL, keep=False):
    network = TorchNetwork(task, weights.to_bytes(weights.build(task).state_dict()))
    return Scorer(task, network, outputs, keep, "Stage(s)")


def fixed(raw, kind=BINARY, classes=2):
    """A scorer whose network gives these raw scores."""
    task = task_of(kind, classes)
    made = Scorer(task, lambda tensors: np.array(raw, np.float32), ALL, False, "Stage(s)")
    return dict(zip(ALL, made(columns(len(raw))), strict=True))


def columns(n, seed=0, real=np.float32):
    rng = np.random.default_rng(seed)
    return [*(pa.array(rng.normal(size=n).astype(real)) for _ in DENSE), pa.array(rng.integers(0, 7, n))]


def expected(task, given, outputs):
    """The scores by torch's plain forward and numpy's formulas."""
    real = np.float64 if task.precision == "float64" else np.float32
    dense = np.stack([c.to_numpy() for c in given[:2]], 1).astype(real)
    network = weights.build(task).eval()
    with torch.no_grad():
        raw = network(dense=torch.from_numpy(dense), categorical=torch.tensor(given[2].to_numpy())[:, None])
    raw = raw.double().numpy()
    if task.kind == REGRESSION:
        return [raw[:, 0]]
    if task.kind == BINARY:
        raw = np.hstack([-raw, raw])
        probability = np.stack([1 / (1 + np.exp(raw[:, 1])), 1 / (1 + np.exp(-raw[:, 1]))], 1)
    else:
        probability = np.exp(raw) / np.exp(raw).sum(1, keepdims=True)
    made = {"rawPrediction": raw, "probability": probability, "prediction": probability.argmax(1)}
    return [made[name] for name in outputs]


def plain(arrays):
    return [np.array(a.to_pylist(), np.float64) for a in arrays]


@pytest.mark.parametrize(("kind", "classes", "outputs"), KINDS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 2, 20_000])
def test_scores_are_those_of_torch_and_numpy(kind, classes, outputs, precision, rows):
    task = task_of(kind, classes, precision=precision)
    given = columns(rows, real=np.float64 if precision == "float64" else np.float32)
    for found, want in zip(plain(scorer(task, outputs)(given)), expected(task, given, outputs), strict=True):
        np.testing.assert_allclose(found, want, atol=1e-6 if precision == "float32" else 1e-14)


@pytest.mark.parametrize(("kind", "classes", "outputs"), KINDS)
def test_a_row_has_the_scores_that_it_has_among_others(kind, classes, outputs):
    made, given = scorer(task_of(kind, classes), outputs), columns(20)
    many = plain(made(given))
    for i, values in enumerate(zip(*(c.to_pylist() for c in given), strict=True)):
        for found, want in zip(made.row(values), many, strict=True):
            np.testing.assert_allclose(found, want[i], atol=1e-6)


@pytest.mark.parametrize(("kind", "classes", "outputs"), KINDS)
def test_no_rows_need_no_network(kind, classes, outputs):
    task = task_of(kind, classes)
    made = Scorer(task, None, outputs, False, "Stage(s)")([c.slice(0, 0) for c in columns(1)])
    assert [len(a) for a in made] == [0] * len(outputs)
    assert [pa.types.is_list(a.type) for a in made] == [name != "prediction" for name in outputs]


def test_outputs_come_in_the_order_that_was_asked_for():
    task, given = task_of(), columns(3)
    prediction, raw = plain(scorer(task, ("prediction", "rawPrediction"))(given))
    assert (prediction == raw.argmax(1)).all()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (0, None, r"denseCols: found 1 null, NaN or infinite values in 'a', expected finite numbers"),
        (1, float("nan"), r"denseCols: found 1 null, NaN or infinite values in 'b'"),
        (1, float("-inf"), r"denseCols: found 1 null, NaN or infinite values in 'b'"),
        (1, 1e300, r"denseCols: found 1 null, NaN or infinite values in 'b'"),  # more than float32 can hold
        (2, None, r"categoricalCols: found 1 ids .* cardinality of 7 in 'c'"),
        (2, -1, r"categoricalCols: found 1 ids .* cardinality of 7 in 'c'"),
        (2, 7, r"categoricalCols: found 1 ids .* cardinality of 7 in 'c'"),
    ],
)
@pytest.mark.parametrize(("kind", "classes", "outputs"), KINDS)
def test_invalid_values_raise_or_give_nan_in_their_row_alone(column, value, message, kind, classes, outputs):
    task, row = task_of(kind, classes), [0.5, -0.5, 3]
    broken = [*row[:column], value, *row[column + 1 :]]
    given = [pa.array([a, b], t) for a, b, t in zip(row, broken, [pa.float64(), pa.float64(), pa.int64()], strict=True)]
    given = [c.cast(pa.float32(), safe=False) if c.type == pa.float64() else c for c in given]  # as Spark's cast does
    for call in (lambda made: made(given), lambda made: made.row(broken)):
        with pytest.raises(ValueError, match=rf"^Stage\(s\): {message}.*; or set handleInvalid='keep'$"):
            call(scorer(task, outputs))
    kept = scorer(task, outputs, keep=True)
    right, wrong = kept.row(row), kept.row(broken)
    for many, one, nothing in zip(plain(kept(given)), right, wrong, strict=True):
        np.testing.assert_allclose(many[0], one, atol=1e-6)
        assert np.isnan(many[1]).all() and np.isnan(nothing).all() and np.shape(nothing) == np.shape(one)


@pytest.mark.parametrize(
    ("thresholds", "want"),
    # With probabilities (0.2, 0.3, 0.5), then (0.6, 0.4, 0), then NaN.
    [((), [2, 0]), ((1, 1, 1), [2, 0]), ((0.1, 0.3, 0.5), [0, 0]), ((1, 0.5, 0.9), [1, 1]), ((1, 1, 0), [2, 2])],
)
def test_thresholds_divide_the_probabilities(thresholds, want):
    with np.errstate(divide="ignore"):
        raw = np.log([[0.2, 0.3, 0.5], [0.6, 0.4, 0]])
    raw = np.concatenate([raw, np.full((1, 3), np.nan)])
    made = Scorer(task_of(MULTICLASS, 3), lambda tensors: raw, ("prediction",), True, "Stage(s)", thresholds)
    np.testing.assert_array_equal(plain(made(columns(3)))[0], [*want, np.nan])


def test_vectors_are_checked_for_their_width():
    task = TrainTask(
        network="torch.nn:Linear", arguments={"in_features": 3, "out_features": 1}, features=FeatureSpec(("v",), (3,))
    )
    kept = scorer(task, keep=True)
    right = kept.row([[1.0, 2.0, 3.0]])
    many = plain(kept([pa.array([[1.0, 2.0, 3.0], [1.0, 2.0], None], pa.list_(pa.float32()))]))
    for found, one, short in zip(many, right, kept.row([[1.0, 2.0]]), strict=True):
        np.testing.assert_allclose(found[0], one, atol=1e-6)
        assert np.isnan(found[1:]).all() and np.isnan(short).all()
    with pytest.raises(
        ValueError, match=r"Stage\(s\): denseCols: found 1 vectors or arrays that are null or not of length 3 in 'v'"
    ):
        scorer(task).row([None])


def test_a_row_of_another_type_is_refused_and_not_guessed():
    with pytest.raises((ValueError, TypeError)):
        scorer(task_of(), keep=True).row(["x", 0.0, 1])


@pytest.mark.filterwarnings("error")
def test_large_raw_scores_do_not_overflow():
    two = fixed([1e30, -1e30, 1000.0, -1000.0, 0.0])
    assert two["probability"].to_pylist() == [[0, 1], [1, 0], [0, 1], [1, 0], [0.5, 0.5]]
    assert two["prediction"].to_pylist() == [1, 0, 1, 0, 0]
    three = fixed([[1e30, -1e30, 0.0], [-1e30, -1e30, -1e30], [1000.0, 1000.0, -1000.0]], MULTICLASS, 3)
    np.testing.assert_allclose(plain([three["probability"]])[0], [[1, 0, 0], [1 / 3] * 3, [0.5, 0.5, 0]], atol=1e-12)
    assert three["prediction"].to_pylist() == [0, 0, 0]


def test_a_pickle_carries_weights_and_not_the_network():
    made, given = scorer(task_of()), columns(5)
    before = pickle.dumps(made)
    want = plain(made(given))
    after = pickle.dumps(made)
    assert before == after  # the same digest, so that a worker that has it is not sent it again
    for found, value in zip(plain(pickle.loads(after)(given)), want, strict=True):
        np.testing.assert_array_equal(found, value)


def test_dropout_is_for_training_alone():
    made, given = scorer(task_of()), columns(50)
    first, second = plain(made(given)), plain(made(given))
    np.testing.assert_array_equal(first[0], second[0])
    assert not made.network.module().training and isinstance(made.network.module(), Small)


def test_a_network_of_another_shape_is_refused():
    task = task_of(MULTICLASS, 3)
    state = weights.to_bytes(weights.build(task).state_dict())
    with pytest.raises(ValueError, match="found weights of another network"):
        Scorer(task_of(), TorchNetwork(task_of(), state), ALL, False, "Stage(s)")(columns(2))


def test_ids_fit_any_integer_type():
    made, given = scorer(task_of()), columns(9)
    want = plain(made(given))
    for kind in (pa.int8(), pa.int16(), pa.int32()):
        for found, value in zip(plain(made([*given[:2], given[2].cast(kind)])), want, strict=True):
            np.testing.assert_array_equal(found, value)


class OneHot(torch.nn.Linear):
    """Needs int64, as its training gives it."""

    def __init__(self):
        super().__init__(7, 1)

    def forward(self, dense, categorical):
        return super().forward(torch.nn.functional.one_hot(categorical[:, 0], 7).float())


def test_a_network_gets_its_ids_as_int64_whatever_they_are_kept_as():
    made, given = scorer(live(OneHot, precision="float32")), columns(9)
    state = made.network.module().state_dict()
    want = (state["weight"][0][given[2].to_numpy()] + state["bias"]).double().numpy()
    np.testing.assert_allclose(plain(made(given))[0][:, 1], want, atol=1e-6)


def test_names_of_the_spec_are_those_of_the_columns():
    assert (*SPEC.dense, *SPEC.categorical) == (*DENSE, *IDS)
