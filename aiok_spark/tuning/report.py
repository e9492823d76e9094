"""A search as one HTML page, by optuna's plots; no network needed to read it."""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from aiok_spark.core.files import open_system
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
    try:
        import optuna  # noqa: F401
        import plotly  # noqa: F401
    except ImportError as e:
        raise ImportError(
            f"report: found no module {e.name}, expected the extra tuning; pip install 'aiok-spark[tuning]'"
        ) from e
    system, place = open_system(path)
    page = _page(title, list(_figures(trials, space, objective)), _table(trials, objective))
    if folder := place.rpartition("/")[0]:
        system.create_dir(folder, recursive=True)
    with system.open_output_stream(place) as out:
        out.write(page.encode())
    return path


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
    lines = []
    for trial in trials:
        metrics = [trial.metrics.get(metric.name) for metric in objective.metrics]
        values = [trial.values.get(name) for name in names]
        told = [trial.number, trial.state, *metrics, *values, trial.facts.get("seconds"), trial.facts.get("error")]
        mark = ' class="best"' if trial == best else ""
        lines.append(f"<tr{mark}>" + "".join(f"<td>{html.escape(_text(cell))}</td>" for cell in told) + "</tr>")
    return f"<table><tr>{''.join(f'<th>{html.escape(name)}</th>' for name in head)}</tr>{''.join(lines)}</table>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _page(title: str, figures: Sequence[tuple[str, str]], table: str) -> str:
    parts = "".join(f"<h2>{html.escape(heading)}</h2>{figure}" for heading, figure in figures)
    style = (
        "body{font-family:sans-serif;margin:2em;max-width:1200px}table{border-collapse:collapse;font-size:smaller}"
        "td,th{border:1px solid #ccc;padding:.2em .5em;text-align:right}.best{background:#dfd;font-weight:bold}"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}</style></head><body><h1>{html.escape(title)}</h1>{parts}<h2>Trials</h2>{table}</body></html>"
    )
