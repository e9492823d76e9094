"""Values by a SigOpt server: any that speaks the API of SigOpt's own client."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from sigopt import Connection
from sigopt.exception import ApiException, ConnectionException

from aiok_spark.core.errors import ParamError, ServiceError
from aiok_spark.tuning.binding import Values
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Trial
from aiok_spark.tuning.services import Search, Service
from aiok_spark.tuning.services.sigopt_terms import assignments, evaluations, experiment

_TIMEOUT = 30.0  # seconds for one call
_PATIENCE = 120.0  # seconds in which a server may be away
_WAITS = 0.5  # seconds before the first new try; each later one waits twice as long
_NUMBER = "trial"


class SigoptService:
    """An experiment on the server; the token is read from the environment and kept nowhere.

    A call that fails for the server's sake (429, 5xx, no answer) is made again for two minutes.  After that, what was
    learned waits for the next call, and a suggestion that does not come ends the search: with a journal, another fit
    goes on where it was.
    """

    def __init__(self, search: Search, journal: Journal) -> None:
        self._search = search
        self._connection = Connection(client_token=os.environ["SIGOPT_API_TOKEN"])
        self._connection.set_timeout(_TIMEOUT)
        known = journal.service.get("experiment")
        if known is None:
            about = {**experiment(search, "aiok_spark"), "parallel_bandwidth": search.parallel}
            known = self._call(lambda: self._connection.experiments().create(**about)).id
            journal.begin_service({"experiment": known})
        self._experiment = self._connection.experiments(known)
        self._told = self._numbers()
        self._untold = [trial for trial in journal.trials.values() if trial.ended and trial.number not in self._told]
        self._tell()

    def suggest(self, number: int, running: Sequence[Trial]) -> tuple[Values, str]:
        """Values for a trial."""
        self._tell()
        made = self._call(lambda: self._experiment.suggestions().create())
        points = dict(made.assignments)
        return self._search.space.counting(lambda dimension: points[dimension.name]), str(made.id)

    def observe(self, trial: Trial) -> None:
        """Tell the server, now or before the next suggestion."""
        self._untold.append(trial)
        with suppress(ServiceError):  # it is kept
            self._tell()

    def refuse(self, values: Values, token: str) -> None:
        """Tell the server that it failed."""
        self._call(lambda: self._experiment.observations().create(suggestion=token, failed=True))

    def close(self) -> None:
        """Tell what waits."""
        with suppress(ServiceError):  # the journal has it, and another fit will tell it
            self._tell()

    def _tell(self) -> None:
        while self._untold:
            trial = self._untold[0]
            result: dict[str, Any] = {"failed": True}
            if trial.state == "done":
                result = {"values": evaluations(self._search, trial)}
            where = (
                {"suggestion": trial.token} if trial.token else {"assignments": assignments(self._search, trial.values)}
            )
            told = {**where, **result, "metadata": {_NUMBER: trial.number}}
            self._call(partial(self._experiment.observations().create, **told), unless=trial.number)
            self._told.add(trial.number)
            self._untold.pop(0)

    def _numbers(self) -> set[int]:
        """Trials that the server knows."""
        pages = self._call(lambda: list(self._experiment.observations().fetch().iterate_pages()))
        return {int(dict(seen.metadata)[_NUMBER]) for seen in pages if seen.metadata and _NUMBER in dict(seen.metadata)}

    def _call(self, act: Callable[[], Any], unless: int | None = None) -> Any:
        """What ``act`` gives, with patience; None if the server knows the trial ``unless`` after a failed try."""
        end, wait = time.monotonic() + _PATIENCE, _WAITS
        while True:
            try:
                return act()
            except (ConnectionException, ApiException) as e:
                status = getattr(e, "status_code", 0)
                if status in (401, 403):
                    raise ParamError(
                        f"sigopt: found a token that the server refuses ({status}), expected one of its own; set "
                        "SIGOPT_API_TOKEN in the environment"
                    ) from None
                again = status in (0, 429) or status >= 500
                if not again or time.monotonic() + wait > end:
                    raise ServiceError(
                        f"sigopt: {os.environ.get('SIGOPT_API_URL', 'the default server')}: {_line(e)}; "
                        + ("it stays so" if again else "it refuses the call")
                        + ", expected an answer; start the server and fit again: with journalPath, it goes on"
                    ) from None
            time.sleep(wait)
            wait *= 2
            if unless is not None and unless in self._numbers():
                return None


def open_service(name: str, search: Search, journal: Journal) -> Service:
    """The service."""
    return SigoptService(search, journal)


def _line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
