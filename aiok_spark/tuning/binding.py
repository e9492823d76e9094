"""A space whose Params have been found among the stages of an estimator."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pyspark.ml.param import Param, Params

from aiok_spark.core.errors import ParamError, did_you_mean
from aiok_spark.tuning.dimensions import Dimension, labels_of

Values = dict[str, Any]  # of one trial: the dimensions that count, each with its number or label
_DRAWS = 10_000  # for a point that meets the constraints


@dataclass(frozen=True)
class Constraint:
    """A weighted sum of dimensions that has limits; what does not count in a trial is 0.

    Attributes
    ----------
    weights : mapping
        Names of numeric dimensions, each with its factor.
    low, high : float
        Inclusive limits.
    """

    weights: Mapping[str, float]
    low: float = -math.inf
    high: float = math.inf

    def holds(self, values: Values) -> bool:
        """Whether the values meet it."""
        total = sum(weight * values.get(name, 0) for name, weight in self.weights.items())
        return self.low <= total <= self.high

    def to_json(self) -> dict[str, Any]:
        """As JSON has it: limits only where there are some."""
        limits = {"low": self.low, "high": self.high}
        return {"weights": dict(self.weights), **{k: v for k, v in limits.items() if math.isfinite(v)}}


@dataclass(frozen=True)
class BoundSpace:
    """A space whose Params have been found.

    Attributes
    ----------
    dimensions : tuple of Dimension
        What each of them may be; one comes after those that its ``when`` names.
    constraints : tuple of Constraint
        What they must meet together.
    params : dict
        The Param of each dimension's name.
    """

    dimensions: tuple[Dimension, ...]
    constraints: tuple[Constraint, ...]
    params: dict[str, Param]

    def counting(self, choose: Callable[[Dimension], Any]) -> Values:
        """Values of the dimensions that count; ``choose`` is asked for the point of each, in their order."""
        values: Values = {}
        for dimension in self.dimensions:
            if all(values.get(name) in chosen for name, chosen in dimension.when.items()):
                values[dimension.name] = dimension.value(choose(dimension))
        return values

    def points(self, values: Values) -> Values:
        """Where on their axes the values lie."""
        return {d.name: d.point(values[d.name]) for d in self.dimensions if d.name in values}

    def allows(self, values: Values) -> bool:
        """Whether they are within all limits."""
        return all(constraint.holds(values) for constraint in self.constraints)

    def draw(self, rng: random.Random) -> Values:
        """Values at random that meet the constraints."""
        for _ in range(_DRAWS):
            values = self.counting(lambda dimension: dimension.axis.at(rng.random()))
            if self.allows(values):
                return values
        raise ParamError(
            f"SearchSpace: found no point that meets the constraints in {_DRAWS:,} tries, expected that some do; widen "
            f"{[constraint.to_json() for constraint in self.constraints]}"
        )

    def param_map(self, values: Values) -> dict[Param, Any]:
        """What the estimator's copy gets."""
        return {self.params[d.name]: d.setting(values[d.name]) for d in self.dimensions if d.name in values}

    def present(self, estimator: Params) -> Values | None:
        """What the estimator's stages have, or what is nearest to it; None if the constraints do not allow that."""
        stages = {stage.uid: stage for stage in stages_of(estimator)}
        values: Values = {}
        for dimension in self.dimensions:
            if all(values.get(name) in chosen for name, chosen in dimension.when.items()):
                param = self.params[dimension.name]
                stage = stages[param.parent]
                values[dimension.name] = dimension.nearest(
                    stage.getOrDefault(param) if stage.isDefined(param) else None
                )
        return values if self.allows(values) else None

    def to_json(self) -> str:
        """See ``SearchSpace.toJson``."""
        return json_of(self.dimensions, self.constraints)

    def about(self) -> dict[str, Any]:
        """What two searches have to have in common, as JSON has it: categories by their labels alone."""
        named = [replace(d, values=d.labels) if d.kind == "categorical" else d for d in self.dimensions]
        told: dict[str, Any] = json.loads(json_of(named, self.constraints))
        return told


def json_of(dimensions: Sequence[Dimension], constraints: Sequence[Constraint]) -> str:
    """JSON of a space."""
    told: dict[str, Any] = {"dimensions": []}
    for dimension in dimensions:
        try:
            told["dimensions"].append(dimension.to_json())
        except (TypeError, ValueError) as e:
            raise ParamError(
                f"SearchSpace: {dimension.name}: found categories that JSON cannot hold ({e}), expected texts, "
                "numbers, lists and dicts"
            ) from None
    if constraints:
        told["constraints"] = [constraint.to_json() for constraint in constraints]
    return json.dumps(told, allow_nan=False)


