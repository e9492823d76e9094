"""Progress of long work: a bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

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
    elif sys.stderr.isatty() or "ipykernel" in sys.modules:
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


def _lines(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    start = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - said >= _LINE_EVERY:
            said = now
            print(f"{label}: {done} of {total} after {now - start:.0f} s", file=sys.stderr, flush=True)  # noqa: T201
        yield item
