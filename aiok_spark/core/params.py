"""Params: declared in one line each, converted strictly, with getters and setters made for them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from pyspark.ml.param import Param, Params

_REQUIRED = object()


class TypedParam(Param):
    """A Param that knows its default."""

    def __init__(self, parent: Params, name: str, doc: str, converter: Callable[[Any], Any], default: Any) -> None:
        super().__init__(parent, name, doc, typeConverter=converter)
        self.default = default

    @property
    def required(self) -> bool:
        """Whether the user must give a value."""
        return self.default is _REQUIRED


def param(name: str, doc: str, converter: Callable[[Any], Any], default: Any = _REQUIRED) -> Any:
    """Declare a Param as a class attribute.

    Parameters
    ----------
    name : str
        Same as the attribute's name.
    doc : str
        What it is, its unit, its range and its default.
    converter : callable
        One of this module's ``to_...`` functions.
    default : optional
        Left out, the user must set the Param.
    """
    return TypedParam(Params._dummy(), name, doc, converter, default)


# Converters.  Each takes what a user may write (numpy scalars too), refuses what is only nearly
# right (a bool is not a number), and says what it found.  Params adds the parameter's name.


def _plain(value: Any) -> Any:
    """Numpy scalar to the Python value it stands for."""
    return value.item() if isinstance(value, np.generic) else value


def _refuse(value: Any, expected: str) -> TypeError:
    return TypeError(f"found {value!r} ({type(value).__name__}), expected {expected}")


def to_float(value: Any) -> float:
    """Any real number but a bool."""
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refuse(value, "a number")
    return float(value)


def to_finite(value: Any) -> float:
    """A number that is neither NaN nor infinite."""
    value = to_float(value)
    if not math.isfinite(value):
        raise _refuse(value, "a finite number")
    return value


def to_positive(value: Any) -> float:
    """A finite number above zero."""
    value = to_finite(value)
    if value <= 0:
        raise ValueError(f"found {value}, expected a number above 0")
    return value


def to_int(value: Any) -> int:
    """A whole number; 3.0 passes, 3.5 and True do not."""
    value = _plain(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # An int is taken as it is: by way of a float it would lose its digits above 2^53.
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refuse(value, "a whole number")
    return value


def at_least(low: int) -> Callable[[Any], int]:
    """Converter for whole numbers from ``low``."""

    def convert(value: Any) -> int:
        if (number := to_int(value)) < low:
            raise _refuse(number, f"a whole number of at least {low}")
        return number

    return convert


def to_int64(value: Any) -> int:
    """A whole number that fits into 64 bits."""
    if not -(2**63) <= (number := to_int(value)) < 2**63:
        raise ValueError(f"found {number}, expected a whole number in [-2^63, 2^63)")
    return number


def to_bool(value: Any) -> bool:
    """True or False, nothing that merely resembles them."""
    value = _plain(value)
    if not isinstance(value, bool):
        raise _refuse(value, "True or False")
    return value


def to_name(value: Any) -> str:
    """A column name, or any other text that may not be empty."""
    value = _plain(value)
    if not isinstance(value, str) or not value:
        raise _refuse(value, "a name (str, not empty)")
    return value


def to_text(value: Any) -> str:
    """Any text, empty too."""
    value = _plain(value)
    if not isinstance(value, str):
        raise _refuse(value, "a text (str)")
    return value


def to_names(value: Any) -> list[str]:
    """List of column names; a lone string is refused, as it would be read letter by letter."""
    if isinstance(value, str) or not isinstance(value, (list, tuple, np.ndarray)):
        raise _refuse(value, "a list of names, such as ['a', 'b']")
    return [to_name(name) for name in value]


def to_name_groups(value: Any) -> list[list[str]]:
    """List of lists of column names."""
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise _refuse(value, "a list of lists of names, such as [['a', 'b']]")
    return [to_names(group) for group in value]


def one_of(*choices: str) -> Callable[[Any], str]:
    """Converter that takes one of a few words."""

    def convert(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise _refuse(value, "one of " + ", ".join(repr(c) for c in choices))
        return value

    return convert


def some_of(*choices: str) -> Callable[[Any], list[str]]:
    """Converter that takes a list of different words, each one of a few."""
    one = one_of(*choices)

    def convert(value: Any) -> list[str]:
        if not isinstance(value, (list, tuple)):
            raise _refuse(value, f"a list of words, such as {list(choices[:2])}")
        words = [one(word) for word in value]
        if len(set(words)) < len(words):
            raise ValueError(f"found {words}, expected each word at most once")
        return words

    return convert


def to_time_zone(value: Any) -> str:
    """A name of the IANA time zone database."""
    name = to_name(value)
    try:
        return name if name == "UTC" else ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"found {name!r}, expected a name of the time zone database, such as 'UTC' or 'Europe/Berlin'"
        ) from None


def to_scalar(value: Any) -> str | float | int | bool:
    """A single value as JSON has them: text, finite number or bool."""
    value = _plain(value)
    if isinstance(value, float):
        return to_finite(value)
    if not isinstance(value, (str, int, bool)):
        raise _refuse(value, "a text, a finite number or a bool")
    return value


def to_scalars(value: Any) -> dict[str, str | float | int | bool | None]:
    """Dict of names, each with a single value or None."""
    if not isinstance(value, dict):
        raise _refuse(value, "a dict of names and values, such as {'a': 0}")
    return {to_name(name): None if one is None else to_scalar(one) for name, one in value.items()}


class HasInputCols(Params):
    """Mixin for the columns that a stage reads."""

    inputCols = param("inputCols", "names of the input columns; no default", to_names)


class HasOutputCols(Params):
    """Mixin for the columns that a stage writes."""

    outputCols = param(
        "outputCols",
        "names of the result columns, one for each input column; a name of an existing column replaces it; no default",
        to_names,
    )


def declared(cls: type) -> list[TypedParam]:
    """The Params that a stage class declares, by name."""
    found = (getattr(cls, name, None) for name in dir(cls))
    return [p for p in found if isinstance(p, TypedParam)]


def add_accessors(cls: type) -> None:
    """Give ``cls`` the getX and setX of each Param it declares, as Spark's own stages have them."""
    for p in declared(cls):
        camel = p.name[0].upper() + p.name[1:]
        if not hasattr(cls, f"get{camel}"):
            setattr(cls, f"get{camel}", _getter(p.name, p.doc))
        if not hasattr(cls, f"set{camel}"):
            setattr(cls, f"set{camel}", _setter(p.name, p.doc))


def _getter(name: str, doc: str) -> Callable[[Any], Any]:
    def get(self: Any) -> Any:
        return self.getOrDefault(name)

    get.__doc__ = f"Value of ``{name}``, or its default: {doc}."
    return get


def _setter(name: str, doc: str) -> Callable[[Any, Any], Any]:
    def set_(self: Any, value: Any) -> Any:
        return self._set(**{name: value})

    set_.__doc__ = f"Set ``{name}``: {doc}."
    return set_


def with_constructor(cls: Any) -> None:
    """Give a class a constructor with a keyword argument for each of its Params."""
    arguments = [
        inspect.Parameter(p.name, inspect.Parameter.KEYWORD_ONLY, default=None if p.required else p.default)
        for p in declared(cls)
    ]

    def __init__(self: Any, **params: Any) -> None:  # noqa: N807
        super(cls, self).__init__()
        self.setParams(**params)

    me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    __init__.__signature__ = inspect.Signature([me, *arguments])  # type: ignore[attr-defined]
    __init__.__doc__ = "Make the stage; each argument is the Param of its name."
    cls.__init__ = __init__
