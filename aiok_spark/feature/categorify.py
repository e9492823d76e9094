"""Ids by vocabulary."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
from pyspark import keyword_only
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.types import ArrayType, DataType, LongType, NullType, StructField

from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError, did_you_mean
from aiok_spark.core.params import at_least, one_of, param, to_name_groups
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, element, find_fields, put_columns, same_shape
from aiok_spark.core.stage import Estimator, RowLocalModel
from aiok_spark.core.state import State
from aiok_spark.core.steps import Prepared
from aiok_spark.feature.encoding import POLICY, ToIds, prepared_keys, value_type
from aiok_spark.feature.vocabulary import FIRST_ID, MOST_VALUES, NULL_ID, OOV_ID, Vocabularies, count_values, has_value
from aiok_spark.feature.vocabulary_join import join_ids, with_keys
from aiok_spark.kernels import ids
from aiok_spark.kernels.program import Kernel, RowKernel


class _CategorifyParams(ToIds):
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
        'what a value outside the vocabulary becomes: "id" (default) the reserved id 0, "null" a null; "error" stops',
        POLICY,
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
        "number of values above which Spark joins a column with its vocabulary instead of sending that (about 30 bytes "
        "a value) to every Python worker; arrays are never joined; whole number from 0; default 10000000",
        at_least(0),
        10_000_000,
    )

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        by_name = {f.name: f for f in inputs}
        for group in self._groups():
            kinds = {value_type(element(by_name[name].dataType)).simpleString() for name in group}
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
                    f"{self._label}: sharedVocabulary: found '{name}', expected names of inputCols; "
                    + did_you_mean(name, inputs)
                )
            if named.count(name) > 1:
                raise ParamError(
                    f"{self._label}: sharedVocabulary: found '{name}' {named.count(name)} times, expected each column "
                    "at most once; merge the groups"
                )
        return [list(g) for g in shared if g] + [[name] for name in dict.fromkeys(inputs) if name not in named]


class CategorifyModel(_CategorifyParams, RowLocalModel):
    """Fitted ids. 0 is out of vocabulary, 1 is null, the values follow by frequency from 2."""

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
            and ``count`` (long: rows at fit).
        """
        found = self._vocabularies()
        if inputCol is not None and inputCol not in self.getInputCols():
            raise ParamError(
                f"{self._label}: inputCol: found '{inputCol}', expected one of inputCols; "
                + did_you_mean(inputCol, self.getInputCols())
            )
        groups = range(len(found.groups)) if inputCol is None else [found.group_of(inputCol)]
        return found.show(SparkSession.getActiveSession() or SparkSession.builder.getOrCreate(), groups)

    def _vocabularies(self) -> Vocabularies:
        return Vocabularies(self._state)

    def _cardinality(self, i: int) -> int:
        found = self._vocabularies()
        return found.sizes[found.group_of(self.getInputCols()[i])] + FIRST_ID

    def _policies(self) -> list[ids.Policy]:
        oov, null = self.getOovPolicy(), self.getNullPolicy()
        make = partial(ids.Policy, {"id": OOV_ID}.get(oov), {"id": NULL_ID}.get(null), oov == "error", null == "error")
        return [make(self._label, name) for name in self.getInputCols()]

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        vocabularies, inputs = self._vocabularies(), self._typed(inputs)
        for f in inputs:
            fitted = vocabularies.types[vocabularies.group_of(f.name)]
            found = value_type(element(f.dataType)).simpleString()
            if found != fitted and not isinstance(element(f.dataType), NullType):
                raise ColumnTypeError(
                    f"{self._label}: inputCols: found '{f.name}' to hold {found} values, expected {fitted} as at fit; "
                    "cast the column"
                )
        return super()._output_fields(inputs)

    def _typed(self, inputs: list[StructField]) -> list[StructField]:
        """The inputs, with columns of nothing but null typed as they were at fit: as lists or not."""
        lists = self._vocabularies().lists
        return [
            StructField(f.name, ArrayType(f.dataType)) if isinstance(f.dataType, NullType) and f.name in lists else f
            for f in inputs
        ]

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return super()._kernel_types(self._typed(inputs))

    def _kernel(self) -> list[Kernel]:
        found = self._vocabularies()
        return [
            partial(ids.lookup_values, index=found.index(found.group_of(p.column)), seed=found.seed, policy=p)
            for p in self._policies()
        ]

    def _row_kernel(self) -> list[RowKernel]:
        found = self._vocabularies()
        return [
            ids.lookup_row(found.ids(g), found.python_type(g), p, p.column in found.lists)
            for p, g in ((p, found.group_of(p.column)) for p in self._policies())
        ]

    def _prepared(self, inputs: list[StructField]) -> list[Prepared] | None:
        if self.getOovPolicy() == "error":
            return None  # the message shows the value, so the value has to cross
        found = self._vocabularies()
        return [
            Prepared(
                columns=partial(_keys_of, kind=f.dataType, salt=found.salt),
                types=(same_shape(f.dataType, LongType()),),
                kernel=partial(
                    ids.lookup_keys, index=found.index(found.group_of(f.name)), null_key=found.null_key, policy=policy
                ),
            )
            for f, policy in zip(self._typed(inputs), self._policies(), strict=True)
        ]

    def _transform(self, dataset: DataFrame) -> DataFrame:
        names = self.transformSchema(dataset.schema).names
        fields = find_fields(self._label, "inputCols", self.getInputCols(), dataset.schema)
        found = self._vocabularies()
        large = [
            not isinstance(f.dataType, ArrayType) and found.sizes[found.group_of(f.name)] > self.getJoinAbove()
            for f in fields
        ]
        if not any(large):
            return super()._transform(dataset)
        kinds = self._kernel_types(fields)
        large_kinds = {f.name: k for f, k, big in zip(fields, kinds, large, strict=True) if big}
        joined = with_keys(dataset, large_kinds, found.salt)
        if not all(large):
            small = [i for i, big in enumerate(large) if not big]
            columns = {p: [self.getOrDefault(p)[i] for i in small] for p in (self.inputCols, self.outputCols)}
            pick = {**columns, self.sharedVocabulary: []}  # the fitted groups are in the state
            joined = self.copy(pick).transform(joined)
        outputs = {f.name: f for f in self._output_fields(fields)}
        rows = zip(fields, self.getOutputCols(), self._policies(), large, strict=True)
        for f, output, policy in [(f, o, p) for f, o, p, big in rows if big]:
            joined = join_ids(joined, f.name, outputs[output], found, policy)
        return put_columns(joined, [(f, column(name)) for name, f in outputs.items()], names)


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
    All vocabularies are counted in one pass over the rows. On Spark a value is looked up by its 64-bit
    key, which the JVM computes, so strings do not cross into Python. The fit makes sure that the
    vocabulary's keys differ; a value outside it is taken for one inside with probability
    (vocabulary size) / 2^64.

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
        kinds = {f.name: f.dataType for f in dataset.schema.fields if f.name in self.getInputCols()}
        with working(f"{self._label}: counting values, columns: {len(kinds)}", self.getVerbose()):
            counted = count_values(dataset, groups, self.getMinFrequency())
        counted = [self._checked(table, dataset, group) for table, group in zip(counted, groups, strict=True)]
        types = [value_type(element(kinds[g[0]])).simpleString() for g in groups]
        lists = [name for name in self.getInputCols() if isinstance(kinds[name], ArrayType)]
        return Vocabularies.state_of(groups, types, lists, counted)

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
        if not has_value(dataset, group):
            found = f"no value in {_names(group)}" if dataset.limit(1).count() else "no rows"
            raise DataError(
                f"{self._label}: inputCols: found {found}, expected at least one value that is not null; "
                "check the DataFrame, or leave the column out"
            )


def _keys_of(columns: list[Column], kind: DataType, salt: int) -> list[Column]:
    return [prepared_keys(c, kind, salt) for c in columns]


def _names(group: list[str]) -> str:
    return f"column '{group[0]}'" if len(group) == 1 else f"columns {group}"
