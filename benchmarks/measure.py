"""CPU-seconds and memory of this process and everything it has started."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

_EVERY = 0.05  # seconds between two looks at memory
_MIB = 1 << 20


def tree_cpu() -> float:
    """CPU-seconds so far.

    A process's ``children_*`` hold what its ended children used, and nothing of those that live, so
    the sum over the living counts everybody once.
    """
    me = psutil.Process()
    total = 0.0
    for process in [me, *me.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            t = process.cpu_times()
            total += t.user + t.system + t.children_user + t.children_system
    return total


@contextmanager
def cost() -> Iterator[dict[str, float]]:
    """Give a dict that has ``cpu`` and ``wall`` (seconds) of the block after it."""
    spent: dict[str, float] = {}
    cpu, wall = tree_cpu(), time.perf_counter()
    yield spent
    spent["wall"] = time.perf_counter() - wall
    spent["cpu"] = tree_cpu() - cpu


def memory() -> dict[str, float]:
    """Resident MiB: this Python (``driver``), the JVMs, all other Pythons, and the largest of those."""
    me = psutil.Process()
    found = {"driver": me.memory_info().rss / _MIB, "jvm": 0.0, "workers": 0.0, "worker": 0.0}
    for process in me.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            size = process.memory_info().rss / _MIB
            name = process.name()
            if name == "java":
                found["jvm"] += size
            elif name.startswith("python"):  # what the JVM forks to start a command looks as large as itself
                found["workers"] += size
                found["worker"] = max(found["worker"], size)
    return found


@contextmanager
def peak() -> Iterator[dict[str, float]]:
    """Give a dict of the largest ``memory`` within the block, sampled by a thread."""
    highest = memory()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY):
            for name, size in memory().items():
                highest[name] = max(highest[name], size)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield highest
    finally:
        done.set()
        thread.join()
