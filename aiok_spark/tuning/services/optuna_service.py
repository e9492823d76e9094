"""Values by optuna: a Gaussian process, or its tree-structured Parzen estimator."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from aiok_spark.core.errors import ParamError
from aiok_spark.tuning.binding import BoundSpace, Values
from aiok_spark.tuning.dimensions import Axis
from aiok_spark.tuning.journal import Journal
from aiok_spark.tuning.objective import Objective, Trial
from aiok_spark.tuning.services import Search, Service

_NUMBER = "aiok_trial"
_CHANCE = 10  # trials before the Gaussian process chooses: optuna's default, too many for few dimensions without limits
_STATES = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


class OptunaService:
    """Asks a study, and tells it.

    What an earlier process has told is added from the journal, unless the study's own storage has it.
    """

    def __init__(self, name: str, search: Search, journal: Journal) -> None:
        self._search = search
        seed = search.seed + len(journal.trials)  # not the numbers that an earlier process has drawn
        limits = self._limits if any(metric.threshold is not None for metric in search.objective.metrics) else None
        with quiet():
            if name == "optuna":
                first = _CHANCE if limits else min(_CHANCE, len(search.space.dimensions) + 2)
                sampler: Any = optuna.samplers.GPSampler(seed=seed, n_startup_trials=first, constraints_func=limits)
            else:
                sampler = optuna.samplers.TPESampler(
                    seed=seed,
                    multivariate=True,
                    group=any(d.when for d in search.space.dimensions),
                    constant_liar=search.parallel > 1,
                    constraints_func=limits,
                )
            self._study = optuna.create_study(
                directions=["minimize"] * len(search.objective.optimized),
                sampler=sampler,
                storage=_opened(search.storage),
                study_name=journal.service.get("study"),
                load_if_exists=True,
            )
        if journal.service.get("study") != self._study.study_name:
            journal.begin_service({"study": self._study.study_name})
        known = {trial.user_attrs.get(_NUMBER) for trial in self._study.trials if trial.state.is_finished()}
        for trial in journal.trials.values():
            if trial.ended and trial.number not in known:
                self.observe(trial)

    def suggest(self, number: int, running: Sequence[Trial]) -> tuple[Values, str]:
        """Values for a trial."""
        with quiet():
            asked = self._study.ask()
            asked.set_user_attr(_NUMBER, number)
            values = self._search.space.counting(lambda dimension: _suggest(asked, dimension.name, dimension.axis))
        return values, str(asked.number)

    def observe(self, trial: Trial) -> None:
        """Tell the study."""
        with quiet():
            asked = self._asked(trial)
            if asked is not None:
                costs, missed = _outcome(trial, self._search.objective)
                if missed:
                    asked.set_user_attr("missed", missed)
                self._study.tell(asked, costs, _STATES[trial.state])
                return
            self._study.add_trial(_frozen(trial, self._search.space, self._search.objective))

    def refuse(self, values: Values, token: str) -> None:
        """Tell the study that there will be nothing."""
        with quiet():
            self._study.tell(int(token), state=TrialState.FAIL)

    def close(self) -> None:
        """Leave what runs to nobody."""
        with quiet():
            for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                self._study.tell(trial.number, state=TrialState.FAIL)

    def _asked(self, trial: Trial) -> Any:
        """The study's own trial of this token, if it still waits."""
        if not trial.token:
            return None
        for known in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if str(known.number) == trial.token and known.user_attrs.get(_NUMBER) == trial.number:
                return optuna.trial.Trial(self._study, known._trial_id)
        return None

    @staticmethod
    def _limits(trial: Any) -> list[float]:
        return trial.user_attrs.get("missed") or [0.0]


def open_service(name: str, search: Search, journal: Journal) -> Service:
    """The service."""
    return OptunaService(name, search, journal)


def study_of(trials: Sequence[Trial], space: BoundSpace, objective: Objective) -> Any:
    """A study of trials that have ended, less is better, for optuna's plots."""
    with quiet():
        study = optuna.create_study(directions=["minimize"] * len(objective.optimized))
        for trial in trials:
            study.add_trial(_frozen(trial, space, objective))
    return study


def _opened(storage: str | None) -> Any:
    """Optuna's storage; its URL may hold a password, so messages do not show it."""
    try:
        return optuna.storages.get_storage(storage)
    except Exception as e:
        raise ParamError(
            f"storage: found a URL that cannot be opened ({type(e).__name__}), expected one that optuna takes, such as "
            "'sqlite:///tune.db', with its driver installed"
        ) from e


def _outcome(trial: Trial, objective: Objective) -> tuple[list[float] | None, list[float]]:
    """Costs, and by how much each limit is missed: not above 0 where it is kept."""
    if trial.state != "done":
        return None, []
    limited = [metric for metric in objective.metrics if metric.threshold is not None]
    missed = [metric.cost(trial.metrics[metric.name]) - metric.cost(metric.threshold or 0.0) for metric in limited]
    return list(objective.costs(trial)), missed


def _frozen(trial: Trial, space: BoundSpace, objective: Objective) -> Any:
    """A trial as optuna has it."""
    costs, missed = _outcome(trial, objective)
    axes = {d.name: d.axis for d in space.dimensions if d.name in trial.values}
    return optuna.trial.create_trial(
        state=_STATES[trial.state],
        values=costs,
        params=space.points(dict(trial.values)),
        distributions={name: _distribution(axis) for name, axis in axes.items()},
        user_attrs={_NUMBER: trial.number, **({"missed": missed} if missed else {})},
        system_attrs={"constraints": missed} if missed else None,
    )


def _suggest(trial: Any, name: str, axis: Axis) -> Any:
    if axis.kind == "word":
        return trial.suggest_categorical(name, axis.words)
    if axis.kind == "whole":
        return trial.suggest_int(name, int(axis.low), int(axis.high))
    return trial.suggest_float(name, axis.low, axis.high, log=axis.log)


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.kind == "word":
        return CategoricalDistribution(axis.words)
    if axis.kind == "whole":
        return IntDistribution(int(axis.low), int(axis.high))
    return FloatDistribution(axis.low, axis.high, log=axis.log)


@contextmanager
def quiet() -> Iterator[None]:
    """Without optuna's lines on each trial, and its warnings of experimental parts."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.simplefilter("ignore", FutureWarning)  # of names that optuna will change, which we follow then
            yield
    finally:
        optuna.logging.set_verbosity(level)
