"""All services by one set of rules; what each has of its own; the real client of SigOpt against a server."""

import json
import math
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aiok_spark.core.errors import ParamError, ServiceError
from aiok_spark.tuning.binding import BoundSpace, Constraint
from aiok_spark.tuning.dimensions import Dimension
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Metric, Objective, Trial
from aiok_spark.tuning.services import Search, choose, open_service
from aiok_spark.tuning.services import sigopt_service as sigopt_module
from tests.tuning import sigopt_server

pytestmark = pytest.mark.once

ALL = ["random", "optuna", "optuna-tpe", "sigoptlite"]
SPACE = BoundSpace(
    (
        Dimension("m.kind", "categorical", values=("a", "b"), labels=("a", "b")),
        Dimension("m.rate", "float", 1e-4, 1.0, log=True),
        Dimension("m.depth", "int", 1, 8),
        Dimension("m.width", "grid", values=(16, 64, 128), when={"m.kind": ("b",)}),
    ),
    (),
    {},
)
LOSS = Metric("loss", larger=False)


def loss(values):
    """Best at rate 0.01, depth 5, kind b with width 64."""
    return (
        (math.log10(values["m.rate"]) + 2) ** 2
        + 0.1 * (values["m.depth"] - 5) ** 2
        + (1 if values["m.kind"] == "a" else values["m.width"] != 64)
    )


def search(trials=20, parallel=1, metrics=(LOSS,), space=SPACE, seed=3):
    return Search(space, Objective(metrics), seed, trials, parallel)


def tried(name, searched, journal=None, count=None, measure=lambda values: {"loss": loss(values)}, failing=7):
    """Trials that a service chose, so many of them running at a time."""
    journal = journal or Journal(None, {})
    service = open_service(name, searched, journal)
    running, done = [], []
    for number in range(len(journal.trials) + 1, len(journal.trials) + 1 + (count or searched.trials)):
        values, token = service.suggest(number, list(running))
        running.append(Trial(number, values, chosen=name, token=token))
        journal.begin(running[-1])
        if len(running) == searched.parallel:
            first = running.pop(0)
            state = "failed" if first.number % failing == 0 else "done"
            metrics = measure(first.values) if state == "done" else {}
            done.append(Trial(first.number, first.values, state, metrics, name, first.token))
            journal.end(done[-1])
            service.observe(done[-1])
    service.close()
    return done


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("parallel", [1, 3])
def test_what_is_chosen_is_in_the_space_and_differs(name, parallel):
    found = tried(name, search(12, parallel))
    assert len(found) == 13 - parallel
    for trial in found:
        assert ("m.width" in trial.values) == (trial.values["m.kind"] == "b")
        points = SPACE.points(dict(trial.values))
        assert all(d.axis.has(points[d.name]) for d in SPACE.dimensions if d.name in points), trial.values
        assert json.loads(json.dumps(trial.values)) == trial.values
    assert len({json.dumps(trial.values) for trial in found}) == len(found)


@pytest.mark.parametrize("name", ["optuna", "optuna-tpe", "sigoptlite"])
def test_it_learns(name):
    few = BoundSpace(SPACE.dimensions[1:3], (), {})

    def bowl(values):
        return {"loss": loss({"m.kind": "a", **values})}

    chance = [min(bowl(few.draw(random.Random(f"{seed} {i}")))["loss"] for i in range(18)) for seed in range(40)]
    found = [t.metrics["loss"] for t in tried(name, search(18, space=few), measure=bowl, failing=99)]
    assert min(found) < np.median(chance)


@pytest.mark.parametrize("name", ["optuna", "sigoptlite"])
def test_trials_that_run_do_not_drive_the_next_ones_away_from_the_best(name):
    """Four at a time, in a narrow bowl: a constant in the place of a result would make a wall around its middle."""
    cube = BoundSpace(tuple(Dimension(f"m.{axis}", "float", 0.0, 1.0) for axis in "xyz"), (), {})

    def bowl(values):
        return {"loss": 1 - math.exp(-8 * sum((value - 0.35) ** 2 for value in values.values()))}

    found = [t.metrics["loss"] for t in tried(name, search(36, 4, space=cube), measure=bowl, failing=99)]
    assert min(found) < 0.002


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_chooses_the_same(name):
    values = [[dict(trial.values) for trial in tried(name, search(10, seed=seed))] for seed in (5, 5, 6)]
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize("name", ALL)
def test_what_an_earlier_process_learned_is_known(name, tmp_path):
    path = str(tmp_path / "journal")
    journal = Journal(path, {})
    tried(name, search(), journal, 10)
    journal.close()
    again = Journal(path, {})
    later = tried(name, search(), again, 2)
    assert [trial.number for trial in later] == [11, 12]
    values = [json.dumps(trial.values) for trial in again.trials.values()]
    assert len(set(values)) == 12
    again.close()
    alone = tried(name, search(), count=2)  # chooses something else, as it has learned nothing
    assert [trial.values for trial in alone] != [trial.values for trial in later]


