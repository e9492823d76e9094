"""Datasets for TensorFlow: ``tf.data`` with the shapes and types of the columns."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from aiok_spark.core.errors import DataError, needs_extra
from aiok_spark.data.dataset import Dataset
from aiok_spark.data.loader import Loader

if TYPE_CHECKING:
    import tensorflow as tf


class TfDataset:
    """A ``tf.data.Dataset`` of a dataset's batches, for the length of a ``with`` block, as petastorm has it.

    A batch is a dict of tensors by column: ``[rows]`` of numbers, booleans and strings, ``[rows, length]`` of lists,
    ``[rows, *shape]`` of arrays and images. All dimensions but the first are static.

    Parameters
    ----------
    dataset : Dataset
        What to read.
    **options
        Those of ``Loader``.

    Raises
    ------
    ImportError
        If TensorFlow is absent.
    DataError
        If there is no row, whose shapes could be told.

    Examples
    --------
    >>> with converter.make_tf_dataset(batch_size=4096, num_epochs=3) as batches:  # doctest: +SKIP
    ...     model.fit(batches.map(lambda batch: (batch["features"], batch["label"])))
    """

    def __init__(self, dataset: Dataset, **options: Any) -> None:
        with suppress(ImportError):
            import triton  # noqa: F401  # both bring LLVM, and torch would end this process if it came second
        with needs_extra("tensorflow", f"TfDataset({dataset.path})"):
            import tensorflow
        self._tf = tensorflow
        self._loader = Loader(dataset, **options)
        self._signature = self._signature_of(dataset, options)

    def _signature_of(self, dataset: Dataset, options: dict[str, Any]) -> dict[str, tf.TensorSpec]:
        """Shapes and types of the first row's arrays, which all rows share."""
        told = {name: value for name, value in options.items() if name in ("columns", "transform_spec", "filters")}
        first = next(iter(Loader(dataset, batch_size=1, workers_count=1, **told)), None)
        if first is None:
            raise DataError(
                f"TfDataset({dataset.path}): found no row, expected at least one; check filters and dataset"
            )
        return {name: self._tf.TensorSpec([None, *a.shape[1:]], self._dtype(a)) for name, a in first.items()}

    def _dtype(self, values: np.ndarray) -> tf.DType:
        return self._tf.string if values.dtype == object else self._tf.as_dtype(values.dtype)

    def __enter__(self) -> tf.data.Dataset:
        """The batches; each loop over them is the loader's passes from the start."""
        made = self._tf.data.Dataset.from_generator(lambda: iter(self._loader), output_signature=self._signature)
        return made.prefetch(1)

    def __exit__(self, *_: Any) -> None:
        """Nothing is left open."""
