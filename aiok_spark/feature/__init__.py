"""Feature engineering stages."""

from aiok_spark.feature.bucketize import Bucketize, BucketizeModel
from aiok_spark.feature.categorify import Categorify, CategorifyModel
from aiok_spark.feature.count_encode import CountEncode, CountEncodeModel, FrequencyEncode, FrequencyEncodeModel
from aiok_spark.feature.cross_columns import CrossColumns
from aiok_spark.feature.frequency_bucketizer import FrequencyBucketizer, FrequencyBucketizerModel
from aiok_spark.feature.geo import HaversineDistance
from aiok_spark.feature.hash_buckets import HashBuckets
from aiok_spark.feature.lags import LagFeatures
from aiok_spark.feature.list_encode import ListEncode, ListEncodeModel
from aiok_spark.feature.lookup_join import LookupJoin, LookupJoinModel
from aiok_spark.feature.missing import FillMissing, FillMissingModel
from aiok_spark.feature.negative_sample import NegativeSample, NegativeSampleModel
from aiok_spark.feature.numeric import Clip, LogTransform
from aiok_spark.feature.pairs import DifferenceAndRatio
from aiok_spark.feature.scale import Scale, ScaleModel
from aiok_spark.feature.sequence import SequenceBuilder
from aiok_spark.feature.sequence_negatives import SequenceNegatives, SequenceNegativesModel
from aiok_spark.feature.sessions import SessionFeatures
from aiok_spark.feature.split import HashSplit, LeaveLastOut
from aiok_spark.feature.table_aggregate import TableAggregate, TableAggregateModel
from aiok_spark.feature.target_encode import TargetEncode, TargetEncodeModel
from aiok_spark.feature.text import ParseNumber
from aiok_spark.feature.time import DateTimeParts
from aiok_spark.feature.time_split import TimeSplit, TimeSplitModel
from aiok_spark.feature.token_frequency import TokenFrequency, TokenFrequencyModel

__all__ = [
    "Bucketize",
    "BucketizeModel",
    "Categorify",
    "CategorifyModel",
    "Clip",
    "CountEncode",
    "CountEncodeModel",
    "CrossColumns",
    "DateTimeParts",
    "DifferenceAndRatio",
    "FillMissing",
    "FillMissingModel",
    "FrequencyBucketizer",
    "FrequencyBucketizerModel",
    "FrequencyEncode",
    "FrequencyEncodeModel",
    "HashBuckets",
    "HashSplit",
    "HaversineDistance",
    "LagFeatures",
    "LeaveLastOut",
    "ListEncode",
    "ListEncodeModel",
    "LogTransform",
    "LookupJoin",
    "LookupJoinModel",
    "NegativeSample",
    "NegativeSampleModel",
    "ParseNumber",
    "Scale",
    "ScaleModel",
    "SequenceBuilder",
    "SequenceNegatives",
    "SequenceNegativesModel",
    "SessionFeatures",
    "TableAggregate",
    "TableAggregateModel",
    "TargetEncode",
    "TargetEncodeModel",
    "TimeSplit",
    "TimeSplitModel",
    "TokenFrequency",
    "TokenFrequencyModel",
]
