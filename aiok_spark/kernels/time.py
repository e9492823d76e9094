"""Parts of moments and dates, by arithmetic that is the same for single numbers and for arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

DAY = 86_400  # seconds
NO_MOMENT = -(2**63)  # stands for null among seconds; no timestamp of microseconds reaches it

# The parts, each with its first value and how many values it may have (years: no number).
RANGES: dict[str, tuple[int, int | None]] = {
    "year": (0, None),
    "quarter": (1, 4),
    "month": (1, 12),
    "dayOfMonth": (1, 31),
    "dayOfYear": (1, 366),
    "weekOfYear": (1, 53),
    "dayOfWeek": (1, 7),
    "hour": (0, 24),
    "minute": (0, 60),
    "second": (0, 60),
    "isWeekend": (0, 2),
}
CYCLIC = tuple(name for name, (_, size) in RANGES.items() if size and name != "isWeekend")
OF_THE_DAY = ("hour", "minute", "second")

UTC = ("UTC", "Etc/UTC")  # where clocks show what Spark counts
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_CYCLE = 146_097 * DAY  # 400 years, after which the Gregorian calendar repeats, days of the week included
_EARLIEST = -62_135_500_000  # seconds; in the first days of year 1, which Python's datetime starts with


def date_time_parts(
    columns: list[pa.Array], zone: str, parts: Sequence[str], cyclical: Sequence[str]
) -> list[pa.Array]:
    """Parts of each column: first ``parts``, then a sine and a cosine for each of ``cyclical``.

    Parameters
    ----------
    columns : list of pyarrow.Array
        Dates, or timestamps, which are instants if their type has a time zone.
    zone : str
        Where instants are read off a clock.
    parts, cyclical : sequence of str
        Names of ``RANGES`` and ``CYCLIC``.
    """
    made = []
    for column in columns:
        missing = np.asarray(pc.is_null(column))
        seconds = np.where(missing, 0, _seconds(column))
        made += _outputs(seconds, missing, zone if _is_instant(column.type) else "UTC", parts, cyclical)
    return made


def parts_of_seconds(
    columns: list[pa.Array], zones: Sequence[str], parts: Sequence[str], cyclical: Sequence[str]
) -> list[pa.Array]:
    """Like ``date_time_parts``, of seconds since 1970 in which ``NO_MOMENT`` stands for null."""
    made = []
    for column, zone in zip(columns, zones, strict=True):
        seconds = column.to_numpy(zero_copy_only=False)
        missing = seconds == NO_MOMENT
        made += _outputs(np.where(missing, 0, seconds), missing, zone, parts, cyclical)
    return made


def parts_row(values: list[Any], zone: str, parts: Sequence[str], cyclical: Sequence[str]) -> list[Any]:
    """Like ``date_time_parts``, for the values of one row; a datetime without a time zone is no instant."""
    made: list[Any] = []
    for value in values:
        if value is None:
            made += [None] * (len(parts) + 2 * len(cyclical))
            continue
        if not isinstance(value, date):
            raise TypeError("expected a date or a datetime")
        seconds = _plain_seconds(value)
        if isinstance(value, datetime) and value.tzinfo is not None and zone not in UTC:
            seconds += _offset(seconds, ZoneInfo(zone))
        days, second = divmod(seconds, DAY)
        made += [int(_PARTS[name](days, second)) for name in parts]
        for name in cyclical:
            at = _PARTS[name](days, second) - RANGES[name][0]
            made += [table[at] for table in circle(name)]
    return made


def _outputs(
    seconds: npt.NDArray[np.int64],
    missing: npt.NDArray[np.bool_],
    zone: str,
    parts: Sequence[str],
    cyclical: Sequence[str],
) -> list[pa.Array]:
    if zone not in UTC:
        seconds = seconds + _offsets(seconds, ZoneInfo(zone))
    days, second = seconds // DAY, seconds % DAY
    made = [pa.array(_PARTS[name](days, second).astype(np.int32), mask=missing) for name in parts]
    for name in cyclical:
        at = _PARTS[name](days, second) - RANGES[name][0]
        made += [pa.array(np.array(table)[at], mask=missing) for table in circle(name)]
    return made


@lru_cache
def circle(name: str) -> tuple[list[float], list[float]]:
    """Sines and cosines of the values of a part, from the first, as points of a circle."""
    angles = [step_of(name) * i for i in range(RANGES[name][1] or 1)]
    return [math.sin(x) for x in angles], [math.cos(x) for x in angles]


def step_of(name: str) -> float:
    """Angle from one value of a part to the next, in radians."""
    return 2 * math.pi / (RANGES[name][1] or 1)


def _civil(days: Any) -> tuple[Any, Any, Any]:
    """Year, month and day of the month of the proleptic Gregorian calendar.

    Reference: Howard Hinnant, https://howardhinnant.github.io/date_algorithms.html#civil_from_days
    """
    z = days + 719_468
    era = z // 146_097
    of_era = z - era * 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)  # years start in March here
    march = (5 * of_year + 2) // 153
    month = march + 3 - 12 * (march >= 10)
    return year + era * 400 + (month <= 2), month, of_year - (153 * march + 2) // 5 + 1


def _new_year(year: Any) -> Any:
    """Days from 1970-01-01 to the first of January."""
    before = year - 1
    return 365 * before + before // 4 - before // 100 + before // 400 - 719_162


def _iso_day(days: Any) -> Any:
    return (days + 3) % 7 + 1  # 1970-01-01 was a Thursday


def _iso_week(days: Any) -> Any:
    thursday = days - _iso_day(days) + 4  # the week is of the year that its Thursday is in
    return (thursday - _new_year(_civil(thursday)[0])) // 7 + 1


_PARTS: dict[str, Callable[[Any, Any], Any]] = {
    "year": lambda days, second: _civil(days)[0],
    "quarter": lambda days, second: (_civil(days)[1] + 2) // 3,
    "month": lambda days, second: _civil(days)[1],
    "dayOfMonth": lambda days, second: _civil(days)[2],
    "dayOfYear": lambda days, second: days - _new_year(_civil(days)[0]) + 1,
    "weekOfYear": lambda days, second: _iso_week(days),
    "dayOfWeek": lambda days, second: _iso_day(days),
    "hour": lambda days, second: second // 3600,
    "minute": lambda days, second: second // 60 % 60,
    "second": lambda days, second: second % 60,
    "isWeekend": lambda days, second: (_iso_day(days) >= 6) * 1,
}


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz is not None)


def _seconds(column: pa.Array) -> npt.NDArray[np.int64]:
    """Seconds since 1970, fractions rounded down; what stands at null is meaningless."""
    if pa.types.is_timestamp(column.type):
        micros = pc.cast(column, pa.timestamp("us", column.type.tz)).cast(pa.int64())
        return pc.fill_null(micros, 0).to_numpy(zero_copy_only=False) // 1_000_000
    return pc.fill_null(pc.cast(column, pa.date32()).cast(pa.int32()), 0).to_numpy(zero_copy_only=False) * np.int64(DAY)


def _plain_seconds(value: date) -> int:
    if isinstance(value, datetime):
        since = value - (_EPOCH if value.tzinfo is not None else _EPOCH.replace(tzinfo=None))
        return since.days * DAY + since.seconds
    return (value.toordinal() - 719_163) * DAY


def _offsets(seconds: npt.NDArray[np.int64], zone: ZoneInfo) -> npt.NDArray[np.int64]:
    """Seconds by which the zone's clocks are ahead of UTC at some instants.

    The zone is asked once for each day.  Only on days that end otherwise than they start is it asked for each
    second: no zone has ever changed its clocks and changed them back within a day.
    """
    days, where = np.unique(seconds // DAY, return_inverse=True)
    ask = lru_cache(maxsize=None)(lambda second: _offset(second, zone))
    starts = np.array([ask(day * DAY) for day in days.tolist()], np.int64)
    ends = np.array([ask(day * DAY + DAY) for day in days.tolist()], np.int64)
    found = starts[where]
    changing = np.flatnonzero((starts != ends)[where])
    found[changing] = [ask(second) for second in seconds[changing].tolist()]
    return found


def _offset(second: int, zone: ZoneInfo) -> int:
    """The same for one instant, of any year: the last rules go on for ever, the first offset goes back for ever."""
    if second >= 2 * _CYCLE:
        second = second % _CYCLE + _CYCLE
    moment = _EPOCH + timedelta(seconds=max(second, _EARLIEST))
    offset = moment.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
