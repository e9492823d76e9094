"""Petastorm's description of a dataset's fields: what ``materialize_dataset`` leaves, and what petastorm expects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from aiok_spark.core.errors import ColumnError, DataError, did_you_mean
from aiok_spark.data import plain_pickle
from aiok_spark.data.plain_pickle import Made, Name

KEY = b"dataset-toolkit.unischema.v1"
ROW_GROUPS_KEY = b"dataset-toolkit.num_row_groups_per_file.v1"
CODECS = ("ScalarCodec", "NdarrayCodec", "CompressedNdarrayCodec", "CompressedImageCodec")
_NUMPY = {
    *("bool_", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32"),
    *("float64", "str_", "unicode_", "bytes_", "string_", "datetime64", "object_"),
}
_RENAMED = {"unicode_": "str_", "string_": "bytes_"}  # in numpy 2


@dataclass(frozen=True)
class UnischemaField:
    """One field.

    Attributes
    ----------
    name : str
        Of the column.
    numpy_dtype : type
        Such as ``numpy.float32`` or ``decimal.Decimal``: of the value or of the array's values.
    shape : tuple of int or None
        Of an array, None for a side of any length; empty for a single value.
    codec : str, optional
        How bytes hold it: one of ``CODECS``; None for a value or list that Parquet has a type for.
    nullable : bool
        Whether it may be null.
    """

    name: str
    numpy_dtype: Any
    shape: tuple[int | None, ...] = ()
    codec: str | None = None
    nullable: bool = False

    @property
    def is_encoded(self) -> bool:
        """Whether bytes hold arrays or images."""
        return self.codec not in (None, "ScalarCodec")


@dataclass(frozen=True)
class Unischema:
    """Fields in their order.

    Attributes
    ----------
    name : str
        What the schema is called.
    fields : tuple of UnischemaField
        Of the dataset.
    """

    name: str
    fields: tuple[UnischemaField, ...]

    def __getitem__(self, name: str) -> UnischemaField:
        """The field of a name."""
        return {f.name: f for f in self.fields}[name]

    @classmethod
    def loads(cls, data: bytes, where: str) -> Unischema:
        """Read what petastorm has pickled; nothing of it is run, and only names that are known are taken.

        Parameters
        ----------
        data : bytes
            The value of ``KEY`` in the metadata of ``_common_metadata``.
        where : str
            The dataset, for messages.

        Raises
        ------
        DataError
            If it is anything but fields with petastorm's own codecs.
        """
        try:
            return _schema(plain_pickle.loads(data))
        except ValueError as e:
            raise DataError(
                f"Unischema({where}): found {e}, expected petastorm's fields and codecs alone; other content is not "
                "read, as a pickle may run anything"
            ) from e

    def dumps(self) -> bytes:
        """The pickle that petastorm expects, without petastorm; of fields without codecs, as we write no others."""
        fields = [
            Made(Name("petastorm.unischema", "UnischemaField"), (f.name, _global(f), f.shape, None, f.nullable))
            for f in self.fields
        ]
        named = Made(Name("collections", "OrderedDict"), ())
        named.items = [(f.name, made) for f, made in zip(self.fields, fields, strict=True)]
        schema = Made(Name("petastorm.unischema", "Unischema"), ())
        schema.state = {"_name": self.name, "_fields": named, **dict(named.items)}
        return plain_pickle.dumps(schema)

    @classmethod
    def of(cls, schema: pa.Schema, name: str = "aiok_spark") -> Unischema:
        """Describe columns of numbers, strings, bytes, instants and lists of them."""
        return cls(name, tuple(_field(f) for f in schema))


def selected(schema: Unischema, wanted: Sequence[Any], where: str) -> Unischema:
    """The fields that are asked for, in the order of the schema.

    Parameters
    ----------
    schema : Unischema
        All fields.
    wanted : sequence
        Names, regular expressions that match whole names, or fields.
    where : str
        Who asks, for messages.
    """
    patterns = [item if isinstance(item, str) else item.name for item in wanted]
    names = [f.name for f in schema.fields]
    for pattern in patterns:
        if pattern not in names and not any(re.fullmatch(pattern, name) for name in names):
            raise ColumnError(
                f"{where}: schema_fields: found no column '{pattern}', expected some of {names}; "
                f"{did_you_mean(pattern, names)}"
            )
    fields = (f for f in schema.fields if f.name in patterns or any(re.fullmatch(p, f.name) for p in patterns))
    return Unischema(schema.name, tuple(fields))


def _field(field: pa.Field) -> UnischemaField:
    is_list = pa.types.is_list(field.type)
    kind = _numpy_type(field.type.value_type if is_list else field.type)
    if is_list and kind in (np.str_, np.bytes_, np.datetime64, Decimal):
        kind = np.object_  # petastorm calls the type on the list
    return UnischemaField(field.name, kind, (None,) if is_list else (), None, field.nullable)


def _numpy_type(kind: pa.DataType) -> Any:
    if pa.types.is_decimal(kind):
        return Decimal
    if pa.types.is_string(kind):
        return np.str_
    if pa.types.is_binary(kind):
        return np.bytes_
    if pa.types.is_temporal(kind):
        return np.datetime64
    return np.dtype(kind.to_pandas_dtype()).type


def _schema(made: Any) -> Unischema:
    state = _state(made, "unischema", "Unischema")
    fields = state.get("_fields")
    if not (isinstance(fields, Made) and fields.name == Name("collections", "OrderedDict")):
        raise ValueError(f"fields {fields!r}")
    pairs = [*fields.items, *(fields.args[0] if fields.args else ())]
    return Unischema(_typed(state.get("_name"), str), tuple(_loaded(value) for _, value in pairs))


def _loaded(made: Any) -> UnischemaField:
    if not isinstance(made, Made):
        raise ValueError(f"field {made!r}")
    values: Sequence[Any] = made.args
    if made.name == Name("pyspark.serializers", "_restore"):  # how old versions of Spark pickle a named tuple
        kind, names, values = made.args
        values = [dict(zip(names, values, strict=True)).get(n) for n in _FIELD] if kind == "UnischemaField" else ()
    elif not (made.name.module.endswith("unischema") and made.name.name == "UnischemaField"):
        raise ValueError(f"{made.name} as a field")
    if not 3 <= len(values) <= len(_FIELD):
        raise ValueError(f"a field of {len(values)} values")
    name, kind, shape = values[:3]
    codec = values[3] if len(values) > 3 else None
    nullable = values[4] if len(values) > 4 else False
    sides = tuple(side if side is None else _typed(side, int) for side in _typed(shape or (), tuple))
    return UnischemaField(_typed(name, str), _loaded_type(kind), sides, _loaded_codec(codec), bool(nullable))


_FIELD = ("name", "numpy_dtype", "shape", "codec", "nullable")


def _loaded_type(kind: Any) -> Any:
    if isinstance(kind, Made) and kind.name == Name("numpy", "dtype"):  # numpy.dtype("float32")
        return np.dtype(_typed(kind.args[0], str)).type
    if kind == Name("decimal", "Decimal"):
        return Decimal
    if isinstance(kind, Name) and kind.module == "numpy" and kind.name in _NUMPY:
        return getattr(np, _RENAMED.get(kind.name, kind.name))
    raise ValueError(f"type {kind}")


def _loaded_codec(codec: Any) -> str | None:
    if codec is None:
        return None
    if isinstance(codec, Made) and codec.name.module.endswith("codecs") and codec.name.name in CODECS:
        return codec.name.name
    raise ValueError(f"codec {codec.name if isinstance(codec, Made) else codec!r}")


def _state(made: Any, module: str, name: str) -> dict[str, Any]:
    if not (isinstance(made, Made) and made.name.module.endswith(module) and made.name.name == name):
        raise ValueError(f"{made.name if isinstance(made, Made) else made!r}")
    return _typed(made.state, dict)


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{value!r} where a {kind.__name__} belongs")
    return value


def _global(field: UnischemaField) -> Name:
    if field.numpy_dtype is Decimal:
        return Name("decimal", "Decimal")
    name = np.dtype(field.numpy_dtype).type.__name__
    return Name("numpy", {"bool": "bool_"}.get(name, name))  # numpy 2 has another name for it
