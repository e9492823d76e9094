"""What takes how long in a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiok_spark.core import progress
from aiok_spark.core.watch import watched


@dataclass
class Phases:
    """Named parts of a run, in their order; says when each ends."""

    verbose: bool = True
    done: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """A part of the run."""
        start = time.monotonic()
        yield
        self._add(name, time.monotonic() - start)

    @contextmanager
    def fits(self, names: dict[str, str]) -> Iterator[None]:
        """The fits of stages, each a part by its name; ``names`` are by uid.  What is left is the Pipeline's."""
        start, before = time.monotonic(), sum(part["seconds"] for part in self.done)
        with watched(lambda uid, seconds: self._add(f"fit {names.get(uid, uid)}", seconds)):
            yield
        named = sum(part["seconds"] for part in self.done) - before
        self._add("fit, between the stages", time.monotonic() - start - named)

    @property
    def seconds(self) -> dict[str, float]:
        """Of each part, by its name."""
        return {part["name"]: part["seconds"] for part in self.done}

    def _add(self, name: str, seconds: float) -> None:
        self.done.append({"name": name, "seconds": seconds})
        if self.verbose:
            progress.say(f"{seconds:7.1f} s  {name}")
