"""Numbers in texts."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from pyspark import keyword_only
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, NullType, StringType, StructField

from aiok_spark.core.params import HasInputCols, HasOutputCols, one_of, param, to_names
from aiok_spark.core.schema import double_field, require
from aiok_spark.core.stage import RowLocalTransformer
from aiok_spark.kernels import text as kernels
from aiok_spark.kernels.program import Kernel, RowKernel
from aiok_spark.kernels.text import BLANKS, MINUS, NumberFormat

_SYMBOLS = [*"$€£¥₹₩₽₺₴₪₫₱฿", "USD", "EUR", "GBP", "CHF", "JPY"]
_OF_NUMBERS = re.compile(f"[{MINUS}0-9+()%{BLANKS}]")


def _to_symbols(value: Any) -> list[str]:
    """Texts that cannot be mistaken for a part of a number."""
    for symbol in (names := to_names(value)):
        if _OF_NUMBERS.search(symbol):
            raise ValueError(f"found {symbol!r}, expected no blank, digit, sign or parenthesis in a symbol")
    return names


class ParseNumber(RowLocalTransformer, HasInputCols, HasOutputCols):
    """Numbers as people write them, "$-1,234.50", "(12)" or "7 %", to double.

    Parameters
    ----------
    inputCols, outputCols : list of str
        Columns of strings and the names of the results (may be equal).
    decimal : {".", ","}
        What separates the fraction.
    symbols : list of str
        What may stand before and behind a number without changing it.
    invalidPolicy : {"null", "error"}
        What a text that is no number becomes. Null and blank texts become null in any case.

    Notes
    -----
    A number is, with blanks between its parts:

    * a sign, ``+``, ``-`` or U+2212, or parentheses around the number, which also make it negative;
    * symbols before and behind the sign, and at the end;
    * digits 0 to 9, all of them in one piece or grouped by one character: the other of point and comma, a blank, an
      apostrophe or ``_``. Groups have 3 digits (but the first), or 2 before the last as in India. So "1,23" is no
      number: its comma looks like a decimal one;
    * a fraction, an exponent such as ``e-3``;
    * a per cent sign, which divides by 100: "12%" is 0.12.

    Blanks are space, tab, line feed, carriage return, and the no-break, thin and narrow no-break spaces. The result is
    the double that is nearest to the digits, in all executions; beyond the largest it is infinite.

    Examples
    --------
    >>> ParseNumber(inputCols=["price"], outputCols=["price"], decimal=",").transform(df)  # doctest: +SKIP
    """

    decimal = param("decimal", 'what separates the fraction, "." (default) or ","', one_of(".", ","), ".")
    symbols = param(
        "symbols",
        "texts that may stand before and behind a number, without digits, signs, parentheses and blanks; default: "
        + " ".join(_SYMBOLS),
        _to_symbols,
        _SYMBOLS,
    )
    invalidPolicy = param(
        "invalidPolicy",
        'what a text that is no number becomes: "null" (default) a null; "error" stops',
        one_of("null", "error"),
        "null",
    )

    @keyword_only
    def __init__(
        self,
        *,
        inputCols=None,
        outputCols=None,
        decimal=".",
        symbols=_SYMBOLS,
        invalidPolicy="null",
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        require(
            self._label,
            "inputCols",
            inputs,
            lambda t: isinstance(t, (StringType, NullType)),
            "string",
            "leave the column out if it holds numbers already",
        )
        return [double_field(name) for name in self._paired_outputs()]

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [StringType()] * len(inputs)

    def _parsers(self) -> list[kernels.ParseNumber]:
        form = NumberFormat(self.getDecimal(), tuple(self.getSymbols()))
        refuse = self.getInvalidPolicy() == "error"
        return [kernels.ParseNumber(form, refuse, self._label, name) for name in self.getInputCols()]

    def _kernel(self) -> list[Kernel]:
        return [partial(kernels.parse_numbers, one=one) for one in self._parsers()]

    def _row_kernel(self) -> list[RowKernel]:
        return [kernels.parse_row(one) for one in self._parsers()]

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column]:
        return [_parsed(value, one) for value, one in zip(columns, self._parsers(), strict=True)]


def _parsed(text: Column, one: kernels.ParseNumber) -> Column:
    """``kernels.text.parse_numbers`` in Catalyst."""
    form = one.format
    digits = F.regexp_extract(text, form.pattern, 1)  # an empty text where the pattern does not match
    plain = F.when(digits != "", F.translate(digits, form.decimal + form.grouping, "."))
    number = F.concat(F.when(text.rlike(form.negative), "-").otherwise(""), plain).cast("double")
    number = F.when(text.contains("%"), number / 100).otherwise(number)
    if not one.refuse:
        return number
    found = F.concat(F.lit(one.error()), text, F.lit("; clean the column, or set invalidPolicy='null'"))
    wrong = (digits == "") & (F.translate(text, BLANKS, "") != "")
    return F.when(wrong, F.raise_error(found).cast("double")).otherwise(number)
