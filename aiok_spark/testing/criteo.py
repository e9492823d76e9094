"""Rows shaped like Criteo's click logs, whose clicks a known model draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from aiok_spark.core import execution

LABEL = "label"
NUMBERS = [f"I{i}" for i in range(1, 14)]
CATEGORIES = [f"C{i}" for i in range(1, 27)]

_BLOCK = 10_000  # rows that are drawn together, so that rows do not depend on Spark's partitions
# Of the public Kaggle set: distinct values of each category, and the share of missing cells.
_POOLS = [1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27, 14992, 5461306]
_POOLS += [10, 5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572]
_MISSING = [0.45, 0.0, 0.21, 0.22, 0.03, 0.22, 0.04, 0.0, 0.04, 0.45, 0.04, 0.77, 0.22]
_MISSING += [0.0, 0.0, 0.03, 0.03, 0.0, 0.12, 0.0, 0.0, 0.0, 0.0, 0.0, 0.03, 0.0]
_MISSING += [0.0, 0.0, 0.03, 0.0, 0.0, 0.44, 0.44, 0.03, 0.76, 0.0, 0.03, 0.44, 0.44]
_SKEW = 1.2  # exponent of Zipf's law
_KNOWN = 64  # most frequent values of a category that matter for the click

_MAIN = ["C1", "C2", "C5", "C8", "C9", "C17", "C19", "C20"]  # add to the logit by themselves
_PAIRED = ["C6", "C14", "C22", "C23"]  # each pair adds the product of its values' vectors
_DIM = 2  # length of those vectors
_BIAS = -1.5
_SPREADS = 0.6, 0.9, 0.75  # standard deviations of what numbers, categories and pairs add to the logit


def generate_criteo(spark: SparkSession, rows: int, *, seed: int = 0, probability: bool = False) -> DataFrame:
    """Generate raw Criteo rows: Zipf's categories, long-tailed counts, missing cells, clicks of a known model.

    The logit of a click is the sum of three parts: some of the numbers, by their logarithm; single
    categories; and pairs of categories, each by the product of two hidden vectors as in a
    factorization machine, which a model without interactions cannot learn.  The ids make more than
    half of its variance.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    rows : int
        How many, from 1.
    seed : int
        The same gives the same rows, however they are partitioned.  All seeds share one model, so
        that one seed can serve to train and another to test.
    probability : bool
        Whether to add the model's own probability of a click, ``click_probability`` (double).

    Returns
    -------
    DataFrame
        ``label`` (int, 0 or 1), ``I1`` to ``I13`` (int), ``C1`` to ``C26`` (string of 8 hexadecimal
        characters); all but the label may be null.

    See Also
    --------
    bayes_auc : the AUC that no model can beat, but by chance.

    Examples
    --------
    >>> from aiok_spark.session import get_session
    >>> from aiok_spark.testing import generate_criteo
    >>> generate_criteo(get_session(), 1000).columns[:3]
    ['label', 'I1', 'I2']
    """
    if rows < 1:
        raise ValueError(f"generate_criteo: rows: found {rows}, expected at least 1; ask for more")
    maker = _Maker(rows, seed, probability)
    blocks = spark.range(-(-rows // _BLOCK)).repartition(F.col("id")) if rows > _BLOCK else spark.range(1)
    return execution.map_batches(blocks, maker, maker.block(0, 0).schema)


def criteo_text(rows: DataFrame) -> DataFrame:
    """Rows as Criteo's own text, a column ``value``: cells with tabs between them, empty where nothing is known."""
    cells = [F.coalesce(F.col(name).cast("string"), F.lit("")) for name in rows.columns]
    return rows.select(F.concat_ws("\t", *cells).alias("value"))


def bayes_auc(rows: int = 200_000, seed: int = 0) -> float:
    """AUC of the model that draws the clicks, on rows of ``generate_criteo``: what no other model can beat.

    Parameters
    ----------
    rows, seed : int
        As of ``generate_criteo``.
    """
    from aiok_spark.training.worker.metrics import auc  # which needs torch

    maker = _Maker(rows, seed, True)
    table = pa.concat_tables(pa.Table.from_batches([b]) for b in maker(_blocks(rows)))
    clicked, chance = (table[name].to_numpy() for name in (LABEL, "click_probability"))
    return auc(chance, clicked, np.ones(rows))


