"""A search as one HTML page: the trade-off, scores against size, how scores agree, the winner, every candidate."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

from aiok_spark.core.errors import needs_extra
from aiok_spark.core.page import table, write_page
from aiok_spark.nas.summary import SearchSummary
from aiok_spark.training.task import TrainTask

_STYLE = (
    ".net{display:flex;flex-direction:column;align-items:center;max-width:620px;font-size:smaller}"
    ".net div{border:1px solid #2b6cb0;border-radius:6px;padding:.3em .8em;text-align:center;background:#ebf8ff}"
    ".net span{color:#718096}"
)


def write_report(path: str, found: SearchSummary) -> str:
    """Write the page, on any file system; gives the path.

    Raises
    ------
    ImportError
        If the extra ``nas`` is not installed.
    """
    with needs_extra("nas", "report"):
        import plotly  # noqa: F401
    return write_page(path, "Search for an architecture", list(_sections(found)), _STYLE)


def _sections(found: SearchSummary) -> Iterator[tuple[str, str]]:
    rows = found.toPandas()
    best = found.best
    if best is not None:
        yield f"The winner: candidate {best.number}", _diagram(found.task_of(best))
        ranked = rows[rows.state == "scored"]
        first = True  # the library that draws, once
        for heading, figure in _figures(found, ranked):
            yield heading, figure.to_html(full_html=False, include_plotlyjs=first)
            first = False
    cells = rows.astype(object).where(rows.notna(), None).to_numpy().tolist()
    winner = None if best is None else rows["best"].tolist().index(True)
    yield "Candidates", table(list(rows.columns), cells, best=winner)


def _figures(found: SearchSummary, ranked: Any) -> Iterator[tuple[str, Any]]:
    import plotly.graph_objects as go

    def points(across: str, name: str) -> Any:
        figure = go.Figure(
            go.Scatter(x=ranked[across], y=ranked["aggregate"], mode="markers", text=ranked["candidate"])
        )
        figure.update_layout(xaxis_title=name, yaxis_title="aggregate of the ranks", template="plotly_white")
        return figure

    if ranked["latency"].notna().any():
        about = found.facts["latency"]
        figure = points("latency", "milliseconds of {rows} rows in {threads} threads, {how}".format(**about))
        edge = sorted((c.latency or 0.0, c.number) for c in found.paretoFront)
        totals = dict(zip(ranked["candidate"], ranked["aggregate"], strict=True))
        line = go.Scatter(x=[x for x, _ in edge], y=[totals[n] for _, n in edge], mode="lines+markers", name="front")
        yield "Score against latency, and the front of both", figure.add_trace(line)
    yield "Score against parameters", points("params", "parameters")
    alike = found.correlations()
    shown = go.Heatmap(z=alike.to_numpy(), x=list(alike.columns), y=list(alike.columns), zmin=-1, zmax=1,
                       colorscale="RdBu", texttemplate="%{z:.2f}")  # fmt: skip
    yield "How scores agree (Spearman)", go.Figure(shown)


def _diagram(task: TrainTask) -> str:
    """The winning network from its inputs to its outputs, a box for each part."""
    from aiok_spark.nas.worker.diagram import boxes

    parts = ["<div><b>columns</b></div>"]
    try:
        made = boxes(task)
    except ImportError as e:  # a network of another session's notebook
        return f"<p>No diagram: {html.escape(str(e))}</p>"
    for box in made:
        told = f"{html.escape(box.what)}<br>{' x '.join(map(str, box.shape))}, {box.params:,} parameters"
        parts.append(f"<span>&darr;</span><div><b>{html.escape(box.name)}</b><br>{told}</div>")
    return f"<div class=net>{''.join(parts)}</div>"
