"""``advise``: defaults, space and layout for a model, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from aiok_spark.core.errors import DataError, ParamError, did_you_mean, needs_extra
from aiok_spark.tuning.advisor.facts import NAMES, facts_of
from aiok_spark.tuning.space import SearchSpace
from aiok_spark.tuning.tuned_estimator import TunedEstimator

if TYPE_CHECKING:
    from aiok_spark.tuning.advisor.sheet import Range, Sheet

_COLUMNS = ("denseCols", "categoricalCols", "featureCols", "inputCols", "featuresCol")
_EVALUATORS = {
    "binary": "BinaryClassificationEvaluator",
    "multiclass": "MulticlassClassificationEvaluator",
    "regression": "RegressionEvaluator",
}


@dataclass
class Advice:
    """What to begin with, what to search, and how to lay it out.

    Attributes
    ----------
    model : str
        What it is for.
    facts : dict
        What was known.
    params : dict
        Values of the estimator's Params: what you gave, then what was chosen.
    ranges : dict
        What to search, by Param.
    layout : dict
        ``workers`` of a trial, ``parallelism``.
    objective, budget : dict
        As they were given, with what was chosen where nothing was.
    reasons : list of tuple
        What, its value, why.
    """

    model: str
    facts: dict[str, float]
    params: dict[str, Any]
    ranges: dict[str, Any]
    layout: dict[str, int]
    objective: dict[str, Any]
    budget: dict[str, Any]
    reasons: list[tuple[str, Any, str]] = field(default_factory=list)
    sheet: Any = None

    def explain(self) -> str:
        """All facts, and all choices with their reasons, as text."""
        lines = [f"{self.model}: {self.sheet.about}", "", "Known:"]
        lines += [f"  {name} = {value:,.0f} ({NAMES[name]})" for name, value in self.facts.items()]
        lines += ["", "Chosen:", *(f"  {what} = {value}: {why}" for what, value, why in self.reasons)]
        limits = "".join(f", {name} within {limit:g}" for name, limit in self.objective["thresholds"].items())
        seconds = self.budget["seconds"]
        most = f"{self.budget['trials']} trials" + (f" or {seconds:g} s" if seconds else "")
        lines += ["", f"Wanted: better {' and '.join(self.objective['metrics'])}{limits}, in at most {most}"]
        return "\n".join(lines)

    def space(self, estimator: Any) -> SearchSpace:
        """The space, of an estimator's own Params."""
        space = SearchSpace()
        for name, about in self.ranges.items():
            _add(space, estimator.getParam(name), about)
        return space

    def estimator(self, **params: Any) -> TunedEstimator:
        """What tunes the model as advised; ``params`` are those of ``TunedEstimator`` that you want otherwise.

        Raises
        ------
        ParamError
            If there is no estimator for the model yet, or its package is absent.
        """
        evaluation = import_module("pyspark.ml.evaluation")
        cls = _estimator_class(self.sheet)
        made = cls(**self.params)
        evaluator = getattr(evaluation, _EVALUATORS[self.sheet.evaluator])(metricName=self.sheet.metric)
        if "labelCol" in self.params:
            evaluator.setLabelCol(self.params["labelCol"])
        given = {
            "estimator": made,
            "searchSpace": self.space(made),
            "evaluator": evaluator,
            "metrics": self.objective["metrics"],
            "thresholds": self.objective["thresholds"],
            "numTrials": self.budget["trials"],
            "maxSeconds": self.budget["seconds"],
            "parallelism": self.layout["parallelism"],
        }
        return TunedEstimator(**{**given, **params})


