import sys

import pytest

from aiok_spark.core.errors import cause, needs_extra

WORKER = """Job aborted due to stage failure: Task 0 in stage 3.0 failed 4 times
Traceback (most recent call last):
  File "worker.py", line 1, in main
ValueError: inner

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "worker.py", line 2, in main
aiok_spark.core.errors.DataError: Scale(a): column 'x': found 3, expected 2

\tat org.apache.spark.api.python.BasePythonRunner.compute(PythonRunner.scala:1)
Caused by: org.apache.spark.SparkException: lost
"""
JVM = """Error while calling o1.fit.
: org.apache.spark.SparkException: Job aborted
\tat org.apache.spark.Job.run(Job.scala:1)
Caused by: java.lang.IllegalArgumentException: maxBins 2
\tat org.apache.spark.Task.run(Task.scala:1)
"""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no such thing\nand more"), "ValueError: no such thing"),
        (KeyError(), "KeyError: KeyError"),
        (RuntimeError(WORKER), "aiok_spark.core.errors.DataError: Scale(a): column 'x': found 3, expected 2"),
        (
            RuntimeError(JVM),
            "RuntimeError: Error while calling o1.fit. Caused by: java.lang.IllegalArgumentException: maxBins 2",
        ),
        (RuntimeError("while calling\n: lost\n\tat x"), "RuntimeError: while calling lost"),
        (ValueError("x" * 1000), "ValueError: " + "x" * 300),
    ],
)
def test_an_error_is_told_in_one_line(error, told):
    assert cause(error) == told


def test_what_an_extra_brings_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with (
        pytest.raises(
            ImportError, match=r"^report: found no module 'plotly', .* extra nas; pip install 'aiok-spark\[nas\]'$"
        ),
        needs_extra("nas", "report"),
    ):
        import plotly  # noqa: F401
