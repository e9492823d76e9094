"""Training in a barrier stage, as the backend ``spark`` does, by BigDL Orca's runner at each worker."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import DataType

from aiok_spark.core.errors import ClusterError, ParamError
from aiok_spark.training.backends import spark
from aiok_spark.training.files import Files
from aiok_spark.training.task import TrainTask

PACKAGE, VERSION = "bigdl-orca-spark3", "2.4.0"
# Without their dependencies, which want Spark 3.1.3.
_INSTALL = (
    f"install the extra orca (pip install '.[orca]' in a clone), then pip install --no-deps {PACKAGE}=={VERSION} "
    f"bigdl-dllib-spark3=={VERSION}, here and on the executors; scripts/setup.sh compat of a clone makes an environment"
)


def run(
    df: DataFrame,
    columns: Sequence[tuple[str, DataType]],
    task: TrainTask,
    label: str,
    verbose: bool,
    files: Files | None = None,
) -> pa.Table:
    """Train on the executors.

    Raises
    ------
    ClusterError
        If Orca is not there, or is another version, or for what the backend ``spark`` needs.
    ParamError
        If workers are to step by themselves (averageEvery).
    """
    _require_orca(label)
    if task.averageEvery:
        raise ParamError(
            f"{label}: averageEvery: found {task.averageEvery} with engine='orca', expected 0, as Orca exchanges "
            "gradients at each step; leave it out, or use engine='spark'"
        )
    return spark.run(df, columns, replace(task, runner="orca"), label, verbose, files, needs=(PACKAGE,))


def _require_orca(label: str) -> None:
    try:
        found = metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise ClusterError(
            f"{label}: engine: found 'orca' without {PACKAGE}, expected version {VERSION}; {_INSTALL}"
        ) from None
    if found != VERSION:
        raise ClusterError(f"{label}: engine: found {PACKAGE} {found}, expected {VERSION}; {_INSTALL}")
    from aiok_spark.training.worker.orca import import_orca

    try:
        import_orca()
    except Exception as e:  # whatever a package of another time meets
        versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("pyspark", "pyarrow", "numpy", "torch"))
        raise ClusterError(
            f"{label}: engine: found a {PACKAGE} that cannot be imported with {versions} and Python "
            f"{platform.python_version()} ({e!r}), expected versions that it works with; {_INSTALL}"
        ) from e
