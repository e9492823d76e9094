"""Ids by hashing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pyspark import keyword_only
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, StructField

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import at_least, param, to_int64
from aiok_spark.core.schema import column
from aiok_spark.core.stage import RowLocalTransformer, Stage
from aiok_spark.feature.encoding import ToIds, each, key, null_expression
from aiok_spark.kernels import hashing, ids
from aiok_spark.kernels.program import Kernel, RowKernel

NULL_BUCKET = 0  # the id of null


class HasBuckets(Stage):
    """Mixin: how values are hashed into buckets."""

    numBuckets = param("numBuckets", "number of buckets, in [1, 2147483646]; default 1024", at_least(1), 1024)
    salt = param("salt", "64-bit signed integer that seeds the hash; default 0", to_int64, 0)

    def _check_buckets(self) -> None:
        if self.getNumBuckets() > 2**31 - 2:
            raise ParamError(
                f"{self._label}: numBuckets: found {self.getNumBuckets()}, expected at most 2147483646 (ids are int); "
                "lower it"
            )


class HashBuckets(ToIds, HasBuckets, RowLocalTransformer):
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

    @keyword_only
    def __init__(self, *, inputCols=None, outputCols=None, numBuckets=1024, salt=0, nullPolicy="id"):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def collisions(self, dataset: DataFrame) -> DataFrame:
        """How many different values share a bucket, which tells whether there are enough of them.

        Parameters
        ----------
        dataset : DataFrame
            Rows with the input columns; read when the report is.

        Returns
        -------
        DataFrame
            A row for each input column that has a value: ``column``, ``values`` (different ones), ``buckets``
            (that hold a value), ``colliding`` (values that share a bucket), ``share`` (of the values that do, in
            [0, 1]) and ``largest`` (most values in one bucket). Nulls have an id of their own and are left out.

        Examples
        --------
        >>> HashBuckets(inputCols=["url"], outputCols=["id"]).collisions(df).show()  # doctest: +SKIP
        """
        self.transformSchema(dataset.schema)
        fields = self._input_fields(dataset.schema)
        cells = [self._cells(f.name, kind) for f, kind in zip(fields, self._kernel_types(fields), strict=True)]
        values = dataset.select(F.explode(F.concat(*cells)).alias("cell")).select("cell.*").where("value IS NOT NULL")
        by_bucket = values.distinct().groupBy("column", "bucket").count()
        colliding = F.sum(F.when(F.col("count") > 1, F.col("count")).otherwise(0))
        return by_bucket.groupBy("column").agg(
            F.sum("count").alias("values"),
            F.count("bucket").alias("buckets"),
            colliding.alias("colliding"),
            (colliding / F.sum("count")).alias("share"),
            F.max("count").alias("largest"),
        )

    def _cells(self, name: str, kind: DataType) -> Column:
        """The values of a column, as an array of their name, text and bucket."""

        def cell(value: Column) -> Column:
            bucket = F.pmod(key(value, self.getSalt()), F.lit(self.getNumBuckets()))
            return F.struct(F.lit(name).alias("column"), value.cast("string").alias("value"), bucket.alias("bucket"))

        values = column(name).cast(kind)
        if not isinstance(kind, ArrayType):
            return F.array(cell(values))
        return F.transform(F.coalesce(values, F.array().cast(kind)), cell)

    def _cardinality(self, i: int) -> int:
        return self.getNumBuckets() + 1

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        self._check_buckets()
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
