"""The session that contenders measure in."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from aiok_spark.session import get_session

_QUIET = {"spark.ui.enabled": False, "spark.ui.showConsoleProgress": False, "spark.log.level": "ERROR"}


def open_session(**conf: Any) -> SparkSession:
    """A quiet local session on all cores, with the package's own defaults."""
    return get_session("benchmarks", **{**_QUIET, "spark.driver.memory": "4g", **conf})
