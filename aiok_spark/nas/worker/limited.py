"""Limits of time and memory around something that may run away."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class OverTimeError(Exception):
    """It took longer than it may."""


@contextmanager
def limited(seconds: float, megabytes: int) -> Iterator[None]:
    """Within the block, end by an error what takes longer, or asks for more memory than it had and this much.

    The time is watched in a process's main thread alone, where Spark's workers run.
    """
    watched = threading.current_thread() is threading.main_thread()
    before = resource.getrlimit(resource.RLIMIT_AS)
    if watched:
        old = signal.signal(signal.SIGALRM, _over)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        if megabytes:
            there = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            asked = there + (megabytes << 20)
            resource.setrlimit(resource.RLIMIT_AS, (asked if before[1] < 0 else min(asked, before[1]), before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        if watched:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)


def _over(_signal: int, _frame: Any) -> None:
    raise OverTimeError


def is_memory(error: BaseException) -> bool:
    """Whether an error says that memory was short; torch's is a RuntimeError."""
    return isinstance(error, MemoryError) or "memory" in str(error).lower()
