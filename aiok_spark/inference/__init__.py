"""Scoring where there is no Spark."""

from aiok_spark.inference.local import LocalPipeline

__all__ = ["LocalPipeline"]
