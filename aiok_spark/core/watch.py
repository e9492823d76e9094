"""Who wants to know how long fits take is told, without the stages knowing who it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Tell = Callable[[str, float], None]  # uid of the stage, seconds

_watchers: ContextVar[tuple[Tell, ...]] = ContextVar("_watchers", default=())


@contextmanager
def watched(tell: Tell) -> Iterator[None]:
    """Inside, each fit of a stage of this package in this thread calls ``tell`` when it ends."""
    before = _watchers.set((*_watchers.get(), tell))
    try:
        yield
    finally:
        _watchers.reset(before)


@contextmanager
def fitting(uid: str) -> Iterator[None]:
    """Around the fit of a stage."""
    start = time.monotonic()
    yield
    for tell in _watchers.get():
        tell(uid, time.monotonic() - start)
