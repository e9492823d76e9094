"""Every format that a release wrote is read by this one, whichever Spark saved it."""

import importlib.util
import json
from pathlib import Path

import pytest

import aiok_spark
from aiok_spark.inference import LocalPipeline

FIXTURES = Path(__file__).parent.parent / "fixtures"
SAVED = sorted(p.parent for p in FIXTURES.glob("format*/spark*/expected.json"))

_spec = importlib.util.spec_from_file_location("make_fixtures", FIXTURES / "make.py")
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)


def agree(found, expected):
    for f, e in zip(found, expected, strict=True):
        assert f.keys() == e.keys()
        for name in e:
            close = isinstance(e[name], float)
            assert f[name] == (pytest.approx(e[name], rel=1e-15) if close else e[name]), name


def test_both_lines_of_spark_have_a_fixture():
    assert {p.name for p in SAVED} >= {"spark35", "spark41"}


@pytest.mark.parametrize("folder", SAVED, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_spark_reads_it(spark, folder):
    model = aiok_spark.load(str(folder / "model"))
    made = model.transform(spark.createDataFrame(make.TEST, make.SCHEMA))
    agree([row.asDict() for row in made.collect()], json.loads((folder / "expected.json").read_text()))


@pytest.mark.parametrize("folder", SAVED, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_plain_python_reads_it(folder):
    model = LocalPipeline.load(str(folder / "model"))
    rows = [dict(zip(["i", "d", "s", "l"], row, strict=True)) for row in make.TEST]
    agree([model.transform(row) for row in rows], json.loads((folder / "expected.json").read_text()))


def test_a_fresh_fit_gives_what_the_fixtures_hold(spark):
    model = make.pipeline().fit(spark.createDataFrame(make.TRAIN, make.SCHEMA))
    found = [row.asDict() for row in model.transform(spark.createDataFrame(make.TEST, make.SCHEMA)).collect()]
    for folder in SAVED:
        agree(found, json.loads((folder / "expected.json").read_text()))
