"""Tests for stages, shipped for those who write their own."""

from aiok_spark.testing.check import ConformanceError, Report, check_stage
from aiok_spark.testing.compare import assert_all_executions_agree, assert_same_rows
from aiok_spark.testing.criteo import bayes_auc, criteo_text, generate_criteo
from aiok_spark.testing.data import mixed_frame, odd_columns

__all__ = [
    "ConformanceError",
    "Report",
    "assert_all_executions_agree",
    "assert_same_rows",
    "bayes_auc",
    "check_stage",
    "criteo_text",
    "generate_criteo",
    "mixed_frame",
    "odd_columns",
]
