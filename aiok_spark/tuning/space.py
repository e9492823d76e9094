"""Which Params a search may change, and to what."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyspark.ml.param import Param, Params

from aiok_spark.core.errors import ParamError
from aiok_spark.tuning.binding import (
    BoundSpace,
    Constraint,
    check_dimension,
    checked_constraint,
    checked_when,
    find_param,
    json_of,
    named_stages,
    plain,
)
from aiok_spark.tuning.dimensions import Dimension, labels_of


class SearchSpace:
    """The Params that a search may change.

    A Param is one of a stage's own (``dlrm.learningRate``), or its name: ``"DLRMClassifier.learningRate"``, with
    a number if several stages are of that class (``"FillMissing[1].strategy"``), or ``"learningRate"`` alone if only
    one stage has it.  Each method gives the space itself, to be chained.

    Examples
    --------
    >>> from pyspark.ml.classification import LogisticRegression
    >>> from aiok_spark.tuning import SearchSpace
    >>> regression = LogisticRegression()
    >>> space = (SearchSpace().addFloat(regression.regParam, 1e-4, 1.0, log=True)
    ...                       .addCategorical(regression.fitIntercept, [True, False]))
    """

    def __init__(self) -> None:
        self._dimensions: list[Dimension] = []
        self._constraints: list[Constraint] = []

    def addFloat(
        self,
        param: Param | str,
        low: float,
        high: float,
        *,
        log: bool = False,
        when: Mapping[Param | str, Sequence[Any]] | None = None,
    ) -> SearchSpace:
        """Search real numbers of [low, high].

        Parameters
        ----------
        param : Param or str
            What to change.
        low, high : float
            Inclusive limits.
        log : bool
            Search by the logarithm: 0.001 to 0.01 is as far as 0.01 to 0.1.
        when : dict, optional
            Other Params of the space, each with those of its values for which this one counts at all; otherwise it
            stays as the estimator has it.
        """
        return self._add(param, Dimension("", "float", float(low), float(high), log), when)

    def addInt(
        self,
        param: Param | str,
        low: int,
        high: int,
        *,
        log: bool = False,
        when: Mapping[Param | str, Sequence[Any]] | None = None,
    ) -> SearchSpace:
        """Search whole numbers of [low, high]; see ``addFloat``."""
        if not (float(low).is_integer() and float(high).is_integer()):
            raise ParamError(f"SearchSpace: {_key(param)}: found limits {low} and {high}, expected whole numbers")
        return self._add(param, Dimension("", "int", int(low), int(high), log), when)

    def addGrid(
        self, param: Param | str, values: Sequence[float], *, when: Mapping[Param | str, Sequence[Any]] | None = None
    ) -> SearchSpace:
        """Search a few numbers, of which neighbours are alike, such as [16, 32, 64]; see ``addFloat``."""
        return self._add(param, Dimension("", "grid", values=tuple(sorted(values))), when)

    def addCategorical(
        self,
        param: Param | str,
        values: Sequence[Any] | Mapping[str, Any],
        *,
        when: Mapping[Param | str, Sequence[Any]] | None = None,
    ) -> SearchSpace:
        """Search values that have no order.

        Parameters
        ----------
        param : Param or str
            What to change.
        values : list or dict
            Whatever a ParamMap can hold: words, lists, whole stages.  A dict gives each a name, which values that
            are no JSON need.
        when : dict, optional
            As for ``addFloat``.
        """
        named = isinstance(values, Mapping)
        chosen = tuple(plain(v) for v in (values.values() if isinstance(values, Mapping) else values))
        try:
            labels = tuple(str(name) for name in values) if named else labels_of(chosen)
        except TypeError as e:
            raise ParamError(
                f"SearchSpace: {_key(param)}: found values that are no JSON ({e}), expected a name for each; give a "
                "dict, such as {'forest': forest, 'trees': trees}"
            ) from None
        return self._add(param, Dimension("", "categorical", values=chosen, labels=labels), when)

    def addConstraint(
        self, weights: Mapping[Param | str, float], *, low: float = -math.inf, high: float = math.inf
    ) -> SearchSpace:
        """Keep ``low <= sum(weight * value) <= high``, over numeric Params of the space."""
        if not (math.isfinite(low) or math.isfinite(high)):
            raise ParamError("SearchSpace: addConstraint: found no limit, expected low or high; give one of them")
        named = {_key(param): float(weight) for param, weight in weights.items()}
        self._constraints.append(Constraint(named, float(low), float(high)))
        return self

    def _add(
        self, param: Param | str, dimension: Dimension, when: Mapping[Param | str, Sequence[Any]] | None
    ) -> SearchSpace:
        given: dict[str, Any] = {
            _key(other): tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else values
            for other, values in (when or {}).items()
        }
        self._dimensions.append(replace(dimension, name=_key(param), when=given))
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and vars(self) == vars(other)

    def __repr__(self) -> str:
        told = (f"{d.name}: {list(d.labels or d.values) or [d.low, d.high]}" for d in self._dimensions)
        return f"SearchSpace({', '.join(told)})"

    __hash__ = None  # type: ignore[assignment]  # more may be added

    def bind(self, estimator: Params) -> BoundSpace:
        """Find the Params among an estimator's stages, and check all values with the Params' own converters.

        Raises
        ------
        ParamError
            If the space is empty, names what is not there, or has values or limits that cannot be.
        """
        if not self._dimensions:
            raise ParamError("SearchSpace: found no Params, expected at least one; add one by addFloat, addInt, ...")
        stages = named_stages(estimator)
        params: dict[str, Param] = {}
        dimensions = []
        for dimension in self._dimensions:
            name, param = find_param(dimension.name, stages)
            if name in params:
                raise ParamError(f"SearchSpace: found {name} twice, expected it once; leave one out")
            params[name] = param
            dimensions.append(replace(dimension, name=name))
        for i, dimension in enumerate(dimensions):
            when = {find_param(other, stages)[0]: values for other, values in dimension.when.items()}
            dimensions[i] = replace(dimension, when=checked_when(dimension.name, when, dimensions[:i]))
            check_dimension(dimensions[i], params[dimension.name])
        constraints = [
            replace(each, weights={find_param(param, stages)[0]: w for param, w in each.weights.items()})
            for each in self._constraints
        ]
        return BoundSpace(tuple(dimensions), tuple(checked_constraint(c, dimensions) for c in constraints), params)

    def toJson(self, estimator: Params | None = None) -> str:
        """JSON of the space.

        Parameters
        ----------
        estimator : Estimator, optional
            Gives names that hold for any estimator of the same stages; left out, they are of the stages' uids.

        Raises
        ------
        ParamError
            If the space does not fit the estimator, or has categories that are no JSON.
        """
        return json_of(self._dimensions, self._constraints) if estimator is None else self.bind(estimator).to_json()

    @classmethod
    def fromJson(cls, text: str) -> SearchSpace:
        """What ``toJson`` gave."""
        told, space = json.loads(text), cls()
        space._dimensions = [Dimension.from_json(each) for each in told["dimensions"]]
        space._constraints = [Constraint(**each) for each in told.get("constraints", [])]
        return space


def _key(param: Param | str) -> str:
    """How a Param is called before it is found: by its stage's uid."""
    return param if isinstance(param, str) else f"{param.parent}.{param.name}"
