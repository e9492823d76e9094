"""Rules on Params and constructors."""

from __future__ import annotations

import inspect
import re
from functools import cached_property
from typing import Any

from pyspark.ml import Model
from pyspark.ml.param import Param, Params

from aiok_spark.testing.rules import expect, expect_none, rule
from aiok_spark.testing.subject import Subject

_SHORTEST_DOC = 20  # characters
_RANGE = re.compile(
    r"\[|\bat (least|most)\b|\bbetween\b|\babove\b|\bbelow\b|\bfrom\b|\bany\b|\b(non-?)?(posi|nega)tive\b"
    r"|\binteger\b|\bwhole\b|[<>]",
    re.IGNORECASE,
)


@rule()
def can_be_fitted(s: Subject) -> None:
    """An estimator fits the rows; a transformer needs nothing."""
    expect(s.fitted is not None, "no model", "a fitted model")


@rule(can_be_fitted)
def constructible_without_arguments(s: Subject) -> None:
    """Readers construct a stage with no arguments and then set its Params."""
    for part in s.parts:
        type(part)()


@rule(can_be_fitted)
def params_are_attributes_of_their_name(s: Subject) -> None:
    """Each Param is a class attribute called as the Param is."""
    faults = []
    for cls in map(type, s.parts):
        for name, value in _class_params(cls).items():
            if value.name != name:
                faults.append(f"{cls.__name__}.{name} is the Param '{value.name}'")
    expect_none(faults, "attribute and Param of the same name")


@rule(can_be_fitted)
def params_have_no_side_effects(s: Subject) -> None:
    """No cached_property on the class: ``.params`` walks all attributes and would compute it."""
    faults = [
        f"{cls.__name__}.{name}"
        for part in s.parts
        for cls in type(part).__mro__
        for name, value in vars(cls).items()
        if isinstance(value, cached_property)
    ]
    expect_none(faults, "plain properties or methods")


@rule(can_be_fitted)
def params_are_documented(s: Subject) -> None:
    """Each Param's doc says what it is, its default, and if it is a number its range."""
    faults = []
    for part in s.parts:
        for p in part.params:
            if _declared_by_spark(type(part), p.name):
                continue
            if len(p.doc.strip()) < _SHORTEST_DOC:
                faults.append(f"{p.name}: a doc of {len(p.doc.strip())} characters")
            elif "default" not in p.doc.lower():
                faults.append(f"{p.name}: a doc without its default")
            elif _is_number(part, p) and not _RANGE.search(p.doc):
                faults.append(f"{p.name}: a number's doc without its range")
    expect_none(
        list(dict.fromkeys(faults)), f"at least {_SHORTEST_DOC} characters, 'default ...' and for numbers a range"
    )


@rule(params_are_attributes_of_their_name)
def params_have_getters_and_setters(s: Subject) -> None:
    """Each Param has getX, and setX where the user makes the stage."""
    faults = []
    for part in s.parts:
        kinds = ("get",) if isinstance(part, Model) and not s.ours else ("get", "set")
        for p in part.params:
            for accessor in (f"{kind}{p.name[0].upper()}{p.name[1:]}" for kind in kinds):
                if not callable(getattr(part, accessor, None)):
                    faults.append(f"no {type(part).__name__}.{accessor}")
    expect_none(faults, "a getter and a setter for each Param")


@rule(constructible_without_arguments)
def constructor_shows_the_params(s: Subject) -> None:
    """The constructor has an argument for each Param, and shows the Param's own default."""
    fresh = s.fresh()
    arguments = dict(list(inspect.signature(type(fresh).__init__).parameters.items())[1:])
    defaults = {p.name: fresh.getOrDefault(p) if fresh.hasDefault(p) else None for p in fresh.params}
    faults = [f"no argument for {name}" for name in defaults if name not in arguments]
    for name, argument in arguments.items():
        if name not in defaults:
            faults.append(f"argument {name} without a Param")
        elif argument.default is None and _declared_by_spark(type(fresh), name):
            continue  # such as the default of outputCol, which holds the uid
        elif argument.default != defaults[name] or type(argument.default) is not type(defaults[name]):
            faults.append(f"{name}={argument.default!r} where the Param's default is {defaults[name]!r}")
    expect_none(faults, "one keyword argument for each Param, with the same default")


@rule(constructor_shows_the_params, params_have_getters_and_setters)
def params_round_trip(s: Subject) -> None:
    """A value is the same after it went through constructor, setParams, setter and ParamMap."""
    cls = type(s.fresh())
    values = {p.name: s.stage.getOrDefault(p) for p in s.stage.params if s.stage.isDefined(p)}
    values = {name: value for name, value in values.items() if value is not None}
    by_setter, bare = cls(), cls()
    for name, value in values.items():
        getattr(by_setter, f"set{name[0].upper()}{name[1:]}")(value)
    made = {
        "the constructor": cls(**values),
        "the setters": by_setter,
        "a ParamMap": bare.copy({bare.getParam(name): value for name, value in values.items()}),
    }
    if hasattr(cls, "setParams"):
        made["setParams"] = cls()
        made["setParams"].setParams(**values)
    faults = [
        f"{name}={_get(stage, name)!r} after {value!r} through {way}"
        for way, stage in made.items()
        for name, value in values.items()
        if _get(stage, name) != value
    ]
    expect_none(faults, "the value that was set")


@rule(can_be_fitted)
def params_are_explained(s: Subject) -> None:
    """``explainParams()`` works and shows each Param with its doc."""
    for part in s.parts:
        text = part.explainParams()
        missing = [p.name for p in part.params if p.name not in text or p.doc not in text]
        expect(not missing, f"no {missing} in explainParams()", "name and doc of each Param")


def _class_params(cls: type) -> dict[str, Param]:
    found = {name: getattr(cls, name, None) for name in dir(cls)}
    return {name: value for name, value in found.items() if isinstance(value, Param)}


def _declared_by_spark(cls: type, name: str) -> bool:
    """Whether the Param comes from a mixin of Spark's, whose doc is not the author's to write."""
    owner = next((c for c in cls.__mro__ if name in vars(c)), cls)
    return owner.__module__.startswith("pyspark.")


def _is_number(part: Params, p: Param) -> bool:
    if not part.isDefined(p):
        return False
    value = part.getOrDefault(p)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _get(stage: Any, name: str) -> Any:
    return getattr(stage, f"get{name[0].upper()}{name[1:]}")()
