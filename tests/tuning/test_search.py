"""Trials of a search that runs without Spark: who chooses, and when it ends."""

import random
import threading
import time

import pytest

from aiok_spark.core import compat, jobs
from aiok_spark.core.errors import ServiceError, TrainingError
from aiok_spark.tuning.binding import BoundSpace, Constraint
from aiok_spark.tuning.dimensions import Dimension
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Metric, Objective
from aiok_spark.tuning.search import Budget, Runner
from aiok_spark.tuning.services import Search

SPACE = BoundSpace(
    (Dimension("x", "int", 1, 5), Dimension("y", "float", 0.0, 1.0)), (Constraint({"x": 1.0, "y": 1.0}, high=4.0),), {}
)
CHOICES = {
    "out of bounds": {"x": 9, "y": 0.5},
    "no whole number": {"x": 1.5, "y": 0.5},
    "not allowed": {"x": 5, "y": 0.5},
    "tried": {"x": 2, "y": 0.25},
}


class Stubborn:
    """A service that always chooses the same."""

    def __init__(self, values, fails_at=99):
        self.values, self.fails_at, self.seen, self.refused, self.closed = values, fails_at, [], 0, 0

    def suggest(self, number, running):
        if number == self.fails_at:
            raise ServiceError("the server is away")
        return dict(self.values), str(number)

    def observe(self, trial):
        self.seen.append(trial)

    def refuse(self, values, token):
        self.refused += 1

    def close(self):
        self.closed += 1


@pytest.fixture(autouse=True)
def without_spark(monkeypatch):
    """Run what would be jobs as they are."""
    monkeypatch.setattr(compat, "thread", lambda spark, run: threading.Thread(target=run))
    monkeypatch.setattr(jobs, "run_watched", lambda spark, act, look: act())


def loss(trial):
    return {"loss": float(trial.values["x"])}, {}


def run(service, trials=4, parallel=1, evaluate=loss, first=None, **budget):
    search = Search(SPACE, Objective((Metric("loss", False),)), 0, trials, parallel, first=first)
    journal = Journal(None, {})
    runner = Runner(None, search, service, "stubborn", journal, evaluate, Budget(trials, **budget), "x", verbose=False)
    return runner, journal


@pytest.mark.parametrize("why", CHOICES)
def test_what_cannot_be_used_is_refused_and_chance_chooses(why):
    service = Stubborn(CHOICES[why])
    found = run(service)[0].run()
    chosen = [trial.chosen for trial in found]
    assert chosen == (["stubborn", *["random"] * 3] if why == "tried" else ["random"] * 4)
    assert service.refused == 3 * chosen.count("random") and service.closed == 1
    assert all(SPACE.allows(dict(t.values)) and t.values["x"] in range(1, 6) for t in found)
    assert [trial.number for trial in service.seen] == [1, 2, 3, 4]


def test_the_first_trial_is_what_the_estimator_has():
    service = Stubborn({"x": 2, "y": 0.25})
    found = run(service, trials=2, first={"x": 4, "y": 0.75})[0].run()
    assert [(t.chosen, t.values["x"]) for t in found] == [("estimator", 4), ("stubborn", 2)]
    assert [t.number for t in service.seen] == [1, 2]


def test_a_space_without_other_points_ends_the_search(capsys):
    space = BoundSpace((Dimension("x", "int", 1, 3),), (), {})
    search = Search(space, Objective((Metric("loss", False),)), 0, 9)
    service = Stubborn({"x": 2})
    runner = Runner(None, search, service, "s", Journal(None, {}), loss, Budget(9), "me", verbose=True)
    assert sorted(trial.values["x"] for trial in runner.run()) == [1, 2, 3]
    told = capsys.readouterr().err
    assert "me: up to 9 trials, 1 at a time, chosen by s" in told
    assert "3 trials after" in told and "no other point of the space was found" in told


def test_thresholds_that_no_trial_reaches_are_told(capsys):
    metric = Metric("loss", False, True, 0.5)
    search = Search(SPACE, Objective((metric,)), 0, 2)
    Runner(
        None, search, Stubborn({"x": 2, "y": 0.25}), "s", Journal(None, {}), loss, Budget(2), "me", verbose=True
    ).run()
    assert "me: no trial is within all thresholds" in capsys.readouterr().err


def test_a_failure_within_the_jvm_is_told_with_its_cause():
    def fails(trial):
        raise RuntimeError(
            "An error occurred while calling o1.fit.\n: Job aborted\n\tat x\nCaused by: nulls in it\n\tat y"
        )

    with pytest.raises(TrainingError, match=r"calling o1.fit. Caused by: nulls in it") as told:
        run(Stubborn({"x": 2, "y": 0.25}), evaluate=fails)[0].run()
    assert isinstance(told.value.__cause__, RuntimeError)


def test_a_service_that_is_away_ends_the_search_with_what_was_noted():
    service = Stubborn(CHOICES["tried"], fails_at=3)
    runner, journal = run(service)
    with pytest.raises(ServiceError, match="the server is away"):
        runner.run()
    assert [trial.state for trial in journal.trials.values()] == ["done", "done"] and service.closed == 1


def test_an_error_of_the_tuner_itself_is_not_a_failed_trial(monkeypatch):
    runner, _ = run(Stubborn(CHOICES["tried"]))
    monkeypatch.setattr(runner, "_ended", lambda trial: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        runner.run()


def test_trials_run_beside_each_other_and_each_once():
    lock, now, most, seen = threading.Lock(), [0], [0], []

    def evaluate(trial):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            seen.append(trial.number)
        time.sleep(0.01 + 0.02 * random.Random(trial.number).random())
        with lock:
            now[0] -= 1
        return {"loss": 1.0}, {}

    found = run(Stubborn(CHOICES["not allowed"]), trials=30, parallel=3, evaluate=evaluate)[0].run()
    assert most[0] == 3 and sorted(seen) == list(range(1, 31)) == [trial.number for trial in found]


def test_no_trial_within_the_seconds_is_told():
    with pytest.raises(
        TrainingError, match=r"no trial that succeeded among 0.*no trial came to its end within the budget"
    ):
        run(Stubborn(CHOICES["tried"]), seconds=-1.0)[0].run()
