"""What a second worker brings and costs: seconds beside the epochs, rows a second, bytes of a step."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import torch
from pyspark.sql import DataFrame

from aiok_spark.models import DLRMClassifier
from benchmarks import table
from benchmarks.clicks import LABEL, SIZES, make_clicks, write_clicks
from benchmarks.data import CATEGORIES, NUMBERS
from benchmarks.measure import cost
from benchmarks.process import Facts, facts_of
from benchmarks.session import open_session

OVERHEAD_ROWS, OVERHEAD_FITS, OVERHEAD_TARGET = 20_000, 5, 5.0
WIDE = {"bottomLayers": [1024, 1024], "topLayers": [1024, 1024]}
DEFAULT = {"bottomLayers": [512, 256, 64], "topLayers": [512, 256]}
SPEED_ROWS, SPEED_BATCH, SPEED_EPOCHS, SPEED_ROUNDS = 20_480, 4096, 3, 3
SPEED_TARGET = 1.7
VALUES, COLUMNS, DIM = 10_000, CATEGORIES[:3], 16  # ids that occur in a column, whatever the size of its table
TABLES, BATCHES = [10_000, 100_000, 1_000_000], [512, 1024, 2048]
SMALL = {"bottomLayers": [16], "topLayers": [16]}
_RATE = 0.1
_TOLD = 2 + 2  # beside the gradients: loss, weight of rows, and at each worker the number of touched rows
_SAMPLES = 20


def main(rows: int | None, quick: bool) -> None:
    """All three; ``rows`` are those of the second."""
    table.heading("scaling", spark=pyspark.__version__, torch=torch.__version__, threads="1 a worker")
    with tempfile.TemporaryDirectory() as folder:
        _overhead(f"{folder}/small", 2_000 if quick else OVERHEAD_ROWS, 1 if quick else OVERHEAD_FITS)
        _speed(f"{folder}/large", rows or (SPEED_BATCH if quick else SPEED_ROWS), quick)
        _traffic(f"{folder}/ids", 4_096 if quick else 40_960, quick)


# Seconds beside the epochs


def _overhead(path: str, rows: int, fits: int) -> None:
    write_clicks(Path(path), rows)
    cold, *warm = facts_of(overhead, path=path, fits=fits)
    lines = []
    for name, facts in {"first in the process": [cold], f"then, median of {fits}": warm}.items():
        beyond, *parts = (median(f[what] for f in facts) for what in ("beyond", "staging", "meeting", "epochs", "wall"))
        spread = f"{min(f['beyond'] for f in facts):.2f} to {max(f['beyond'] for f in facts):.2f}"
        shown = table.verdict(beyond, OVERHEAD_TARGET, most=True) if facts is warm else ""
        lines.append([name, beyond, spread, shown, *parts])
    header = ["fits", "beyond epochs s", "over fits", "target", "staging s", "meeting s", "epochs s", "wall s"]
    table.show(f"wall of a fit less its epochs: 2 workers, 2 epochs of {rows:,} rows, a default DLRM", header, lines)
    print("  staging: a worker reads its blocks. meeting: it waits for the others and connects. Both are in 'beyond'.")


def overhead(path: str, fits: int) -> Iterator[Facts]:
    data = _read(path)
    for _ in range(1 + fits):
        with cost() as spent:
            model = _dlrm(DEFAULT, numWorkers=2, epochs=2, batchSize=2048).fit(data)
        epochs = sum(done["seconds"] for done in model.summary.history)
        phases = {what: max(w["seconds"][what] for w in model.summary.workers) for what in ("staging", "meeting")}
        yield {**spent, **phases, "epochs": epochs, "beyond": spent["wall"] - epochs}


# Rows a second


def _speed(path: str, rows: int, quick: bool) -> None:
    write_clicks(Path(path), rows)
    write_clicks(Path(path + "_half"), rows // 2, seed=1)
    for layers, target in [(WIDE, SPEED_TARGET), (DEFAULT, None)][1 if quick else 0 :]:
        facts = facts_of(speed, path=path, rounds=1 if quick else SPEED_ROUNDS, layers=layers)
        _show_speed(facts, layers, rows, target)
    print(
        "  two apart: two fits of one worker at the same time that share nothing, each on half as many rows and of half"
    )
    print(
        "  the batch: what the machine itself gives, and the most that two workers can; about 2 if it has nothing else"
    )
    print("  to do, else a missed target says little. Ratios: to one worker in the same round, median of rounds.")


def _show_speed(facts: list[Facts], layers: dict[str, list[int]], rows: int, target: float | None) -> None:
    ratios = {name: [f[name]["rate"] / f["one worker"]["rate"] for f in facts] for name in facts[0]}
    lines = []
    for name, found in ratios.items():
        told = [f[name] for f in facts]
        spread = f"{min(found):.2f} to {max(found):.2f}" if name != "one worker" else ""
        shown = table.verdict(median(found), target) if target and name == "two workers" else ""
        loss = f"{told[0]['loss']:.5f}" if told[0]["loss"] is not None else ""
        rate, cpu = (median(t[what] for t in told) for what in ("rate", "cpu"))
        lines.append([name, rate, median(found), spread, shown, cpu, told[0]["threads"], loss])
    widths = f"bottom {layers['bottomLayers']}, top {layers['topLayers']}"
    title = f"epochs from the second on, {rows:,} rows, batches of {SPEED_BATCH} over all workers, DLRM of {widths}"
    table.show(title, ["", "rows/s", "ratio", "over rounds", "target", "fit's CPU-s", "threads", "last loss"], lines)
    shares = [f["two workers"]["rate"] / f["two apart"]["rate"] for f in facts]
    print(
        f"  two workers to two apart, in the same round: {median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"
    )


def speed(path: str, rounds: int, layers: dict[str, list[int]]) -> Iterator[Facts]:
    """Rounds of one worker, two, and two that know nothing of each other."""
    whole, half = _read(path), _read(path + "_half")

    def fit(data: DataFrame, workers: int, batch: int = SPEED_BATCH) -> Facts:
        with cost() as spent:
            made = _dlrm(layers, numWorkers=workers, epochs=SPEED_EPOCHS, batchSize=batch).fit(data)
        rate = median(done["rowsPerSecond"] for done in made.summary.history[1:])
        facts = {"loss": made.summary.history[-1]["loss"], "threads": made.summary.facts["threads"]}
        return {**spent, **facts, "rate": rate}

    for _ in range(rounds):
        found = {"one worker": fit(whole, 1), "two workers": fit(whole, 2)}
        with cost() as spent, ThreadPoolExecutor() as pool:
            both = list(pool.map(lambda data: fit(data, 1, SPEED_BATCH // 2), [half, half]))
        apart = {**both[0], **spent, "rate": sum(b["rate"] for b in both), "loss": None}
        yield {**found, "two apart": apart}


# Bytes of a step


def _traffic(path: str, rows: int, quick: bool) -> None:
    for size in TABLES:
        dense, ids, label = make_clicks(rows, [VALUES] * len(COLUMNS), (0,))
        ids *= size // VALUES  # the same ids, spread over the table
        columns = dict(zip([*NUMBERS, *COLUMNS, LABEL], [*dense.T, *ids.T, label], strict=True))
        Path(path).mkdir(exist_ok=True)
        made = pa.table({name: np.ascontiguousarray(values) for name, values in columns.items()})
        pq.write_table(made.replace_schema_metadata(), f"{path}/{size}.parquet", row_group_size=rows // 4)
    cases = [(size, BATCHES[0]) for size in TABLES] + [(TABLES[-1], batch) for batch in BATCHES[1:]]
    cases = cases[:1] if quick else cases
    facts = facts_of(traffic, path=path, cases=cases)
    lines = []
    for f in facts:
        rest = f["bytes"] - f["dense"] - f["metrics"]
        whole = 2 * 4 * DIM * f["size"] * len(COLUMNS)
        told = [f"{value:,.0f}" for value in (f["bytes"], f["dense"], f["metrics"], rest, f["touched"])]
        lines.append([f["size"], f["batch"], *told, rest / f["touched"], whole, f"{whole / rest:,.1f}x"])
    header = ["ids of a table", "batch", "bytes", "dense", "metrics", "tables", "rows touched", "bytes a row"]
    header += ["whole tables", "saved"]
    title = f"bytes of a step, sent by both workers together: {len(COLUMNS)} tables of vectors of {DIM}, {rows:,} rows"
    table.show(title, header, lines)
    print("  As the engine counts its tensors, not as seen on the wire. dense: all other gradients, 4 bytes each, that")
    print("  the ring sends twice. metrics: 12 bytes a row of the second worker, for the AUC of an epoch. tables: the")
    print("  rest. rows touched: distinct ids of a random half of a batch, all columns, both workers, from the data;")
    print(f"  mean of {_SAMPLES}. A row with its id needs {4 * (DIM + 1)} bytes; the rest is padding up to the worker")
    print("  with more. whole tables: what their dense gradients would take by the same ring.")


def traffic(path: str, cases: list[tuple[int, int]]) -> Iterator[Facts]:
    """Bytes of a step as the engine counts them, beside what the data and the network say."""
    for size, batch in cases:
        tables = {"categoricalCols": COLUMNS, "tableSizes": dict.fromkeys(COLUMNS, size), "embeddingDim": DIM}
        file = f"{path}/{size}.parquet"
        model = _dlrm(SMALL, numWorkers=2, epochs=2, batchSize=batch, **tables).fit(_read(file))
        steps, rows = model.summary.facts["stepsPerEpoch"], model.summary.facts["rows"]
        dense = sum(p.numel() for name, p in model.network().named_parameters() if "tables" not in name)
        yield {
            "size": size,
            "batch": batch,
            "bytes": model.summary.history[-1]["bytesExchanged"] / steps,
            "dense": 4 * 2 * (dense + _TOLD),
            "metrics": 4 * 3 * rows / steps / 2,
            "touched": _touched(file, batch),
        }


def _touched(file: str, batch: int) -> float:
    """Rows of the tables that a step touches, at each of two workers with half of a random batch; the mean of some."""
    ids = np.stack([column.to_numpy() for column in pq.read_table(file, columns=COLUMNS).columns], 1)
    random = np.random.default_rng(0)
    halves = (ids[random.choice(len(ids), batch // 2, replace=False)] for _ in range(2 * _SAMPLES))
    return 2 * mean(sum(len(np.unique(column)) for column in half.T) for half in halves)


def _dlrm(layers: dict[str, list[int]], **params: Any) -> DLRMClassifier:
    given = {"categoricalCols": CATEGORIES, "tableSizes": dict(zip(CATEGORIES, SIZES, strict=True)), **params}
    return DLRMClassifier(denseCols=NUMBERS, optimizer="sgd", learningRate=_RATE, verbose=False, **layers, **given)


def _read(path: str) -> DataFrame:
    return open_session(**{"spark.master": "local[2]"}).read.parquet(path)
