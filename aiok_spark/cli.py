"""The command ``aiok-spark``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """The commands.

    ``aiok-spark run CONF``, ``report RUN``, ``check MODEL``, ``advise|tune MODEL ROWS``,
    ``cache ls|verify|rm DIRECTORY``.
    """
    from aiok_spark.data import command as datasets

    try:
        from aiok_spark.flow import command
        from aiok_spark.tuning import command as searches
    except ImportError as e:
        sys.exit(f"aiok-spark: found no module {e.name}, expected the extra flow; pip install 'aiok-spark[flow]'")
    parser = argparse.ArgumentParser(prog="aiok-spark", description="Flows on Spark, from raw rows to a saved model.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the flow of a YAML file")
    run.add_argument("conf", metavar="CONF", help="YAML file, such as conf/dlrm.yaml")
    command.add_arguments(run)
    run.set_defaults(work=command.execute)
    report = commands.add_parser("report", help="write the report of a run again")
    report.add_argument("run", metavar="RUN", help="the run's output")
    report.set_defaults(work=command.report)
    check = commands.add_parser("check", help="look through a saved model without running any of it")
    check.add_argument("model", metavar="MODEL", help="directory of a saved pipeline or stage")
    check.set_defaults(work=command.check)
    searches.add_commands(commands)
    cache = commands.add_parser("cache", help="list, verify or delete datasets that conversions have left")
    datasets.add_commands(cache)
    asked = parser.parse_args(arguments)
    command.end(lambda: asked.work(asked))


if __name__ == "__main__":
    main()
