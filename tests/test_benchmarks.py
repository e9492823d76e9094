"""Every benchmark runs, tiny, and prints its tables; the figures mean nothing at this size."""

import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

ROOT = Path(__file__).parent.parent
SHOWN = {
    "categorify": [
        "fit + transform, StringIndexer / Categorify",
        "cold, total CPU-s",
        "warm, above scans",
        "same ids: yes",
    ],
    "vocabulary": ["ids by the loaded model", "classic: passed", "Spark 4 Connect: "],
    "features": ["by hand", "sequences: SequenceBuilder", "joins: LookupJoin"],
    "tasks": ["pyspark.daemon", "aiok_spark.core.daemon"],
    "loader": ["bare Arrow memory map", "petastorm", "20000 of 20000"],
    "writing": ["df.write.parquet", "make_spark_converter"],
    "images": ["images: "],  # and no more without petastorm's environment
    "readings": ["aiok_spark", "petastorm"],
    "local": ["import to first score", "Arrow, all stages", "JVM started: no"],
    "feed": ["TorchDistributor, num_workers=1 (default)", "ours, first pass", "same sums: yes"],
    "dlrm_step": ["facebook, float32", "ours, float32", "largest difference to facebook's"],
    "fit": ["TorchDistributor, arrays", "ours", "as good"],
    "scaling": ["beyond epochs s", "two workers", "rows touched"],
    "orca": ["orca: "],  # and no more without Orca's environment
    "search": ["Hartmann6", "AUC missed", "sigoptlite, 4 at a time", "random, 1 at a time"],
    "tuning": ["pyspark's TrainValidationSplit", "s/trial on one slot"],
    "tuned_rows": ["tuned_rows: "],  # and no more where the rows are not there
    "tuners": ["tuners: "],  # the same
    "nas": ["nas: "],  # and no more where the accuracies are not there
    "nas_ctr": ["nas_ctr: "],  # and no more where the rows are not there
    "nas_trained": ["nas_trained: "],  # the same
    "end_to_end": ["features and Parquet", "wall s", "the best AUC that is possible"],
    "real_rows": ["real_rows: "],  # and no more where the rows are not there
}
OF_TRAINING = ["feed", "dlrm_step", "fit", "scaling"]


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.cluster
@pytest.mark.parametrize("name", SHOWN)
def test_a_benchmark_prints_its_tables(name):
    if (name in OF_TRAINING) == (pyspark.__version__ >= "4"):
        pytest.skip("a minute each, so they are tried on one version of Spark: those of trainings on 3.5")
    result = run(name, "--quick")
    assert result.returncode == 0, result.stderr
    for text in SHOWN[name]:
        assert text in result.stdout, result.stdout
    assert "FAILED" not in result.stdout


def test_an_unknown_name_is_refused_with_the_known_ones():
    result = run("categorise")
    assert result.returncode == 2
    assert "'categorise'" in result.stderr and "categorify, vocabulary, features" in result.stderr
