"""Numbers to the number of the interval that they are in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from aiok_spark.kernels.ids import Policy
from aiok_spark.kernels.program import RowKernel, cast


def bucketize(columns: list[pa.Array], edges: Sequence[float], policy: Policy) -> list[pa.Array]:
    """One more than the number of edges that a value is not below; null and NaN by the policy."""

    def one(column: pa.Array) -> pa.Array:
        x = column.to_numpy(zero_copy_only=False)  # nulls become NaN here
        missing = np.isnan(x)
        if policy.refuse_null and missing.any():
            raise policy.error("nulls or NaN", "nullPolicy", f"{int(missing.sum())} in this batch")
        made = (np.searchsorted(np.array(edges), x, side="right") + 1).astype(np.int32)
        made[missing] = policy.null or 0
        return pa.array(made, mask=missing) if policy.null is None else pa.array(made)

    return [one(cast(column, pa.float64())) for column in columns]


def bucketize_row(edges: Sequence[float], policy: Policy) -> RowKernel:
    """Like ``bucketize``, for the values of one row."""

    def one(x: float | None) -> int | None:
        if x is None or x != x:
            if policy.refuse_null:
                raise policy.error("nulls or NaN", "nullPolicy", str(x))
            return policy.null
        return bisect_right(edges, float(x)) + 1

    return lambda row: [one(x) for x in row]
