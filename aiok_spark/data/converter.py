"""``make_spark_converter``: a DataFrame as files that torch reads, in petastorm's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from aiok_spark.core.errors import ParamError
from aiok_spark.data.conversion import CODECS, ROW_GROUP_BYTES, convert, delete
from aiok_spark.data.dataset import Dataset
from aiok_spark.data.loader import TorchLoader

if TYPE_CHECKING:
    from aiok_spark.data.tf_dataset import TfDataset
    from aiok_spark.data.torch_dataset import TorchDataset


def make_spark_converter(
    df: DataFrame,
    parquet_row_group_size_bytes: int = ROW_GROUP_BYTES,
    compression_codec: str | None = None,
    dtype: str | None = "float32",
    *,
    parent_cache_dir_url: str | None = None,
    cache_key: str = "",
    storage_options: Mapping[str, Any] | None = None,
) -> SparkDatasetConverter:
    """Write a DataFrame as a Parquet dataset, or find that it is written, and give loaders for it.

    Parameters
    ----------
    df : DataFrame
        Numbers, booleans, strings, and lists or vectors of numbers.
    parquet_row_group_size_bytes : int
        Of the files; what a loader reads at once.
    compression_codec : str, optional
        A codec of Spark's Parquet writer; none by default.
    dtype : {"float32", "float64", None}
        What real numbers and vectors are written as; None for as they are.
    parent_cache_dir_url : str, optional
        Directory that driver and executors share; by default what the setting
        ``petastorm.spark.converter.parentCacheDirUrl`` says, or ``aiok_datasets`` in the warehouse.
    cache_key : str
        A name for the content, under which other sessions find it; a plain Parquet scan needs none.
    storage_options : mapping, optional
        Of the directory's file system, such as an object store's credentials (see ``aiok_spark.core.files``); they go
        to the executors and into a pickled converter, and are written nowhere.

    Examples
    --------
    >>> from aiok_spark.data import make_spark_converter
    >>> converter = make_spark_converter(df)  # doctest: +SKIP
    >>> with converter.make_torch_dataloader(batch_size=4096) as loader:  # doctest: +SKIP
    ...     for batch in loader:
    ...         train(batch["price"], batch["label"])
    """
    about = {
        "dtype": dtype,
        "compression": compression_codec or "uncompressed",
        "rowGroupBytes": parquet_row_group_size_bytes,
    }
    label = "make_spark_converter"
    for name, value, known in (
        ("dtype", dtype, ("float32", "float64", None)),
        ("compression_codec", about["compression"], CODECS),
    ):
        if value not in known:
            raise ParamError(f"{label}: {name}: found {value!r}, expected one of {known}; change it")
    made = convert(
        df,
        parent_cache_dir_url,
        about,
        label=label,
        key=cache_key,
        options=storage_options,
        place_param="parent_cache_dir_url",
    )
    return SparkDatasetConverter(made)


class SparkDatasetConverter:
    """A converted DataFrame; picklable, so that it can be used in a Spark task.

    Attributes
    ----------
    dataset : Dataset
        Its files.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    @property
    def cache_dir_url(self) -> str:
        """The directory."""
        return self.dataset.path

    @property
    def file_urls(self) -> list[str]:
        """The files; ``petastorm.make_batch_reader`` reads them."""
        return self.dataset.urls

    @property
    def dataset_size(self) -> int:
        """Rows."""
        return self.dataset.rows

    def __len__(self) -> int:
        """Rows."""
        return self.dataset.rows

    def make_torch_dataloader(self, **options: Any) -> TorchLoader:
        """Batches of tensors; options are those of ``Loader``."""
        return TorchLoader(self.dataset, **options)

    def make_torch_dataset(self, **options: Any) -> TorchDataset:
        """The same for ``torch.utils.data.DataLoader(..., batch_size=None, num_workers=...)``."""
        from aiok_spark.data.torch_dataset import TorchDataset

        return TorchDataset(self.dataset, **options)

    def make_tf_dataset(self, **options: Any) -> TfDataset:
        """Batches as a ``tf.data.Dataset``, in a ``with`` block; options are those of ``Loader``."""
        from aiok_spark.data.tf_dataset import TfDataset

        return TfDataset(self.dataset, **options)

    def delete(self) -> None:
        """Remove the files."""
        delete(self.dataset.path, self.dataset.options)
