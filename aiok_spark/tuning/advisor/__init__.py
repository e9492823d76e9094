"""What to search, and how to lay it out, for a model, its rows and a cluster."""

from aiok_spark.tuning.advisor.advice import Advice, advise

__all__ = ["Advice", "advise"]
