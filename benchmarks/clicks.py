"""Generated rows to train on: 13 numbers, 26 ids, and clicks that a planted model draws."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.data import CATEGORIES, NUMBERS

SIZES = [round(10 * 10_000 ** (i / 25)) for i in range(26)]  # ids of each column: 10 to 100,000, 325,000 in all
LABEL = "label"
_EXPONENT = 1.1  # of Zipf's law
_EFFECT = 0.35  # standard deviation of what an id adds to the logit
_FILES = 4
_HELD_OUT = 100_000
_SEED = 1  # of the held-out rows; those to train on have 0


def write_clicks(path: Path, rows: int, sizes: list[int] = SIZES, seed: int = 0) -> None:
    """Parquet files with ``NUMBERS`` (float), ``CATEGORIES`` (int) and ``LABEL`` (float, 0 or 1)."""
    path.mkdir(parents=True)
    for i, count in enumerate(np.diff(np.linspace(0, rows, _FILES + 1).astype(int))):
        dense, ids, label = make_clicks(int(count), sizes, (seed, i))
        columns = zip([*NUMBERS, *CATEGORIES, LABEL], [*dense.T, *ids.T.astype(np.int32), label], strict=True)
        made = pa.table({name: np.ascontiguousarray(values) for name, values in columns})
        pq.write_table(made, path / f"part-{i:05d}.parquet")


def make_clicks(rows: int, sizes: list[int], seed: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers [rows, 13], ids [rows, 26] and clicks [rows]; the planted model does not depend on the seed."""
    random = np.random.default_rng(seed)
    dense = random.standard_normal((rows, len(NUMBERS)), np.float32)
    logit = 0.8 * dense[:, 0] - 0.6 * dense[:, 1] * dense[:, 2] + 0.5 * np.abs(dense[:, 3]) - 1
    ids = np.empty((rows, len(sizes)), np.int64)
    for i, size in enumerate(sizes):
        names, effects = _planted(i, size)
        ranks = np.searchsorted(_upto(size), random.random(rows)).clip(max=size - 1)
        ids[:, i] = names[ranks]
        logit += effects[ids[:, i]]
    label = random.random(rows) < 1 / (1 + np.exp(-logit))
    return dense, ids, label.astype(np.float32)


@lru_cache
def _upto(size: int) -> np.ndarray:
    upto = np.cumsum(np.arange(1, size + 1) ** -_EXPONENT)
    return upto / upto[-1]


@lru_cache
def _planted(column: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The id of each rank, and what each id adds to the logit."""
    random = np.random.default_rng((column, size))
    return random.permutation(size), random.standard_normal(size, np.float32) * np.float32(_EFFECT)


def quality(logits: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> dict[str, float]:
    """Log loss and AUC of a network on rows that no fit has seen, and the log loss of the labels' mean."""
    dense, ids, label = make_clicks(_HELD_OUT, SIZES, (_SEED,))
    with torch.no_grad():
        parts = zip(torch.from_numpy(dense).split(10_000), torch.from_numpy(ids).split(10_000), strict=True)
        logit = torch.cat([logits(*part).view(-1) for part in parts]).double().numpy()
    ranks = np.empty(_HELD_OUT)
    ranks[np.argsort(logit)] = np.arange(1, _HELD_OUT + 1)
    ones = label.sum(dtype=float)
    auc = (ranks[label == 1].sum() - ones * (ones + 1) / 2) / (ones * (_HELD_OUT - ones))
    p = label.mean(dtype=float)
    return {
        "logLoss": float(np.mean(np.logaddexp(0, logit) - label * logit)),
        "auc": float(auc),
        "mean": float(-p * np.log(p) - (1 - p) * np.log(1 - p)),
    }
