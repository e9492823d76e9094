"""A file of what happened."""

import pytest

from aiok_spark.core.errors import DataError
from aiok_spark.core.journal import JsonLines


def test_what_was_written_is_there_again(tmp_path):
    path = str(tmp_path / "new/journal")
    first = JsonLines(path, {"seed": 1})
    first.write({"a": [1, None]})
    first.close()
    again = JsonLines(path, {"seed": 1})
    assert again.told == [{"a": [1, None]}]
    again.close()


def test_a_line_that_was_not_finished_is_dropped_and_others_follow(tmp_path):
    file = tmp_path / "journal"
    JsonLines(str(file), {}).write({"a": 1})
    with file.open("ab") as torn:
        torn.write(b'{"a": 2, "b')
    again = JsonLines(str(file), {})
    again.write({"a": 3})
    again.close()
    assert JsonLines(str(file), {}).told == [{"a": 1}, {"a": 3}]


def test_a_journal_of_something_else_is_refused_with_the_difference(tmp_path):
    path = str(tmp_path / "journal")
    JsonLines(path, {"space": {"low": 1, "high": 2}}).close()
    with pytest.raises(
        DataError, match="space: found high: 2 there, expected 3; this is the journal of another search"
    ):
        JsonLines(path, {"space": {"low": 1, "high": 3}})


def test_only_one_at_a_time_writes(tmp_path):
    path = str(tmp_path / "journal")
    one = JsonLines(path, {})
    with pytest.raises(DataError, match="found another search that writes this journal"):
        JsonLines(path, {})
    one.close()
    JsonLines(path, {}).close()


@pytest.mark.parametrize("text", ["no json\n", '{"other": 1}\n', '{"search": {}, "format": 1}\n[1]\n'])
def test_another_file_is_no_journal(tmp_path, text):
    file = tmp_path / "journal"
    file.write_text(text)
    with pytest.raises(DataError, match=r"line \d: found .*, expected a line of a journal"):
        JsonLines(str(file), {})
    assert file.read_text() == text


def test_a_directory_is_no_journal_and_no_path_keeps_nothing(tmp_path):
    with pytest.raises(DataError, match="found a directory"):
        JsonLines(str(tmp_path), {})
    nowhere = JsonLines(None, {})
    nowhere.write({"a": 1})
    nowhere.close()
    assert nowhere.told == []


def test_numbers_that_json_does_not_have_are_refused(tmp_path):
    lines = JsonLines(str(tmp_path / "journal"), {})
    with pytest.raises(ValueError, match="JSON"):
        lines.write({"a": float("nan")})
    lines.close()
