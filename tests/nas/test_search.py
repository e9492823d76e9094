"""A search on Spark: its order, its limits, its faults, its journal."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aiok_spark.core.errors import DataError, ParamError, TrainingError
from aiok_spark.nas import CnnSpace, DENASSearch, NasBench201
from aiok_spark.nas.scores import COUNTED
from tests.nas.killed_search import SETTINGS
from tests.nas.spaces import CLICKS, PIXELS, SMALL

ROOT = Path(__file__).parents[2]
SPACE = SMALL["nasbench201"][0]
QUIET = {"verbose": False, "scores": ["expressivity", "flops"]}


def run(spark, space=SPACE, features=PIXELS, kind="multiclass", **settings):
    return DENASSearch(space, **{**QUIET, **settings}).run(spark, features, kind, 10)


def numbers(found):
    return [candidate.number for candidate in found.ranking]


def test_a_search_ranks_its_candidates_and_shows_counts(spark):
    found = run(spark, numCandidates=8)
    assert len(found.scored) == 8
    table = found.toPandas()
    assert list(table["rank"]) == list(range(1, 9))
    assert table["aggregate"].is_monotonic_decreasing
    assert found.best.number == table["candidate"][0]
    for candidate in found.scored:
        assert set(COUNTED) <= set(candidate.scores)
        assert candidate.params > 0
    assert len({candidate.key for candidate in found.candidates}) == 8
    assert found.correlations().loc["flops", "flops"] == pytest.approx(1)


def test_the_ranking_is_the_same_for_any_number_of_workers(spark, monkeypatch):
    one = run(spark, numCandidates=40, engine="evolution")
    monkeypatch.setattr("aiok_spark.nas.run.compat.slots", lambda _: 1)
    other = run(spark, numCandidates=40, engine="evolution")
    assert numbers(one) == numbers(other)
    assert [c.scores for c in one.candidates] == [c.scores for c in other.candidates]
    assert numbers(one) != numbers(run(spark, numCandidates=40, seed=1))


def test_candidates_beyond_a_limit_are_noted_and_left_out(spark):
    found = run(spark, numCandidates=6, limits={"params": (9_000, 11_000)}, engine="random")
    assert len(found.scored) >= 6
    assert all(9_000 <= candidate.params <= 11_000 for candidate in found.scored)
    illegal = [candidate for candidate in found.candidates if candidate.state == "illegal"]
    assert illegal
    assert all(candidate.reason.startswith("params: found") for candidate in illegal)
    shown = found.toPandas()
    assert set(shown[shown.state == "illegal"]["reason"]) == {candidate.reason for candidate in illegal}


def test_a_space_without_a_legal_candidate_says_which_limits(spark, monkeypatch):
    monkeypatch.setattr("aiok_spark.nas.run._DRAWS", 32)
    with pytest.raises(ParamError, match=r"limits: found no legal candidate among 32 .*'params': 32.*at most 10"):
        run(spark, limits={"params": 10})


def slow_once(probe):
    """Sleep for one of two kinds of candidates."""
    if "none" in probe.task.arguments["edges"]:
        time.sleep(30)
    return 1.0


def hungry(probe):
    import torch

    return float(torch.ones(3 << 28).sum())  # 3 GiB


def broken(probe):
    raise KeyError("of mine")


def fatal(probe):
    import os

    if probe.task.arguments["edges"][0] == "none":
        os._exit(1)
    return 1.0


def no_number(probe):
    return float("nan") if "none" in probe.task.arguments["edges"] else 1.0


def test_a_candidate_that_takes_too_long_is_noted(spark):
    found = run(spark, numCandidates=4, scores=[slow_once, "flops"], candidateSeconds=1.0, engine="random")
    assert len(found.scored) >= 4
    failed = [candidate for candidate in found.candidates if candidate.state == "failed"]
    assert failed
    assert all("took more than 1 s (candidateSeconds)" in candidate.reason for candidate in failed)
    assert all("none" in candidate.arguments["edges"] for candidate in failed)


def test_a_candidate_that_takes_too_much_memory_is_noted(spark, monkeypatch):
    with pytest.raises(TrainingError, match=r"asked for more than 512 MB \(candidateMemory\)"):
        run(spark, numCandidates=2, scores=[hungry], candidateMemory=512)


def test_errors_of_all_candidates_are_told_by_the_first(spark):
    with pytest.raises(
        TrainingError, match=r"among 2, expected some; the first .* score 'broken': KeyError: 'of mine'"
    ):
        run(spark, numCandidates=2, scores=[broken])


def test_a_candidate_that_ends_its_process_is_noted(spark):
    found = run(spark, numCandidates=4, scores=[fatal], engine="random", seed=3)  # one of the first four
    assert len(found.scored) >= 4
    (failed,) = [candidate for candidate in found.candidates if candidate.state == "failed"]
    assert failed.arguments["edges"][0] == "none"


def never(probe):
    return float("inf")


def test_a_score_that_is_never_a_number_ranks_nothing(spark):
    with pytest.raises(TrainingError, match="scores: found no finite number of 'never' for any of 3 candidates"):
        run(spark, numCandidates=3, scores=["flops", never], engine="random")


class Mistaken(NasBench201):
    """Of arguments that its network does not take."""

    def arguments(self, genes, features):
        return {"breadth": genes["0>1"]}


def test_a_space_that_is_wrong_is_told_even_if_it_is_small(spark):
    space = Mistaken(imageShape=(1, 8, 8), channels=4, cells=1)
    with pytest.raises(TrainingError, match=r"expected some; the first .* failed by: .*argument"):
        run(spark, space=space, numCandidates=50)


def test_what_is_no_number_ranks_last(spark):
    found = run(spark, numCandidates=12, scores=[no_number], engine="random")
    last = ["none" in candidate.arguments["edges"] for candidate in found.ranking]
    assert last == sorted(last)
    assert any(last)
    assert not all(last)


@pytest.mark.parametrize("way", ["measured", "predicted"])
def test_two_objectives_keep_the_front(spark, way):
    found = run(spark, numCandidates=8, engine="pareto", latency=way)
    edge = found.paretoFront
    assert found.best in edge
    assert all(candidate.latency > 0 for candidate in found.scored)
    assert [c.latency for c in edge] == sorted((c.latency for c in edge), reverse=True)


def test_a_space_has_a_name():
    assert DENASSearch("cnn").searchSpace == CnnSpace()
    for value in ("asr", CnnSpace):
        with pytest.raises(ParamError, match=r"searchSpace: found .*expected an .* one of \['bert', 'cnn'"):
            DENASSearch(value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "simulated"}, r"engine: found 'simulated', expected one of \['random', 'evolution', 'pareto'\]"),
        ({"scores": ["nasswot"]}, "scores: found 'nasswot', expected one of .*naswot"),
        ({"limits": {"params": (9, 3)}}, "at least 9 and at most 3"),
        ({"engine": "pareto"}, "latency: found 'none' with 'pareto'"),
        ({"limits": {"latency": 3}}, "latency: found 'none' with limits of latency"),
        ({"scores": [broken, broken]}, "scores: found two by the name 'broken'"),
        ({"scores": ["tests.nas.spaces:nowhere"]}, "searchSpace or scores: .*found no 'nowhere' in tests.nas.spaces"),
        ({"features": "df"}, "features: found str, expected a FeatureSpec"),
        ({"features": CLICKS}, "searchSpace: nasbench201: found 2 numbers and 3 columns of ids"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_first_job(settings, message):
    with pytest.raises(ParamError, match=message):
        run(None, **settings)


def test_a_search_goes_on_from_its_journal(spark, tmp_path):
    path = tmp_path / "journal"
    settings = {"numCandidates": 70, "engine": "evolution", "journalPath": str(path)}
    whole = run(spark, **settings)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[2][:500]]))  # killed while it wrote the second generation
    found = run(spark, **settings)
    assert [c.arguments for c in found.candidates] == [c.arguments for c in whole.candidates]
    assert numbers(found) == numbers(whole)
    kept = [
        candidate["number"]
        for line in path.read_text().splitlines()[1:]
        for candidate in json.loads(line)["generation"]
    ]
    assert kept == list(range(1, 71))
    with pytest.raises(DataError, match=r"seed: found 0 there, expected 5"):
        run(spark, **settings, seed=5)


@pytest.mark.once
def test_a_killed_driver_loses_nothing_and_repeats_nothing(spark, tmp_path):
    journal = tmp_path / "journal"
    program = [sys.executable, "-m", "tests.nas.killed_search", str(journal)]
    process = subprocess.Popen(program, cwd=ROOT)
    end = time.monotonic() + 120
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):  # of the search, and two generations
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    assert json.loads(done.stdout) == numbers(run(spark, **SETTINGS))
    told = [json.loads(line)["generation"] for line in journal.read_text().splitlines()[1:]]
    assert [candidate["number"] for generation in told for candidate in generation] == list(
        range(1, SETTINGS["numCandidates"] + 1)
    )


def test_a_report_shows_the_winner_and_every_candidate(spark, tmp_path):
    found = run(spark, numCandidates=5, limits={"params": 11_000}, latency="predicted")
    page = (tmp_path / "report.html").read_text() if found.report(str(tmp_path / "report.html")) else ""
    for text in ("The winner: candidate", "Score against parameters", "front of both", "How scores agree", "Cell"):
        assert text in page
    assert page.count("<tr") == len(found.candidates) + 1
