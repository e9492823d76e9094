"""Long jobs: watched while they run, and stopped when the caller is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TypeVar

from pyspark.sql import SparkSession

from aiok_spark.core import compat

T = TypeVar("T")

_POLL = 0.25  # seconds
_GRACE = 10.0  # seconds that a cancelled job may take to end


def run_watched(spark: SparkSession, action: Callable[[], T], watch: Callable[[], None]) -> T:
    """Run Spark jobs in a thread of their own, and look after them.

    Parameters
    ----------
    spark : SparkSession
        Whose jobs they are.
    action : callable
        Starts them and waits for them.
    watch : callable
        Called several times a second meanwhile.  If it raises, the jobs are cancelled.

    Returns
    -------
    object
        What ``action`` gave.

    Notes
    -----
    An interrupt (Ctrl-C, a notebook's stop button) cancels the jobs and goes on to the caller.
    """
    tag = f"aiok-{uuid.uuid4().hex}"
    result: list[T] = []
    error: list[BaseException] = []

    def run() -> None:
        try:
            with compat.tagged(spark, tag):
                result.append(action())
        except BaseException as e:
            error.append(e)

    thread = compat.thread(spark, run)
    thread.daemon = True
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL)
            watch()
    except BaseException:
        compat.cancel(spark, tag)
        thread.join(_GRACE)
        raise
    if error:
        raise error[0]
    return result[0]
