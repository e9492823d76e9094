"""Contenders: generators of facts, each run in a process of its own so that the first time is cold.

``python -m benchmarks.process MODULE:FUNCTION FILE '{"argument": ...}'`` is the child's side.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COMPAT = ROOT / ".venv-compat/bin/python"  # where petastorm is
_TAIL = 12  # lines of a failed contender's output that are shown
Facts = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a contender found, in order, and why it stopped early (else empty)."""

    facts: list[Facts]
    failure: str


def run(contender: Callable[..., Iterator[Facts]], python: str = sys.executable, **arguments: Any) -> Outcome:
    """Run a module-level generator in a fresh interpreter."""
    name = f"{contender.__module__}:{contender.__name__}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "facts")
        command = [python, "-m", "benchmarks.process", name, str(file), json.dumps(arguments)]
        with Path(folder, "log").open("w+") as log:
            done = subprocess.run(command, env=_environment(python), stdout=log, stderr=log, check=False, cwd=folder)
            log.seek(0)
            told = [line for line in log.read().splitlines() if not line.startswith("\tat ")]  # without Java's stack
            tail = "\n".join(told[-_TAIL:])
        facts = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return Outcome(facts, f"exit status {done.returncode}\n{tail}" if done.returncode else "")


def facts_of(contender: Callable[..., Iterator[Facts]], **arguments: Any) -> list[Facts]:
    """Facts of a contender that must not fail."""
    outcome = run(contender, **arguments)
    if outcome.failure:
        raise RuntimeError(f"{contender.__name__}: {outcome.failure}")
    return outcome.facts


def _environment(python: str) -> dict[str, str]:
    """Nothing of the caller's Spark, this checkout on the path of Python workers too, and the JDK that serves."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    kept.update(PYTHONPATH=str(ROOT), PYSPARK_PYTHON=python, PYSPARK_DRIVER_PYTHON=python, SPARK_LOCAL_IP="127.0.0.1")
    jdk = ROOT / ".build" / ("java_home.spark41" if ".venv-spark4" in python else "java_home.spark35")
    if jdk.exists():
        kept["JAVA_HOME"] = jdk.read_text().strip()
    return kept


def main() -> None:
    """Write each fact as a line of JSON as soon as it is known."""
    name, path, arguments = sys.argv[1:]
    module, _, function = name.partition(":")
    contender = getattr(importlib.import_module(module), function)
    with Path(path).open("w") as file:
        for facts in contender(**json.loads(arguments)):
            file.write(json.dumps(facts) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
