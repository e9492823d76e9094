"""Whole flows from the command line: configuration, rows, a Pipeline, what came of it, and a report."""

from aiok_spark.flow.command import main
from aiok_spark.flow.conf import RunConf
from aiok_spark.flow.raw import RawRows
from aiok_spark.flow.recipe import Recipe
from aiok_spark.flow.run import run

__all__ = ["RawRows", "Recipe", "RunConf", "main", "run"]
