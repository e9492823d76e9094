"""Generated rows shaped like Criteo's: 13 numbers, and 26 categories of 8 hexadecimal characters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aiok_spark.testing.criteo import CATEGORIES, NUMBERS, hexadecimal

_FILES = 4  # at least, so that every core has some
_ROWS = 500_000  # in a file, at most
_EXPONENT = 1.05  # of Zipf's law
_NULLS = 0.05


def write_rows(path: Path, rows: int) -> None:
    """Parquet files with ``row`` (its number, from 0), ``NUMBERS`` and ``CATEGORIES``."""
    path.mkdir(parents=True)
    starts = np.linspace(0, rows, max(_FILES, -(-rows // _ROWS)) + 1).astype(int)
    for i in range(len(starts) - 1):
        pq.write_table(make_rows(rows, int(starts[i]), int(starts[i + 1])), path / f"part-{i:05d}.parquet")


def make_rows(rows: int, start: int = 0, end: int | None = None) -> pa.Table:
    """Rows ``start`` to ``end`` of so many."""
    end = rows if end is None else end
    random = np.random.default_rng(start)
    size = end - start
    columns: dict[str, pa.Array] = {"row": pa.array(np.arange(start, end))}
    for i, name in enumerate(NUMBERS):
        values = np.floor(random.lognormal(2, 1 + i / 8, size))
        columns[name] = pa.array(values, mask=random.random(size) < _NULLS * (1 + i))
    for i, name in enumerate(CATEGORIES):
        ranks = _zipf(random, _pool(i, rows), size)
        columns[name] = hexadecimal(ranks + (i << 24), random.random(size) < _NULLS)
    return pa.table(columns)


def _pool(i: int, rows: int) -> int:
    """How many values column ``i`` draws from: 10 to as many as there are rows, of which a sixth appear."""
    return round(10 * (max(20, rows) / 10) ** (i / (len(CATEGORIES) - 1)))


def _zipf(random: np.random.Generator, pool: int, size: int) -> np.ndarray:
    """Ranks from 0, the first the most frequent."""
    upto = np.cumsum(np.arange(1, pool + 1) ** -_EXPONENT)
    return np.searchsorted(upto, random.random(size) * upto[-1])
