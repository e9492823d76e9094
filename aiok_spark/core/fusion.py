"""Neighbouring row-local stages as one run, so that data crosses into Python once.

The DataFrame object that a stage returns remembers (as ``_aiok_run`` in its ``__dict__``) the
source it was built from and the steps so far.  A stage that is handed that very object extends the
run from its source; any other operation makes a new object, and so ends the run.  ``cache`` makes no
new object, but its rows must be the ones that are used, so it ends the run too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame

from aiok_spark.core import compat
from aiok_spark.core.steps import Step

_TAG = "_aiok_run"


@dataclass(frozen=True)
class Run:
    """Steps on a source.

    Attributes
    ----------
    source : DataFrame
        What the first crossing reads.
    steps : tuple of Step
        In order; a later step sees what earlier ones wrote.
    names : tuple of str
        All columns of the result, in order.
    """

    source: DataFrame
    steps: tuple[Step, ...]
    names: tuple[str, ...]

    @property
    def written(self) -> set[str]:
        """Names that some step has made."""
        return {name for step in self.steps for name in step.writes}

    @property
    def read(self) -> set[str]:
        """Names that some step reads."""
        return {name for step in self.steps for name in step.reads}

    def extended(self, steps: list[Step], names: list[str]) -> Run:
        """The run with more steps at its end."""
        return replace(self, steps=(*self.steps, *steps), names=tuple(names))

    def pruned(self, names: Iterable[str]) -> Run:
        """The run with only the steps that these columns need."""
        needed, kept = set(names), []
        for step in reversed(self.steps):
            if needed & set(step.writes):
                needed = needed - set(step.writes) | set(step.reads)
                kept.append(step)
        return replace(self, steps=tuple(reversed(kept)))

    def components(self) -> list[list[Step]]:
        """Steps grouped so that none reads what a step of another group made.

        Each group becomes a UDF of its own.  Spark runs them side by side in one crossing and drops
        those whose result nobody reads.
        """
        groups: list[list[int]] = []
        maker: dict[str, int] = {}  # name -> index of the step that made its present version
        for i, step in enumerate(self.steps):
            makers = {maker[name] for name in step.reads if name in maker}
            merged = [g for g in groups if makers & set(g)]
            groups = [g for g in groups if not makers & set(g)] + [[*(j for g in merged for j in g), i]]
            maker.update(dict.fromkeys(step.writes, i))
        return [[self.steps[i] for i in sorted(group)] for group in groups]

    def makers(self) -> dict[str, Step]:
        """For each name, the step that wrote its last version."""
        return {name: step for step in self.steps for name in step.writes}


def tag(df: DataFrame, run: Run) -> DataFrame:
    """Remember the run on the object that is handed out."""
    df.__dict__[_TAG] = run
    return df


def run_of(df: DataFrame) -> Run | None:
    """The run that made this very object, if a row-local stage did and its rows are not cached since."""
    # __dict__, because a look-up of an unknown attribute on a Connect DataFrame costs a call.
    run = df.__dict__.get(_TAG)
    return None if run is not None and compat.is_cached(df) else run
