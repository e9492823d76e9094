"""Ids by vocabulary."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from pyspark import keyword_only
from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, StructField

from aiok_spark.core.errors import ParamError, did_you_mean
from aiok_spark.core.params import at_least, one_of, param, to_name_groups
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, element, find_fields, put_columns, same_shape
from aiok_spark.core.stage import Estimator
from aiok_spark.core.state import State
from aiok_spark.core.steps import Prepared
from aiok_spark.feature.encoding import POLICY, ToIds, value_type
from aiok_spark.feature.vocabulary import FIRST_ID, MOST_VALUES, NULL_ID, OOV_ID, Vocabularies, count_values
from aiok_spark.feature.vocabulary_join import join_ids, with_keys
from aiok_spark.feature.vocabulary_model import VocabularyModel, explain_empty, too_many, types_of
from aiok_spark.kernels import ids


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


class CategorifyModel(_CategorifyParams, VocabularyModel):
    """Fitted ids. 0 is out of vocabulary, 1 is null, the values follow by frequency from 2."""

    def updated(self, dataset: DataFrame) -> CategorifyModel:
        """A model that knows the values of more rows too, behind those that it has, whose ids stay.

        Parameters
        ----------
        dataset : DataFrame
            More rows with the input columns; the rows of the fit need not be among them.

        Returns
        -------
        CategorifyModel
            A new model. New values follow by their frequency in ``dataset``, of equally frequent ones the smallest
            first. Cardinalities grow with them, so networks trained on the old ids need longer tables.

        Raises
        ------
        DataError
            A vocabulary would hold more than ``maxSize`` values; with ``maxSizePolicy="truncate"`` the most frequent
            of the new ones are taken instead.

        Notes
        -----
        Counts add up. ``minFrequency`` holds for what is known: the counts of values that were too rare at an earlier
        fit are not kept, so such a value enters if ``dataset`` alone has it that often. A value never leaves.

        Examples
        --------
        >>> model.updated(yesterday).write().overwrite().save(path)  # doctest: +SKIP
        """
        self.transformSchema(dataset.schema)
        found = self._vocabularies()
        fields = find_fields(self._label, "inputCols", self.getInputCols(), dataset.schema)
        kinds = {f.name: same_shape(f.dataType, found.value_type(found.group_of(f.name))) for f in self._typed(fields)}
        rows = dataset.select(*[column(name).cast(kind).alias(name) for name, kind in kinds.items()])
        with working(f"{self._label}: counting values, columns: {len(kinds)}"):
            counted = count_values(rows, found.groups, 1)
        tables = [self._extended(g, table) for g, table in enumerate(counted)]
        made = self.copy()
        made._state = Vocabularies.state_of(found.groups, found.types, found.lists, tables)
        return made

    def _extended(self, group: int, counted: pa.Table) -> pa.Table:
        """A vocabulary in the order of its ids, with the counts of more rows."""
        found = self._vocabularies()
        table = found.counted(group)
        at = pc.index_in(table["value"], counted["value"].combine_chunks())
        more = pc.fill_null(counted["count"].take(at), 0)
        summed = pa.table({"value": table["value"], "count": pc.add(table["count"], more)})
        is_new = pc.invert(pc.is_in(counted["value"], table["value"].combine_chunks()))
        new = counted.filter(pc.and_(is_new, pc.greater_equal(counted["count"], self.getMinFrequency())))
        free = max(0, self.getMaxSize() - len(table))
        if len(new) > free and self.getMaxSizePolicy() == "error":
            raise too_many(self._label, found.groups[group], len(table) + len(new), self.getMaxSize())
        return pa.concat_tables([summed, new.slice(0, free)]).combine_chunks()

    def _cardinality(self, i: int) -> int:
        found = self._vocabularies()
        return found.sizes[found.group_of(self.getInputCols()[i])] + FIRST_ID

    def _policies(self) -> list[ids.Policy]:
        oov, null = self.getOovPolicy(), self.getNullPolicy()
        make = partial(ids.Policy, {"id": OOV_ID}.get(oov), {"id": NULL_ID}.get(null), oov == "error", null == "error")
        return [make(self._label, name) for name in self.getInputCols()]

    def _prepared(self, inputs: list[StructField]) -> list[Prepared] | None:
        if self.getOovPolicy() == "error":
            return None  # the message shows the value, so the value has to cross
        return super()._prepared(inputs)

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
        with working(f"{self._label}: counting values, columns: {len(self.getInputCols())}", self.getVerbose()):
            counted = count_values(dataset, groups, self.getMinFrequency())
        counted = [self._checked(table, dataset, group) for table, group in zip(counted, groups, strict=True)]
        return Vocabularies.state_of(groups, *types_of(dataset, groups), counted)

    def _checked(self, table: pa.Table, dataset: DataFrame, group: list[str]) -> pa.Table:
        if len(table) == 0:
            explain_empty(self._label, dataset, group)
        if len(table) > self.getMaxSize():
            if self.getMaxSizePolicy() == "error":
                raise too_many(self._label, group, len(table), self.getMaxSize())
            table = table.slice(0, self.getMaxSize())
        return table