def advise(
    recipe: str,
    df: DataFrame,
    inputs: Mapping[str, Any],
    *,
    objective: Mapping[str, Any] | None = None,
    budget: Mapping[str, Any] | None = None,
    cluster: Mapping[str, Any] | None = None,
) -> Advice:
    """Advise how to tune a model on these rows and this cluster.

    Parameters
    ----------
    recipe : str
        A model ("dlrm", "mlp", ...), or the path of a YAML file of your own.
    df : DataFrame
        Rows to learn from; they are counted.
    inputs : dict
        Params of the estimator that name columns, and any other that you want as it is.
    objective : dict, optional
        ``metrics`` and ``thresholds`` as ``TunedEstimator`` has them; default the model's metric.
    budget : dict, optional
        ``trials`` (default 20), ``seconds`` (default no limit).
    cluster : dict, optional
        ``slots`` of the cluster it is for; default the session's.

    Returns
    -------
    Advice
        ``explain()`` says why; ``estimator()`` tunes.

    Raises
    ------
    ConfError
        No such recipe, or a file that cannot be used.
    DataError
        No rows.
    ImportError
        The extra ``flow`` is not installed.

    Examples
    --------
    >>> from aiok_spark.tuning import advise
    >>> advice = advise("dlrm", df, {"denseCols": ["age"], "categoricalCols": ["shop"]})  # doctest: +SKIP
    >>> print(advice.explain())  # doctest: +SKIP
    >>> model = advice.estimator().fit(df)  # doctest: +SKIP
    """
    sheet = _sheet(recipe)
    _check_params(sheet, inputs)
    _known("objective", objective, ("metrics", "thresholds"))
    _known("budget", budget, ("trials", "seconds"))
    _known("cluster", cluster, ("slots",))
    columns = [name for param in _COLUMNS for name in _listed(inputs.get(param))]
    facts = facts_of(df, columns, cluster)
    if not facts["rows"]:
        raise DataError("advise: found no rows, expected some to learn from; look at the filters before")
    reasons: list[tuple[str, Any, str]] = []
    layout = _layout(sheet, facts, inputs, reasons)
    facts["rowsPerWorker"] = facts["rows"] // layout["workers"]
    params = dict(inputs)
    if sheet.workersParam and sheet.workersParam not in params:
        params[sheet.workersParam] = layout["workers"]
    for name, choice in sheet.choose.items():
        if name in params:
            continue
        if choice.by is not None and choice.by not in facts:
            raise ParamError(
                f"advise: {sheet.model}: {name}: by: found '{choice.by}', {did_you_mean(choice.by, NAMES)}"
            )
        params[name] = choice.chosen(facts)
        by = "" if choice.by is None else f" ({choice.by} = {facts[choice.by]:,.0f})"
        reasons.append((name, params[name], choice.because + by))
    ranges = {
        name: about
        for name, about in sheet.search.items()
        if name not in inputs and (about.needs is None or params.get(about.needs))
    }
    reasons += [(f"search {name}", _shown(about), about.because) for name, about in ranges.items()]
    goal = {"metrics": [sheet.metric], "thresholds": {}, **(objective or {})}
    limits = {"trials": 20, "seconds": None, **(budget or {})}
    return Advice(sheet.model, facts, params, ranges, layout, goal, limits, reasons, sheet)


def _layout(
    sheet: Sheet, facts: Mapping[str, float], inputs: Mapping[str, Any], reasons: list[tuple[str, Any, str]]
) -> dict[str, int]:
    """Workers of a trial, and trials at a time."""
    slots = max(1, int(facts["slots"]))
    workers = int(inputs.get(sheet.workersParam or "", 1))
    if sheet.workersParam and sheet.workersParam not in inputs:
        workers = int(max(1, min(slots, facts["rows"] // sheet.rowsForAWorker)))
        why = f"a worker pays off from {sheet.rowsForAWorker:,} rows on, and all of a trial run at once"
        reasons.append((sheet.workersParam, workers, why))
    parallelism = max(1, slots // workers)
    reasons.append(("parallelism", parallelism, f"{slots} slots, of which a trial takes {workers}"))
    return {"workers": workers, "parallelism": parallelism}


def _sheet(recipe: str) -> Sheet:
    with needs_extra("flow", "advise"):
        from aiok_spark.tuning.advisor.sheet import read_sheet
    return read_sheet(recipe)


def _known(name: str, given: Mapping[str, Any] | None, keys: tuple[str, ...]) -> None:
    for key in given or {}:
        if key not in keys:
            raise ParamError(f"advise: {name}: found '{key}', expected {list(keys)}; {did_you_mean(key, keys)}")


def _listed(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _check_params(sheet: Sheet, inputs: Mapping[str, Any]) -> None:
    """What the sheet and the user name must be Params of the estimator."""
    if sheet.estimator is None or (cls := _estimator_class(sheet, strict=False)) is None:
        return
    known = [param.name for param in cls().params]
    needed = [about.needs for about in sheet.search.values() if about.needs]
    named = {"inputs": inputs, "choose": sheet.choose, "search": sheet.search, "needs": needed}
    for where, names in named.items():
        for name in names:
            if name not in known:
                raise ParamError(f"advise: {sheet.model}: {where}: found '{name}', {did_you_mean(name, known)}")


def _estimator_class(sheet: Sheet, strict: bool = True) -> Any:
    if sheet.estimator is None:
        raise ParamError(
            f"advise: {sheet.model}: found no estimator of this model in this release, expected one; take ranges and "
            "params for your own, or name it as estimator in a YAML file of your own"
        )
    module, _, name = sheet.estimator.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as e:
        if isinstance(e, ImportError) and not strict:  # its package is needed where the search runs
            return None
        raise ParamError(
            f"advise: {sheet.model}: estimator: found no {sheet.estimator} ({e}); install its package"
        ) from e


def _shown(about: Range) -> str:
    if about.grid is not None or about.values is not None:
        return f"[{', '.join(f'{value:g}' for value in about.grid)}]" if about.grid else str(about.values)
    return f"[{about.low:g}, {about.high:g}]" + (" by its logarithm" if about.log else "")


def _add(space: SearchSpace, param: Any, about: Range) -> None:
    if about.values is not None:
        space.addCategorical(param, about.values)
    elif about.grid is not None:
        whole = all(float(value).is_integer() for value in about.grid)
        space.addGrid(param, [int(value) for value in about.grid] if whole else about.grid)
    elif about.whole:
        space.addInt(param, int(about.low or 0), int(about.high or 0), log=about.log)
    else:
        space.addFloat(param, about.low or 0.0, about.high or 0.0, log=about.log)
