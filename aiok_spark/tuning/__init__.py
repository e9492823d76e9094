"""Search for the best Params: of any Spark ML estimator or Pipeline, by one of several services."""

from aiok_spark.tuning.advisor import Advice, advise
from aiok_spark.tuning.objective import Trial
from aiok_spark.tuning.space import SearchSpace
from aiok_spark.tuning.tuned_estimator import TunedEstimator, TunedModel

__all__ = ["Advice", "SearchSpace", "Trial", "TunedEstimator", "TunedModel", "advise"]
