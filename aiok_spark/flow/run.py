"""One run of a recipe: read, fit, save, measure, and write down what happened."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from functools import reduce
from importlib.metadata import version
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from aiok_spark import __version__
from aiok_spark.core import compat
from aiok_spark.core.errors import ConfError, DataError
from aiok_spark.core.files import stamps
from aiok_spark.data.dataset import Dataset
from aiok_spark.flow.baseline import hashed_regression
from aiok_spark.flow.folder import RunFolder
from aiok_spark.flow.phases import Phases
from aiok_spark.flow.raw import FOLD, Audit, audit, files_of
from aiok_spark.flow.recipe import Recipe
from aiok_spark.flow.scores import Scores
from aiok_spark.flow.stages import describe, names_of
from aiok_spark.session import get_session

_LIBRARIES = ("pyspark", "pyarrow", "numpy", "pandas", "torch")


def run(recipe: Recipe, conf: Any, *, overwrite: bool = False, references: dict[str, float] | None = None) -> RunFolder:
    """Train and measure a recipe's pipeline; leave the model, the figures and rejected rows in the output.

    A run that was killed goes on when it is started again with the same configuration and input: what was
    converted is found, and the training continues from its last checkpoint.

    Parameters
    ----------
    recipe : Recipe
        With what its rows look like and how to build its pipeline.
    conf : RunConf
        The recipe's configuration, with input and output.
    overwrite : bool
        Whether an output that is there already may be replaced.
    references : dict of str to float
        Known AUCs to show beside the measured one.

    Raises
    ------
    ConfError
        No input or output, or an output that cannot be written or is there.
    DataError
        Rows that cannot be read or trained on.
    """
    for name in ("input", "output"):
        if getattr(conf, name) is None:
            raise ConfError(f"{name}: found nothing, expected a path; give --{name} PATH, or set it in the file")
    phases = Phases()
    with phases("start the session"):
        spark = get_session(recipe.name, **conf.spark)
        folder = RunFolder.open(spark, conf.output, overwrite)
    started = time.time()
    work = folder.work(_identity(spark, conf))
    with phases("read the rows"):
        rows = _Rows.read(spark, recipe, conf, work)
    with phases("check the rows"):
        found = rows.audit()
        folder.reject(rows.bad() if any(part.bad for part in found.values()) else None)
        rows.check(found)
    label, train, test = recipe.rows.label, rows.train(), rows.test()
    pipeline = recipe.build(conf, work=work)
    names = names_of(pipeline.getStages())
    with phases.fits(names):
        model = pipeline.fit(train)
    with phases("save the model"):
        model.write().overwrite().save(folder.model)
    with phases("score and measure"):
        scores = Scores.of(model.transform(test), label).facts()
    baseline = None
    if conf.baseline:
        with phases("logistic regression, to compare"):
            regression = hashed_regression(recipe.rows.columns, label).fit(train)
            baseline = Scores.of(regression.transform(test), label).facts()
    trained = sum(found["train"].labels.values())
    facts = {
        "recipe": recipe.name,
        "conf": conf.model_dump(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started)),
        "seconds": sum(part["seconds"] for part in phases.done),
        "phases": phases.done,
        "rows": {part: vars(about) for part, about in found.items()},
        "stages": describe(model, train.schema, trained, names),
        "training": _training(model),
        "scores": scores,
        "baseline": baseline,
        "references": references or {},
        "versions": {"aiok_spark": __version__, "python": platform.python_version()}
        | {name: version(name) for name in _LIBRARIES},
        "cluster": _cluster(spark),
    }
    folder.finish(facts)
    return folder


class _Rows:
    """The rows of a run: those to train on, those to measure on, and those that cannot be read."""

    def __init__(self, spark: SparkSession, recipe: Recipe, conf: Any, parts: dict[str, Dataset]) -> None:
        self._raw, self._conf = recipe.rows, conf
        self._all = {name: spark.read.parquet(dataset.path) for name, dataset in parts.items() if dataset.files}
        if "input" not in self._all:
            raise DataError(f"input {conf.input}: found no rows, expected some; check the path")

    @classmethod
    def read(cls, spark: SparkSession, recipe: Recipe, conf: Any, work: str) -> _Rows:
        paths = {name: getattr(conf, name) for name in ("input", "test") if getattr(conf, name)}
        made = {name: recipe.rows.read(spark, path, work, f"{name} {path}", conf.seed) for name, path in paths.items()}
        return cls(spark, recipe, conf, made)

    def train(self) -> DataFrame:
        return self._raw.usable(self._part("train"))

    def test(self) -> DataFrame:
        return self._raw.usable(self._part("test"))

    def bad(self) -> DataFrame:
        return reduce(DataFrame.union, map(self._raw.rejected, self._all.values()))

    def audit(self) -> dict[str, Audit]:
        """What is in both parts."""
        found = {"train": _NONE, "test": _NONE}
        for name, rows in self._all.items():
            found |= audit(rows, self._raw, self._parts(name))
        return found

    def check(self, found: dict[str, Audit]) -> None:
        """Raise DataError if they cannot be trained on."""
        conf = self._conf
        for part in ("train", "test"):
            source = conf.test if part == "test" and conf.test else conf.input
            found[part].check(source, conf.badRows == "skip")
        labels = found["train"].labels
        if len(labels) < 2:
            raise DataError(
                f"input {conf.input}: found {self._raw.label} {labels} to train on, expected rows of both 0 and 1; "
                "give more rows"
            )

    def _part(self, part: str) -> DataFrame:
        name = "test" if part == "test" and "test" in self._all else "input"
        return self._all[name].where(self._parts(name) == part)

    def _parts(self, name: str) -> Column:
        """Which part the rows of a dataset belong to."""
        if "test" in self._all:
            return F.lit("test" if name == "test" else "train")
        return F.when(F.col(FOLD) < self._conf.testFraction, "test").otherwise("train")


_NONE = Audit(0, 0, None, {}, {})


def _identity(spark: SparkSession, conf: Any) -> str:
    """A digest of what a run is of: a second start with the same goes on with what the first has left."""
    told = conf.model_dump(exclude={"output", "spark", "baseline"})
    content = [stamps(files_of(spark, path)) for path in (conf.input, conf.test) if path]
    return hashlib.sha256(json.dumps([told, content, __version__], sort_keys=True).encode()).hexdigest()[:16]


def _training(model: PipelineModel) -> dict[str, Any] | None:
    """History and workers of the last stage, if it was trained by the engine."""
    summary = getattr(model.stages[-1], "summary", None)
    if summary is None:
        return None
    return {"history": summary.history, "workers": summary.workers, "facts": summary.facts}


def _cluster(spark: SparkSession) -> dict[str, Any]:
    return {"master": spark.conf.get("spark.master", "connect"), "connect": compat.is_connect(spark)}
