"""A run as one HTML file, with its plots inside; it needs no network."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from aiok_spark.flow import plots
from aiok_spark.flow.folder import RunFolder
from aiok_spark.flow.tables import quality

_NAMED = 3  # columns that a box names
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a202c; background: #f7fafc; margin: 0; }
main { max-width: 1180px; margin: 0 auto; padding: 24px; }
h1 { font-size: 24px; margin: 0; }
h2 { font-size: 17px; margin: 32px 0 8px; }
p.about { color: #4a5568; margin: 4px 0 16px; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; }
.tile, .card { background: white; border: 1px solid #e2e8f0; border-radius: 8px; padding: 12px 16px; }
.tile b { display: block; font-size: 24px; line-height: 1.2; }
.tile span { color: #4a5568; font-size: 13px; }
.flow { display: flex; flex-wrap: wrap; gap: 8px 4px; align-items: stretch; }
.flow .card { flex: 0 1 196px; font-size: 13px; }
.flow .card b { font-size: 14px; color: #2b6cb0; }
.flow .card div { overflow-wrap: anywhere; }
.flow .data { background: #ebf8ff; }
.flow .arrow { align-self: center; color: #718096; }
.plots { display: flex; flex-wrap: wrap; gap: 12px; }
.plots svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 14px; }
td, th { padding: 3px 14px 3px 0; text-align: right; }
td:first-child, th:first-child { text-align: left; }
th { color: #4a5568; font-weight: 600; border-bottom: 1px solid #e2e8f0; }
.bar { display: inline-block; height: 10px; background: #2b6cb0; border-radius: 2px; }
.wide { width: 320px; text-align: left; }
pre { background: white; border: 1px solid #e2e8f0; border-radius: 8px; padding: 12px; overflow-x: auto; }
"""


def write_report(folder: RunFolder) -> None:
    """Write ``report.html`` into the directory of a run that is done."""
    folder.write_report(page(folder.facts()))


def page(facts: dict[str, Any]) -> str:
    """The report of a run's facts."""
    title = f"Run of {escape(facts['recipe'])}"
    parts = [
        f"<h1>{title}</h1>",
        f"<p class=about>Started {facts['started']}, {facts['seconds']:.0f} s, "
        f"on {escape(facts['cluster']['master'])}. Input {escape(str(facts['conf']['input']))}.</p>",
        _tiles(facts),
        "<h2>Flow</h2>",
        _flow(facts),
        "<h2>Quality on the rows to measure on</h2>",
        _table(["", "AUC", "standard error", "log loss"], quality(facts)),
        _cards(
            [
                plots.roc(facts["scores"], facts["baseline"]),
                plots.calibration(facts["scores"]),
                plots.histogram(facts["scores"]),
            ]
        ),
    ]
    if facts["training"]:
        parts += ["<h2>Training</h2>", _cards([plots.training(facts["training"])]), _epochs(facts["training"])]
    parts += ["<h2>Columns</h2>", _columns(facts), "<h2>Times</h2>", _times(facts), "<h2>Rows</h2>", _rows(facts)]
    parts += ["<h2>Versions</h2>", _table(["", "version"], [[n, v] for n, v in facts["versions"].items()])]
    parts += ["<h2>Configuration</h2>", f"<pre>{escape(json.dumps(facts['conf'], indent=1))}</pre>"]
    body = "\n".join(parts)
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _tiles(facts: dict[str, Any]) -> str:
    scores, rows = facts["scores"], facts["rows"]
    tiles = {f"AUC &plusmn; {scores['aucError']:.4f}": f"{scores['auc']:.4f}"} if scores["auc"] is not None else {}
    if facts["baseline"] and facts["baseline"]["auc"] is not None:
        tiles["logistic regression"] = f"{facts['baseline']['auc']:.4f}"
    tiles |= {escape(name): f"{auc:.4f}" for name, auc in facts["references"].items()}
    tiles["log loss"] = f"{scores['logLoss']:.4f}"
    tiles["rows to train on"] = f"{rows['train']['rows']:,}"
    tiles["rows that cannot be read"] = f"{sum(part['bad'] for part in rows.values()):,}"
    tiles["all of it"] = f"{facts['seconds']:.0f} s"
    return (
        "<div class=tiles>"
        + "".join(f"<div class=tile><b>{v}</b><span>{n}</span></div>" for n, v in tiles.items())
        + "</div>"
    )


