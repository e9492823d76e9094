"""A search as one HTML page, by optuna's plots; no network needed to read it."""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from aiok_spark.core.errors import needs_extra
from aiok_spark.core.page import table, write_page
from aiok_spark.tuning.binding import BoundSpace
from aiok_spark.tuning.objective import Metric, Objective, Trial

_FEW = 2  # trials that plots need


def write_report(path: str, title: str, trials: Sequence[Trial], space: BoundSpace, objective: Objective) -> str:
    """Write the page: history, parallel coordinates, importance, slices, Pareto front, all trials.

    Parameters
    ----------
    path : str
        The file, on any file system.
    title : str
        What was searched.
    trials : sequence of Trial
        Those that ended.
    space, objective : BoundSpace, Objective
        Of the search.

    Returns
    -------
    str
        The path.

    Raises
    ------
    ImportError
        If the extra ``tuning`` is not installed.
    """
    with needs_extra("tuning", "report"):
        import optuna  # noqa: F401
        import plotly  # noqa: F401
    sections = [*_figures(trials, space, objective), ("Trials", _table(trials, objective))]
    return write_page(path, title, sections)


def _figures(trials: Sequence[Trial], space: BoundSpace, objective: Objective) -> Iterator[tuple[str, str]]:
    """Headings and plots; what a plot needs and is not there leaves it out, with the reason."""
    from optuna import visualization as plots

    from aiok_spark.tuning.services.optuna_service import quiet, study_of

    study = study_of(trials, space, objective)
    done = [trial for trial in trials if trial.state == "done"]
    wanted: list[tuple[str, Any]] = []
    for i, metric in enumerate(objective.optimized):
        for name, plot in (
            ("History", plots.plot_optimization_history),
            ("Parallel coordinates", plots.plot_parallel_coordinate),
            ("Importance", plots.plot_param_importances),
            ("Slices", plots.plot_slice),
        ):
            # What matters for low values is what the importance tells.
            chosen = partial(_cost, i) if name == "Importance" else partial(_value, i, metric)
            wanted.append((f"{name}: {metric.name}", (plot, {"target": chosen, "target_name": metric.name})))
    if len(objective.optimized) > 1:
        named = {"target_names": [metric.name for metric in objective.optimized]}

        def both(trial: Any) -> list[float]:
            return [_value(i, metric, trial) for i, metric in enumerate(objective.optimized)]

        wanted.append(("Pareto front", (plots.plot_pareto_front, {"targets": both, **named})))
    first = True  # the library that draws, once
    for heading, (plot, arguments) in wanted:
        if len(done) < _FEW:
            yield heading, "<p>There are too few trials that came to their end.</p>"
            continue
        try:
            with quiet(), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of targets, which are right here
                figure = plot(study, **arguments)
        except (ValueError, RuntimeError, ImportError) as e:  # such as an importance of one Param that never changes
            yield heading, f"<p>No plot: {html.escape(str(e))}</p>"
            continue
        yield heading, figure.to_html(full_html=False, include_plotlyjs=first)
        first = False


def _cost(i: int, trial: Any) -> float:
    return trial.values[i]


def _value(i: int, metric: Metric, trial: Any) -> float:
    return metric.cost(trial.values[i])  # which is its own inverse


def _table(trials: Sequence[Trial], objective: Objective) -> str:
    best, names = objective.best(trials), list(dict.fromkeys(name for trial in trials for name in trial.values))
    head = ["trial", "state", *(metric.name for metric in objective.metrics), *names, "seconds", "error"]
    rows = []
    for trial in trials:
        metrics = [trial.metrics.get(metric.name) for metric in objective.metrics]
        values = [trial.values.get(name) for name in names]
        rows.append(
            [trial.number, trial.state, *metrics, *values, trial.facts.get("seconds"), trial.facts.get("error")]
        )
    return table(head, rows, next((i for i, trial in enumerate(trials) if trial == best), None))
