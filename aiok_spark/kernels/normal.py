"""From quantiles to the normal distribution."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aiok_spark.kernels.program import RowKernel, cast

Floats = npt.NDArray[np.float64]

LIMIT = NormalDist().inv_cdf(1 - 1e-7)  # about 5.2; results lie between it and its negative

# Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution (PPND16), Applied Statistics 37 (1988).
# Each pair is numerator and denominator, the highest power first.
_CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
_MIDDLE = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip
_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)  # fmt: skip


def to_normal(columns: list[pa.Array], quantiles: Floats) -> list[pa.Array]:
    """Share of the fitted values below each value, as a point of the normal distribution.

    The share is the mean of those that interpolation gives from below and from above, which differ where quantiles are
    equal.  Nulls stay null, NaN stays NaN; what is not between the outermost quantiles is at the limit.
    """
    shares = np.linspace(0.0, 1.0, len(quantiles))
    lowest, highest = quantiles[0], quantiles[-1]

    def one(column: pa.Array) -> pa.Array:
        x = column.to_numpy(zero_copy_only=False)  # nulls become NaN here; their mask is put back below
        below = np.interp(x, quantiles, shares)
        above = np.interp(-x, -quantiles[::-1], -shares[::-1])
        made = np.clip(_point(0.5 * (below - above)), -LIMIT, LIMIT)
        made = np.where(x <= lowest, -LIMIT, np.where(x >= highest, LIMIT, made))
        if lowest == highest:
            made = np.where(x == lowest, 0.0, made)
        return pa.array(np.where(np.isnan(x), x, made), mask=np.asarray(pc.is_null(column)))

    return [one(cast(column, pa.float64())) for column in columns]


def to_normal_row(quantiles: Floats) -> RowKernel:
    """Like ``to_normal``, for the values of one row."""
    values = quantiles.tolist()
    lowest, highest = values[0], values[-1]
    shares = np.linspace(0.0, 1.0, len(values)).tolist()
    point = NormalDist().inv_cdf

    def one(x: float | None) -> float | None:
        if x is None or x != x:
            return x
        if lowest == highest == x:
            return 0.0
        x = float(x)
        if not lowest < x < highest:
            return -LIMIT if x <= lowest else LIMIT
        i, j = bisect_right(values, x), bisect_left(values, x)
        below = shares[i - 1] + (shares[i] - shares[i - 1]) / (values[i] - values[i - 1]) * (x - values[i - 1])
        above = shares[j] - (shares[j] - shares[j - 1]) / (values[j] - values[j - 1]) * (values[j] - x)
        share = 0.5 * (below + above)
        return min(max(point(share), -LIMIT), LIMIT) if 0 < share < 1 else LIMIT * (2 * (share >= 1) - 1)

    return lambda row: [one(x) for x in row]


def _point(share: Floats) -> Floats:
    """Where the normal distribution function has this value; infinite at 0 and 1."""
    q = share - 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.sqrt(-np.log(np.minimum(share, 1.0 - share)))
        outer = np.where(r <= 5.0, _ratio(r - 1.6, _MIDDLE), _ratio(r - 5.0, _TAIL))
        made = np.where(np.abs(q) <= 0.425, q * _ratio(0.180625 - q * q, _CENTRE), np.copysign(outer, q))
    return np.where(share <= 0, -np.inf, np.where(share >= 1, np.inf, made))


def _ratio(x: Floats, terms: tuple[tuple[float, ...], tuple[float, ...]]) -> Floats:
    above, below = terms
    return np.polyval(above, x) / np.polyval(below, x)
