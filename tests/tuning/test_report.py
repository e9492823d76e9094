"""A search as a page."""

import re
from pathlib import Path

from aiok_spark.tuning.binding import BoundSpace
from aiok_spark.tuning.dimensions import Dimension
from aiok_spark.tuning.objective import Metric, Objective, Trial
from aiok_spark.tuning.report import write_report

SPACE = BoundSpace(
    (
        Dimension("Net.rate", "float", 1e-3, 1.0, log=True),
        Dimension("Net.kind", "categorical", values=("<a>", "b"), labels=("<a>", "b")),
    ),
    (),
    {},
)
BOTH = Objective((Metric("auc", larger=True), Metric("seconds", larger=False)))


def trials(count):
    made = [
        Trial(
            i, {"Net.rate": 0.01 * i, "Net.kind": "b" if i % 2 else "<a>"}, "done", {"auc": 1 / i, "seconds": 1.0 * i}
        )
        for i in range(1, count + 1)
    ]
    return [*made, Trial(count + 1, {"Net.rate": 0.5, "Net.kind": "b"}, "failed", facts={"error": "it's <bad>"})]


def test_a_page_has_all_plots_and_trials_and_needs_no_network(tmp_path):
    path = write_report(str(tmp_path / "deep" / "report.html"), "Search for Net", trials(6), SPACE, BOTH)
    page = Path(path).read_text()
    headings = re.findall("<h2>(.*?)</h2>", page)
    kinds = ["History", "Parallel coordinates", "Importance", "Slices"]
    assert headings == [*(f"{k}: {m}" for m in ("auc", "seconds") for k in kinds), "Pareto front", "Trials"]
    assert page.count("Plotly.newPlot(") == 9 and not re.search(r"<script[^>]+src=", page)
    assert page.count("<tr") == 8 and page.count('<tr class="best"><td>1</td>') == 1
    assert "it&#x27;s &lt;bad&gt;" in page and "<td>&lt;a&gt;</td>" in page


def test_too_few_trials_are_a_table(tmp_path):
    path = write_report(str(tmp_path / "r.html"), "x", trials(1), SPACE, Objective(BOTH.metrics[:1]))
    page = Path(path).read_text()
    assert page.count("too few trials") == 4 and page.count("<tr") == 3
