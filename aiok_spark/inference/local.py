"""A saved PipelineModel as a plain Python function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from aiok_spark.core import compat
from aiok_spark.core.errors import DataError, NotLocalError, ParamError, did_you_mean
from aiok_spark.core.stage import RowLocal
from aiok_spark.core.steps import Step
from aiok_spark.inference import formats
from aiok_spark.inference.rows import RowProgram
from aiok_spark.inference.saved import read_stages
from aiok_spark.kernels.program import Instruction, as_columns

_RUNTIMES = ("torch", "onnxruntime")
_COMPILED = 64  # input schemas that a pipeline keeps its instructions for


class LocalPipeline:
    """A fitted pipeline that scores in plain Python: no Spark session, no JVM.

    The same kernels run as on Spark. It may be used by several threads at once.

    A dict has no types: None in a list column is known for a null list if the stage saw the column at
    fit, but ``HashBuckets`` takes it for a null value; give it such rows as Arrow.

    Parameters
    ----------
    stages : sequence of fitted row-local stages
        Usually read by ``load``.
    runtime : {"torch", "onnxruntime"}
        What scores trained networks.  For "onnxruntime" each is converted here and now, which takes seconds, and then
        answers single rows sooner; the stages that were given stay as they are.

    Raises
    ------
    NotLocalError
        If a stage needs Spark.
    ParamError
        If there is no such runtime, or it cannot score one of the networks.
    ImportError
        If there is a network for "onnxruntime", and the extra ``onnx`` is not installed.

    Examples
    --------
    >>> from aiok_spark.inference import LocalPipeline
    >>> scorer = LocalPipeline.load("/models/ctr")  # doctest: +SKIP
    >>> scorer.transform({"age": 31.0, "country": "ch"})  # doctest: +SKIP
    """

    def __init__(self, stages: Sequence[Any], runtime: str = "torch") -> None:
        if runtime not in _RUNTIMES:
            raise ParamError(
                f"LocalPipeline: runtime: found {runtime!r}, expected one of {_RUNTIMES}; "
                f"{did_you_mean(str(runtime), _RUNTIMES)}"
            )
        self.stages: list[RowLocal] = []
        for stage in stages:
            if not isinstance(stage, RowLocal):
                raise NotLocalError(
                    f"{type(stage).__name__}({stage.uid}): found a stage that needs Spark, expected one that works row "
                    "by row; leave it out of the pipeline that you serve, or score with Spark"
                )
            self.stages.append(stage._served(runtime))
        self._compiled: dict[pa.Schema, list[Instruction]] = {}
        self._rows: RowProgram | None = None

    @classmethod
    def load(cls, path: str, runtime: str = "torch") -> LocalPipeline:
        """Read a saved PipelineModel, or a single saved stage.

        Parameters
        ----------
        path : str
            A local path, or a URI that pyarrow reads (hdfs://, s3://, gs://, file://).
        runtime : {"torch", "onnxruntime"}
            What scores trained networks.
        """
        return cls(read_stages(path), runtime)

    def transform(self, data: Any) -> Any:
        """Score rows.

        Parameters
        ----------
        data : dict, pandas.DataFrame, pyarrow.Table or pyarrow.RecordBatch
            A dict of plain values is one row; a dict of lists is many. In pandas, NaN is a missing value.

        Returns
        -------
        same kind as ``data``
            All columns of the input and those that the stages make.
        """
        if isinstance(data, Mapping):
            if formats.is_row(data):
                return self._row_program().run(data)
            table = formats.table_of_lists(data)
            return {**data, **{n: v.to_pylist() for n, v in self._run(table).items()}}
        if isinstance(data, (pa.Table, pa.RecordBatch)):
            return formats.with_columns(data, self._run(data))
        if formats.is_pandas(data):
            return formats.with_series(data, self._run(formats.table_of_pandas(data)))
        raise DataError(
            f"LocalPipeline: found {type(data).__name__}, expected a dict, a pandas DataFrame, a pyarrow Table or "
            "RecordBatch; convert it"
        )

    def _run(self, data: pa.Table | pa.RecordBatch) -> dict[str, pa.Array]:
        """Columns that the stages made."""
        instructions = self._instructions(data.schema)
        columns = dict(as_columns(data))
        for instruction in instructions:
            instruction.run(columns)
        written = {name for instruction in instructions for name in instruction.writes}
        order = [*(n for n in data.schema.names if n in written), *(n for n in columns if n not in data.schema.names)]
        return {name: columns[name] for name in order}

    def _instructions(self, schema: pa.Schema) -> list[Instruction]:
        """All steps, checked against a schema once."""
        plain = schema.remove_metadata()
        made = self._compiled.get(plain)
        if made is None:
            steps: list[Step] = []
            fields = compat.spark_schema(plain)
            for stage in self.stages:
                steps += stage._steps(fields)
                fields = stage.transformSchema(fields)
            if len(self._compiled) >= _COMPILED:
                self._compiled.clear()
            made = self._compiled[plain] = [step.instruction() for step in steps]
        return made

    def _row_program(self) -> RowProgram:
        if self._rows is None:
            self._rows = RowProgram(self.stages)
        return self._rows
