"""``PetastormConverter``: the rows of a fit as files, from which a trainer behind it reads."""

from __future__ import annotations

from typing import Any

from pyspark import keyword_only
from pyspark.sql import DataFrame
from pyspark.sql.types import StructField, StructType

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError
from aiok_spark.core.params import at_least, one_of, param, to_name, to_text
from aiok_spark.core.progress import working
from aiok_spark.core.stage import Estimator, FitTimeModel, RowLocalModel, Stage
from aiok_spark.core.state import State
from aiok_spark.data.conversion import CODECS, ROW_GROUP_BYTES, convert, delete, rows_of
from aiok_spark.data.dataset import Dataset
from aiok_spark.kernels.program import Kernel


class _PetastormConverterParams(Stage):
    cacheDir = param(
        "cacheDir",
        "directory that driver and executors share, for the files; default none, what the session's "
        "petastorm.spark.converter.parentCacheDirUrl says, or aiok_datasets in its warehouse",
        to_name,
        None,
    )
    cacheKey = param(
        "cacheKey",
        "name of the content, under which another fit finds the files instead of writing them again; default '', only "
        "a plain scan of Parquet files is found",
        to_text,
        "",
    )
    dtype = param(
        "dtype",
        "what real numbers and vectors are written as: 'keep' (default), 'float32' or 'float64'",
        one_of("keep", "float32", "float64"),
        "keep",
    )
    compression = param(
        "compression",
        "codec of the files: 'snappy' (default), 'uncompressed', 'gzip' or 'zstd'",
        one_of(*CODECS),
        "snappy",
    )
    rowGroupBytes = param(
        "rowGroupBytes",
        "size of a row group in bytes, from 1024; what a loader reads at once; default 33554432",
        at_least(1024),
        ROW_GROUP_BYTES,
    )

    def _inputs(self) -> list[str]:
        return []

    def _outputs(self) -> list[str]:
        return []

    def _input_fields(self, schema: StructType) -> list[StructField]:
        return []

    def _output_fields(self, inputs: list[StructField]) -> list[StructField]:
        return []


class PetastormConverterModel(FitTimeModel, _PetastormConverterParams, RowLocalModel):
    """A conversion that was done; leaves all rows but those of its fit as they are."""

    @property
    def dataset(self) -> Dataset:
        """The files; DataError if they were deleted."""
        path = self._state.facts["path"]
        found = Dataset.open(path)
        if found is None:
            raise DataError(f"{self._label}: found no dataset in {path}, expected it there; fit again")
        return found

    @property
    def source(self) -> dict[str, Any] | None:
        """Path and version of the Delta table that was converted, if ``DeltaSource`` read it."""
        found: dict[str, Any] | None = self._state.facts.get("delta")
        return found

    def delete(self) -> None:
        """Remove the files; the model goes on to transform."""
        delete(self._state.facts["path"])

    def _kernel(self) -> list[Kernel]:
        return []

    def _transform_training(self, dataset: DataFrame) -> DataFrame:
        return rows_of(compat.session_of(dataset), self.dataset)


class PetastormConverter(_PetastormConverterParams, Estimator):
    """Write the rows of a fit as a Parquet dataset that petastorm and ``TorchLoader`` read.

    In a ``Pipeline``, the stages behind it are fitted on those files, so that what is before it is computed
    once; an estimator with ``feed="files"`` reads them without Spark.  All other rows pass unchanged.

    Parameters
    ----------
    cacheDir, cacheKey : str
        Where, and under which name other fits find it.
    dtype, compression, rowGroupBytes : str, str, int
        How it is written.

    Examples
    --------
    >>> from aiok_spark.data import PetastormConverter
    >>> model = PetastormConverter().fit(df)  # doctest: +SKIP
    >>> model.dataset.rows  # doctest: +SKIP
    """

    _model = PetastormConverterModel

    @keyword_only
    def __init__(
        self,
        *,
        cacheDir: str | None = None,
        cacheKey: str = "",
        dtype: str = "keep",
        compression: str = "snappy",
        rowGroupBytes: int = ROW_GROUP_BYTES,
        verbose: bool = True,
    ) -> None:
        super().__init__()
        self.setParams(**self._input_kwargs)

    def _fit_state(self, dataset: DataFrame) -> State:
        about = {
            "dtype": None if self.getDtype() == "keep" else self.getDtype(),
            "compression": self.getCompression(),
            "rowGroupBytes": self.getRowGroupBytes(),
        }
        with working(f"{self._label}: writing", self.getVerbose()):
            made = convert(dataset, self.getCacheDir(), about, label=self._label, key=self.getCacheKey())
        return State({"path": made.path, "rows": made.rows, "delta": made.about.get("delta")})
