"""Ends a worker that hangs, so that nobody waits for it without a limit."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable

from aiok_spark.training.worker.exchange import Solo

_HUNG = 70  # exit status
_LAST_WORDS = 10.0  # seconds


class Watch:
    """Ends this process once it has done no step for ``limit`` seconds; waiting for other workers does not count.

    Parameters
    ----------
    exchange : Solo
        Knows whether this worker waits for others; those waits have a limit of their own.
    limit : float
        Seconds.
    last_words : callable
        Told why, with the place where the worker hangs, before the process ends.
    """

    def __init__(self, exchange: Solo, limit: float, last_words: Callable[[str], None]) -> None:
        self._exchange, self._limit, self._last_words = exchange, limit, last_words
        self._watched, self._over = threading.get_ident(), threading.Event()
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def beat(self) -> None:
        """Say that a step is done."""
        self._beat = time.monotonic()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(min(1.0, self._limit / 4)):
            if self._exchange.waiting:
                self.beat()
            elif time.monotonic() - self._beat > self._limit:
                frame = sys._current_frames().get(self._watched)
                where = "".join(traceback.format_stack(frame)[-3:]) if frame else "unknown"
                why = f"found no step done in {self._limit:.0f} s (stepTimeout), it hangs in\n{where}"
                # By another thread, as what it writes to may be what hangs.
                words = threading.Thread(target=self._last_words, args=(why,), daemon=True)
                words.start()
                words.join(_LAST_WORDS)
                os._exit(_HUNG)
