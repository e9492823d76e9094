"""``aiok-spark cache``: what conversions have left in a directory."""

import os
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiok_spark.cli import main
from aiok_spark.data import Dataset


@pytest.fixture
def shelf(tmp_path):
    """Give a directory with a dataset, a damaged one, and what a conversion that was killed has left."""
    for name in ("good", "short", "killed"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"a": [1, 2], "b": [3, 4]}), tmp_path / name / "part-0.parquet")
    Dataset.sealed(str(tmp_path / "good"), {"part-0.parquet": 2}, {})
    Dataset.sealed(str(tmp_path / "short"), {"part-0.parquet": 3}, {})
    (tmp_path / "a file").touch()
    return tmp_path


def lines(capsys):
    return dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())


def test_ls_shows_what_is_there(shelf, capsys):
    main(["cache", "ls", str(shelf)])
    shown = lines(capsys)
    assert sorted(shown) == ["good", "killed", "short"]
    assert shown["good"].endswith("2 rows: a, b")
    assert "0.0 days" in shown["good"]
    assert shown["killed"].endswith("unfinished")


def test_verify_names_what_is_not_whole(shelf, capsys):
    (shelf / "truncated").mkdir()
    (shelf / "truncated" / "part-0.parquet").write_bytes(b"PAR1")
    Dataset.sealed(str(shelf / "truncated"), {"part-0.parquet": 2}, {})
    with pytest.raises(SystemExit) as ended:
        main(["cache", "verify", str(shelf)])
    assert ended.value.code == 1
    shown = lines(capsys)
    assert shown["good"] == "whole"
    assert shown["short"] == "part-0.parquet: found 2 rows, expected 3"
    assert "no manifest" in shown["killed"]
    assert "Parquet" in shown["truncated"]


def test_rm_takes_names_or_an_age(shelf, capsys):
    main(["cache", "rm", str(shelf), "good"])
    assert sorted(lines(capsys)) == ["good"]
    old = time.time() - 3 * 24 * 3600
    for path in [*(shelf / "killed").iterdir(), shelf / "killed"]:
        os.utime(path, (old, old))
    main(["cache", "rm", str(shelf), "--older-than", "2"])
    assert sorted(path.name for path in shelf.iterdir()) == ["a file", "short"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["good", "--older-than", "1"], "neither or both of names and --older-than"),
        ([], "neither or both"),
        (["bad"], "found no bad in"),
        (["--older-than", "-1"], "found -1.0, expected days from 0"),
    ],
)
def test_rm_refuses_what_is_not_clear(shelf, arguments, message):
    with pytest.raises(SystemExit, match=message):
        main(["cache", "rm", str(shelf), *arguments])
    assert (shelf / "good").exists()


def test_rm_leaves_what_is_no_dataset(shelf):
    (shelf / "theirs").mkdir()
    (shelf / "theirs" / "thesis.txt").touch()
    with pytest.raises(SystemExit, match="found other files in it"):
        main(["cache", "rm", str(shelf), "theirs"])
    assert (shelf / "theirs" / "thesis.txt").exists()


def test_no_directory_is_said(tmp_path):
    with pytest.raises(SystemExit, match="found no directory"):
        main(["cache", "ls", str(tmp_path / "absent")])