def _blocks(rows: int) -> Iterator[pa.RecordBatch]:
    yield pa.RecordBatch.from_pydict({"id": np.arange(-(-rows // _BLOCK))})


@dataclass(frozen=True)
class _Maker:
    """Numbers of blocks to their rows."""

    rows: int
    seed: int
    probability: bool

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield self.block(number, min(_BLOCK, self.rows - number * _BLOCK))

    def block(self, number: int, rows: int) -> pa.RecordBatch:
        random = np.random.default_rng((self.seed, number))
        cells = _Cells.drawn(random, rows)
        chance = 1 / (1 + np.exp(-_logit(cells)))
        columns: dict[str, pa.Array] = {LABEL: pa.array((random.random(rows) < chance).astype(np.int32))}
        for i, name in enumerate(NUMBERS):
            columns[name] = pa.array(cells.numbers[i], mask=cells.missing[i])
        for i, name in enumerate(CATEGORIES):
            columns[name] = hexadecimal(cells.ranks[i] + 1 + (i << 24), cells.missing[len(NUMBERS) + i])
        if self.probability:
            columns["click_probability"] = pa.array(chance)
        return pa.RecordBatch.from_pydict(columns)


def _counts(random: np.random.Generator, column: int, rows: int) -> np.ndarray:
    """Long-tailed counts; the second column has some below 0, as Criteo's has."""
    drawn = np.floor(random.lognormal(1 + column % 5, 1 + (column % 3) / 4, rows)).clip(max=2**31 - 1)
    return (drawn - (2 if column == 1 else 0)).astype(np.int32)


def _zipf(random: np.random.Generator, pool: int, rows: int) -> np.ndarray:
    """Ranks from 0, the first the most frequent: a power law on the real line, rounded down."""
    power = 1 - _SKEW
    drawn = (1 + random.random(rows) * ((pool + 1) ** power - 1)) ** (1 / power)
    return drawn.astype(np.int64).clip(1, pool) - 1


class _Cells(NamedTuple):
    """Drawn cells, column by column."""

    numbers: list[np.ndarray]
    ranks: list[np.ndarray]  # of the categories' values
    missing: list[np.ndarray]

    @classmethod
    def drawn(cls, random: np.random.Generator, rows: int) -> _Cells:
        numbers = [_counts(random, i, rows) for i in range(len(NUMBERS))]
        ranks = [_zipf(random, pool, rows) for pool in _POOLS]
        return cls(numbers, ranks, [random.random(rows) < share for share in _MISSING])


def _logit(cells: _Cells) -> np.ndarray:
    parts = zip(_parts(cells), _scales(), strict=True)
    return np.sum([(part - center) * scale for part, (center, scale) in parts], axis=0) + _BIAS


def _parts(cells: _Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What numbers, categories and pairs of categories add, before it is scaled."""
    planted = _planted()
    numbers = zip(planted.weights, cells.numbers, cells.missing, strict=False)
    of_numbers = sum(weight * np.where(gone, 0, np.log1p(n.clip(0))) for weight, n, gone in numbers)
    of_main = sum(effects[_known(cells, name)] for name, effects in zip(_MAIN, planted.main, strict=True))
    vectors = [table[_known(cells, name)] for name, table in zip(_PAIRED, planted.vectors, strict=True)]
    # The sum of the products of all pairs, as a factorization machine has it.
    of_pairs = (sum(vectors) ** 2 - sum(v**2 for v in vectors)).sum(1)
    return of_numbers, of_main, of_pairs


def _known(cells: _Cells, name: str) -> np.ndarray:
    """Which effect the values of a category have: rare ones share one, missing ones another."""
    column = CATEGORIES.index(name)
    return np.where(cells.missing[len(NUMBERS) + column], _KNOWN + 1, cells.ranks[column].clip(max=_KNOWN))


class _Planted(NamedTuple):
    """The model: what numbers weigh, what values of categories add, and vectors of the others."""

    weights: np.ndarray
    main: np.ndarray
    vectors: np.ndarray


@lru_cache
def _planted() -> _Planted:
    random = np.random.default_rng(2014)
    shapes = (len(NUMBERS),), (len(_MAIN), _KNOWN + 2), (len(_PAIRED), _KNOWN + 2, _DIM)
    weights, main, vectors = (random.standard_normal(shape) for shape in shapes)
    # Vectors are centred on what rows have, so that a category of a pair says nothing by itself.
    cells = _Cells.drawn(random, _BLOCK)
    means = [table[_known(cells, name)].mean(0) for name, table in zip(_PAIRED, vectors, strict=True)]
    return _Planted(weights, main, vectors - np.stack(means)[:, None])


@lru_cache
def _scales() -> list[tuple[float, float]]:
    """Mean of each part, and what makes its standard deviation the wanted one."""
    parts = _parts(_Cells.drawn(np.random.default_rng(2014), _BLOCK))
    return [(part.mean(), wanted / part.std()) for part, wanted in zip(parts, _SPREADS, strict=True)]


def hexadecimal(numbers: np.ndarray, missing: np.ndarray) -> pa.Array:
    """Eight hexadecimal characters for each number of 32 bits, mixed one to one; null where it is missing."""
    mixed = numbers.astype(np.uint32)
    for factor in (0x85EBCA6B, 0xC2B2AE35):
        mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(factor)
    mixed ^= mixed >> np.uint32(16)
    nibbles = (mixed[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)).astype(np.uint8) & 15
    offsets = pa.array(np.arange(0, 8 * len(mixed) + 1, 8, dtype=np.int32))
    text = pa.py_buffer(np.frombuffer(b"0123456789abcdef", np.uint8)[nibbles].tobytes())
    there = pa.array(~missing).buffers()[1]
    return pa.StringArray.from_buffers(len(mixed), offsets.buffers()[1], text, there, int(missing.sum()))
