"""Categories to ids: by hashing, or by looking them up in a vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aiok_spark.kernels.hashing import cross_keys, cross_values, hash_value, value_keys, xxhash64
from aiok_spark.kernels.keyindex import KeyIndex
from aiok_spark.kernels.lists import map_values
from aiok_spark.kernels.program import RowKernel


@dataclass(frozen=True)
class Policy:
    """What unknown values and nulls become.

    Attributes
    ----------
    unknown, null : int or None
        Their id, or None for a null.
    refuse_unknown, refuse_null : bool
        Raise instead.
    label, column : str
        For the error.
    """

    unknown: int | None
    null: int | None
    refuse_unknown: bool
    refuse_null: bool
    label: str
    column: str

    def error(self, what: str, param: str, shown: str) -> ValueError:
        """Say what was found in which column, and what to do."""
        return ValueError(
            f"{self.label}: {param}='error' and column '{self.column}' has {what}: found {shown}; "
            f"clean the column, or set {param} to 'id' or 'null'"
        )


def lookup_keys(columns: list[pa.Array], index: KeyIndex, null_key: np.int64, policy: Policy) -> list[pa.Array]:
    """Ids of the keys that the JVM computed; ``null_key`` stands for null, as a pandas column holds none."""

    def one(keys: pa.Array) -> pa.Array:
        numbers = keys.to_numpy(zero_copy_only=False)
        return _finish(index.find(numbers), numbers == null_key, policy, lambda i: "a value without an id")

    return [map_values(column, one) for column in columns]


def lookup_values(columns: list[pa.Array], index: KeyIndex, seed: int, policy: Policy) -> list[pa.Array]:
    """Ids of strings or integers, by the same keys; each distinct value is hashed once."""

    def one(values: pa.Array) -> pa.Array:
        coded = values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
        distinct = coded.dictionary
        ids = index.find(xxhash64(distinct, seed))
        codes = coded.indices
        missing = np.asarray(pc.is_null(codes)) if codes.null_count else np.zeros(len(codes), bool)
        positions = pc.fill_null(codes, 0).to_numpy(zero_copy_only=False)
        each = ids[positions] if len(ids) else np.full(len(codes), -1, np.int32)
        return _finish(each, missing, policy, lambda i: repr(values[i].as_py()))

    return [map_values(column, one) for column in columns]


def _finish(
    ids: npt.NDArray[np.int32], missing: npt.NDArray[np.bool_], policy: Policy, show: Callable[[int], str]
) -> pa.Array:
    """Put the policies' ids where there is no known value."""
    unknown = ids < 0  # nulls among them, as they have no key
    if policy.refuse_null and missing.any():
        raise policy.error("nulls", "nullPolicy", f"{int(missing.sum())} in this batch")
    if policy.refuse_unknown and (wrong := unknown & ~missing).any():
        raise policy.error(
            f"{int(wrong.sum())} values that the fit did not see", "oovPolicy", show(int(np.argmax(wrong)))
        )
    blank = np.zeros(len(ids), bool)
    if policy.unknown is None:
        blank |= unknown & ~missing
    if policy.null is None:
        blank |= missing
    ids[unknown] = policy.unknown or 0
    ids[missing] = policy.null or 0
    return pa.array(ids, mask=blank) if blank.any() else pa.array(ids)


def hash_buckets(columns: list[pa.Array], num_buckets: int, seed: int, policy: Policy) -> list[pa.Array]:
    """Bucket of each value, from 1: ``1 + pmod(hash, num_buckets)``."""

    def one(values: pa.Array) -> pa.Array:
        ids = (xxhash64(values, seed) % np.int64(num_buckets) + 1).astype(np.int32)
        missing = np.asarray(pc.is_null(values)) if values.null_count else np.zeros(len(values), bool)
        return _finish(ids, missing, policy, repr)

    return [map_values(column, one) for column in columns]


def hash_row(num_buckets: int, seed: int, policy: Policy) -> RowKernel:
    """Like ``hash_buckets``, for the values of one row; a None counts as a null value, not as a null list."""
    return _row(lambda value: hash_value(value, seed) % num_buckets + 1, policy)


def hash_crosses(
    columns: list[pa.Array], groups: Sequence[Sequence[int]], num_buckets: int, seed: int, policies: Sequence[Policy]
) -> list[pa.Array]:
    """Bucket of each group of columns, from 1: ``1 + pmod(key, num_buckets)``.

    Where the policy has an id for null, it is for groups of nothing but null; else for those with any.
    """
    keys = [value_keys(column, seed) for column in columns]
    nulls = [np.asarray(pc.is_null(column)) for column in columns]
    made = []
    for group, policy in zip(groups, policies, strict=True):
        crossed = cross_keys([keys[i] for i in group], seed)
        missing = (np.any if policy.null is None else np.all)([nulls[i] for i in group], axis=0)
        made.append(_finish((crossed % np.int64(num_buckets) + 1).astype(np.int32), missing, policy, repr))
    return made


def cross_row(groups: Sequence[Sequence[int]], num_buckets: int, seed: int, policies: Sequence[Policy]) -> RowKernel:
    """Like ``hash_crosses``, for the values of one row."""

    def one(values: list[Any], policy: Policy) -> int | None:
        missing = [value is None for value in values]
        if any(missing) if policy.null is None else all(missing):
            if policy.refuse_null:
                raise policy.error("nulls", "nullPolicy", "a null")
            return policy.null
        return cross_values(values, seed) % num_buckets + 1

    def run(values: list[Any]) -> list[Any]:
        plain = [v.isoformat() if type(v) is date else v for v in values]
        return [one([plain[i] for i in group], policy) for group, policy in zip(groups, policies, strict=True)]

    return run


def lookup_row(ids: dict[object, int], kind: type, policy: Policy, is_list: bool = False) -> RowKernel:
    """Like ``lookup_values``, for the values of one row.

    Parameters
    ----------
    ids : dict
        The vocabulary.
    kind : type
        What its values are.
    policy : Policy
        For unknown values and nulls.
    is_list : bool
        Whether the column holds lists, so that None is a null list and stays one.
    """

    def find(value: object) -> int | None:
        found = ids.get(value)
        if found is None and not isinstance(value, kind):
            raise TypeError(f"column '{policy.column}' was {kind.__name__} at fit")
        return found

    return _row(find, policy, is_list)


def _row(find: Callable[[Any], int | None], policy: Policy, is_list: bool = False) -> RowKernel:
    def one(value: object) -> int | None:
        if value is None:
            if policy.refuse_null:
                raise policy.error("nulls", "nullPolicy", "a null")
            return policy.null
        found = find(value.isoformat() if type(value) is date else value)
        if found is None:
            if policy.refuse_unknown:
                raise policy.error("a value that the fit did not see", "oovPolicy", repr(value))
            return policy.unknown
        return found

    def cell(value: Any) -> Any:
        if isinstance(value, (list, tuple, np.ndarray)):
            return [one(x) for x in value]
        return None if is_list and value is None else one(value)

    return lambda values: [cell(value) for value in values]
