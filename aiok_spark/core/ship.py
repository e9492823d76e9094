"""How kernels and their state reach the executors, each once per Python worker.

A kernel with a large vocabulary inside cannot ride in a UDF as it is: the worker would unpickle it
and build its tables again for every task, and Connect refuses messages above 128 MiB.  So a kernel
travels as bytes under the digest of its content.  On classic Spark the bytes stay in the UDF, which
pyspark itself moves to a broadcast once it is larger than 1 MB; on Connect, from the same size, they
go ahead as an artifact file.  A worker keeps what it unpickled, by digest, within bounds.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark import cloudpickle
from pyspark.sql import SparkSession

from aiok_spark._version import __version__
from aiok_spark.core import compat

_INLINE_LIMIT = 1 << 20  # bytes; the size from which pyspark broadcasts a command
_CACHE_COUNT = 256  # kernels; a pipeline has one per component, so a few dozen
_CACHE_BYTES = 1 << 30  # pickled size of all that a worker keeps

_cache: OrderedDict[str, tuple[Any, int]] = OrderedDict()
_cache_lock = threading.Lock()
_sent: set[tuple[str, str]] = set()  # (session, digest) that is on a Connect server already
_sent_lock = threading.Lock()


def pack(spark: SparkSession, value: Any) -> Callable[[], Any]:
    """A small picklable function that gives ``value`` on an executor.

    Checks there that the executor has this package in this version, and says what to do if not.
    """
    payload: bytes | None = cloudpickle.dumps(value)
    assert payload is not None
    size = len(payload)
    digest = hashlib.sha256(payload).hexdigest()
    if size > _INLINE_LIMIT and compat.is_connect(spark):
        _send(spark, digest, payload)
        payload = None
    return _unpacker(digest, payload, size, __version__)


def _unpacker(digest: str, payload: bytes | None, size: int, version: str) -> Callable[[], Any]:
    # A nested function is pickled by value, so it can run, and complain, where the package is absent.
    def unpack() -> Any:
        remedy = "call aiok_spark.ship(spark) once per session, or install it there"
        try:
            import aiok_spark

            found = aiok_spark.__version__
        except ImportError:
            found = None
        if found != version:
            import platform

            what = "no aiok_spark" if found is None else f"aiok_spark {found}"
            raise RuntimeError(
                f"executor {platform.node()}: found {what}, expected {version} as on the driver; {remedy}"
            )
        from importlib import import_module

        return import_module("aiok_spark.core.ship").unpack(digest, payload, size)

    return unpack


def unpack(digest: str, payload: bytes | None, size: int) -> Any:
    """On a worker: the value of this digest, unpickled at most once while it stays in the cache."""
    with _cache_lock:
        if digest in _cache:
            _cache.move_to_end(digest)
            return _cache[digest][0]
    if payload is None:
        from pyspark import SparkFiles

        payload = Path(SparkFiles.get(_file_name(digest))).read_bytes()
        if hashlib.sha256(payload).hexdigest() != digest:
            raise RuntimeError(f"artifact {_file_name(digest)} is damaged; restart the session and try again")
    value = cloudpickle.loads(payload)
    with _cache_lock:
        _cache[digest] = (value, size)
        while len(_cache) > 1 and (
            len(_cache) > _CACHE_COUNT or sum(kept for _, kept in _cache.values()) > _CACHE_BYTES
        ):
            _cache.popitem(last=False)
    return value


def _file_name(digest: str) -> str:
    return f"aiok_{digest}.bin"


def _send(spark: SparkSession, digest: str, payload: bytes) -> None:
    """Upload once per session, under the digest as name."""
    with _sent_lock:
        if (key := (compat.session_id(spark), digest)) in _sent:
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _file_name(digest)
            path.write_bytes(payload)
            spark.addArtifacts(str(path), file=True)
        _sent.add(key)


def ship(spark: SparkSession) -> None:
    """Put this package on the executors of a session, for clusters where it is not installed.

    The executors still need pyarrow, numpy and pandas.  Call it once, before the first stage runs.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.

    Examples
    --------
    >>> import aiok_spark
    >>> aiok_spark.ship(spark)  # doctest: +SKIP
    """
    package = Path(__file__).resolve().parent.parent
    # The name holds the content's digest, so that shipping twice is harmless and an edit is seen.
    files = sorted(package.rglob("*.py"))
    if not files:
        raise RuntimeError(
            f"aiok_spark.ship: found no files in {package}, expected an unpacked installation; install it"
        )
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()[:12]
    with _sent_lock:
        if (key := (compat.session_id(spark), digest)) in _sent:
            return
        folder = tempfile.mkdtemp(prefix="aiok_ship_")  # Spark serves the file from here while the session lives
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        archive = Path(folder) / f"{package.name}_{digest}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            for path in files:
                out.write(path, Path(package.name) / path.relative_to(package))
        compat.add_python_file(spark, str(archive))
        _sent.add(key)
