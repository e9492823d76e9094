"""``aiok-spark cache``: the datasets in a directory, on the command line."""

from __future__ import annotations

import argparse
import sys

from aiok_spark.data import shelf
from aiok_spark.data.shelf import Entry

_MIB = 1 << 20


def add_commands(parser: argparse.ArgumentParser) -> None:
    """``ls``, ``rm`` and ``verify``."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, told in {"ls": "list datasets", "verify": "compare files and manifests", "rm": "delete datasets"}.items():
        command = commands.add_parser(name, help=told)
        command.add_argument("place", metavar="DIRECTORY", help="cacheDir, or aiok_datasets in the warehouse")
        command.set_defaults(work={"ls": _list, "verify": _verify, "rm": _remove}[name])
        if name == "rm":
            command.add_argument("names", metavar="NAME", nargs="*", help="which; without, see --older-than")
            command.add_argument("--older-than", metavar="DAYS", type=float, help="all not written for so long")


def _list(asked: argparse.Namespace) -> None:
    for entry in shelf.entries(asked.place):
        print(f"{_name(entry)}  {_size(entry):>12}  {entry.days:8.1f} days  {_content(entry)}")


def _verify(asked: argparse.Namespace) -> None:
    wrong = 0
    for entry in shelf.entries(asked.place):
        problems = entry.problems()
        wrong += bool(problems)
        print(f"{_name(entry)}  {'; '.join(problems) or 'whole'}")
    if wrong:
        sys.exit(1)


def _remove(asked: argparse.Namespace) -> None:
    if bool(asked.names) == (asked.older_than is not None):
        sys.exit("aiok-spark cache rm: found neither or both of names and --older-than, expected one of them")
    if asked.older_than is not None and not asked.older_than >= 0:
        sys.exit(f"aiok-spark cache rm: --older-than: found {asked.older_than}, expected days from 0; change it")
    found = list(shelf.entries(asked.place))
    missing = sorted(set(asked.names) - set(map(_name, found)))
    if missing:
        sys.exit(f"aiok-spark cache rm: found no {', '.join(missing)} in {asked.place}; 'cache ls' shows what is there")
    for entry in found:
        if _name(entry) in asked.names or (asked.older_than is not None and entry.days > asked.older_than):
            shelf.remove(entry)
            print(f"{_name(entry)}  deleted, {_size(entry)}")


def _name(entry: Entry) -> str:
    return entry.path.rpartition("/")[2]


def _size(entry: Entry) -> str:
    return f"{entry.bytes / _MIB:,.1f} MiB"


def _content(entry: Entry) -> str:
    if entry.dataset is None:
        return "unfinished"
    names = entry.dataset.schema.names
    return f"{entry.dataset.rows:,} rows: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"
