"""Who wants to know how fits go is told, without the stages knowing who it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Tell = Callable[[str, float], None]  # uid of the stage, seconds
TellEpoch = Callable[[int, dict[str, float]], None]  # epochs done, what they gave

_watchers: ContextVar[tuple[Tell, ...]] = ContextVar("_watchers", default=())
_listeners: ContextVar[tuple[TellEpoch, ...]] = ContextVar("_listeners", default=())


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


@contextmanager
def epochs_told(tell: TellEpoch) -> Iterator[None]:
    """Inside, each training in this thread calls ``tell`` after epochs that it sees; what that raises ends it."""
    before = _listeners.set((*_listeners.get(), tell))
    try:
        yield
    finally:
        _listeners.reset(before)


def is_heard() -> bool:
    """Whether anybody wants to know of epochs."""
    return bool(_listeners.get())


def tell_epoch(epoch: int, told: dict[str, float]) -> None:
    """Say what an epoch gave."""
    for tell in _listeners.get():
        tell(epoch, told)
