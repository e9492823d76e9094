"""The command line of a run: what is asked for, and what is shown."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from aiok_spark.core.errors import AiokError
from aiok_spark.flow import check as saved
from aiok_spark.flow.dry_run import plan
from aiok_spark.flow.folder import RunFolder
from aiok_spark.flow.recipe import Recipe, configured
from aiok_spark.flow.report import write_report
from aiok_spark.flow.run import run
from aiok_spark.flow.tables import summary, table

_FULL = "No space left on device"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a run can be told on the command line, beside the file."""
    parser.add_argument("--input", metavar="PATH", help="rows to train on")
    parser.add_argument("--test", metavar="PATH", help="rows to measure on; by default a part of the input")
    parser.add_argument("--output", metavar="PATH", help="directory for model, figures and report")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change any key of the file")
    parser.add_argument("--overwrite", action="store_true", help="replace an output that is there")
    parser.add_argument("--dry-run", action="store_true", help="show stages, columns and resources, and run nothing")


def main(arguments: Sequence[str], recipe: ModuleType) -> None:
    """The program of a recipe: ``python pipeline.py --conf FILE --input ROWS --output RUN``."""
    parser = argparse.ArgumentParser(description=(recipe.__doc__ or "").partition("\n")[0])
    parser.add_argument("--conf", metavar="FILE", required=True, help="YAML file with what the recipe is told")
    add_arguments(parser)
    end(lambda: execute(parser.parse_args(arguments), Recipe.of(recipe)))


def execute(asked: argparse.Namespace, recipe: Recipe | None = None) -> None:
    """Do what was asked for."""
    changes = [f"{n}={value}" for n in ("input", "test", "output") if (value := getattr(asked, n)) is not None]
    recipe, conf = configured(asked.conf, [*asked.set, *changes], recipe)
    if asked.dry_run:
        print(plan(recipe, conf))
        return
    show(run(recipe, conf, overwrite=asked.overwrite))


def report(asked: argparse.Namespace) -> None:
    """Write the report of a run again."""
    folder = RunFolder(asked.run.rstrip("/"))
    write_report(folder)
    print(folder.report)


def check(asked: argparse.Namespace) -> None:
    """Show what a saved directory holds; exit with 1 if something is wrong."""
    found = saved.check(asked.model)
    print(table(["class", "place", "found"], [[s["class"], s["place"], s["about"]] for s in found.stages]))
    for problem in found.problems:
        print(f"PROBLEM {problem}")
    if found.problems:
        sys.exit(1)
    print("nothing is wrong")


def show(folder: RunFolder) -> None:
    """Write the report of a run, and print its tables."""
    write_report(folder)
    print(summary(folder.facts(), {"model": folder.model, "report": folder.report}))


def end(work: Any) -> None:
    """Run a command; what a user did wrong is one line, not a traceback."""
    try:
        work()
    except AiokError as e:
        sys.exit(f"{type(e).__name__}: {e}")
    except Exception as e:
        if _FULL in str(e):  # of Spark, at whatever it was writing
            sys.exit(f"{_FULL}: expected more; free some, or choose another output, and start again to go on")
        raise
