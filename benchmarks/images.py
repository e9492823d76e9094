"""Images that petastorm has written, decoded to torch batches in one process: our loader and petastorm's."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator

import numpy as np

from benchmarks.loader import consumed
from benchmarks.process import COMPAT, Facts, run

ROWS, QUICK_ROWS = 4_000, 100
SIDE = 128  # pixels
BATCH, THREADS, PASSES = 64, 2, 3
CODECS = ("jpeg", "png")


def main(rows: int | None, quick: bool) -> None:
    """Run both on both codecs and print a table."""
    from benchmarks import table  # late, as petastorm's environment has not what it needs

    rows = rows or (QUICK_ROWS if quick else ROWS)
    table.heading("images", rows=rows, side=SIDE, batch=BATCH, threads=THREADS)
    if not COMPAT.exists():
        print("   skipped, there is no .venv-compat (scripts/setup.sh compat makes it)")
        return
    print("   Best of the passes. petastorm decodes with OpenCV, in threads; its loader takes rows one by one.")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for codec in CODECS[:1] if quick else CODECS:
            place = f"{folder}/{codec}"
            made = run(write, str(COMPAT), place=place, rows=rows, codec=codec)
            if made.failure:
                raise RuntimeError(made.failure)
            ways = {"aiok_spark": run(ours, place=place), "petastorm": run(petastorm, str(COMPAT), place=place)}
            speeds = {}
            for name, outcome in ways.items():
                if outcome.failure:
                    raise RuntimeError(f"{name}: {outcome.failure}")
                best = min(outcome.facts, key=lambda f: f["wall"])
                speeds[name] = best["rows"] / best["wall"]
                fewest = min(f["rows"] for f in outcome.facts)
                ratio = speeds["aiok_spark"] / speeds[name]
                lines.append([codec, name, speeds[name], best["wall"], best["cpu"], ratio, f"{fewest} of {rows}"])
    table.show("passes over the images", ["codec", "loader", "rows/s", "wall s", "CPU-s", "ours to it", "rows"], lines)


def write(place: str, rows: int, codec: str) -> Iterator[Facts]:
    """Smooth random images, which compress as photographs do, by ``materialize_dataset``."""
    from petastorm.codecs import CompressedImageCodec, ScalarCodec
    from petastorm.etl.dataset_metadata import materialize_dataset
    from petastorm.unischema import Unischema, UnischemaField, dict_to_spark_row
    from pyspark.sql import SparkSession
    from pyspark.sql.types import IntegerType

    image = UnischemaField("image", np.uint8, (SIDE, SIDE, 3), CompressedImageCodec(codec, 90), False)
    schema = Unischema("Images", [UnischemaField("id", np.int32, (), ScalarCodec(IntegerType()), False), image])

    def row(i: int) -> object:
        import cv2

        small = np.random.default_rng(i).integers(0, 256, (SIDE // 16, SIDE // 16, 3), np.uint8)
        return dict_to_spark_row(schema, {"id": i, "image": cv2.resize(small, (SIDE, SIDE))})

    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    with materialize_dataset(spark, f"file://{place}", schema, row_group_size_mb=8):
        made = spark.sparkContext.parallelize(range(rows), 4).map(row)
        spark.createDataFrame(made, schema.as_spark_schema()).write.parquet(f"file://{place}")
    spark.stop()
    yield {"rows": rows}


def ours(place: str) -> Iterator[Facts]:
    """With the same number of threads."""
    from aiok_spark.data import TorchLoader
    from aiok_spark.data.found import find

    loader = TorchLoader(find(place), ["id", "image"], batch_size=BATCH, workers_count=THREADS)
    for _ in range(PASSES):
        yield consumed(loader)


def petastorm(place: str) -> Iterator[Facts]:
    """Its reader for its own codecs, and its loader."""
    from petastorm import make_reader
    from petastorm.pytorch import DataLoader

    for _ in range(PASSES):
        reader = make_reader(f"file://{place}", shuffle_row_groups=False, workers_count=THREADS)
        with DataLoader(reader, batch_size=BATCH) as loader:
            yield consumed(loader)


if __name__ == "__main__":
    main(None, "--quick" in sys.argv)
