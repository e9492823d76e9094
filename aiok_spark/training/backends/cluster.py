"""Whether a cluster can train at all, found out before the first job."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from aiok_spark.core import compat
from aiok_spark.core.errors import ClusterError

_STARTING = 20.0  # seconds in which the executors of a new application may still be on their way
# How many parts of a version must be the driver's; 0 where any version will do.
_INSTALLED = {"torch": 2, "pyarrow": 0, "safetensors": 0}
_COMPARED = {"python": 2, "aiok_spark": 4, **_INSTALLED}
_probed: set[tuple[str, ...]] = set()  # sessions, each with packages
_lock = threading.Lock()


def check_cluster(spark: SparkSession, workers: int, label: str, needs: Sequence[str] = ()) -> None:
    """Raise ClusterError if this many workers cannot run, with these packages; what to do is in the message."""
    if spark.conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        raise ClusterError(
            f"{label}: numWorkers: found dynamic allocation of executors, expected a fixed number, as all workers run "
            "at the same time; start the application with --conf spark.dynamicAllocation.enabled=false "
            f"--num-executors {workers}"
        )
    slots = compat.slots(spark)
    while slots < workers and _may_still_come(spark):
        time.sleep(0.5)
        slots = compat.slots(spark)
    if slots < workers:
        raise ClusterError(
            f"{label}: numWorkers: found {slots} task slots on the executors, expected at least {workers}, one for "
            f"each worker; set numWorkers={max(1, slots)}, or add executors or cores (a slot has spark.task.cpus cores)"
        )
    _probe(spark, slots, label, needs)


def _may_still_come(spark: SparkSession) -> bool:
    fixed = spark.conf.get("spark.master", "").startswith("local[")
    return not fixed and compat.seconds_up(spark) < _STARTING


def _probe(spark: SparkSession, slots: int, label: str, needs: Sequence[str]) -> None:
    """Compare the versions of what a worker needs with the driver's, once per session."""
    if (probed := (compat.session_id(spark), *needs)) in _probed:
        return
    ask = _asker([*_INSTALLED, *needs])
    mine = json.loads(next(ask(iter([None]))).column(0)[0].as_py())
    told = spark.range(0, slots, 1, slots).mapInArrow(ask, "versions string").distinct()
    for text in compat.to_arrow(told)["versions"].to_pylist():
        found = json.loads(text)
        for name, parts in {**_COMPARED, **dict.fromkeys(needs, 3)}.items():
            there, here = found[name], mine[name]
            if there is None or there.split(".")[:parts] != here.split(".")[:parts]:
                ship = "call aiok_spark.ship(spark) once per session, or install it there"
                install = (
                    f"install {name} {here} there, or ship this environment (venv-pack, --archives); "
                    "PYSPARK_PYTHON must name its interpreter"
                )
                raise ClusterError(
                    f"{label}: fit: found {name} {there or 'missing'} on {found['host']} ({found['interpreter']}), "
                    f"expected {here} as on the driver; {ship if name == 'aiok_spark' else install}"
                )
    with _lock:
        _probed.add(probed)


def _asker(packages: Sequence[str]) -> Any:
    """A function that tells the versions of where it runs, one row for each batch."""

    # Nested, so that it is pickled by value and runs where this package is absent.
    def ask(batches: Iterator[Any]) -> Iterator[pa.RecordBatch]:
        import json
        import platform
        import sys
        from importlib import metadata

        import pyarrow as pa

        def version(name: str) -> str | None:
            try:
                return metadata.version(name)
            except metadata.PackageNotFoundError:
                return None

        try:
            import aiok_spark

            ours: str | None = aiok_spark.__version__
        except ImportError:
            ours = None
        found = {
            "host": platform.node(),
            "interpreter": sys.executable,
            "python": platform.python_version(),
            **{name: version(name) for name in packages},
            "aiok_spark": ours,
        }
        for _ in batches:
            yield pa.RecordBatch.from_pydict({"versions": [json.dumps(found)]})

    return ask
