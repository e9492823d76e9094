r"""Numbers in texts.

The patterns mean the same to Java's regular expressions and to Python's: classes of spelt-out characters, no ``$``
(Java's stops before a line's end), no ``\d`` or ``\s`` (Python's know more characters than Java's), and repetitions
that cannot overlap, so that a long text takes no longer than it is long.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BLANKS = " \t\n\r\u00a0\u2009\u202f"  # the last three: no-break, thin and narrow no-break space
MINUS = "-\u2212"  # first in a class of characters, where a hyphen is no range
_GROUPING = " \u00a0\u2009\u202f'\u2019_"  # may group digits beside the point or comma that is not the decimal one
_END = r"(?![\s\S])"


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are written.

    Attributes
    ----------
    decimal : str
        "." or ",".
    symbols : sequence of str
        What may stand before and behind a number.
    """

    decimal: str
    symbols: Sequence[str]

    @property
    def grouping(self) -> str:
        """Characters that may separate groups of digits."""
        return ("," if self.decimal == "." else ".") + _GROUPING

    @property
    def pattern(self) -> str:
        """A whole text that is a number; its first group has the digits, without the sign."""
        digits = rf"[0-9]{{1,3}}([{self.grouping}])(?:[0-9]{{2,3}}\2){{0,99}}[0-9]{{3}}|[0-9]+"
        point = "[.]" if self.decimal == "." else ","
        number = rf"((?:(?:{digits})(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]{{1,9}})?)"
        symbol = "|".join(map(_escaped, sorted(self.symbols, key=len, reverse=True))) or r"(?!)"
        blank = f"[{BLANKS}]*"
        return (
            rf"^(?=[^()]*(?:\([^()]*\)[^()]*)?{_END})"  # no parentheses, or one pair
            rf"{blank}(?:(?:{symbol}){blank})?(?:[{MINUS}+(]{blank})?(?:(?:{symbol}){blank})?{number}"
            rf"{blank}(?:(?:{symbol}|%){blank})?(?:\){blank})?(?:(?:{symbol}){blank})?{_END}"
        )

    @property
    def negative(self) -> str:
        """How a number below zero starts."""
        return rf"^[^0-9]*[{MINUS}(]"


def _escaped(text: str) -> str:
    """As a pattern; re.escape writes some characters as Java does not."""
    return "".join(c if c.isalnum() or ord(c) > 127 else f"[{c}]" if c not in "^\\[]" else f"\\{c}" for c in text)


@dataclass(frozen=True)
class ParseNumber:
    """One text to a number, or None.

    Attributes
    ----------
    format : NumberFormat
        How numbers are written.
    refuse : bool
        Raise ValueError for a text that is neither blank nor a number.
    label, column : str
        For the error.
    """

    format: NumberFormat
    refuse: bool
    label: str
    column: str

    def compiled(self) -> tuple[re.Pattern[str], re.Pattern[str], dict[int, str | None]]:
        """Patterns of numbers and of negative ones, and what digits lose on their way to Python's float."""
        drop: dict[int, str | None] = dict.fromkeys(map(ord, self.format.grouping))
        return (
            re.compile(self.format.pattern),
            re.compile(self.format.negative),
            {**drop, ord(self.format.decimal): "."},
        )

    def error(self) -> str:
        """What the error says before the text that was found."""
        return f"{self.label}: invalidPolicy='error' and column '{self.column}' has a text that is no number: found "


def parse_numbers(columns: list[pa.Array], one: ParseNumber) -> list[pa.Array]:
    """Each distinct text is read once."""
    parse = _parser(one)

    def convert(texts: pa.Array) -> pa.Array:
        coded = texts if pa.types.is_dictionary(texts.type) else pc.dictionary_encode(texts)
        # A null at the end is for the codes that are null.
        values = [*map(parse, coded.dictionary.to_pylist()), None]
        numbers = np.array([0.0 if v is None else v for v in values])
        missing = np.array([v is None for v in values])
        at = pc.fill_null(coded.indices, len(values) - 1).to_numpy(zero_copy_only=False)
        return pa.array(numbers[at], mask=missing[at])

    return [convert(column) for column in columns]


def parse_row(one: ParseNumber) -> Any:
    """Like ``parse_numbers``, for the values of one row."""
    parse = _parser(one)
    return lambda values: [parse(value) for value in values]


def _parser(one: ParseNumber) -> Any:
    pattern, negative, plain = one.compiled()

    def parse(text: Any) -> float | None:
        if text is None:
            return None
        if not isinstance(text, str):
            raise TypeError("expected a text")
        found = pattern.match(text)
        if found is None:
            if one.refuse and text.strip(BLANKS):
                raise ValueError(f"{one.error()}{text!r}; clean the column, or set invalidPolicy='null'")
            return None
        number = float(found[1].translate(plain))
        number = -number if negative.match(text) else number
        return number / 100 if "%" in text else number

    return parse
