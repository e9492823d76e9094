"""The session of a script: the running one, or a local one."""

from __future__ import annotations

import warnings
from typing import Any

from pyspark.sql import SparkSession

from aiok_spark.core.errors import ParamError
from aiok_spark.session import get_session


class OrcaContext:
    """Where a script finds its session."""

    nodes = 1

    @staticmethod
    def get_spark_session() -> SparkSession:
        """The running session, or a good local one."""
        return get_session()

    @staticmethod
    def get_spark_context() -> Any:
        """The session's context; there is none over Connect."""
        return get_session().sparkContext


def init_orca_context(
    cluster_mode: str | None = None,
    runtime: str = "spark",
    cores: int | str | None = None,
    memory: str = "2g",
    num_nodes: int = 1,
    **conf: Any,
) -> Any:
    """The context of a local session, or of the running one.

    Parameters
    ----------
    cluster_mode : str, optional
        "local" starts a local session.  On a cluster the script is started by spark-submit, and this finds its session,
        as with "spark-submit" and None.
    runtime : str
        "spark".
    cores : int, optional
        Of a local session; "*" for all.
    memory : str
        Of a local session.
    num_nodes : int
        Executors, which each have ``workers_per_node`` workers.
    **conf
        ``conf`` with more settings of Spark as a dict; all others of Orca's are left out, with a warning.

    Returns
    -------
    SparkContext

    Raises
    ------
    ParamError
        If Orca would have launched a cluster itself, or Ray.
    """
    if runtime != "spark":
        raise ParamError(f"init_orca_context: runtime: found '{runtime}', expected 'spark'; leave it out")
    settings = conf.pop("conf", None) or {}
    if unknown := sorted(conf):
        warnings.warn(f"init_orca_context: {unknown} are Orca's own and have no use here", stacklevel=2)
    running = SparkSession.getActiveSession()
    if running is None and cluster_mode == "local":
        settings = {"spark.master": f"local[{cores or '*'}]", "spark.driver.memory": memory, **settings}
    elif running is None and cluster_mode not in (None, "local", "spark-submit"):
        raise ParamError(
            f"init_orca_context: cluster_mode: found '{cluster_mode}' outside a session, expected to be started by "
            "spark-submit; start the script by spark-submit with master, executors and cores, and leave cluster_mode "
            "out"
        )
    OrcaContext.nodes = num_nodes
    return get_session(**settings).sparkContext


def stop_orca_context() -> None:
    """Stop the session."""
    get_session().stop()