def stages_of(estimator: Params) -> Iterator[Params]:
    """The stage and all that are within it: a Pipeline's stages, a OneVsRest's classifier."""
    yield estimator
    for param in estimator.params:
        value = estimator.getOrDefault(param) if estimator.isDefined(param) else None
        for part in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(part, Params):
                yield from stages_of(part)


def named_stages(estimator: Params) -> dict[str, Params]:
    """All stages by class name, with a number where there are several of a class."""
    found: dict[str, list[Params]] = {}
    for stage in stages_of(estimator):
        found.setdefault(type(stage).__name__, []).append(stage)
    return {
        name if len(stages) == 1 else f"{name}[{i}]": stage
        for name, stages in found.items()
        for i, stage in enumerate(stages)
    }


def find_param(given: str, stages: Mapping[str, Params]) -> tuple[str, Param]:
    """Name and Param of what the user gave."""
    stage_name, _, param_name = given.rpartition(".")
    owners = [
        name for name, stage in stages.items() if stage_name in ("", name, stage.uid) and stage.hasParam(param_name)
    ]
    if len(owners) == 1:
        return f"{owners[0]}.{param_name}", stages[owners[0]].getParam(param_name)
    if owners:
        raise ParamError(
            f"SearchSpace: found '{given}', which {owners} have, expected one of them; write '{owners[0]}.{param_name}'"
        )
    known = [f"{name}.{p.name}" for name, stage in stages.items() for p in stage.params]
    known = known if stage_name else [name.rpartition(".")[2] for name in known]
    raise ParamError(
        f"SearchSpace: found '{given}', expected a Param of the estimator's stages; {did_you_mean(given, known)}"
    )


def checked_when(
    name: str, when: Mapping[str, Sequence[Any]], earlier: Sequence[Dimension]
) -> dict[str, tuple[Any, ...]]:
    """The conditions of a dimension, each on one that was added before it."""
    checked = {}
    for other, values in when.items():
        if not isinstance(values, (tuple, list)):
            raise ParamError(f"SearchSpace: {name}: when: {other}: found {values!r}, expected a list of values")
        found = next((d for d in earlier if d.name == other), None)
        if found is None:
            raise ParamError(
                f"SearchSpace: {name}: when: found {other}, expected a Param that was added before; add it first"
            )
        wanted = labels_of(tuple(plain(v) for v in values)) if found.kind == "categorical" else tuple(values)
        known = found.labels if found.kind == "categorical" else found.values
        for value in wanted:
            if known and value not in known:
                raise ParamError(f"SearchSpace: {name}: when: {other}: found {value!r}, expected one of {list(known)}")
        checked[other] = tuple(wanted)
    return checked


def checked_constraint(constraint: Constraint, dimensions: Sequence[Dimension]) -> Constraint:
    """The constraint, if it limits numbers of the space."""
    kinds = {dimension.name: dimension.kind for dimension in dimensions}
    for name in constraint.weights:
        if kinds.get(name, "categorical") == "categorical":
            found = "which has no numbers" if name in kinds else "which the space does not change"
            known = [other for other, kind in kinds.items() if kind != "categorical"]
            raise ParamError(f"SearchSpace: addConstraint: found {name}, {found}, expected some of {known}")
    return constraint


def check_dimension(dimension: Dimension, param: Param) -> None:
    """Raise ParamError for limits and values that cannot be."""
    label = f"SearchSpace: {dimension.name}"
    if dimension.kind in ("float", "int"):
        if not dimension.low < dimension.high or not math.isfinite(dimension.high - dimension.low):
            raise ParamError(
                f"{label}: found limits {dimension.low} and {dimension.high}, expected two finite numbers, the lower "
                "one first"
            )
        if dimension.log and dimension.low <= 0:
            raise ParamError(f"{label}: found log=True from {dimension.low}, expected a lower limit above 0")
    elif len(dimension.values) < 2:
        raise ParamError(f"{label}: found {len(dimension.values)} values, expected at least two")
    elif len(set(dimension.labels or dimension.values)) < len(dimension.values):
        raise ParamError(f"{label}: found {list(dimension.labels or dimension.values)}, expected different values")
    settings = dimension.values or ((dimension.low, dimension.high))
    for setting in settings:
        try:
            param.typeConverter(setting)
        except Exception as e:  # converters are anybody's
            raise ParamError(f"{label}: found {setting!r}, which the Param refuses ({e}); it is: {param.doc}") from None


def plain(value: Any) -> Any:
    """Numpy scalar to the Python value it stands for."""
    return value.item() if isinstance(value, np.generic) else value
