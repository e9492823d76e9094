"""A search in the terms of SigOpt's API, for its server and for its engine."""

from __future__ import annotations

from typing import Any

from aiok_spark.tuning.objective import Trial
from aiok_spark.tuning.services import Search


def experiment(search: Search, name: str) -> dict[str, Any]:
    """The search as SigOpt has it: every dimension counts, as what does not is left out of a trial here."""
    parameters = []
    for dimension in search.space.dimensions:
        axis = dimension.axis
        if axis.kind == "word":
            parameter: dict[str, Any] = {"type": "categorical", "categorical_values": list(axis.words)}
        else:
            kind = "int" if axis.kind == "whole" else "double"
            number = int if axis.kind == "whole" else float
            parameter = {"type": kind, "bounds": {"min": number(axis.low), "max": number(axis.high)}}
        if axis.log:
            parameter["transformation"] = "log"
        parameters.append({"name": dimension.name, **parameter})
    metrics = [
        {
            "name": metric.name,
            "objective": "maximize" if metric.larger else "minimize",
            "strategy": "optimize" if metric.optimized else "constraint",
            **({} if metric.threshold is None else {"threshold": metric.threshold}),
        }
        for metric in search.objective.metrics
    ]
    return {"name": name, "parameters": parameters, "metrics": metrics, "observation_budget": search.trials}


def assignments(search: Search, values: Any) -> dict[str, Any]:
    """Values as SigOpt has them: what does not count is in the middle of its axis."""
    points = search.space.points(dict(values))
    return {d.name: points.get(d.name, d.axis.at(0.5)) for d in search.space.dimensions}


def evaluations(search: Search, trial: Trial) -> list[dict[str, Any]]:
    """Metrics as SigOpt has them."""
    return [{"name": metric.name, "value": float(trial.metrics[metric.name])} for metric in search.objective.metrics]
