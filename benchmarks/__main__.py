"""``python -m benchmarks [NAME ...] [--rows N] [--quick]``."""

from __future__ import annotations

import argparse
import importlib

NAMES = [
    "categorify",
    "vocabulary",
    "features",
    "tasks",
    "local",
    "writing",
    "loader",
    "images",
    "readings",
    "feed",
    "dlrm_step",
    "fit",
    "scaling",
    "orca",
    "search",
    "tuning",
    "tuned_rows",
    "tuners",
    "nas",
    "nas_ctr",
    "nas_trained",
    "end_to_end",
    "real_rows",
]


def main() -> None:
    """Run what is asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run benchmarks and print their tables.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; default all")
    parser.add_argument("--rows", type=int, help="rows, or for `vocabulary` distinct values, instead of the default")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, measures nothing")
    given = parser.parse_args()
    for name in given.names:
        if name not in NAMES:
            parser.error(f"found no benchmark '{name}', expected one of {', '.join(NAMES)}")
    for name in given.names or NAMES:
        importlib.import_module(f"benchmarks.{name}").main(given.rows, given.quick)


if __name__ == "__main__":
    main()
