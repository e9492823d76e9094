"""Categorical stages: values to ids."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
from pyspark import keyword_only
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, IntegerType, LongType, StructField

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError, ParamError, did_you_mean
from aiok_spark.core.params import (
    HasInputCols,
    HasOutputCols,
    at_least,
    one_of,
    param,
    to_int,
    to_name_groups,
)
from aiok_spark.core.progress import progress
from aiok_spark.core.schema import (
    column,
    element,
    find_fields,
    nominal_metadata,
    require_categorical,
    same_shape,
)
from aiok_spark.core.stage import Estimator, RowLocalModel, RowLocalTransformer, Stage
from aiok_spark.core.state import State
from aiok_spark.core.steps import Prepared
from aiok_spark.feature import vocabulary
from aiok_spark.kernels import hashing, ids
from aiok_spark.kernels.keyindex import KeyIndex
from aiok_spark.kernels.program import Kernel, RowKernel

NULL_BUCKET = 0  # HashBuckets' id of null
OOV_ID, NULL_ID, FIRST_ID = 0, 1, 2  # Categorify's reserved ids, and where the vocabulary starts
MOST_VALUES = 2**31 - 1 - FIRST_ID  # ids are int

_POLICY = one_of("id", "null", "error")


class _ToIds(Stage, HasInputCols, HasOutputCols):
    """What all stages share that make ids of categories (or lists of ids of lists)."""

    nullPolicy = param(
        "nullPolicy",
        'what a null becomes: "id" (default) a reserved id, "null" a null, or "error" stops',
        _POLICY,
        "id",
    )

    def _cardinality(self, i: int) -> int | None:
        """Number of ids of the i-th column, once known."""
        return None

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        require_categorical(self._label, inputs)
        fields = []
        for i, (name, f) in enumerate(zip(self._paired_outputs(), inputs, strict=True)):
            known = self._cardinality(i)
            metadata = nominal_metadata(name, known) if known is not None else {}
            fields.append(StructField(name, same_shape(f.dataType, IntegerType()), True, metadata))
        return fields

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        """Strings stay, dates become their ISO text, the rest becomes long."""
        return [same_shape(f.dataType, vocabulary.value_type(element(f.dataType))) for f in inputs]


class HashBuckets(RowLocalTransformer, _ToIds):
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
    salt = param("salt", "64-bit integer that seeds the hash; default 0", to_int, 0)

    @keyword_only
    def __init__(self, *, inputCols=None, outputCols=None, numBuckets=1024, salt=0, nullPolicy="id"):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _cardinality(self, i: int) -> int:
        return self.getNumBuckets() + 1

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        if self.getNumBuckets() > 2**31 - 2:
            raise ParamError(
                f"{self._label}: numBuckets: found {self.getNumBuckets()}, expected at most 2147483646, so that ids are int"
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

        def one(value: Column, policy: ids.Policy) -> Column:
            bucket = (F.pmod(vocabulary.key(value, salt), F.lit(buckets)) + 1).cast("int")
            return F.when(value.isNull(), _null_expression(policy)).otherwise(bucket)

        return [
            vocabulary.each(c, t, partial(one, policy=self._policy(i)))
            for i, (c, t) in enumerate(zip(columns, types, strict=True))
        ]


def _null_expression(policy: ids.Policy) -> Column:
    """What a null becomes, in Catalyst."""
    if policy.refuse_null:
        return F.raise_error(F.lit(str(policy.error("nulls", "nullPolicy", "a null")))).cast("int")
    return F.lit(policy.null).cast("int")


class _CategorifyParams(_ToIds):
    minFrequency = param(
        "minFrequency",
        "values seen less often (in rows, counted over the columns that share a vocabulary) share the "
        "out-of-vocabulary id; whole number from 1; default 1",
        at_least(1),
        1,
    )
    maxSize = param(
        "maxSize",
        "how many values a vocabulary may hold, in [1, 2147483645]; default 2147483645",
        at_least(1),
        MOST_VALUES,
    )
    maxSizePolicy = param(
        "maxSizePolicy",
        'what happens above maxSize: "error" (default) stops the fit, "truncate" keeps the most frequent values',
        one_of("error", "truncate"),
        "error",
    )
    oovPolicy = param(
        "oovPolicy",
        'what a value outside the vocabulary becomes: "id" (default) the reserved id 0, "null" a null, or "error" stops',
        _POLICY,
        "id",
    )
    sharedVocabulary = param(
        "sharedVocabulary",
        "groups of input columns, each of which shares one vocabulary; default none, so every column has its own",
        to_name_groups,
        [],
    )
    joinAbove = param(
        "joinAbove",
        "number of values from which Spark joins a column with its vocabulary instead of sending that (16 bytes a value) "
        "to every Python worker; arrays are never joined; whole number from 0; default 10000000",
        at_least(0),
        10_000_000,
    )

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        by_name = {f.name: f for f in inputs}
        for group in self._groups():
            kinds = {vocabulary.value_type(element(by_name[name].dataType)).simpleString() for name in group}
            if len(kinds) > 1:
                raise ParamError(
                    f"{self._label}: sharedVocabulary: found the types {sorted(kinds)} in the group {group}, expected "
                    "one; cast the columns to one type"
                )
        return super()._output_fields(inputs)

    def _groups(self) -> list[list[str]]:
        """The vocabularies, each as the columns it serves: the shared ones, then one for each other column."""
        shared, inputs = self.getSharedVocabulary(), self.getInputCols()
        named = [name for group in shared for name in group]
        for name in named:
            if name not in inputs:
                raise ParamError(
                    f"{self._label}: sharedVocabulary: found '{name}', expected names of inputCols; {did_you_mean(name, inputs)}"
                )
            if named.count(name) > 1:
                raise ParamError(
                    f"{self._label}: sharedVocabulary: found '{name}' {named.count(name)} times, expected each column at "
                    "most once; merge the groups"
                )
        return [list(g) for g in shared if g] + [
            [name] for name in dict.fromkeys(inputs) if name not in named
        ]


class CategorifyModel(RowLocalModel, _CategorifyParams):
    """Fitted ids. 0 is out of vocabulary, 1 is null, the values follow by frequency from 2."""

    def _cardinality(self, i: int) -> int:
        return self._state.facts["sizes"][self._group_of(i)] + FIRST_ID

    def _group_of(self, i: int) -> int:
        name = self.getInputCols()[i]
        return next(g for g, names in enumerate(self._state.facts["groups"]) if name in names)

    def _policy(self, i: int) -> ids.Policy:
        oov, null = self.getOovPolicy(), self.getNullPolicy()
        return ids.Policy(
            {"id": OOV_ID}.get(oov),
            {"id": NULL_ID}.get(null),
            oov == "error",
            null == "error",
            self._label,
            self.getInputCols()[i],
        )

    def _vocabulary(self, group: int) -> pa.Table:
        """Values of a group, in the order of their ids."""

        def make() -> list[pa.Table]:
            table = (
                self._state.tables["vocabulary"]
                .sort_by([("group", "ascending"), ("id", "ascending")])
                .combine_chunks()
            )
            sizes = self._state.facts["sizes"]
            return [table.slice(sum(sizes[:g]), sizes[g]) for g in range(len(sizes))]

        return self._state.derived("vocabularies", make)[group]

    def _index(self, group: int) -> KeyIndex:
        def make() -> KeyIndex:
            table = self._vocabulary(group)
            return KeyIndex.build(table["key"].to_numpy(), table["id"].to_numpy())

        return self._state.derived(f"index {group}", make)

    def _values(self, group: int) -> dict:
        def make() -> dict:
            table = self._vocabulary(group)
            found = (
                table["value"].cast(pa.int64())
                if self._state.facts["types"][group] == "bigint"
                else table["value"]
            )
            return dict(zip(found.to_pylist(), table["id"].to_pylist(), strict=True))

        return self._state.derived(f"values {group}", make)

    def _kernel(self) -> list[Kernel]:
        seed = hashing.seed_of(self._state.facts["salt"])
        return [
            partial(
                ids.lookup_values, index=self._index(self._group_of(i)), seed=seed, policy=self._policy(i)
            )
            for i in range(len(self.getInputCols()))
        ]

    def _row_kernel(self) -> list[RowKernel]:
        return [
            ids.lookup_row(self._values(self._group_of(i)), self._policy(i))
            for i in range(len(self.getInputCols()))
        ]

    def _prepared(self, inputs: list[StructField]) -> list[Prepared] | None:
        if self.getOovPolicy() == "error":
            return None  # the message must show the value, so the value has to cross
        salt = self._state.facts["salt"]
        return [
            Prepared(
                columns=partial(_keys_of, kind=f.dataType, salt=salt),
                types=(same_shape(f.dataType, LongType()),),
                kernel=partial(ids.lookup_keys, index=self._index(self._group_of(i)), policy=self._policy(i)),
            )
            for i, f in enumerate(inputs)
        ]

    def _transform(self, dataset: DataFrame) -> DataFrame:
        fields = find_fields(self._label, "inputCols", self.getInputCols(), dataset.schema)
        large = [
            i
            for i, f in enumerate(fields)
            if self._state.facts["sizes"][self._group_of(i)] > self.getJoinAbove()
            and not isinstance(f.dataType, ArrayType)
        ]
        return self._join(dataset, large) if large else super()._transform(dataset)

    def _join(self, dataset: DataFrame, large: list[int]) -> DataFrame:
        """Ids of the columns ``large`` by joins with their vocabularies, of the others as ever."""
        names = self.transformSchema(dataset.schema).names
        inputs, outputs = self.getInputCols(), self.getOutputCols()
        fields = find_fields(self._label, "inputCols", inputs, dataset.schema)
        made = {f.name: f for f in self._output_fields(fields)}
        salt = self._state.facts["salt"]
        spark = compat.session_of(dataset)
        # Keys of all large columns first, as an output may replace the input of a later one.
        keys = {i: f"__aiok_key_{i}" for i in large}
        kinds = self._kernel_types(fields)
        joined = dataset.withColumns(
            {
                keys[i]: vocabulary.prepared_keys(column(inputs[i]).cast(kinds[i]), kinds[i], salt)
                for i in large
            }
        )
        small = [i for i in range(len(inputs)) if i not in large]
        if small:
            rest = self.copy(
                {self.inputCols: [inputs[i] for i in small], self.outputCols: [outputs[i] for i in small]}
            )
            joined = rest.transform(joined)
        for i in large:
            table = (
                self._vocabulary(self._group_of(i))
                .select(["key", "id"])
                .rename_columns([f"__aiok_at_{i}", f"__aiok_id_{i}"])
            )
            at, found = column(keys[i]), F.col(f"__aiok_id_{i}")
            policy = self._policy(i)
            unknown = F.lit(policy.unknown).cast("int")
            if policy.refuse_unknown:
                message = policy.error(
                    "a value that the fit did not see", "oovPolicy", "a value without an id"
                )
                unknown = F.raise_error(F.lit(str(message))).cast("int")
            joined = (
                joined.join(compat.from_arrow(spark, table), at == F.col(f"__aiok_at_{i}"), "left")
                .withColumn(
                    outputs[i],
                    F.when(at == F.lit(ids.NULL_KEY), _null_expression(policy))
                    .when(found.isNull(), unknown)
                    .otherwise(found),
                )
                .drop(keys[i], f"__aiok_at_{i}", f"__aiok_id_{i}")
            )
        return joined.select(
            *[column(n).alias(n, metadata=made[n].metadata) if n in made else column(n) for n in names]
        )

    def vocabulary(self, inputCol: str | None = None) -> DataFrame:
        """The fitted values, for inspection.

        Parameters
        ----------
        inputCol : str, optional
            Show the vocabulary of this input column; all vocabularies if left out.

        Returns
        -------
        DataFrame
            ``columns`` (array of string: the input columns that share it), ``id`` (int), ``value`` (string)
            and ``count`` (long: rows at fit), by id.
        """
        if inputCol is not None and inputCol not in self.getInputCols():
            raise ParamError(
                f"{self._label}: inputCol: found '{inputCol}', expected one of inputCols; {did_you_mean(inputCol, self.getInputCols())}"
            )
        groups = self._state.facts["groups"]
        chosen = (
            range(len(groups)) if inputCol is None else [self._group_of(self.getInputCols().index(inputCol))]
        )
        parts = []
        for g in chosen:
            table = self._vocabulary(g)
            columns = pa.array([groups[g]], pa.list_(pa.string())).take(
                pa.array(np.zeros(table.num_rows, np.int32))
            )
            parts.append(pa.table({"columns": columns, **{n: table[n] for n in ("id", "value", "count")}}))
        spark = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
        return compat.from_arrow(spark, pa.concat_tables(parts))


class Categorify(Estimator, _CategorifyParams):
    """Ids by vocabulary: the most frequent value first, of equally frequent ones the smallest.

    Id 0 stands for values outside the vocabulary and 1 for null, whatever the policies, so ids never
    shift; the values follow from 2. The output's metadata has the cardinality (number of values + 2).

    Parameters
    ----------
    inputCols, outputCols : list of str
        Columns of strings, integers, booleans or dates, or arrays of them, and the names of the
        results: int, or array of int in the same order.
    minFrequency : int
        Values seen less often are out of vocabulary.
    maxSize : int
        How many values a vocabulary may hold.
    maxSizePolicy : {"error", "truncate"}
        What happens above that.
    oovPolicy, nullPolicy : {"id", "null", "error"}
        What values outside the vocabulary, and nulls, become.
    sharedVocabulary : list of list of str
        Groups of columns with a vocabulary in common.
    joinAbove : int
        Number of values from which Spark uses a join.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: no rows, a column without a value, or more than ``maxSize`` values.

    Notes
    -----
    Each vocabulary is counted by a job of its own that reads only its columns: persist the input if it
    is dear to compute. On Spark a value is looked up by its 64-bit key, which the JVM computes, so
    strings do not cross into Python. The fit makes sure that the vocabulary's keys differ; a value
    outside it is taken for one inside with probability (vocabulary size) / 2^64.

    Examples
    --------
    >>> model = Categorify(inputCols=["country"], outputCols=["country_id"]).fit(df)  # doctest: +SKIP
    >>> model.vocabulary("country").show()  # doctest: +SKIP
    """

    _model = CategorifyModel

    @keyword_only
    def __init__(
        self,
        *,
        inputCols=None,
        outputCols=None,
        minFrequency=1,
        maxSize=MOST_VALUES,
        maxSizePolicy="error",
        oovPolicy="id",
        nullPolicy="id",
        sharedVocabulary=[],  # noqa: B006, only shown: the Param's default is what counts
        joinAbove=10_000_000,
        verbose=True,
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit_state(self, dataset: DataFrame) -> State:
        groups = self._groups()
        kinds = {f.name: element(f.dataType) for f in dataset.schema.fields}
        label = f"{self._label}: counting values"
        counted = [
            self._checked(vocabulary.count_values(dataset, group, self.getMinFrequency()), dataset, group)
            for group in progress(groups, len(groups), label, self.getVerbose())
        ]
        keys, salt = vocabulary.keyed(counted)
        tables = [
            pa.table(
                {
                    "group": np.full(len(table), g, np.int32),
                    "id": np.arange(FIRST_ID, FIRST_ID + len(table), dtype=np.int32),
                    "value": vocabulary.as_text(table["value"]),
                    "count": table["count"],
                    "key": keys[g],
                }
            )
            for g, table in enumerate(counted)
        ]
        return State(
            facts={
                "groups": groups,
                "sizes": [len(t) for t in counted],
                "types": [vocabulary.value_type(kinds[g[0]]).simpleString() for g in groups],
                "salt": salt,
            },
            tables={"vocabulary": pa.concat_tables(tables)},
        )

    def _checked(self, table: pa.Table, dataset: DataFrame, group: list[str]) -> pa.Table:
        if len(table) == 0:
            self._explain_empty(dataset, group)
        if len(table) > self.getMaxSize():
            if self.getMaxSizePolicy() == "error":
                raise DataError(
                    f"{self._label}: maxSize: found {len(table)} values in {_names(group)}, expected at most "
                    f"{self.getMaxSize()}; raise minFrequency or maxSize, or set maxSizePolicy='truncate'"
                )
            table = table.slice(0, self.getMaxSize())
        return table

    def _explain_empty(self, dataset: DataFrame, group: list[str]) -> None:
        """A vocabulary may be empty because all values are rare, but not for want of values."""
        if not vocabulary.values(dataset, group).where("value IS NOT NULL").limit(1).count():
            found = f"no value in {_names(group)}" if dataset.limit(1).count() else "no rows"
            raise DataError(
                f"{self._label}: inputCols: found {found}, expected at least one value that is not null; "
                "check the DataFrame, or leave the column out"
            )


def _keys_of(columns: list[Column], kind: DataType, salt: int) -> list[Column]:
    return [vocabulary.prepared_keys(c, kind, salt) for c in columns]


def _names(group: list[str]) -> str:
    return f"column '{group[0]}'" if len(group) == 1 else f"columns {group}"
