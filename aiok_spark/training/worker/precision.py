"""Number formats, as the processor has them."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import torch

_FASTER = 1.2  # times as fast as float32, for bfloat16 to be worth its loss of digits
_SIZE = 512


def prefers_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32.

    Measured, in some hundredths of a second: processors that list the instructions may still be slower with them.
    """
    return _seconds(torch.float32) > _FASTER * _seconds(torch.bfloat16)


def _seconds(kind: torch.dtype) -> float:
    """The quickest of a few products of matrices as networks have them."""
    matrix = torch.ones(_SIZE, _SIZE, dtype=kind)
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        torch.mm(matrix, matrix)
        taken.append(time.perf_counter() - begun)
    return min(taken)


def chosen(precision: str, matmul: str, everywhere: bool) -> tuple[str, str]:
    """What "auto" means, if all workers' processors are faster with bfloat16 or not."""
    if precision == "auto":
        precision = "bfloat16" if everywhere else "float32"
    if matmul == "auto":
        matmul = "medium" if everywhere else "highest"
    return precision, matmul


def autocast(precision: str) -> Any:
    """Context in which a network computes: matrix products in bfloat16, if that is the precision."""
    if precision == "bfloat16":
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return contextlib.nullcontext()
