"""The recipe from end to end, on rows made here or on given ones; ``make demo`` runs it.

python recipes/dlrm/demo.py [--input ROWS] [--rows 300000] --output RUN
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from aiok_spark.flow import run
from aiok_spark.flow.command import end, show
from aiok_spark.flow.recipe import configured
from aiok_spark.session import get_session
from aiok_spark.testing import bayes_auc, criteo_text, generate_criteo

_CONF = Path(__file__).parents[2] / "conf"
_SMALL = 100_000  # rows; fewer want smaller steps and more of them


def main() -> None:
    """Make the rows if none are given, run the recipe, show what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--input", metavar="PATH", help="Criteo's rows; by default rows are made")
    parser.add_argument("--rows", type=int, default=300_000, help="how many are made")
    parser.add_argument("--output", metavar="PATH", required=True, help="directory for model, figures and report")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a key of the conf")
    asked = parser.parse_args()
    spark = get_session("aiok_spark demo")
    references: dict[str, float] = {}
    source, rows = asked.input, asked.rows
    if source is None:
        source = f"{asked.output.rstrip('/')}_rows"
        print(f"making {rows:,} rows in {source}", file=sys.stderr)
        criteo_text(generate_criteo(spark, rows)).write.mode("overwrite").text(source)
        references["the best that is possible"] = bayes_auc()
    else:
        rows = spark.read.text(source).count()
    conf = _CONF / ("dlrm_small.yaml" if rows < _SMALL else "dlrm.yaml")
    print(f"{rows:,} rows, {conf}", file=sys.stderr)
    recipe, told = configured(str(conf), [f"input={source}", f"output={asked.output}", *asked.set])
    show(run(recipe, told, overwrite=True, references=references))


if __name__ == "__main__":
    end(main)
