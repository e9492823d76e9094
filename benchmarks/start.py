"""From import to the first scored row; imports nothing itself that the package may need."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any


def first_score(path: str, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seconds of the import, of the load, and of the first row; what the first row costs beyond is paid once."""
    at, cpu = [time.perf_counter()], time.process_time()
    from aiok_spark.inference import LocalPipeline

    at.append(time.perf_counter())
    pipeline = LocalPipeline.load(path)
    at.append(time.perf_counter())
    pipeline.transform(row)
    at.append(time.perf_counter())
    steps = dict(zip(("import", "load", "first row"), (b - a for a, b in pairwise(at)), strict=True))
    yield {"wall": at[-1] - at[0], "cpu": time.process_time() - cpu, **steps}
