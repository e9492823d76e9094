"""Whether each reading gives every row once: random row groups, shards, threads and passes, with the CPUs busy."""

from __future__ import annotations

import multiprocessing
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.process import COMPAT, Facts, run

READINGS, QUICK_READINGS = 500, 10
_BURNERS = 3


def main(rows: int | None, quick: bool) -> None:
    """Run both with the same choices and print how many readings were wrong."""
    from benchmarks import table  # late, as petastorm's environment has not what it needs

    readings = rows or (QUICK_READINGS if quick else READINGS)
    table.heading("readings", readings=readings, burners=_BURNERS)
    found = {"aiok_spark": run(ours, readings=readings)}
    if COMPAT.exists():
        found["petastorm 0.13.1"] = run(petastorm, str(COMPAT), readings=readings)
    else:
        print("   petastorm: skipped, there is no .venv-compat (scripts/setup.sh compat makes it)")
    lines = []
    for name, outcome in found.items():
        wrong = [f for f in outcome.facts if f["lost"] or f["again"]]
        lost = sum(f["lost"] for f in wrong)
        lines.append([name, len(outcome.facts), len(wrong), lost, sum(f["again"] for f in wrong), outcome.failure[:60]])
    header = ["reader", "readings", "wrong", "rows lost", "rows twice", "failure"]
    table.show("readings of all shards, a number of passes", header, lines)


def ours(readings: int) -> Iterator[Facts]:
    from aiok_spark.data import make_batch_reader

    yield from _battery(readings, make_batch_reader)


def petastorm(readings: int) -> Iterator[Facts]:
    from petastorm import make_batch_reader

    yield from _battery(readings, lambda place, **options: make_batch_reader(f"file://{place}", **options))


def _battery(readings: int, make: Any) -> Iterator[Facts]:
    choose = random.Random(0)
    with tempfile.TemporaryDirectory() as folder, _busy():
        for reading in range(readings):
            rows, files = choose.randrange(200, 4000), choose.randrange(1, 5)
            group = choose.choice([50, 250, 1000])
            place = Path(folder, str(reading))
            _write(place, rows, files, group)
            groups = sum(pq.read_metadata(f).num_row_groups for f in place.iterdir())
            shards = choose.randrange(1, min(groups, 4) + 1)  # petastorm refuses more shards than row groups
            passes, workers = choose.randrange(1, 4), choose.choice([1, 2, 4, 10])
            seen: Counter[int] = Counter()
            for shard in range(shards):
                with make(
                    str(place), cur_shard=shard, shard_count=shards, num_epochs=passes, workers_count=workers
                ) as reader:
                    for batch in reader:
                        seen.update(batch.row.tolist())
            lost = sum(max(passes - seen[row], 0) for row in range(rows))
            yield {"lost": lost, "again": sum(max(n - passes, 0) for n in seen.values())}


def _write(place: Path, rows: int, files: int, group: int) -> None:
    place.mkdir()
    for i in range(files):
        numbers = list(range(rows * i // files, rows * (i + 1) // files))
        pq.write_table(pa.table({"row": numbers}), place / f"{i}.parquet", row_group_size=group)


@contextmanager
def _busy() -> Iterator[None]:
    burners = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(_BURNERS)]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.terminate()


def _burn() -> None:
    while True:
        pass
