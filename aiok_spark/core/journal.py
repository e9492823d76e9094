"""A file of what happened, one line of JSON for each thing, on disk before the next one happens."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiok_spark.core.errors import DataError

FORMAT = 1


class JsonLines:
    """An append-only file; nobody else writes it meanwhile.

    Parameters
    ----------
    path : str or None
        A file of the driver's own file system; without one, nothing is kept.
    about : dict
        What the file is of: one of something else is refused, and the difference told.

    Attributes
    ----------
    told : list of dict
        What was there.

    Raises
    ------
    DataError
        If the file is not a journal, is of something else, or is in use.
    """

    def __init__(self, path: str | None, about: Mapping[str, Any]) -> None:
        self.path = path
        self.told: list[dict[str, Any]] = []
        self._file: Any = None
        if path is None:
            return
        if Path(path).is_dir():
            raise DataError(f"{path}: found a directory, expected a file for the journal; name one in it")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "a+b")  # noqa: SIM115 - as long as the search
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read(path, json.loads(json.dumps(about)))
        except BlockingIOError:
            self.close()
            raise DataError(f"{path}: found another search that writes this journal, expected none; end it") from None
        except BaseException:
            self.close()
            raise

    def _read(self, path: str, about: dict[str, Any]) -> None:
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):  # a line that was being written when the process ended
            self._file.truncate(whole)
        lines = data[:whole].splitlines()
        if not lines:
            self.write({"search": about, "format": FORMAT})
            return
        for number, line in enumerate(lines, 1):
            try:
                told = json.loads(line)
                if number == 1:
                    _compare(path, told["search"], about)
                elif not isinstance(told, dict):
                    raise TypeError
                else:
                    self.told.append(told)
            except (ValueError, KeyError, TypeError) as e:
                if isinstance(e, DataError):
                    raise
                raise self.strange(number, line[:80]) from None

    def strange(self, number: int, line: Any) -> DataError:
        """The error of a line that cannot be of a journal."""
        return DataError(f"{self.path}: line {number}: found {line!r}, expected a line of a journal; name another file")

    def write(self, told: Mapping[str, Any]) -> None:
        """Add a line; it is on disk afterwards."""
        if self._file is not None:
            self._file.write(json.dumps(told, allow_nan=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let others have the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _compare(path: str, found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name in sorted({*found, *expected}):
        was, now = found.get(name), expected.get(name)
        if was != now:
            raise DataError(
                f"{path}: {name}: found {_difference(was, now)}; this is the journal of another search: name another "
                "file, or search as it did"
            )


def _difference(was: Any, now: Any) -> str:
    """Where two values of JSON differ first."""
    if isinstance(was, list) and isinstance(now, list):
        gone, new = [v for v in was if v not in now], [v for v in now if v not in was]
        if gone and new:  # else one has more than the other, and both are shown
            return f"{json.dumps(gone)} there, expected {json.dumps(new)}"
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted({*was, *now}):
            if was.get(name) != now.get(name):
                return f"{name}: {_difference(was.get(name), now.get(name))}"
    return f"{json.dumps(was)} there, expected {json.dumps(now)}"
