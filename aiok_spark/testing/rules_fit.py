"""Rules on uids, copies, and what a fit gives and leaves alone."""

from __future__ import annotations

import re
from typing import Any

from pyspark.ml import Estimator

from aiok_spark.testing.rules import applies, expect, expect_none, rule
from aiok_spark.testing.rules_params import can_be_fitted, constructible_without_arguments
from aiok_spark.testing.snapshot import changes, params_of, snapshot
from aiok_spark.testing.subject import Subject


@rule(can_be_fitted)
def transforms(s: Subject) -> None:
    """The fitted stage transforms the rows; without that, no other rule on rows can be judged."""
    expect(len(s.expected) > 0, "no rows", "rows")


@rule(transforms)
def transform_is_repeatable(s: Subject) -> None:
    """A second transform gives the same as the first."""
    s.expect_same(s.fitted.transform(s.frame()))


@rule(constructible_without_arguments)
def uid_is_class_and_random(s: Subject) -> None:
    """A new uid is ``Class_`` and 12 hexadecimal digits, another one for each object."""
    one, other = s.fresh(), s.fresh()
    pattern = f"{type(one).__name__}_[0-9a-f]{{12}}"
    expect(bool(re.fullmatch(pattern, one.uid)), f"uid '{one.uid}'", f"'{pattern}'")
    expect(one.uid != other.uid, f"uid '{one.uid}' for two objects", "a new one for each")


@rule(can_be_fitted)
def copy_keeps_uid_and_params(s: Subject) -> None:
    """A copy is of the same class and has the same uid and values."""
    for part in s.parts:
        made = part.copy()
        expect(type(made) is type(part), f"a copy of class {type(made).__name__}", type(part).__name__)
        expect(made.uid == part.uid, f"a copy with uid '{made.uid}'", f"'{part.uid}'")
        expect_none(changes(params_of(part), params_of(made)), "a copy with the same values")


@rule(copy_keeps_uid_and_params)
def copy_applies_extra(s: Subject) -> None:
    """``copy(extra)`` has the extra values."""
    for part in s.parts:
        param, value = s.renaming(part)
        made = part.copy({param: value}).getOrDefault(param.name)
        expect(made == value, f"{param.name}={made!r} in copy({{{param.name}: {value!r}}})", repr(value))


@rule(copy_keeps_uid_and_params)
def copy_is_independent(s: Subject) -> None:
    """Neither ``copy(extra)`` nor setting a Param of the copy changes the original."""
    for part in s.parts:
        before, values = snapshot(part), dict(part._paramMap)
        param, value = s.renaming(part)
        part.copy({param: value})
        made = part.copy()
        made.set(made.getParam(param.name), value)
        after = snapshot(part)
        part._paramMap = values  # so that this fault does not become one of every other rule
        expect_none(changes(before, after), "the original as it was")


@rule(copy_keeps_uid_and_params, transform_is_repeatable)
def copy_transforms_the_same(s: Subject) -> None:
    """A copy of the model has its fitted state too."""
    s.expect_same(s.fitted.copy().transform(s.frame()))


@rule(can_be_fitted)
def model_has_the_estimators_uid(s: Subject) -> None:
    """CrossValidator addresses the model's Params by the estimator's uid."""
    expect(s.fitted.uid == _estimator(s).uid, f"a model with uid '{s.fitted.uid}'", f"'{s.stage.uid}'")


@rule(can_be_fitted)
def model_has_the_estimators_params(s: Subject) -> None:
    """Params that estimator and model share have the estimator's values."""
    shared = {p.name for p in _estimator(s).params} & {p.name for p in s.fitted.params}
    wanted, found = params_of(s.stage), params_of(s.fitted)
    faults = changes({n: wanted.get(n) for n in shared}, {n: found.get(n) for n in shared})
    expect_none(faults, "the estimator's values in the model")


@rule(can_be_fitted)
def fit_leaves_the_estimator_alone(s: Subject) -> None:
    """A fit changes nothing on the estimator: others may be fitting it at the same time."""
    _estimator(s)
    expect_none(s.changed_by_fit, "the estimator as it was")


@rule(transform_is_repeatable)
def fit_is_repeatable(s: Subject) -> None:
    """Another fit on the same rows, in another order, gives a model that transforms the same."""
    s.expect_same(_estimator(s).fit(s.frame(s.rows[::-1])).transform(s.frame()))


@rule(transforms)
def fit_honours_a_param_map(s: Subject) -> None:
    """``fit(df, {param: value})`` gives a model with that value."""
    param, value = s.renaming(_estimator(s))
    model = s.stage.fit(s.frame(), {param: value})
    applies(model.hasParam(param.name), f"the model has no {param.name}")
    found = model.getOrDefault(param.name)
    expect(found == value, f"{param.name}={found!r}", repr(value))


@rule(transforms, model_has_the_estimators_uid)
def transform_honours_a_param_map(s: Subject) -> None:
    """``transform(df, {param: value})`` takes the value, by the model's Param and the estimator's."""
    for part in s.parts:
        param, value = s.renaming(part)
        made = s.fitted.transform(s.frame(), {param: value}).columns
        missing = [n for n in ([value] if isinstance(value, str) else value) if n not in made]
        expect(not missing, f"no columns {missing} with {{{type(part).__name__}.{param.name}: {value!r}}}", "them")


def _estimator(s: Subject) -> Any:
    applies(isinstance(s.stage, Estimator), "not an estimator")
    return s.stage
