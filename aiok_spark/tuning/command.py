"""``aiok-spark advise`` and ``aiok-spark tune``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml
from pyspark.errors import AnalysisException

from aiok_spark.core.errors import ConfError, PathExistsError, first_line
from aiok_spark.session import get_session
from aiok_spark.tuning.advisor import Advice, advise
from aiok_spark.tuning.advisor.sheet import read_sheet


def add_commands(commands: Any) -> None:
    """Add both to the commands of ``aiok-spark``."""
    told = {
        "advise": "say what to search for a model on these rows, and why",
        "tune": "search, and save the best model",
    }
    for name, about in told.items():
        command = commands.add_parser(name, help=about)
        command.add_argument("recipe", metavar="MODEL", help="such as dlrm, or the path of a YAML file of your own")
        command.add_argument("rows", metavar="ROWS", help="rows to learn from, with features ready for the model")
        command.add_argument("--format", default="parquet", help="of the rows, as Spark names it; default parquet")
        command.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="PARAM=VALUE",
            help="Param of the estimator, such as denseCols=[age]",
        )
        command.add_argument("--metric", action="append", default=[], help="to make better; once or twice")
        command.add_argument(
            "--at-least", action="append", default=[], metavar="METRIC=VALUE", help="to reach, or keep"
        )
        command.add_argument("--trials", type=int, default=20, help="at most; default 20")
        command.add_argument("--seconds", type=float, help="at most; default no limit")
        command.set_defaults(work=globals()[name + "_rows"])
        if name == "tune":
            command.add_argument(
                "--output", required=True, metavar="DIR", help="gets model, journal.jsonl, report.html"
            )
            command.add_argument("--service", default="auto", help="who chooses; default auto")
            command.add_argument("--seed", type=int, default=0)


def advise_rows(asked: argparse.Namespace) -> None:
    """Print what is advised."""
    print(_advice(asked)[0].explain())


def tune_rows(asked: argparse.Namespace) -> None:
    """Search; killed and called again, it goes on."""
    folder = Path(asked.output)
    if (folder / "model").exists():
        raise PathExistsError(
            f"tune: found {folder / 'model'} already, expected nothing there; choose another --output"
        )
    advice, rows = _advice(asked)
    print(advice.explain())
    journal = str(folder / "journal.jsonl")
    model = advice.estimator(service=asked.service, seed=asked.seed, journalPath=journal).fit(rows)
    model.save(str(folder / "model"))
    best = model.bestTrial
    print(
        f"\nChosen by {model.service}. Best of {len(model.trials)}: trial {best.number}, {best.metrics}, {best.values}"
    )
    print(f"{folder / 'model'}, {journal}")
    try:
        print(model.report(str(folder / "report.html")))
    except ImportError as e:
        print(e)


def _advice(asked: argparse.Namespace) -> tuple[Advice, Any]:
    read_sheet(asked.recipe)  # a wrong name is told before Spark starts
    try:
        rows = get_session("aiok-spark").read.format(asked.format).load(asked.rows)
    except AnalysisException as e:
        raise ConfError(
            f"ROWS: found nothing to read at {asked.rows} ({first_line(e)}), expected {asked.format} files"
        ) from e
    objective: dict[str, Any] = {"metrics": asked.metric} if asked.metric else {}
    if limits := _pairs("--at-least", asked.at_least):
        objective["thresholds"] = limits
    budget = {"trials": asked.trials, "seconds": asked.seconds}
    return advise(asked.recipe, rows, _pairs("--set", asked.set), objective=objective, budget=budget), rows


def _pairs(option: str, given: list[str]) -> dict[str, Any]:
    found = {}
    for pair in given:
        name, there, value = pair.partition("=")
        if not there:
            raise ConfError(f"{option} {pair}: found no '=', expected name=value; write {option} {pair}=VALUE")
        found[name.strip()] = yaml.safe_load(value)
    return found
