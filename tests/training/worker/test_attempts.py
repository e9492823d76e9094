"""Notes of attempts, which outlive the processes that wrote them."""

import pytest

from aiok_spark.training.worker.attempts import Attempts


@pytest.fixture(params=["path", "uri"])
def place(request, tmp_path):
    """Name a directory that does not exist yet."""
    return str(tmp_path / "notes") if request.param == "path" else (tmp_path / "notes").as_uri()


def test_the_first_attempt_finds_none_before_it(place):
    assert Attempts(place, "run", 0).earlier() == []


def test_notes_of_all_workers_and_attempts_are_found_by_a_later_one(place):
    for number in (1, 2):
        for rank in (0, 1):
            Attempts(place, "run", rank).begin(number, {"rows": 10 * number + rank})
    found = Attempts(place, "run", 1).earlier()
    assert sorted((note["attempt"], note["rank"], note["rows"]) for note in found) == [
        (1, 0, 10),
        (1, 1, 11),
        (2, 0, 20),
        (2, 1, 21),
    ]


def test_runs_do_not_see_each_other(place):
    Attempts(place, "one", 0).begin(1, {})
    assert Attempts(place, "two", 0).earlier() == []
    Attempts(place, "two", 0).forget()
    assert len(Attempts(place, "one", 0).earlier()) == 1


def test_last_words_are_added_to_the_note(place):
    attempts = Attempts(place, "run", 3)
    attempts.begin(1, {"rows": 5})
    attempts.ended("it hangs")
    assert Attempts(place, "run", 0).earlier() == [{"attempt": 1, "rank": 3, "rows": 5, "reason": "it hangs"}]


def test_a_run_that_is_over_is_forgotten(place):
    attempts = Attempts(place, "run", 0)
    attempts.forget()
    attempts.begin(1, {})
    attempts.forget()
    assert attempts.earlier() == []


def test_a_note_that_was_not_written_to_its_end_does_not_count(tmp_path):
    attempts = Attempts(str(tmp_path), "run", 0)
    attempts.begin(1, {})
    next(tmp_path.rglob("1-0.json")).with_name("2-0.tmp").write_text('{"attempt": 2')
    assert [note["attempt"] for note in attempts.earlier()] == [1]
