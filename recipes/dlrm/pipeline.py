"""Clicks by a DLRM: Criteo's raw rows to a trained and saved model, in one Pipeline.

spark-submit recipes/dlrm/pipeline.py --conf conf/dlrm.yaml --input ROWS --output RUN
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

from pydantic import Field
from pyspark.ml import Pipeline
from pyspark.sql.types import IntegerType, StringType, StructType

from aiok_spark.data import PetastormConverter
from aiok_spark.feature import Categorify, Clip, FillMissing, LogTransform, Scale
from aiok_spark.flow import RawRows, RunConf, main
from aiok_spark.models import DLRMClassifier

LABEL = "label"
NUMBERS = [f"I{i}" for i in range(1, 14)]
CATEGORIES = [f"C{i}" for i in range(1, 27)]


def _columns() -> StructType:
    made = StructType()
    for name in [LABEL, *NUMBERS]:
        made = made.add(name, IntegerType())
    for name in CATEGORIES:
        made = made.add(name, StringType())
    return made


ROWS = RawRows(_columns(), LABEL)  # Criteo's own format: no header, separated by tabs, empty cells are missing


class Conf(RunConf):
    """What the recipe can be told."""

    minFrequency: Annotated[int, Field(ge=1)] = Field(10, description="values seen in fewer rows share one id; from 1")
    files: bool = Field(
        True, description="whether the prepared rows are written as a Petastorm dataset, from which the training reads"
    )
    model: dict[str, Any] = Field(default_factory=dict, description="Params of DLRMClassifier")


def build_pipeline(conf: Conf, work: str | None = None) -> Pipeline:
    """The flow, not fitted; ``work`` is a directory for what a second start of a killed run goes on with."""
    ids = [f"{c}_id" for c in CATEGORIES]
    numbers = {"inputCols": NUMBERS, "outputCols": NUMBERS}
    network = DLRMClassifier(denseCols=NUMBERS, categoricalCols=ids, labelCol=LABEL, seed=conf.seed)
    network.setParams(**conf.model)
    stages = [
        FillMissing(**numbers, strategy="constant", value=0),  # counts: nothing was counted
        Clip(**numbers, lower=0.0),
        LogTransform(**numbers),
        Scale(**numbers),
        Categorify(inputCols=CATEGORIES, outputCols=ids, minFrequency=conf.minFrequency),
    ]
    if work:
        network.setParams(checkpointDir=f"{work}/checkpoints")
    if conf.files:
        stages.append(PetastormConverter(cacheDir=work, cacheKey="prepared" if work else "", dtype="float32"))
        network.setParams(feed="files")
    return Pipeline(stages=[*stages, network])


if __name__ == "__main__":
    main(sys.argv[1:], recipe=sys.modules[__name__])
