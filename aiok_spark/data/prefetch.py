"""Results in their order, computed ahead by threads within a budget of memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from typing import Any, NamedTuple

from aiok_spark.core.errors import DataError

PREFETCH_BYTES = 256 << 20  # of a reader that is told nothing


class Call(NamedTuple):
    """Something to compute.

    Attributes
    ----------
    run : callable
        Without arguments; reads files or decodes, outside of Python's lock for the most part.
    size : int
        Bytes of the result.
    what : str
        What it waits for, for messages.
    """

    run: Callable[[], Any]
    size: int
    what: str


def ahead(calls: Iterator[Call], threads: int, budget: int, limit: float) -> Iterator[Any]:
    """Give the results of calls in their order, while threads compute those that come next.

    Parameters
    ----------
    calls : iterator of Call
        Taken one by one.
    threads : int
        How many are computed at a time, from 1.
    budget : int
        Bytes of results that may wait, beside the one that was given last; one may wait however large it is.
    limit : float
        Seconds that a result may take.

    Raises
    ------
    DataError
        If one takes longer.
    """
    waiting: deque[tuple[Call, Future[Any]]] = deque()
    held = 0
    coming = next(calls, None)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="aiok_read")

    def fill() -> None:
        nonlocal coming, held
        while coming is not None and (not waiting or held + coming.size <= budget):
            waiting.append((coming, pool.submit(coming.run)))
            held += coming.size
            coming = next(calls, None)

    try:
        fill()
        while waiting:
            call, future = waiting.popleft()
            made = _result(call, future, limit)
            held -= call.size
            fill()  # what comes next is on its way while the caller is busy
            yield made
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _result(call: Call, future: Future[Any], limit: float) -> Any:
    try:
        return future.result(limit)
    except TimeoutError as e:
        if future.done():  # the call itself raised it
            raise
        raise DataError(
            f"{call.what}: found no answer in {limit:g} s, expected it sooner; see to the file system, or allow more "
            "by timeout"
        ) from e
