"""One order out of several scores: by ranks, as scores have no common unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd


def aggregated(scores: Sequence[Mapping[str, float | None]], names: Sequence[str]) -> list[float]:
    """Sum of log(rank / candidates) over the scores: a candidate must be good at all of them (AZ-NAS, equation 8).

    Each score counts alike.  The result is of this pool: it changes as candidates come.

    Parameters
    ----------
    scores : sequence of mapping
        Of each candidate, by name; larger is better.  None, for what is no finite number, is below all others.
    names : sequence of str
        Those to take.

    Returns
    -------
    list of float
        At most 0, larger is better; equal scores have the mean of their ranks.

    References
    ----------
    Lee, Ham: AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search, arXiv:2403.19232.
    """
    if not scores:
        return []
    found = np.zeros(len(scores))
    for name in names:
        values = pd.Series([_comparable(candidate.get(name)) for candidate in scores])
        found += np.log(values.rank(method="average") / len(values)).to_numpy()
    return found.tolist()


def _comparable(value: float | None) -> float:
    return -np.inf if value is None else float(value)


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points that no other one beats in both numbers, the larger the better, by the first number."""
    order = sorted(range(len(points)), key=lambda i: points[i], reverse=True)
    kept: list[int] = []
    for place in order:
        if not kept or points[place][1] > points[kept[-1]][1]:
            kept.append(place)
    return kept
