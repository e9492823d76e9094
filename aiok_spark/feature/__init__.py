"""Feature engineering stages."""

from aiok_spark.feature.categorify import Categorify, CategorifyModel
from aiok_spark.feature.hash_buckets import HashBuckets
from aiok_spark.feature.lookup_join import LookupJoin, LookupJoinModel
from aiok_spark.feature.missing import FillMissing, FillMissingModel
from aiok_spark.feature.numeric import Clip, LogTransform
from aiok_spark.feature.scale import Scale, ScaleModel
from aiok_spark.feature.table_aggregate import TableAggregate, TableAggregateModel

__all__ = [
    "Categorify",
    "CategorifyModel",
    "Clip",
    "FillMissing",
    "FillMissingModel",
    "HashBuckets",
    "LogTransform",
    "LookupJoin",
    "LookupJoinModel",
    "Scale",
    "ScaleModel",
    "TableAggregate",
    "TableAggregateModel",
]
