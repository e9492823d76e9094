"""The journal of a search: one line of JSON for each thing that happened, on disk before the next one happens."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiok_spark.core.errors import DataError
from aiok_spark.tuning.objective import Trial

FORMAT = 1


class Journal:
    """Trials of a search, in a file if there is a path.

    Parameters
    ----------
    path : str or None
        A file of the driver's own file system; one that is there is read and gone on with.
    about : dict
        The search: a journal of another one is refused.

    Raises
    ------
    DataError
        If the file is not a journal, is of another search, or is in use.
    """

    def __init__(self, path: str | None, about: Mapping[str, Any]) -> None:
        self.trials: dict[int, Trial] = {}
        self.service: dict[str, Any] = {}
        self._lock = threading.Lock()
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
            self._write({"search": about, "format": FORMAT})
            return
        for number, line in enumerate(lines, 1):
            try:
                told = json.loads(line)
                if number == 1:
                    _compare(path, told["search"], about)
                elif "service" in told:
                    self.service = told["service"]
                else:
                    self._note(told)
            except (ValueError, KeyError, TypeError) as e:
                if isinstance(e, DataError):
                    raise
                raise DataError(
                    f"{path}: line {number}: found {line[:80]!r}, expected a line of a journal; name another file"
                ) from None

    def _note(self, told: dict[str, Any]) -> None:
        number = told["trial"]
        if "state" in told:
            kept = {k: told[k] for k in ("state", "metrics", "facts") if k in told}
            self.trials[number] = replace(self.trials[number], **kept)
        else:
            self.trials[number] = Trial(number, told["values"], chosen=told["chosen"], token=told["token"])

    def begin(self, trial: Trial) -> None:
        """Note a choice, before anything is done with it."""
        told = {"trial": trial.number, "values": dict(trial.values), "chosen": trial.chosen, "token": trial.token}
        with self._lock:
            self.trials[trial.number] = trial
            self._write(told)

    def end(self, trial: Trial) -> None:
        """Note what came of it."""
        told = {"trial": trial.number, "state": trial.state, "metrics": dict(trial.metrics), "facts": dict(trial.facts)}
        with self._lock:
            self.trials[trial.number] = trial
            self._write(told)

    def begin_service(self, about: Mapping[str, Any]) -> None:
        """Note what a service must know to go on."""
        with self._lock:
            self.service = dict(about)
            self._write({"service": self.service})

    def close(self) -> None:
        """Let others have the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, told: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(told, allow_nan=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())


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
        if gone or new:
            return f"{json.dumps(gone)} there, expected {json.dumps(new)}"
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted({*was, *now}):
            if was.get(name) != now.get(name):
                return f"{name}: {_difference(was.get(name), now.get(name))}"
    return f"{json.dumps(was)} there, expected {json.dumps(now)}"
