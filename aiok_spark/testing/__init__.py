"""Tests for stages, shipped for those who write their own."""

from aiok_spark.testing.check import ConformanceError, Report, check_stage
from aiok_spark.testing.compare import assert_all_executions_agree, assert_same_rows
from aiok_spark.testing.data import mixed_frame, odd_columns

__all__ = [
    "ConformanceError",
    "Report",
    "assert_all_executions_agree",
    "assert_same_rows",
    "check_stage",
    "mixed_frame",
    "odd_columns",
]
