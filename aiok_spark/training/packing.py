"""Rows of a DataFrame as blocks of raw numbers, dealt evenly to the workers.

Spark moves a few large cells instead of many rows with many columns, and every value is looked at
once on the way: what a network cannot use is counted here, and refused before the first step.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from aiok_spark.training.task import BINARY, MULTICLASS, RAW, TrainTask

# What may be wrong with a column, as (what was found, what was expected, what to do).
NOT_FINITE = (
    "null, NaN or infinite values",
    "finite numbers",
    "fill or clip them in a stage before this one (FillMissing, Clip), or filter the rows",
)
NOT_AN_ID = (
    "ids that are null, negative or not below the column's cardinality of {size}",
    "ids in [0, {size})",
    "take ids and their metadata from one fitted Categorify or HashBuckets, or set tableSizes",
)
NO_NUMBER = (
    "null values",
    "whole numbers",
    "fill them in a stage before this one (FillMissing), or filter the rows",
)
NOT_THE_WIDTH = (
    "vectors or arrays that are null or not of length {size}",
    "vectors or arrays of one length",
    "make vectors by one VectorAssembler, pad arrays with 0",
)
NOT_BINARY = ("labels that are null or neither 0 nor 1", "labels 0 and 1", "filter or map them")
NOT_A_CLASS = (
    "labels that are null or not a whole number in [0, {size})",
    "class numbers from 0",
    "index them by StringIndexer, or set numClasses",
)
NOT_A_WEIGHT = (
    "weights that are null, negative or not finite",
    "finite weights of at least 0",
    "fill or filter them",
)
NO_FLAG = ("nulls", "true (validation) or false (training)", "fill them")

Problems = Counter[tuple[str, str, str, str]]  # (column, found, expected, remedy) -> rows


def told(problems: Problems) -> list[list[Any]]:
    """Problems as JSON has them."""
    return [[*what, count] for what, count in sorted(problems.items())]


def counted(parts: Iterable[Iterable[Sequence[Any]]]) -> Problems:
    """What several told, added up."""
    problems: Problems = Counter()
    for part in parts:
        for *what, count in part:
            problems[tuple(what)] += count
    return problems


def describe(task: TrainTask, problems: Iterable[Sequence[Any]]) -> str:
    """Problems, each with its number of rows, for a message."""
    dense, ids = ("featureCols", "featureCols") if task.creators.optimizer else ("denseCols", "categoricalCols")
    params = {
        **dict.fromkeys(task.features.dense, dense),
        **dict.fromkeys(task.features.categorical, ids),
        task.validation: "validationIndicatorCol",
        task.weight: "weightCol",
        task.label: "labelCol",
    }
    return "; and ".join(
        f"{params.get(column, 'column')}: found {count} {found} in '{column}', expected {expected}; {remedy}"
        for column, found, expected, remedy, count in problems
    )


def tensor_types(task: TrainTask) -> dict[str, tuple[str, int]]:
    """Name of each tensor with its numpy type and width (0 for one value a row)."""
    real = "<f8" if task.precision == "float64" else "<f4"
    types = {}
    if task.features.dense:
        types["dense"] = (real, task.features.width)
    if task.features.categorical:
        small = all(0 < size < 2**31 for size in task.features.sizes)
        types["categorical"] = ("<i4" if small else "<i8", sum(task.features.lengths))
    types["label"] = ("<i8" if task.kind == MULTICLASS or task.wholeLabel else real, task.labelWidth)
    if task.weight:
        types["weight"] = (real, 0)
    if task.validation or task.validationFraction:
        types["validation"] = ("|u1", 0)
    return types


def packed_schema(task: TrainTask) -> pa.Schema:
    """Of what ``pack`` gives: a row for each block."""
    about = [("source", pa.int64()), ("batch", pa.int64()), ("piece", pa.int64()), ("rows", pa.int64())]
    tensors = [(name, pa.binary()) for name in tensor_types(task)]
    return pa.schema([*about, ("problems", pa.string()), *tensors])


def pack(batches: Iterator[pa.RecordBatch], task: TrainTask, source: int) -> Iterator[pa.RecordBatch]:
    """Each batch as ``task.workers`` blocks of nearly equal size.

    Parameters
    ----------
    batches : iterator of pyarrow.RecordBatch
        Columns in this order: dense, categorical, label, weight, validation (the last two if the task has them).
    task : TrainTask
        Says what the columns are.
    source : int
        Number of the partition; with the number of the batch it puts blocks in order again.
    """
    schema = packed_schema(task)
    for number, batch in enumerate(batches):
        tensors, problems = tensors_of(batch, task, (task.seed, source, number, 0))
        # Shuffled and dealt like cards, so that every worker sees the whole of a table that is sorted or periodic.
        cards = np.random.default_rng((task.seed, source, number, 1)).permutation(batch.num_rows)
        for piece in range(task.workers):
            dealt = np.sort(cards[(piece + source + number) % task.workers :: task.workers])
            about = [source, number, piece, len(dealt), json.dumps(told(problems) if piece == 0 else [])]
            cells = [*about, *(values[dealt].tobytes() for values in tensors.values())]
            yield pa.RecordBatch.from_arrays(
                [pa.array([cell], field.type) for cell, field in zip(cells, schema, strict=True)], schema=schema
            )


def pack_partition(task: TrainTask) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """``pack`` as the function of a Spark task, which knows its partition."""
    task = replace(task, live={})  # code that only a worker needs

    def call(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        yield from pack(batches, task, TaskContext.get().partitionId())

    return call


LOOKED = pa.schema([("problems", pa.string())])


def look(batches: Iterator[pa.RecordBatch], task: TrainTask) -> Iterator[pa.RecordBatch]:
    """Only what is wrong with the values, as JSON: a row for each batch."""
    for batch in batches:
        _, problems = tensors_of(batch, task, (task.seed,))
        yield pa.RecordBatch.from_arrays([pa.array([json.dumps(told(problems))])], schema=LOOKED)


def tensors_of(batch: pa.RecordBatch, task: TrainTask, draw: tuple[int, ...]) -> tuple[dict[str, np.ndarray], Problems]:
    """Matrices and vectors of a batch, and what is wrong with its values."""
    types, spec = tensor_types(task), task.features
    inputs = len(spec.dense) + len(spec.categorical)
    problems: Problems = Counter()
    made, _ = features_of(batch.columns[:inputs], task, problems)
    columns = iter(batch.columns[inputs:])
    made["label"] = _label(next(columns), types["label"], task, problems)
    if task.weight:
        weight = _numbers(next(columns))
        made["weight"] = _as(types["weight"][0], weight)
        _note(problems, task.weight, NOT_A_WEIGHT, ~(np.isfinite(made["weight"]) & (weight >= 0)))
    if task.validation:
        flags = next(columns)
        if flags.null_count:
            _note(problems, task.validation, NO_FLAG, flags.is_null().to_numpy(zero_copy_only=False))
        made["validation"] = flags.fill_null(False).to_numpy(zero_copy_only=False).astype(np.uint8)
    elif task.validationFraction:
        drawn = np.random.default_rng(draw).random(batch.num_rows)
        made["validation"] = (drawn < task.validationFraction).astype(np.uint8)
    return made, problems


def features_of(
    columns: Sequence[pa.Array], task: TrainTask, problems: Problems
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """The network's input from its columns, dense first.

    What is wrong is added to ``problems``.  The rows in which something is are also given, if there are any;
    zeros stand in for their values.
    """
    types, spec, rows = tensor_types(task), task.features, len(columns[0])
    made: dict[str, np.ndarray] = {}
    wrong: list[np.ndarray] = []
    there = iter(columns)
    if spec.dense:
        made["dense"] = matrix = np.empty((rows, spec.width), types["dense"][0])
        at = 0
        for name, width in zip(spec.dense, spec.widths, strict=True):
            wrong += _fill(matrix[:, at : at + width], next(there), name, problems)
            at += width
    if spec.categorical:
        made["categorical"] = ids = np.empty((rows, sum(spec.lengths)), types["categorical"][0])
        at = 0
        for name, size, length in zip(spec.categorical, spec.sizes, spec.lengths, strict=True):
            wrong += _fill_ids(ids[:, at : at + length], next(there), name, size, problems)
            at += length
    return made, np.logical_or.reduce(wrong) if wrong else None


def _numbers(values: pa.Array) -> np.ndarray:
    """As floats, null as NaN."""
    return values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)


def _fill(out: np.ndarray, values: pa.Array, name: str, problems: Problems) -> list[np.ndarray]:
    """Copy a dense column into its place; vectors and arrays come as lists.  Gives the rows that are wrong."""
    right, values, wrong = _flat(out, values, name, problems)
    out[right] = values.to_numpy(zero_copy_only=False).reshape(-1, out.shape[1])
    if not np.isfinite(out).all():
        bad = ~np.isfinite(out).all(axis=1)
        _note(problems, name, NOT_FINITE, bad)
        wrong.append(bad)
        out[bad] = 0
    return wrong


def _fill_ids(out: np.ndarray, values: pa.Array, name: str, size: int, problems: Problems) -> list[np.ndarray]:
    """The same for a column of ids; one without a size has any whole numbers."""
    right, values, wrong = _flat(out, values, name, problems)
    bad = values.is_null().to_numpy(zero_copy_only=False)
    ids = values.fill_null(0).to_numpy(zero_copy_only=False)
    if size:
        bad = bad | (ids < 0) | (ids >= size)
    if bad.any():
        ids = np.where(bad, 0, ids)
        lost = np.zeros(len(out), bool)
        lost[right] = bad.reshape(-1, out.shape[1]).any(axis=1)
        _note(problems, name, NOT_AN_ID if size else NO_NUMBER, lost, size)
        wrong.append(lost)
    out[right] = ids.reshape(-1, out.shape[1])
    return wrong


def _flat(
    out: np.ndarray, values: pa.Array, name: str, problems: Problems
) -> tuple[np.ndarray | slice, pa.Array, list[np.ndarray]]:
    """Rows of ``out`` that a column has enough values for, and these values one after the other.

    Lists that are not as long as ``out`` is wide are wrong; zeros stand in for them.
    """
    if not (pa.types.is_list(values.type) or pa.types.is_large_list(values.type)):
        return slice(None), values, []
    width = out.shape[1]
    right = values.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False) == width
    if right.all():
        return slice(None), values.flatten(), []
    _note(problems, name, NOT_THE_WIDTH, ~right, width)
    out[~right] = 0
    return right, values.filter(pa.array(right)).flatten(), [~right]


def _as(kind: str, values: np.ndarray) -> np.ndarray:
    """As another type of number; what is too large for it becomes infinite."""
    with np.errstate(over="ignore"):
        return values.astype(kind)


def _label(column: pa.Array, tensor: tuple[str, int], task: TrainTask, problems: Problems) -> np.ndarray:
    kind, width = tensor
    if task.kind == RAW:
        made = np.empty((len(column), width or 1), kind)
        if task.wholeLabel:
            _fill_ids(made, column, task.label, 0, problems)
        else:
            _fill(made, column, task.label, problems)
        return made if width else made[:, 0]
    values = _numbers(column)
    if task.kind == BINARY:
        what, wrong = NOT_BINARY, (values != 0) & (values != 1)
    elif task.kind == MULTICLASS:
        whole = values == np.floor(values)  # False for NaN
        what, wrong = NOT_A_CLASS, ~(whole & (values >= 0) & (values < task.numClasses))
    else:
        what, wrong = NOT_FINITE, ~np.isfinite(_as(kind, values))
    _note(problems, task.label, what, wrong, task.numClasses)
    return np.where(wrong, 0.0, values).astype(kind)


def _note(problems: Problems, column: str, what: tuple[str, str, str], wrong: np.ndarray, size: int = 0) -> None:
    if count := int(np.count_nonzero(wrong)):
        found, expected, remedy = (text.format(size=size) for text in what)
        problems[(column, found, expected, remedy)] += count
