"""Rows with their negatives: the training form of ``NegativeSample``.

The rows of a user are brought together as arrays of structs.  So columns of any type stay in the JVM, and
only 64-bit numbers cross into Python.
"""

from __future__ import annotations

from functools import partial, reduce
from operator import and_, or_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, StructField

from aiok_spark.core.schema import column, find_fields
from aiok_spark.core.stage import RowLocalTransformer
from aiok_spark.feature.encoding import key, plain_type
from aiok_spark.feature.events import hashable
from aiok_spark.feature.sampling import SamplerModel
from aiok_spark.kernels import negatives as kernels
from aiok_spark.kernels.program import Kernel

_AT_ONCE = 8192  # rows of a user that are handled together, a power of 2
_ROWS, _HASHES, _SEEN, _DRAWN = "__aiok_rows", "__aiok_hashes", "__aiok_seen", "__aiok_drawn"
_USER, _KEY, _TIE, _LOOSE, _NUMBER, _SAME = (f"__aiok_{n}" for n in ("user", "key", "tie", "loose", "number", "same"))


class _Draws(RowLocalTransformer):
    """Runs the kernel; never seen by users."""

    def __init__(self, kernel: Kernel, kind: DataType) -> None:
        super().__init__()
        self._draws, self._kind = kernel, kind

    def _inputs(self) -> list[str]:
        return [_HASHES, _SEEN]

    def _outputs(self) -> list[str]:
        return [_DRAWN]

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        return [StructField(_DRAWN, ArrayType(self._kind), True)]

    def _kernel(self) -> Kernel:
        return self._draws


def with_negatives(model: SamplerModel, dataset: DataFrame, known: DataFrame | None) -> DataFrame:
    """The rows with label 1.0, and for each its negatives with label 0.0.

    ``model`` has the Params of ``NegativeSample``; users have seen their items in ``dataset`` and in ``known``.
    """
    number, label = model.getNumNegatives(), model.getLabelCol()
    fields = dataset.schema.fields
    places = {f.name: f"c{i}" for i, f in enumerate(fields)}  # other columns may have equal names
    grouped = _by_user(model, dataset, places)
    if known is not None:
        grouped = _with_known(model, grouped, known)
    grouped = grouped.withColumn(_HASHES, F.transform(column(_ROWS), lambda r: r["hash"]))
    kernel = partial(kernels.negatives_of_groups, items=model._items(), number=number)
    drawn = _Draws(kernel, model._value_type()).transform(grouped.select(_ROWS, _HASHES, _SEEN))
    each = F.transform(
        column(_ROWS),
        lambda r, i: F.struct(r.alias("row"), F.slice(column(_DRAWN), i * number + 1, number).alias("others")),
    )
    rows = drawn.select(F.explode(each).alias("r")).select("r.row", "r.others")
    item = places[model.getItemCol()]
    item_kind = dataset.schema[model.getItemCol()].dataType

    def labelled(value: Column, of: float) -> Column:
        return F.struct(value.cast(item_kind).alias("item"), F.lit(of).alias("label"))

    others = F.transform(F.filter(column("others"), lambda x: x.isNotNull()), lambda x: labelled(x, 0.0))
    positive = F.array(labelled(column("row")[item], 1.0))
    rows = rows.select("row", F.explode(F.concat(positive, others)).alias("made"))
    values = {model.getItemCol(): column("made")["item"], label: column("made")["label"]}
    chosen = [
        values.get(f.name, column("row")[f"c{i}"]).alias(f.name, metadata={} if f.name == label else f.metadata or {})
        for i, f in enumerate(fields)
    ]
    return rows.select(*chosen, *([] if label in places else [values[label].alias(label)]))


def _by_user(model: SamplerModel, dataset: DataFrame, places: dict[str, str]) -> DataFrame:
    """A row for some rows of a user: ``_ROWS`` (structs, the row's hash among them) and ``_SEEN`` (keys of items)."""
    schema = dataset.schema
    tied = [column(places[f.name]) for f in hashable(schema)]
    df = dataset.toDF(*[f"c{i}" for i in range(len(schema.fields))])
    users = [column(places[n]) for n in model.getKeyCols()]
    plain = [column(places[n]).cast(plain_type(schema[n].dataType)) for n in [*model.getKeyCols(), model.getItemCol()]]
    start = [F.lit(model.getSeed()).cast("long"), *plain]
    none = reduce(or_, [c.isNull() for c in users])
    df = df.withColumns(
        {
            _USER: F.xxhash64(*start),
            _TIE: F.xxhash64(*tied),
            _LOOSE: F.when(none, F.xxhash64(*tied)),
            _KEY: F.when(plain[-1].isNotNull(), key(plain[-1], model._vocabulary().salt)),
        }
    )
    by = [*users, column(_LOOSE)]
    numbered = df.withColumns(
        {
            _NUMBER: F.row_number().over(Window.partitionBy(*by).orderBy(_USER, _TIE)),
            _SAME: F.rank().over(Window.partitionBy(*by).orderBy(_USER)),
        }
    )
    n = (column(_NUMBER) - column(_SAME)).cast("long")
    drawn_by = F.when(column(_KEY).isNotNull(), F.xxhash64(*start, n)).alias("hash")
    row = F.struct(drawn_by, *[column(f"c{i}") for i in range(len(schema.fields))])
    part = F.shiftright(column(_NUMBER) - 1, _AT_ONCE.bit_length() - 1).alias("__aiok_part")
    parts = numbered.groupBy(*by, part).agg(
        F.collect_list(row).alias(_ROWS), F.collect_set(column(_KEY)).alias("__aiok_some")
    )
    seen = F.flatten(F.collect_list(column("__aiok_some")).over(Window.partitionBy(*by)))
    named = [column(places[n]).alias(f"__aiok_user_{i}") for i, n in enumerate(model.getKeyCols())]
    return parts.select(_ROWS, seen.alias(_SEEN), *named)


def _with_known(model: SamplerModel, grouped: DataFrame, known: DataFrame) -> DataFrame:
    """Add the items of more positives to what users have seen."""
    item = find_fields(model._label, "itemCol", [model.getItemCol()], known.schema)[0]
    find_fields(model._label, "keyCols", model.getKeyCols(), known.schema)
    value = column(item.name).cast(plain_type(item.dataType))
    found = known.where(value.isNotNull()).groupBy(*map(column, model.getKeyCols()))
    more = found.agg(F.collect_set(key(value, model._vocabulary().salt)).alias("__aiok_more"))
    named = [f"__aiok_known_{i}" for i in range(len(model.getKeyCols()))]
    more = more.toDF(*named, "__aiok_more")
    same = [column(f"__aiok_user_{i}") == column(name) for i, name in enumerate(named)]
    joined = grouped.join(more, reduce(and_, same), "left")
    none = F.array().cast("array<bigint>")
    return joined.withColumn(_SEEN, F.concat(column(_SEEN), F.coalesce(column("__aiok_more"), none)))
