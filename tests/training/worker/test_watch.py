"""A worker that hangs ends itself, and says where."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys, time, types
sys.modules["aiok_spark.training.worker.exchange"] = types.SimpleNamespace(Solo=type("Solo", (), {"waiting": False}))
from aiok_spark.training.worker.exchange import Solo
from aiok_spark.training.worker.watch import Watch

def last_words(text):
    open(sys.argv[1], "w").write(text)

def never_ends():
    while True:
        time.sleep(0.05)

exchange = Solo()
with Watch(exchange, 0.3, last_words):
    pass
with Watch(exchange, float("inf"), last_words):
    time.sleep(0.1)
time.sleep(0.6)
print("left", flush=True)
with Watch(exchange, 0.5, last_words) as watch:
    exchange.waiting = True
    time.sleep(1.2)
    exchange.waiting = False
    print("waited", flush=True)
    for _ in range(12):
        time.sleep(0.1)
        watch.beat()
    print("worked", flush=True)
    never_ends()
"""


@pytest.mark.cluster
def test_only_a_hung_worker_ends_and_its_last_words_name_the_place(tmp_path):
    words = tmp_path / "words"
    command = [sys.executable, "-c", SCRIPT, str(words)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.split() == ["left", "waited", "worked"], ended.stderr
    assert ended.returncode == 70
    assert words.read_text().startswith("found no step done in 0 s (stepTimeout), it hangs in\n")
    assert "in never_ends" in words.read_text()


@pytest.mark.cluster
@pytest.mark.parametrize("last_words", ["lambda text: time.sleep(1000)", "lambda text: 1 / 0"], ids=["hang", "fail"])
def test_a_worker_whose_last_words_are_not_heard_ends_all_the_same(last_words):
    setup = SCRIPT[: SCRIPT.index("def last_words")]
    script = f"{setup}Watch.__init__.__globals__['_LAST_WORDS'] = 0.5\n"
    script += f"with Watch(Solo(), 0.3, {last_words}):\n    time.sleep(30)\n"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 70, ended.stderr
