"""Parquet files to torch batches in one process: our loader, petastorm's, and a bare memory map of Arrow's format."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.measure import cost
from benchmarks.process import COMPAT, Facts, Outcome, facts_of, run

ROWS, QUICK_ROWS = 2_000_000, 20_000
SLOW_ROWS = 100_000  # for the loader that takes rows one by one
FLOATS, INTS = 13, 26
FILES = 8
BATCH, WINDOW = 8192, 200_000
PASSES = 3


def main(rows: int | None, quick: bool) -> None:
    """Run all and print a table."""
    from benchmarks import table  # late, as petastorm's environment has not what it needs

    rows = rows or (QUICK_ROWS if quick else ROWS)
    table.heading("loader", rows=rows, columns=FLOATS + INTS, files=FILES, batch=BATCH, window=WINDOW)
    print("   Best of the passes; a batch is copied into tensors that are there. Rows: those of the pass with fewest.")
    with tempfile.TemporaryDirectory() as folder:
        for name, count in {"whole": rows, "few": min(rows, SLOW_ROWS)}.items():
            write(Path(folder, name), count)
        place, few = f"{folder}/whole", f"{folder}/few"
        (own,) = facts_of(converted, place=place, to=f"{folder}/own")
        _ipc(place, f"{folder}/rows.arrow")
        found = {
            "aiok_spark": run(ours, place=place),
            "aiok_spark, converter's files": run(ours, place=own["path"]),
            "aiok_spark, local cache": run(ours, place=place, cache=f"{folder}/cache"),
            "aiok_spark, shuffled": run(ours, place=place, window=WINDOW),
            "aiok_spark, local cache, shuffled": run(ours, place=place, window=WINDOW, cache=f"{folder}/cache"),
            "bare Arrow memory map": run(bare, file=f"{folder}/rows.arrow"),
        }
        if COMPAT.exists():
            found |= {
                "petastorm BatchedDataLoader": run(petastorm, str(COMPAT), place=place),
                "petastorm BatchedDataLoader, converter's files": run(petastorm, str(COMPAT), place=own["path"]),
                "petastorm BatchedDataLoader, shuffled": run(petastorm, str(COMPAT), place=place, window=WINDOW),
                "petastorm's default, few rows": run(petastorm, str(COMPAT), place=few, single=True),
            }
        else:
            print("   petastorm: skipped, there is no .venv-compat (scripts/setup.sh compat makes it)")
    _show(found, {"petastorm's default, few rows": min(rows, SLOW_ROWS)}, rows)


def _show(found: dict[str, Outcome], of: dict[str, int], rows: int) -> None:
    from benchmarks import table

    lines = []
    for name, outcome in found.items():
        if outcome.failure:
            lines.append([name, "FAILED", "", "", outcome.failure.splitlines()[-1][:80]])
            continue
        best = min(outcome.facts, key=lambda f: f["wall"])
        wanted, given = of.get(name, rows), min(f["rows"] for f in outcome.facts)
        lines.append([name, given / best["wall"], best["wall"], best["cpu"], f"{given} of {wanted}"])
    table.show("passes over the rows", ["loader", "rows/s", "wall s", "CPU-s", "rows"], lines)


def converted(place: str, to: str) -> Iterator[Facts]:
    """The same rows as ``make_spark_converter`` writes them."""
    from aiok_spark.data import make_spark_converter
    from benchmarks.session import open_session

    df = open_session().read.parquet(place)
    yield {"path": make_spark_converter(df, parent_cache_dir_url=f"file://{to}").cache_dir_url.removeprefix("file://")}


def ours(place: str, window: int = 0, cache: str | None = None) -> Iterator[Facts]:
    from aiok_spark.data import TorchLoader
    from aiok_spark.data.found import find

    loader = TorchLoader(find(place), batch_size=BATCH, shuffling_queue_capacity=window, local_cache=cache)
    for _ in range(PASSES):
        yield consumed(loader)


def bare(file: str) -> Iterator[Facts]:
    """Record batches of the batch size, so that nothing but the map is measured."""
    for _ in range(PASSES):
        with pa.memory_map(file) as source:
            reader = pa.ipc.open_file(source)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            yield consumed(
                {n: torch.from_numpy(c.to_numpy()) for n, c in zip(b.schema.names, b, strict=True)} for b in batches
            )


def petastorm(place: str, window: int = 0, single: bool = False) -> Iterator[Facts]:
    from petastorm import make_batch_reader
    from petastorm.pytorch import BatchedDataLoader, DataLoader

    kind = DataLoader if single else BatchedDataLoader
    for _ in range(PASSES):
        reader = make_batch_reader(f"file://{place}", shuffle_row_groups=bool(window))
        with kind(reader, batch_size=BATCH, shuffling_queue_capacity=window) as loader:
            yield consumed(loader)


def consumed(batches: Iterable[dict[str, Any]]) -> Facts:
    """Copy each batch into tensors that are there, as a step of a training on another device would."""
    places: dict[str, torch.Tensor] = {}
    rows = 0
    with cost() as spent:
        for batch in batches:
            for name, values in batch.items():
                if name not in places:
                    places[name] = torch.empty((BATCH, *values.shape[1:]), dtype=values.dtype)
                places[name][: len(values)].copy_(values)
            rows += len(values)
    return {"rows": rows, **spent}


def write(folder: Path, rows: int) -> None:
    folder.mkdir()
    random = np.random.default_rng(0)
    for i, part in enumerate(np.array_split(np.arange(rows), FILES)):
        columns: dict[str, Any] = {f"i{c}": random.random(len(part), np.float32) for c in range(FLOATS)}
        columns |= {f"c{c}": random.integers(0, 10 ** (c % 7 + 1), len(part), np.int32) for c in range(INTS)}
        pq.write_table(pa.table(columns), folder / f"part-{i}.parquet", row_group_size=len(part))


def _ipc(place: str, file: str) -> None:
    found = pq.read_table(place).combine_chunks()
    with pa.OSFile(file, "wb") as out, pa.ipc.new_file(out, found.schema) as writer:
        writer.write_table(found, max_chunksize=BATCH)


if __name__ == "__main__":
    main(None, "--quick" in sys.argv)
