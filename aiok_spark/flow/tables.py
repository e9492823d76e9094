"""A run in plain text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any


def table(header: Sequence[str], lines: Iterable[Sequence[Any]], text: Callable[[Any], str] | None = None) -> str:
    """Columns as wide as they must be; the first to the left, the others to the right."""
    rows = [list(map(text or _text, row)) for row in [header, *lines]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )


def summary(facts: dict[str, Any], places: dict[str, str]) -> str:
    """Times, rows, quality and places of a run."""
    total = facts["seconds"]
    times = [[part["name"], part["seconds"], f"{part['seconds'] / total:.0%}"] for part in facts["phases"]]
    parts = [
        table(["phase", "s", "share"], [*times, ["all", total, ""]]),
        table(["rows", "usable", "not readable"], [[n, r["rows"], r["bad"]] for n, r in facts["rows"].items()]),
        table(["on the rows to measure on", "AUC", "+-", "log loss"], quality(facts)),
        table(["where", "path"], [[name, path] for name, path in places.items()]),
    ]
    return "\n\n".join(parts)


def quality(facts: dict[str, Any]) -> list[list[Any]]:
    """The model's, the baseline's and known measures; shares of the way are of the best known one."""
    lines = [_measured("model", facts["scores"])]
    if facts["baseline"]:
        lines.append(_measured("logistic regression", facts["baseline"]))
    lines += [[name, f"{auc:.4f}", "", ""] for name, auc in facts["references"].items()]
    return lines


def _measured(name: str, found: dict[str, Any]) -> list[Any]:
    auc, error = found["auc"], found["aucError"]
    return (
        [name, f"{auc:.4f}", f"{error:.4f}", f"{found['logLoss']:.4f}"] if auc is not None else [name, "none", "", ""]
    )


def _text(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
