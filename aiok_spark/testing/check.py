"""``check_stage``: all rules at once."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame

from aiok_spark.core.errors import AiokError, ParamError, cause, did_you_mean
from aiok_spark.testing import (  # noqa: F401, importing a module registers its rules, each after those it needs
    rules_execution,
    rules_fit,
    rules_params,
    rules_persistence,
    rules_rows,
    rules_schema,
)
from aiok_spark.testing.rules import RULES, Broken, Inapplicable, Rule, applies
from aiok_spark.testing.subject import Subject

_DATED = re.compile(r"\d{4}-\d{2}-\d{2}.*\w{3}")


@dataclass
class Report:
    """What ``check_stage`` did.

    Attributes
    ----------
    stage : str
        The stage's uid.
    passed : list of str
        Rules that hold.
    skipped : dict of str to str
        Rules that were not judged, with the reason.
    failed : dict of str to str
        Rules that do not hold, with what was found and what was expected.
    seconds : dict of str to float
        How long each rule took.
    blocked : set of str
        Those of ``skipped`` that wait for a failed rule.
    """

    stage: str
    passed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)


class ConformanceError(AiokError, AssertionError):
    """A stage breaks rules of Spark ML; ``report`` has them."""

    def __init__(self, report: Report) -> None:
        self.report = report
        lines = [f"  {name} ({RULES[name].says})\n    {why}" for name, why in report.failed.items()]
        total = len(report.failed) + len(report.passed)
        super().__init__(f"{report.stage}: {len(report.failed)} of {total} rules do not hold\n" + "\n".join(lines))


def check_stage(
    stage: Any,
    df: DataFrame,
    *,
    labelCols: Sequence[str] = (),
    inputCols: Sequence[str] | None = None,
    skip: Mapping[str, str] | None = None,
    path: str | None = None,
    tolerance: float = 0.0,
) -> Report:
    """Check that a stage is a first-class citizen of Spark ML, whoever wrote it.

    Covers Params, copies, fit, schema, rows, persistence (alone, in Pipeline and CrossValidator),
    streams and threads; for row-local stages of this package also that all executions agree.  All
    rules are checked before the first failure is raised.

    Parameters
    ----------
    stage : Transformer, Estimator or Model
        Configured for ``df``.
    df : DataFrame
        A few dozen rows that the stage accepts, all of which the rules collect and send back.
    labelCols : sequence of str
        Columns that only the fit needs; scoring must do without them.
    inputCols : sequence of str, optional
        Columns that the stage reads to transform. Found from its Params if left out.
    skip : dict of str to str, optional
        Rules to leave out, each with a dated reason: ``{"streams": "2025-01-31: sorts all rows"}``.
    path : str, optional
        A directory that all of Spark can reach, for what is saved. Left out, a temporary one on this
        machine, which is removed.
    tolerance : float
        How far floats may lie apart between ways to compute them, relative to the larger of them and 1. Only for
        stages whose sums depend on the number of rows at a time, such as networks.

    Returns
    -------
    Report
        Rules that hold, and those skipped with the reason.

    Raises
    ------
    ConformanceError
        Naming every rule that does not hold.

    Examples
    --------
    >>> from aiok_spark.feature import Clip
    >>> from aiok_spark.testing import check_stage, mixed_frame
    >>> stage = Clip(inputCols=["price"], outputCols=["price"], lower=0.0)
    >>> check_stage(stage, mixed_frame(spark)).failed  # doctest: +SKIP
    {}
    """
    reasons = _checked(skip or {})
    with _folder(path) as folder:
        subject, report = Subject(stage, df, labelCols, inputCols, folder, tolerance), Report(stage.uid)
        for rule in RULES.values():
            started = time.monotonic()
            _judge(rule, subject, report, reasons)
            report.seconds[rule.name] = time.monotonic() - started
    if report.failed:
        raise ConformanceError(report)
    return report


def _judge(rule: Rule, subject: Subject, report: Report, reasons: Mapping[str, str]) -> None:
    blocking = next((name for name in rule.needs if name in report.failed or name in report.blocked), None)
    try:
        applies(rule.name not in reasons, reasons.get(rule.name, ""))
        if blocking:
            report.blocked.add(rule.name)
        applies(not blocking, f"cannot be judged before {blocking} holds")
        rule.check(subject)
    except Inapplicable as e:
        report.skipped[rule.name] = str(e)
    except Broken as e:
        report.failed[rule.name] = str(e)
    except Exception as e:
        report.failed[rule.name] = _told(e)
    else:
        report.passed.append(rule.name)


def _told(error: Exception) -> str:
    """The part of an error that says why, and where it was raised."""
    here = traceback.extract_tb(error.__traceback__)[-1]
    return f"raised {cause(error)} ({here.name}, line {here.lineno} of {here.filename})"


def _checked(skip: Mapping[str, str]) -> Mapping[str, str]:
    for name, reason in skip.items():
        if name not in RULES:
            raise ParamError(f"check_stage: skip: found no rule '{name}', expected one; {did_you_mean(name, RULES)}")
        if not _DATED.search(reason or ""):
            raise ParamError(
                f"check_stage: skip: found {reason!r} as the reason to leave out '{name}', expected a date and why; "
                "write 'YYYY-MM-DD: ...'"
            )
    return skip


@contextmanager
def _folder(path: str | None) -> Iterator[str]:
    if path is not None:
        yield f"{path.rstrip('/')}/check_stage_{uuid.uuid4().hex}"
        return
    made = tempfile.mkdtemp(prefix="check_stage_")
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
