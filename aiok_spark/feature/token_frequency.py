"""Words of texts, by their frequency."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
from pyspark import keyword_only
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DoubleType, IntegerType, LongType, NullType, StringType, StructField

from aiok_spark.core.errors import DataError, ParamError, did_you_mean
from aiok_spark.core.params import HasInputCols, at_least, one_of, param
from aiok_spark.core.progress import working
from aiok_spark.core.schema import column, nominal_metadata, require
from aiok_spark.core.stage import Estimator, RowLocalModel
from aiok_spark.core.state import State
from aiok_spark.core.steps import Prepared, merged
from aiok_spark.feature.encoding import prepared_keys
from aiok_spark.feature.list_encode import MOST_PLACES
from aiok_spark.feature.naming import NamesOutputs
from aiok_spark.feature.vocabulary import Vocabularies, count_values
from aiok_spark.kernels import words as kernels
from aiok_spark.kernels.keyindex import KeyIndex
from aiok_spark.kernels.program import SideBySide
from aiok_spark.kernels.words import CAPITALS, SEPARATORS, SMALL


class _TokenFrequencyParams(NamesOutputs, HasInputCols):
    result = param(
        "result",
        'what to tell of a text: "buckets" (default) the bucket of each word, "top" the buckets with the most of its '
        'words, or "counts" how often it has each of the most used words',
        one_of("buckets", "top", "counts"),
        "buckets",
    )
    numBuckets = param(
        "numBuckets",
        "number of buckets into which the words are put by frequency; whole number from 1; default 100",
        at_least(1),
        100,
    )
    numTop = param(
        "numTop",
        'how many buckets of a text result "top" tells, each in a column of its own; whole number from 1; default 2',
        at_least(1),
        2,
    )
    maxSize = param(
        "maxSize",
        "how many words, the most used first, are in the vocabulary; whole number from 1, for result "
        f'"counts" at most {MOST_PLACES}; default 10000',
        at_least(1),
        10_000,
    )
    minFrequency = param(
        "minFrequency",
        "words that all texts together have less often are left out; whole number from 1; default 1",
        at_least(1),
        1,
    )
    outputType = param(
        "outputType",
        'type of the counts: "vector" (default), Spark\'s dense vector, or "array" of double',
        one_of("vector", "array"),
        "vector",
    )

    def _width(self, i: int) -> int | None:
        """Number of words that are counted in the i-th column, once known."""
        return None

    def _default_outputs(self) -> list[str]:
        result = self.getResult()
        endings = [f"top_{i + 1}" for i in range(self.getNumTop())] if result == "top" else [result]
        return [f"{name}_{ending}" for name in self.getInputCols() for ending in endings]

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        if not inputs:
            raise ParamError(f"{self._label}: inputCols: found no names, expected at least one; set inputCols=['text']")
        if self.getResult() == "counts" and self.getMaxSize() > MOST_PLACES:
            raise ParamError(
                f"{self._label}: maxSize: found {self.getMaxSize()}, expected at most {MOST_PLACES} for counts, as "
                "each row has a number for each; lower it"
            )
        require(
            self._label,
            "inputCols",
            inputs,
            lambda t: isinstance(t, (StringType, NullType)),
            "string",
            "join the words of an array with array_join, or use ListEncode",
        )
        names, each = self._outputs(), len(self._outputs()) // len(inputs)
        return [self._output_field(name, i // each) for i, name in enumerate(names)]

    def _output_field(self, name: str, i: int) -> StructField:
        if self.getResult() == "counts":
            width = self._width(i)
            kind = VectorUDT() if self.getOutputType() == "vector" else ArrayType(DoubleType())
            return StructField(name, kind, True, {"ml_attr": {"num_attrs": width}} if width else {})
        kind = ArrayType(IntegerType()) if self.getResult() == "buckets" else IntegerType()
        return StructField(name, kind, True, nominal_metadata(name, self.getNumBuckets() + 1))


class TokenFrequencyModel(_TokenFrequencyParams, RowLocalModel):
    """Fitted words, most used first."""

    def words(self, inputCol: str) -> list[str]:
        """The vocabulary of an input column, the most used word first."""
        if inputCol not in self.getInputCols():
            raise ParamError(
                f"{self._label}: inputCol: found '{inputCol}', expected one of inputCols; "
                + did_you_mean(inputCol, self.getInputCols())
            )
        return self._table(inputCol)["value"].to_pylist()

    def _vocabularies(self) -> Vocabularies:
        return Vocabularies(self._state)

    def _table(self, name: str) -> pa.Table:
        found = self._vocabularies()
        return found.table(found.group_of(name))

    def _width(self, i: int) -> int:
        return len(self._table(self.getInputCols()[i]))

    def _results(self) -> list[kernels.Result]:
        widths = {"buckets": lambda i: 1, "top": lambda i: self.getNumTop(), "counts": self._width}
        width = widths[self.getResult()]
        return [kernels.Result(self.getResult(), width(i)) for i in range(len(self.getInputCols()))]

    def _ids(self, name: str) -> np.ndarray:
        """Place or bucket of each word."""
        table = self._table(name)
        if self.getResult() == "counts":
            return np.arange(len(table), dtype=np.int32)
        return kernels.buckets(table["count"].to_numpy(), self.getNumBuckets())

    def _indexes(self) -> list[KeyIndex]:
        def make(name: str) -> KeyIndex:
            return KeyIndex.build(self._table(name)["key"].to_numpy(), self._ids(name))

        how = f"{self.getResult()} {self.getNumBuckets()}"
        return [self._state.derived(f"{how} {name}", partial(make, name)) for name in self.getInputCols()]

    def _kernel_types(self, inputs: list[StructField]) -> list[DataType]:
        return [StringType()] * len(inputs)

    def _kernel(self) -> SideBySide:
        seed, pairs = self._vocabularies().seed, zip(self._indexes(), self._results(), strict=True)
        return SideBySide(
            tuple(partial(kernels.word_values, index=index, seed=seed, result=result) for index, result in pairs)
        )

    def _row_kernel(self) -> SideBySide:
        ids = [dict(zip(self.words(name), self._ids(name).tolist(), strict=True)) for name in self.getInputCols()]
        return SideBySide(tuple(map(kernels.word_row, ids, self._results())))

    def _prepared(self, inputs: list[StructField]) -> list[Prepared]:
        salt = self._vocabularies().salt
        return [
            merged(
                [
                    Prepared(
                        columns=partial(_keys_of, salt=salt),
                        types=(ArrayType(LongType()),),
                        kernel=partial(kernels.word_keys, index=index, result=result),
                    )
                    for index, result in zip(self._indexes(), self._results(), strict=True)
                ]
            )
        ]


class TokenFrequency(Estimator, _TokenFrequencyParams):
    """Words of texts as numbers that tell how common they are.

    Parameters
    ----------
    inputCols : list of str
        Columns of strings.
    outputCols : list of str, optional
        Names of the results. Left out, they are ``<input>_buckets``, ``<input>_top_1`` to ``<input>_top_<numTop>``, or
        ``<input>_counts``.
    result : {"buckets", "top", "counts"}
        buckets: array of int, the bucket of each word, in the order of the text. top: ``numTop`` columns of int, the
        buckets with the most of the text's words, of equals the one with the more common words; 0 where there are
        fewer. counts: vector, how often the text has each word of the vocabulary (``maxSize`` at most).
    numBuckets, numTop : int
        See ``result``.
    maxSize, minFrequency : int
        Which words are in the vocabulary of a column: the most used, of equals the smallest.
    outputType : {"vector", "array"}
        Type of the counts.
    verbose : bool
        Show progress.

    Raises
    ------
    DataError
        At fit: a column whose texts have no word ``minFrequency`` times.

    Notes
    -----
    Words are written in small letters, and separated by blanks and by all signs of ASCII but ``_``, of Latin-1, of the
    Unicode blocks U+2000 to U+2BFF and of CJK punctuation. Letters of any script, digits and emojis are parts of words.
    The tables of letters and signs are this package's own, so Java and Python cannot disagree.

    A word's bucket is ``1 + numBuckets * (occurrences of more common words) // (occurrences of all words)``, so all
    buckets are about equally often in the texts: the most common words have one of their own, rare words share the
    last ones. Words outside the vocabulary are in bucket 0, and are not counted. A null text gives null, or zeros if
    words are counted.

    On Spark words are looked up by 64-bit keys, as ``Categorify`` does. For sparse counts on Spark alone, see Spark's
    RegexTokenizer and CountVectorizer.

    Examples
    --------
    >>> TokenFrequency(inputCols=["tweet"], result="top", numBuckets=100).fit(df)  # doctest: +SKIP
    """

    _model = TokenFrequencyModel

    @keyword_only
    def __init__(
        self,
        *,
        inputCols=None,
        outputCols=None,
        result="buckets",
        numBuckets=100,
        numTop=2,
        maxSize=10_000,
        minFrequency=1,
        outputType="vector",
        verbose=True,
    ):
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit_state(self, dataset: DataFrame) -> State:
        names = list(dict.fromkeys(self.getInputCols()))
        groups = [[name] for name in names]
        split = dataset.select(*[_words(column(name).cast("string")).alias(name) for name in names])
        with working(f"{self._label}: counting words, columns: {len(names)}", self.getVerbose()):
            counted = count_values(split, groups, self.getMinFrequency())
        for table, name in zip(counted, names, strict=True):
            if len(table) == 0:
                raise DataError(
                    f"{self._label}: inputCols, minFrequency: found no word that is {self.getMinFrequency()} times in "
                    f"column '{name}', expected at least one; lower minFrequency, or leave the column out"
                )
        counted = [table.slice(0, self.getMaxSize()) for table in counted]
        return Vocabularies.state_of(groups, ["string"] * len(names), [], counted)


def _words(text: Column) -> Column:
    """``kernels.words.words`` in Catalyst."""
    return F.filter(F.split(F.translate(text, CAPITALS, SMALL), SEPARATORS), lambda word: word != "")


def _keys_of(columns: list[Column], salt: int) -> list[Column]:
    return [prepared_keys(_words(text), ArrayType(StringType()), salt) for text in columns]
