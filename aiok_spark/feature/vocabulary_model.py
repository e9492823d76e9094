"""What the models share that look values up in vocabularies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.types import ArrayType, DataType, LongType, NullType, StructField

from aiok_spark.core.errors import ColumnTypeError, DataError, ParamError, did_you_mean
from aiok_spark.core.schema import element, same_shape
from aiok_spark.core.stage import RowLocalModel
from aiok_spark.core.steps import Prepared
from aiok_spark.feature.encoding import ToIds, prepared_keys, value_type
from aiok_spark.feature.vocabulary import Vocabularies, has_value
from aiok_spark.kernels import ids
from aiok_spark.kernels.program import Kernel, RowKernel


class VocabularyModel(ToIds, RowLocalModel):
    """Base of models that give each value the id that its vocabulary has for it."""

    def _policies(self) -> list[ids.Policy]:
        """What unknown values and nulls become, for each input column."""
        raise NotImplementedError(f"{type(self).__name__} must say what nulls become: _policies")

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


def _keys_of(columns: list[Column], kind: DataType, salt: int) -> list[Column]:
    return [prepared_keys(c, kind, salt) for c in columns]


def types_of(dataset: DataFrame, groups: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """Type of each vocabulary's values, and the columns that hold lists."""
    kinds = {f.name: f.dataType for f in dataset.schema.fields}
    types = [value_type(element(kinds[group[0]])).simpleString() for group in groups]
    return types, [name for group in groups for name in group if isinstance(kinds[name], ArrayType)]


def explain_empty(label: str, dataset: DataFrame, group: list[str]) -> None:
    """Raise DataError if a vocabulary is empty for want of values; it may be as all values are rare."""
    if not has_value(dataset, group):
        found = f"no value in {_names(group)}" if dataset.limit(1).count() else "no rows"
        raise DataError(
            f"{label}: inputCols: found {found}, expected at least one value that is not null; "
            "check the DataFrame, or leave the column out"
        )


def too_many(label: str, group: list[str], found: int, most: int) -> DataError:
    """That a vocabulary would be too large."""
    return DataError(
        f"{label}: maxSize: found {found} values in {_names(group)}, expected at most "
        f"{most}; raise minFrequency or maxSize, or set maxSizePolicy='truncate'"
    )


def _names(group: list[str]) -> str:
    return f"column '{group[0]}'" if len(group) == 1 else f"columns {group}"
