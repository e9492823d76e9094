"""Progress of long work: a bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tqdm.auto import tqdm

T = TypeVar("T")

_BAR_AFTER = 2.0  # seconds; quicker work shows nothing
_LINE_EVERY = 10.0  # seconds between plain lines


def progress(items: Iterable[T], total: int, label: str, verbose: bool = True) -> Iterator[T]:
    """Yield the items and show how far they are.

    Parameters
    ----------
    items : iterable
        Passed through.
    total : int
        How many there are.
    label : str
        What is being done, such as "Categorify: counting".
    verbose : bool
        False shows nothing.
    """
    if not verbose:
        yield from items
    elif _on_screen():
        yield from tqdm(items, total=total, desc=label, delay=_BAR_AFTER, leave=False)
    else:
        yield from _lines(items, total, label)


@contextmanager
def working(label: str, verbose: bool = True) -> Iterator[None]:
    """Say from time to time that work goes on that has no countable parts, such as one Spark job.

    Parameters
    ----------
    label : str
        What is being done.
    verbose : bool
        False shows nothing.
    """
    if not verbose:
        yield
        return
    start, done = time.monotonic(), threading.Event()

    def say() -> None:
        while not done.wait(_LINE_EVERY):
            tqdm.write(f"{label}: {time.monotonic() - start:.0f} s so far", file=sys.stderr)

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Counted:
    """Progress of work that says by itself how far it is.

    Parameters
    ----------
    label, unit : str
        What is being done, and what is counted.
    total : float
        How many there are.
    verbose : bool
        False shows nothing.
    """

    def __init__(self, label: str, unit: str, total: float, verbose: bool = True) -> None:
        self._label, self._unit, self._total, self._verbose = label, unit, total, verbose
        self._bar: Any = None
        self._start = self._said = time.monotonic()

    def __enter__(self) -> Counted:
        if self._verbose and _on_screen():
            form = "{desc}: {n:.2f}/{total_fmt} {unit} |{bar}| {elapsed}<{remaining} {postfix}"
            self._bar = tqdm(
                total=self._total, desc=self._label, unit=self._unit, delay=_BAR_AFTER, bar_format=form, leave=False
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, done: float, told: str) -> None:
        """Show that so many are done, and a few words."""
        now = time.monotonic()
        if self._bar is not None:
            self._bar.set_postfix_str(told, refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._verbose and now - self._said >= _LINE_EVERY:
            self._said = now
            line = f"{self._label}: {done:.2f} of {self._total} {self._unit} after {now - self._start:.0f} s {told}"
            say(line.rstrip())


def say(text: str) -> None:
    """A line for whoever watches."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _on_screen() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def _lines(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    start = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - said >= _LINE_EVERY:
            said = now
            say(f"{label}: {done} of {total} after {now - start:.0f} s")
        yield item