@pytest.mark.parametrize("name", ["optuna", "optuna-tpe", "random"])
def test_two_metrics_are_optimized_together(name):
    metrics = (LOSS, Metric("depth", larger=True))
    found = tried(name, search(16, metrics=metrics), measure=lambda v: {"loss": loss(v), "depth": float(v["m.depth"])})
    assert len(Objective(metrics).front(found)) >= 2


@pytest.mark.parametrize("name", ["optuna", "optuna-tpe"])
def test_limits_of_metrics_are_kept_by_most_later_trials(name):
    metrics = (LOSS, Metric("rate", larger=True, optimized=False, threshold=0.05))  # away from the best loss
    found = tried(name, search(24, metrics=metrics), measure=lambda v: {"loss": loss(v), "rate": v["m.rate"]})
    kept = [trial.metrics["rate"] >= 0.05 for trial in found if trial.state == "done"]
    assert np.mean(kept[12:]) > 0.5 and Objective(metrics).best(found).metrics["rate"] >= 0.05


def test_a_study_of_optuna_is_kept_in_its_own_storage(tmp_path):
    import optuna

    storage, path = f"sqlite:///{tmp_path}/tune.db", str(tmp_path / "journal")
    searched = Search(SPACE, Objective((LOSS,)), 1, 12, 1, storage)
    for count in (4, 3):
        journal = Journal(path, {})
        tried("optuna-tpe", searched, journal, count)
        name = journal.service["study"]
        journal.close()
    study = optuna.load_study(study_name=name, storage=storage)
    assert [trial.user_attrs["aiok_trial"] for trial in study.trials] == list(range(1, 8))
    assert study.best_value == min(t.metrics["loss"] for t in Journal(path, {}).trials.values() if t.state == "done")


# Which service