def _flow(facts: dict[str, Any]) -> str:
    times = {part["name"].removeprefix("fit "): part["seconds"] for part in facts["phases"]}
    rows = facts["rows"]["train"]
    boxes = [
        f"<div class='card data'><b>Raw rows</b><div>{rows['rows']:,} rows, {len(rows['missing'])} columns</div></div>"
    ]
    for stage in facts["stages"]:
        lines = [f"<b>{escape(stage['name'])}</b>"]
        lines.append(f"{_count(stage['rowsIn'])} rows in, {_count(stage['rowsOut'])} out")
        if stage["inputs"]:
            lines.append("reads " + escape(_few(stage["inputs"])))
        if stage["outputs"]:
            lines.append("makes " + escape(_few(list(stage["outputs"]))))
        if stage["sizes"]:
            lines.append(f"{sum(stage['sizes'].values()):,} ids")
        if stage["name"] in times:
            lines.append(f"fit {times[stage['name']]:.1f} s")
        boxes.append("<div class=card>" + "".join(f"<div>{line}</div>" for line in lines) + "</div>")
    measured = facts["scores"]
    boxes.append(f"<div class='card data'><b>Scores</b><div>{measured['rows']:,} rows to measure on</div></div>")
    return "<div class=flow>" + "<span class=arrow>&#10142;</span>".join(boxes) + "</div>"


def _columns(facts: dict[str, Any]) -> str:
    rows = facts["rows"]["train"]
    missing = {name: 100 * count / max(1, rows["rows"]) for name, count in rows["missing"].items() if count}
    sizes = {name: float(size) for stage in facts["stages"] for name, size in stage["sizes"].items()}
    made = []
    if missing:
        made.append(plots.bars(missing, "Missing cells, where there are any", "% of the rows to train on"))
    if sizes:
        made.append(plots.bars(sizes, "Vocabularies", "ids, with those for unknown and missing", log=True))
    return _cards(made)


def _times(facts: dict[str, Any]) -> str:
    longest = max(part["seconds"] for part in facts["phases"])
    lines = []
    for part in facts["phases"]:
        bar = f"<span class=bar style='width:{300 * part['seconds'] / longest:.0f}px'></span>"
        lines.append(
            f"<tr><td>{escape(part['name'])}</td><td>{part['seconds']:.1f} s</td><td class=wide>{bar}</td></tr>"
        )
    return "<table>" + "".join(lines) + "</table>"


def _rows(facts: dict[str, Any]) -> str:
    lines = [
        [name, f"{part['rows']:,}", f"{part['labels'].get('1', 0):,}", f"{part['bad']:,}"]
        for name, part in facts["rows"].items()
    ]
    made = _table(["", "usable", "of label 1", "not readable"], lines)
    for example in {json.dumps(part["example"], indent=1) for part in facts["rows"].values() if part["example"]}:
        made += f"<p>One that cannot be read:</p><pre>{escape(example[:1000])}</pre>"
    return made


def _epochs(training: dict[str, Any]) -> str:
    names = ["epoch", "loss", "auc", "validation_auc", "rowsPerSecond", "bytesExchanged", "seconds"]
    names = [n for n in names if any(done.get(n) is not None for done in training["history"])]
    lines = [[_number(done.get(n)) for n in names] for done in training["history"]]
    return _table(names, lines)


def _table(header: list[str], lines: list[list[Any]]) -> str:
    head = "".join(f"<th>{escape(str(cell))}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in line) + "</tr>" for line in lines)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cards(drawn: list[str]) -> str:
    return "<div class=plots>" + "".join(f"<div class=card>{svg}</div>" for svg in drawn) + "</div>"


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= _NAMED else f"{names[0]} ... {names[-1]} ({len(names)})"


def _count(rows: int | None) -> str:
    return "?" if rows is None else f"{rows:,}"


def _number(value: Any) -> str:
    return (
        f"{value:,.4g}" if isinstance(value, float) and value < 1000 else f"{value:,.0f}" if value is not None else ""
    )
