"""Ids by hashing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pyspark import keyword_only
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructField

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import at_least, param, to_int64
from aiok_spark.core.stage import RowLocalTransformer
from aiok_spark.feature.encoding import ToIds, each, key, null_expression
from aiok_spark.kernels import hashing, ids
from aiok_spark.kernels.program import Kernel, RowKernel

NULL_BUCKET = 0  # the id of null


class HashBuckets(ToIds, RowLocalTransformer):
    """Ids by hashing: no fit, no vocabulary, collisions accepted.

    ``id = 1 + pmod(xxhash64(salt, value), numBuckets)``; 0 is reserved for null, so ids lie in
    [0, numBuckets]. The hash is XXH64 of the value's UTF-8 bytes (integers and booleans: of the 64-bit
    integer; dates: of their ISO text), seeded with Spark's hash of the salt, which is SQL's
    ``xxhash64(CAST(salt AS BIGINT), value)``. It is the same on and off Spark and will not change.

    Parameters
    ----------
    inputCols, outputCols : list of str
        Columns of strings, integers, booleans or dates, or arrays of them, and the names of the
        results: int, or array of int in the same order.
    numBuckets : int
        Number of buckets, from 1.
    salt : int
        Another salt gives other collisions.
    nullPolicy : {"id", "null", "error"}
        What a null becomes.

    Examples
    --------
    >>> HashBuckets(inputCols=["url"], outputCols=["url_id"], numBuckets=10000).transform(df)  # doctest: +SKIP
    """

    numBuckets = param("numBuckets", "number of buckets, in [1, 2147483646]; default 1024", at_least(1), 1024)
    salt = param("salt", "64-bit signed integer that seeds the hash; default 0", to_int64, 0)

    @keyword_only
    def __init__(self, *, inputCols=None, outputCols=None, numBuckets=1024, salt=0, nullPolicy="id"):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _cardinality(self, i: int) -> int:
        return self.getNumBuckets() + 1

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        if self.getNumBuckets() > 2**31 - 2:
            raise ParamError(
                f"{self._label}: numBuckets: found {self.getNumBuckets()}, expected at most 2147483646 (ids are int); "
                "lower it"
            )
        return super()._output_fields(inputs)

    def _policy(self, i: int) -> ids.Policy:
        null = {"id": NULL_BUCKET}.get(self.getNullPolicy())
        refuse = self.getNullPolicy() == "error"
        return ids.Policy(None, null, False, refuse, self._label, self.getInputCols()[i])

    def _kernel(self) -> list[Kernel]:
        n, seed = self.getNumBuckets(), hashing.seed_of(self.getSalt())
        policies = map(self._policy, range(len(self.getInputCols())))
        return [partial(ids.hash_buckets, num_buckets=n, seed=seed, policy=p) for p in policies]

    def _row_kernel(self) -> list[RowKernel]:
        n, seed = self.getNumBuckets(), hashing.seed_of(self.getSalt())
        return [ids.hash_row(n, seed, self._policy(i)) for i in range(len(self.getInputCols()))]

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column]:
        buckets, salt = self.getNumBuckets(), self.getSalt()

        def bucket_of(policy: ids.Policy) -> Callable[[Column], Column]:
            def one(value: Column) -> Column:
                bucket = (F.pmod(key(value, salt), F.lit(buckets)) + 1).cast("int")
                return F.when(value.isNull(), null_expression(policy)).otherwise(bucket)

            return one

        return [each(c, t, bucket_of(self._policy(i))) for i, (c, t) in enumerate(zip(columns, types, strict=True))]
