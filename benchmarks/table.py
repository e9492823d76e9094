"""Plain aligned tables."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy
import pyarrow

from aiok_spark.flow import tables
from benchmarks.process import ROOT


def show(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: the first column to the left, numbers to the right."""
    first, *lines = tables.table(header, rows, _text).splitlines()
    print(f"\n{title}")
    for line in [first, "-" * len(first), *lines]:
        print(f"  {line}".rstrip())


def heading(name: str, **facts: object) -> None:
    """Print what was measured, where, and with what."""
    shown = {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "pyarrow": pyarrow.__version__,
        "cores": os.cpu_count(),
        "load": f"{os.getloadavg()[0]:.1f}",
        **facts,
    }
    print(f"\n== {name}: " + ", ".join(f"{k} {_text(v)}" for k, v in shown.items()))


def verdict(found: float, target: float, *, most: bool = False) -> str:
    """The target (at least, or at most) and whether it was met."""
    met = found <= target if most else found >= target
    return f"{'<=' if most else '>='} {_text(target)}: {'met' if met else 'MISSED'}"


def relative(path: Path) -> str:
    """A path as seen from the checkout, so that tables name no machine's folders."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "NO"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}" if abs(cell) < 1 else f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