@pytest.fixture
def environment(monkeypatch):
    """No server in the environment."""
    for name in ("SIGOPT_API_URL", "SIGOPT_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_auto_says_which_service_and_why(environment):
    assert choose("auto", search())[0] == "sigoptlite"
    limits = (LOSS, Metric("auc", True, optimized=False, threshold=0.5))
    name, why = choose("auto", search(metrics=limits))
    if hasattr(np, "product"):
        assert name == "sigoptlite"
    else:
        assert name == "optuna" and "not sigoptlite, which with numpy" in why
    assert choose("auto", replace(search(), storage="sqlite://"))[0] == "optuna"
    environment.setenv("SIGOPT_API_URL", "http://127.0.0.1:1")
    environment.setenv("SIGOPT_API_TOKEN", "right")
    name, why = choose("auto", replace(search(), storage="sqlite://"))
    assert name == "optuna" and why.startswith("not sigopt, which has no storage")
    assert choose("auto", search()) == ("sigopt", "as SIGOPT_API_URL and SIGOPT_API_TOKEN are set")


def test_a_service_that_is_not_here_is_one_clear_line(environment):
    environment.setattr("aiok_spark.tuning.services.find_spec", lambda name: None)
    with pytest.raises(ParamError, match="'optuna', found no package optuna and scipy, expected the extra tuning"):
        choose("optuna", search())
    assert choose("auto", search())[0] == "random"
    environment.undo()
    environment.delenv("SIGOPT_API_TOKEN", raising=False)
    with pytest.raises(ParamError, match="found no SIGOPT_API_TOKEN in the environment"):
        choose("sigopt", search())


# The client of SigOpt


@pytest.fixture
def server(environment):
    """A server that the environment names."""
    environment.setattr(sigopt_module, "_WAITS", 0.01)
    environment.setattr(sigopt_module, "_PATIENCE", 0.5)
    with sigopt_server.running() as (state, url):
        environment.setenv("SIGOPT_API_URL", url)
        environment.setenv("SIGOPT_API_TOKEN", "right")
        yield state


def numbers(server):
    return [told["metadata"]["trial"] for told in server.observations if "metadata" in told]


def test_a_server_is_told_all_there_is(server, tmp_path):
    path = str(tmp_path / "journal")
    journal = Journal(path, {})
    found = tried("sigopt", search(9, 2), journal)
    (experiment,) = server.experiments
    assert [p["type"] for p in experiment["parameters"]] == ["categorical", "double", "int", "int"]
    assert experiment["parameters"][1] == {
        "name": "m.rate",
        "type": "double",
        "bounds": {"min": 1e-4, "max": 1.0},
        "transformation": "log",
    }
    assert experiment["parallel_bandwidth"] == 2 and experiment["observation_budget"] == 9
    assert numbers(server) == list(range(1, 9))
    assert [told.get("failed", False) for told in server.observations] == [t.state == "failed" for t in found]
    assert server.observations[0]["values"] == [{"name": "loss", "value": found[0].metrics["loss"]}]
    assert {told["suggestion"] for told in server.observations} <= set(server.suggestions)
    journal.close()
    assert "right" not in Path(path).read_text()


def test_another_process_goes_on_with_the_experiment_and_tells_what_was_not_told(server, tmp_path):
    path = str(tmp_path / "journal")
    journal = Journal(path, {})
    tried("sigopt", search(), journal, 3)
    journal.begin(Trial(4, SPACE.draw(random.Random(1)), chosen="random"))
    journal.end(Trial(4, journal.trials[4].values, "done", {"loss": 1.0}, "random"))  # and the process ended here
    journal.close()
    again = Journal(path, {})
    tried("sigopt", search(), again, 2)
    again.close()
    assert len(server.experiments) == 1 and numbers(server) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("answer", [429, 500, 503, None])
def test_a_server_that_is_away_for_a_while_is_asked_again(server, answer, monkeypatch):
    monkeypatch.setattr("backoff._sync.time.sleep", lambda seconds: None)  # the client's own patience with 429
    service = open_service("sigopt", search(), Journal(None, {}))
    server.answers = [answer, answer]
    values, token = service.suggest(1, [])
    server.answers = [answer]
    service.observe(Trial(1, values, "done", {"loss": 1.0}, "sigopt", token))
    assert numbers(server) == [1]


def test_what_the_server_took_without_an_answer_is_not_told_twice(server):
    service = open_service("sigopt", search(), Journal(None, {}))
    values, token = service.suggest(1, [])
    server.lost = 1
    service.observe(Trial(1, values, "done", {"loss": 1.0}, "sigopt", token))
    assert numbers(server) == [1]


def test_what_cannot_be_told_waits_and_what_cannot_be_chosen_ends_the_search(server):
    service = open_service("sigopt", search(), Journal(None, {}))
    values, token = service.suggest(1, [])
    server.answers = [500] * 100
    service.observe(Trial(1, values, "done", {"loss": 1.0}, "sigopt", token))
    assert numbers(server) == []
    with pytest.raises(ServiceError, match=r"not now.*it stays so.*with journalPath, it goes on"):
        service.suggest(2, [])
    server.answers = []
    service.suggest(2, [])
    assert numbers(server) == [1]


def test_a_server_that_is_not_there_is_told(environment, monkeypatch):
    monkeypatch.setattr(sigopt_module, "_PATIENCE", 0.0)
    environment.setenv("SIGOPT_API_URL", "http://127.0.0.1:9")
    environment.setenv("SIGOPT_API_TOKEN", "right")
    with pytest.raises(ServiceError, match=r"sigopt: http://127.0.0.1:9: .*refused"):
        open_service("sigopt", search(), Journal(None, {}))


def test_a_wrong_token_is_told_without_it(server, environment):
    environment.setenv("SIGOPT_API_TOKEN", "wrong-token")
    with pytest.raises(ParamError, match=r"token that the server refuses \(401\), .*set SIGOPT_API_TOKEN") as told:
        open_service("sigopt", search(), Journal(None, {}))
    assert "wrong-token" not in str(told.value)
    assert os.environ["SIGOPT_API_TOKEN"] == "wrong-token"


def test_a_suggestion_out_of_bounds_is_refused_by_the_limits():
    space = BoundSpace(SPACE.dimensions, (Constraint({"m.depth": 1.0}, high=3),), {})
    assert space.allows({"m.depth": 3}) and not space.allows({"m.depth": 4})
