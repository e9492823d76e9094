"""Plots of a run, as SVG."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREY = "#2b6cb0", "#dd6b20", "#a0aec0"
_STYLE: Any = {  # of matplotlib
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#718096",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "svg.fonttype": "none",
    "svg.hashsalt": "aiok_spark",
}


def training(found: dict[str, Any]) -> str:
    """Loss as it fell, batch by batch, and AUC by epoch, of the rows trained on and of held-out ones."""
    history, curve = found["history"], found["facts"].get("lossCurve")
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        loss, auc = figure.subplots(1, 2)
        if curve:
            loss.plot(*zip(*curve, strict=True), color=_GREY, lw=1, label="batches")
        _by_epoch(loss, history, "loss")
        loss.set(xlabel="epoch", title="Loss")
        _by_epoch(auc, history, "auc")
        auc.set(xlabel="epoch", title="AUC", xlim=(0, len(history) + 0.5))
        auc.xaxis.get_major_locator().set_params(integer=True)
        for axes in (loss, auc):
            axes.legend(frameon=False)
        return _svg(figure)


def _by_epoch(axes: Any, history: list[dict[str, Any]], name: str) -> None:
    for key, color in ((name, _BLUE), (f"validation_{name}", _ORANGE)):
        if points := [(done["epoch"], done[key]) for done in history if done.get(key) is not None]:
            axes.plot(*zip(*points, strict=True), "o-", color=color, label=key.replace("_", " "), ms=4)


def roc(scores: dict[str, Any], baseline: dict[str, Any] | None) -> str:
    """True against false positive rate."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(3.4, 3.0), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], "--", color=_GREY, lw=1)
        for name, found, color in (("logistic regression", baseline, _GREY), ("model", scores, _BLUE)):
            if found and found["auc"] is not None:
                axes.plot(*zip(*found["roc"], strict=True), color=color, label=f"{name}: {found['auc']:.4f}")
        axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC curve and its area")
        axes.legend(frameon=False, loc="lower right")
        return _svg(figure)


def calibration(scores: dict[str, Any]) -> str:
    """Share of ones against mean probability, in groups of equally many rows."""
    groups = scores["calibration"]
    predicted, found = [g["predicted"] for g in groups], [g["found"] for g in groups]
    # Two standard errors of a share.
    errors = [2 * (p * (1 - p) / g["rows"]) ** 0.5 for p, g in zip(found, groups, strict=True)]
    top = max([*predicted, *found]) * 1.05
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(3.4, 3.0), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, top], [0, top], "--", color=_GREY, lw=1)
        axes.errorbar(predicted, found, yerr=errors, fmt="o", color=_BLUE, ms=4, capsize=2, lw=1)
        axes.set(xlabel="mean probability", ylabel="share of ones", title="Calibration, by tenths of the rows")
        return _svg(figure)


def histogram(scores: dict[str, Any]) -> str:
    """Rows of both labels by their probability."""
    bars = scores["histogram"]
    width = 1 / len(bars["zeros"])
    at = [(i + 0.5) * width for i in range(len(bars["zeros"]))]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(3.4, 3.0), layout="constrained")
        axes = figure.subplots()
        axes.bar(at, bars["zeros"], width, color=_GREY, label="label 0")
        axes.bar(at, bars["ones"], width, color=_BLUE, alpha=0.75, label="label 1")
        axes.set(xlabel="probability", ylabel="rows", title="Scores")
        axes.legend(frameon=False)
        return _svg(figure)


def bars(values: dict[str, float], title: str, unit: str, log: bool = False) -> str:
    """A horizontal bar for each name."""
    names = list(values)[::-1]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(3.5, 0.5 + 0.165 * max(4, len(names))), layout="constrained")
        axes = figure.subplots()
        axes.barh(names, [values[n] for n in names], color=_BLUE, height=0.7)
        axes.set(title=title, xlabel=unit)
        if log:
            axes.set_xscale("log")
        axes.tick_params("y", labelsize=7, length=0)
        axes.margins(y=0.01)
        return _svg(figure)


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return re.sub(r"^.*?(?=<svg)", "", out.getvalue(), flags=re.DOTALL)
