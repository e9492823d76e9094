"""The journal of a search: each choice and what came of it, on disk before the next one."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiok_spark.core.journal import JsonLines
from aiok_spark.tuning.objective import Trial


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
        self._lines = JsonLines(path, about)
        for number, told in enumerate(self._lines.told, 2):
            try:
                self._note(told)
            except (KeyError, TypeError):
                self.close()
                raise self._lines.strange(number, told) from None

    def _note(self, told: dict[str, Any]) -> None:
        if "service" in told:
            self.service = told["service"]
            return
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
            self._lines.write(told)

    def end(self, trial: Trial) -> None:
        """Note what came of it."""
        told = {"trial": trial.number, "state": trial.state, "metrics": dict(trial.metrics), "facts": dict(trial.facts)}
        with self._lock:
            self.trials[trial.number] = trial
            self._lines.write(told)

    def begin_service(self, about: Mapping[str, Any]) -> None:
        """Note what a service must know to go on."""
        with self._lock:
            self.service = dict(about)
            self._lines.write({"service": self.service})

    def close(self) -> None:
        """Let others have the file."""
        self._lines.close()
