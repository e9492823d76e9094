"""Petastorm's predicates for ``make_reader`` (a row at a time) and ``make_batch_reader`` (a row group at a time)."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aiok_spark.core.errors import ParamError


@dataclass(frozen=True)
class Predicate:
    """Which rows to take.

    Attributes
    ----------
    fields : frozenset of str
        The columns that decide.
    of_row : callable
        Says it of a row: a mapping of its values by field.
    of_rows : callable
        Says it of many: a DataFrame of the fields, to a truth value for each row.
    """

    fields: frozenset[str]
    of_row: Callable[[Any], Any]
    of_rows: Callable[[pd.DataFrame], Any]

    def get_fields(self) -> set[str]:
        """The columns that decide."""
        return set(self.fields)

    def do_include(self, values: Any) -> Any:
        """Whether to take a row (a mapping), or which rows (of a DataFrame)."""
        return self.of_rows(values) if isinstance(values, pd.DataFrame) else self.of_row(values)


def in_set(inclusion_values: Iterable[Any], predicate_field: str) -> Predicate:
    """Rows whose field is one of some values.

    Examples
    --------
    >>> from aiok_spark.data.predicates import in_set
    >>> in_set([1, 2], "day").do_include({"day": 2})
    True
    """
    wanted = set(inclusion_values)
    return Predicate(
        frozenset([predicate_field]),
        lambda row: row[predicate_field] in wanted,
        lambda rows: rows[predicate_field].isin(wanted).to_numpy(),
    )


def in_lambda(predicate_fields: Sequence[str], predicate_func: Callable[..., Any], state_arg: Any = None) -> Predicate:
    """Rows of which a function of their fields is true.

    Parameters
    ----------
    predicate_fields : sequence of str
        The function's arguments, in order.
    predicate_func : callable
        With ``make_reader`` it gets values, with ``make_batch_reader`` pandas Series, and gives as many truth values.
    state_arg : optional
        One more argument, the last.

    Examples
    --------
    >>> from aiok_spark.data.predicates import in_lambda
    >>> in_lambda(["day"], lambda day: day > 3).do_include({"day": 2})
    False
    """
    names = list(predicate_fields)
    more = [] if state_arg is None else [state_arg]

    def include(values: Any) -> Any:
        return predicate_func(*[values[name] for name in names], *more)

    return Predicate(frozenset(names), include, include)


def in_negate(predicate: Any) -> Predicate:
    """Rows that a predicate does not take."""
    return Predicate(
        frozenset(predicate.get_fields()),
        lambda row: not predicate.do_include(row),
        lambda rows: ~np.asarray(predicate.do_include(rows), bool),
    )


def in_reduce(predicate_list: Collection[Any], reduce_func: Callable[[list[bool]], bool]) -> Predicate:
    """Rows by what some predicates say together.

    Parameters
    ----------
    predicate_list : collection
        Predicates.
    reduce_func : callable
        Such as ``all`` or ``any``: gets a row's truth values, in the order of the predicates.
    """

    def of_rows(rows: pd.DataFrame) -> np.ndarray:
        said = [np.asarray(predicate.do_include(rows), bool).tolist() for predicate in predicate_list]
        return np.array([bool(reduce_func(list(row))) for row in zip(*said, strict=True)], bool)

    return Predicate(
        frozenset(name for predicate in predicate_list for name in predicate.get_fields()),
        lambda row: reduce_func([predicate.do_include(row) for predicate in predicate_list]),
        of_rows,
    )


def in_pseudorandom_split(fraction_list: Sequence[float], subset_index: int, predicate_field: str) -> Predicate:
    """Rows of one part of a split by the MD5 of a field's text: the rows that petastorm takes.

    Parameters
    ----------
    fraction_list : sequence of float
        Shares of the parts, in [0, 1].
    subset_index : int
        Which part, from 0.
    predicate_field : str
        The field.
    """
    if not 0 <= subset_index < len(fraction_list):
        raise ParamError(
            f"in_pseudorandom_split: subset_index: found {subset_index}, expected a number in "
            f"[0, {len(fraction_list)}); change it, or give more fractions"
        )
    low, high = (sum(fraction_list[:i]) * (sys.maxsize - 1) for i in (subset_index, subset_index + 1))

    def include(value: Any) -> bool:
        digest = hashlib.md5(str(value).encode(), usedforsecurity=False).hexdigest()
        return bool(low <= int(digest, 16) % sys.maxsize < high)

    return Predicate(
        frozenset([predicate_field]),
        lambda row: include(row[predicate_field]),
        lambda rows: rows[predicate_field].map(include).to_numpy(),
    )
