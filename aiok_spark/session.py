"""The session a flow runs in: the running one, or a good local one."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from pyspark import SparkContext
from pyspark.errors import AnalysisException, PySparkRuntimeError
from pyspark.sql import SparkSession
from pyspark.sql.utils import is_remote

_GIB = 1024**3
_DAEMON = "aiok_spark.core.daemon"


def get_session(appName: str = "aiok_spark", **conf: Any) -> SparkSession:
    """Return the running Spark session, classic or Connect, or start a good local one.

    A new session uses every core and half of the machine's memory, turns Arrow on and starts its
    Python workers with the interpreter that runs this code, by the quicker ``aiok_spark.core.daemon``.
    What the user, ``spark-submit`` or ``spark-defaults.conf`` has set is left alone.

    Parameters
    ----------
    appName : str, default "aiok_spark"
        Name of a new session; a running one keeps its own.
    **conf
        Spark settings by their full names.  They win over every default.  A running session takes
        those that can change at run time; a warning names the others.

    Returns
    -------
    SparkSession

    Notes
    -----
    The master of a new session is, in this order: ``spark.master`` in `conf`, the master given to
    ``spark-submit`` or in ``spark-defaults.conf``, the environment variable ``SPARK_MASTER``,
    ``local[*]``.

    Examples
    --------
    >>> from aiok_spark.session import get_session
    >>> spark = get_session(**{"spark.sql.shuffle.partitions": 8})
    >>> spark.conf.get("spark.sql.shuffle.partitions")
    '8'
    """
    settings = {key: _text(value) for key, value in conf.items()}
    running = _running_session()
    if running is not None:
        _apply(running, settings)
        return running

    # Workers would otherwise be the first python3 on PATH, which need not have our packages.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(appName)
    for key, value in {**_defaults(settings), **settings}.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _running_session() -> SparkSession | None:
    # sparkContext.stop() leaves its session object behind, so the context is asked first.
    if not is_remote() and SparkContext._active_spark_context is None:
        return None
    try:
        return SparkSession.active()  # unlike getActiveSession, it also answers in other threads
    except PySparkRuntimeError:
        return None


def _apply(session: SparkSession, settings: dict[str, str]) -> None:
    ignored = []
    for key, value in settings.items():
        if session.conf.get(key, None) == value:
            continue
        try:
            session.conf.set(key, value)
        except AnalysisException:
            ignored.append(f"{key}={value}")
    if ignored:
        warnings.warn(
            f"get_session: ignored {', '.join(ignored)}, because a Spark session is running already and "
            "these are fixed when it starts. Stop it first (spark.stop()), or set them where it is started.",
            stacklevel=3,
        )


def _defaults(settings: dict[str, str]) -> dict[str, str]:
    """Give what nobody else has set."""
    site = _site_settings()
    defaults = {"spark.sql.execution.arrow.pyspark.enabled": "true"}
    if not (_launched_elsewhere() or "spark.remote" in settings or "spark.master" in site):
        defaults["spark.master"] = os.environ.get("SPARK_MASTER", "local[*]")
        if settings.get("spark.master", defaults["spark.master"]).startswith("local"):
            defaults["spark.driver.memory"] = _driver_memory()
            # Fewer, larger batches to and from Python, as each has a cost of its own for every column.
            defaults["spark.sql.execution.arrow.maxRecordsPerBatch"] = "50000"
            defaults["spark.sql.shuffle.partitions"] = str(2 * (os.cpu_count() or 1))
            if _workers_have_us():
                defaults["spark.python.daemon.module"] = _DAEMON
    return {key: value for key, value in defaults.items() if key not in site}


def _workers_have_us() -> bool:
    """Whether a new Python process finds this package; not where it was only put on this process's ``sys.path``."""
    command = [os.environ["PYSPARK_PYTHON"], "-c", f"import {_DAEMON}"]
    return subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0


def _launched_elsewhere() -> bool:
    """Whether spark-submit or a Connect server has decided where and how large to run."""
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ or "--master" in os.environ.get("PYSPARK_SUBMIT_ARGS", "")
    return submitted or "SPARK_REMOTE" in os.environ


def _site_settings() -> set[str]:
    """Name the settings in spark-defaults.conf, which Spark itself will read.

    A builder's settings would win over that file, so ours must step back.
    """
    folder = os.environ.get("SPARK_CONF_DIR") or os.path.join(os.environ.get("SPARK_HOME", ""), "conf")
    file = Path(folder, "spark-defaults.conf")
    text = file.read_text() if file.is_file() else ""
    return set(re.findall(r"^\s*([^#\s=:]+)", text, re.MULTILINE))


def _driver_memory() -> str:
    """Half of the physical memory: local executors are threads of the driver, and Python needs its share."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    half = min(max(physical // 2, 1 * _GIB), 32 * _GIB)
    return f"{half // 1024**2}m"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
