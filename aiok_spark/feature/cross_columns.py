"""Ids of crossed columns, by hashing."""

from __future__ import annotations

from functools import partial, reduce
from operator import and_, or_

from pyspark import keyword_only
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, IntegerType, StructField

from aiok_spark.core.errors import ParamError
from aiok_spark.core.params import param
from aiok_spark.core.schema import nominal_metadata
from aiok_spark.core.stage import RowLocalTransformer
from aiok_spark.feature.encoding import POLICY, null_expression, plain_type
from aiok_spark.feature.hash_buckets import NULL_BUCKET, HasBuckets
from aiok_spark.feature.keys import HasCrosses, key_columns
from aiok_spark.kernels import hashing, ids
from aiok_spark.kernels.program import Kernel, RowKernel


class CrossColumns(HasCrosses, HasBuckets, RowLocalTransformer):
    """Ids of the combinations of columns, by hashing: no fit, any number of columns in a cross.

    ``id = 1 + pmod(xxhash64(salt, xxhash64(salt, first), xxhash64(salt, second), ...), numBuckets)``, so ids lie in
    [0, numBuckets]. A cross of one column has the ids of ``HashBuckets``. The order of the columns matters. The ids
    are the same on and off Spark and will not change.

    Parameters
    ----------
    crosses : list of list of str
        Groups of columns of strings, integers, booleans or dates.
    outputCols : list of str
        Names of the results, int, one for each group.
    numBuckets : int
        Number of buckets of each cross, from 1.
    salt : int
        Another salt gives other collisions.
    nullPolicy : {"id", "null", "error"}
        id: a null is a value of its own, as in (null, 'phone'), and a cross of nothing but nulls is 0. null: a cross
        with a null in any of its columns is null. error: it stops.

    Raises
    ------
    ParamError
        No group, an empty one, or not one output for each.

    Examples
    --------
    >>> CrossColumns(crosses=[["country", "device"]], outputCols=["place"], numBuckets=1000)  # doctest: +SKIP
    """

    nullPolicy = param(
        "nullPolicy",
        'what nulls become: with "id" (default) a null is a value of its own and a cross of nothing but nulls is 0; '
        'with "null" a cross with any null is null; "error" stops',
        POLICY,
        "id",
    )

    @keyword_only
    def __init__(self, *, crosses=[], outputCols=None, numBuckets=1024, salt=0, nullPolicy="id"):  # noqa: B006
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        self._check_keys(inputs)
        self._check_buckets()
        names, groups = self.getOutputCols(), self.getCrosses()
        if not groups or len(names) != len(groups):
            raise ParamError(
                f"{self._label}: outputCols: found {len(names)} names for {len(groups)} crosses, expected one output "
                "for each cross and at least one; make the lists equally long"
            )
        cardinality = self.getNumBuckets() + 1
        return [StructField(name, IntegerType(), True, nominal_metadata(name, cardinality)) for name in names]

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [plain_type(f.dataType) for f in inputs]

    def _policies(self) -> list[ids.Policy]:
        null, refuse = {"id": NULL_BUCKET}.get(self.getNullPolicy()), self.getNullPolicy() == "error"
        return [ids.Policy(None, null, False, refuse, self._label, "' x '".join(group)) for group in self.getCrosses()]

    def _kernel(self) -> Kernel:
        n, seed = self.getNumBuckets(), hashing.seed_of(self.getSalt())
        return partial(ids.hash_crosses, groups=self._positions(), num_buckets=n, seed=seed, policies=self._policies())

    def _row_kernel(self) -> RowKernel:
        n, seed = self.getNumBuckets(), hashing.seed_of(self.getSalt())
        return ids.cross_row(self._positions(), n, seed, self._policies())

    def _expressions(self, columns: list[Column], types: list[DataType]) -> list[Column]:
        groups, salt = self._positions(), self.getSalt()
        made = []
        for key, group, policy in zip(key_columns(columns, groups, salt), groups, self._policies(), strict=True):
            bucket = (F.pmod(key, F.lit(self.getNumBuckets())) + 1).cast("int")
            # Only the policy "id" needs all columns to be null.
            missing = reduce(or_ if policy.null is None else and_, [columns[i].isNull() for i in group])
            made.append(F.when(missing, null_expression(policy)).otherwise(bucket))
        return made
