"""A real Spark standalone cluster on this machine: a master and workers, each a process of its own."""

import os
import re
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pyspark

HOME = Path(pyspark.__file__).parent
START = 60  # seconds


@contextmanager
def standalone(folder, workers=2, cores=1, memory="2g", home=HOME):
    """Run a cluster within the block; gives the master's URL.

    Parameters
    ----------
    folder : Path
        For logs and the executors' files.
    workers, cores, memory
        Of the cluster, and of each worker.
    home : Path
        Of the Spark that runs it.
    """
    port, processes = _free_port(), []
    url = f"spark://127.0.0.1:{port}"
    try:
        processes.append(_start(home, folder / "master.log", "master.Master", "--port", str(port), "--webui-port", "0"))
        _wait_for(folder / "master.log", "I have been elected leader")
        for i in range(workers):
            options = ["--webui-port", "0", "--cores", str(cores), "--memory", memory]
            log = folder / f"worker{i}.log"
            processes.append(_start(home, log, "worker.Worker", *options, "--work-dir", str(folder / f"work{i}"), url))
            _wait_for(log, "Successfully registered with master")
        yield url
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(timeout=30)


def _start(home, log, daemon, *options):
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{daemon}", "--host", "127.0.0.1", *options]
    with open(log, "wb") as out:
        return subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SPARK_HOME": str(home), "SPARK_NO_DAEMONIZE": "1"},
        )


def _wait_for(log, text):
    deadline = time.monotonic() + START
    while not re.search(text, log.read_text()):
        assert time.monotonic() < deadline, f"no '{text}' within {START} s in {log}:\n{log.read_text()[-2000:]}"
        time.sleep(0.1)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
