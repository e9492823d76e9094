"""Who chooses the values of the next trial: one small interface, several services behind it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from aiok_spark.core.errors import ParamError
from aiok_spark.tuning.binding import BoundSpace, Values
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Objective, Trial

NAMES = ("sigopt", "sigoptlite", "optuna", "optuna-tpe", "random")


@dataclass(frozen=True)
class Search:
    """What a service is told.

    Attributes
    ----------
    space : BoundSpace
        What may be chosen.
    objective : Objective
        What is wanted.
    seed : int
        Of all choices.
    trials : int
        How many there will be at most.
    parallel : int
        How many of them at a time.
    storage : str, optional
        Where the service is to keep its own state, if it has any: optuna's storage.
    first : Values, optional
        Those of the first trial, for which no service is asked.
    """

    space: BoundSpace
    objective: Objective
    seed: int
    trials: int
    parallel: int = 1
    storage: str | None = None
    first: Values | None = None


class Service(Protocol):
    """Chooses, and learns from what came of it.  Called by one thread at a time."""

    def suggest(self, number: int, running: Sequence[Trial]) -> tuple[Values, str]:
        """Values for a trial, while others still run, and what the service calls it ("" for nothing)."""

    def observe(self, trial: Trial) -> None:
        """Learn of a trial that has ended, which may have been chosen by somebody else."""

    def refuse(self, values: Values, token: str) -> None:
        """Hear that a suggestion cannot be used."""

    def close(self) -> None:
        """End, with everything told."""


def choose(service: str, search: Search) -> tuple[str, str]:
    """The name of the service that "auto" or a user's choice comes to, and why.

    Raises
    ------
    ParamError
        If its package is absent, or it cannot do what the search asks.
    """
    if service != "auto":
        missing = _missing(service, search)
        if missing:
            raise ParamError(f"service: found '{service}', {missing}")
        return service, "as asked"
    reasons = dict.fromkeys(("sigoptlite", "optuna", "random"), "the first that is here of sigoptlite, optuna, random")
    if os.environ.get("SIGOPT_API_URL") and os.environ.get("SIGOPT_API_TOKEN"):
        reasons = {"sigopt": "as SIGOPT_API_URL and SIGOPT_API_TOKEN are set", **reasons}
    passed: list[str] = []
    for name, reason in reasons.items():
        missing = _missing(name, search)
        if not missing:
            return name, "; ".join([*passed, reason])
        passed.append(f"not {name}, {missing}")
    raise ParamError(f"service: found 'auto', but {'; '.join(passed)}")


def open_service(name: str, search: Search, journal: Journal) -> Service:
    """The service, told of all trials of the journal that have ended."""
    made = import_module(f"aiok_spark.tuning.services.{name.partition('-')[0]}_service").open_service(
        name, search, journal
    )
    return made


def _missing(name: str, search: Search) -> str:
    """Why a service cannot be used, or nothing."""
    needs: dict[str, Any] = {
        "sigopt": (("sigopt",), "the extra sigopt; pip install 'aiok-spark[sigopt]'"),
        "sigoptlite": (
            ("sigoptlite", "libsigopt", "qmcpy", "scipy"),
            "the extra sigopt and, without their own requirements, pip install --no-deps libsigopt==1.0.0 "
            "sigoptlite==0.1.2 qmcpy==1.2",
        ),
        "optuna": (("optuna", "scipy"), "the extra tuning; pip install 'aiok-spark[tuning]'"),
        "optuna-tpe": (("optuna",), "the extra tuning; pip install 'aiok-spark[tuning]'"),
    }
    packages, remedy = needs.get(name, ((), ""))
    absent = [package for package in packages if find_spec(package) is None]
    if absent:
        return f"found no package {' and '.join(absent)}, expected {remedy}"
    if search.storage and not name.startswith("optuna"):
        return "which has no storage, expected 'optuna' or 'optuna-tpe', or no storage"
    if name == "sigopt" and not os.environ.get("SIGOPT_API_TOKEN"):
        return "found no SIGOPT_API_TOKEN in the environment, expected the token of a server; set it"
    if name == "sigoptlite" and len(search.objective.metrics) > 1:
        import numpy as np

        if not hasattr(np, "product"):
            return (
                f"which with numpy {np.__version__} can do one metric (a threshold counts), expected numpy below 2; "
                "use 'optuna'"
            )
    return ""
