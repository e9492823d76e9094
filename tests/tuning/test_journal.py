"""What a search has noted is there after any end."""

import json
from pathlib import Path

import pytest

from aiok_spark.core.errors import DataError
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Trial

ABOUT = {"dimensions": [{"param": "A.x", "kind": "int", "low": 1, "high": 3}], "seed": 0}


def written(path):
    journal = Journal(path, ABOUT)
    journal.begin_service({"experiment": "7"})
    journal.begin(Trial(1, {"A.x": 1}, chosen="random", token="t"))
    journal.begin(Trial(2, {"A.x": 2}, chosen="random"))
    journal.end(Trial(1, {"A.x": 1}, "done", {"auc": 0.5}, "random", "t", {"seconds": 1.5}))
    journal.close()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "deep" / "journal.jsonl")


def test_another_process_finds_what_was_noted(path):
    written(path)
    again = Journal(path, ABOUT)
    assert again.trials == {
        1: Trial(1, {"A.x": 1}, "done", {"auc": 0.5}, "random", "t", {"seconds": 1.5}),
        2: Trial(2, {"A.x": 2}, chosen="random"),
    }
    assert again.service == {"experiment": "7"}
    again.close()


def test_any_cut_loses_at_most_the_line_that_was_cut(path):
    written(path)
    data = Path(path).read_bytes()
    lines = data.splitlines(keepends=True)
    for end in range(len(lines[0]), len(data), 7):
        Path(path).write_bytes(data[:end])
        journal = Journal(path, ABOUT)
        whole = sum(len(line) <= rest for line, rest in _rests(lines, end))
        assert len(journal.trials) == min(max(whole - 2, 0), 2)
        journal.begin(Trial(3, {"A.x": 3}))
        journal.close()
        assert all(json.loads(line) for line in Path(path).read_text().splitlines())
        again = Journal(path, ABOUT)
        assert 3 in again.trials
        again.close()


def _rests(lines, end):
    for line in lines:
        yield line, end
        end -= len(line)


def test_the_journal_of_another_search_is_refused_with_the_difference(path):
    written(path)
    other = {**ABOUT, "dimensions": [{"param": "A.x", "kind": "int", "low": 1, "high": 4}]}
    with pytest.raises(DataError, match=r'dimensions: found .*"high": 3.* there, expected .*"high": 4.*name another'):
        Journal(path, other)
    with pytest.raises(DataError, match="seed: found 0 there, expected 1"):
        Journal(path, {**ABOUT, "seed": 1})
    Journal(path, ABOUT).close()  # it is as it was


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    journal = Journal(None, ABOUT)
    journal.begin(Trial(1, {}))
    journal.end(Trial(1, {}, "done"))
    assert journal.trials[1].ended and not list(tmp_path.iterdir())
