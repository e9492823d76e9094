"""Read a saved PipelineModel without Spark."""

from __future__ import annotations

from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from aiok_spark.core import allow
from aiok_spark.core.errors import NothingSavedError, NotLocalError, PersistenceError
from aiok_spark.core.persistence import parse_metadata, restore
from aiok_spark.core.stage import RowLocal

_PIPELINES = ("pyspark.ml.pipeline.PipelineModel", "org.apache.spark.ml.PipelineModel")

_TUNED = "aiok_spark.tuning.tuned_estimator.TunedModel"  # whose best model is what it does


def read_stages(path: str) -> list[RowLocal]:
    """The fitted stages saved at a local path or a URI that pyarrow reads, pipelines unfolded."""
    files, root = fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)
    return _stages(files, root.rstrip("/"))


def _stages(files: fs.FileSystem, path: str) -> list[RowLocal]:
    metadata = metadata_at(files, path)
    if metadata["class"] == _TUNED:
        return _stages(files, f"{path}/bestModel")
    if metadata["class"] not in _PIPELINES:
        return [_stage(files, path, metadata)]
    uids = metadata.get("stageUids") or metadata["paramMap"]["stageUids"]
    width = len(str(len(uids)))
    return [s for i, uid in enumerate(uids) for s in _stages(files, f"{path}/stages/{i:0{width}d}_{uid}")]


def _stage(files: fs.FileSystem, path: str, metadata: dict[str, Any]) -> RowLocal:
    cls = allow.resolve(metadata["class"], path)
    if not issubclass(cls, RowLocal):
        raise NotLocalError(
            f"{cls.__name__}({metadata['uid']}): found a stage that needs Spark at {path}, expected one that works row "
            "by row; leave it out of the pipeline that you serve, or score with Spark"
        )
    return cast(RowLocal, restore(cls, metadata, path, lambda name: table_at(files, f"{path}/data/{name}")))


def metadata_at(files: fs.FileSystem, path: str) -> dict[str, Any]:
    """The metadata of the stage saved at a path."""
    parts = [p for p in _files(files, f"{path}/metadata") if p.rpartition("/")[2].startswith("part-")]
    for part in parts:
        with files.open_input_stream(part) as stream:
            if text := stream.read().decode(errors="replace").strip():
                return parse_metadata(text, path)
    if files.get_file_info(path).type == fs.FileType.NotFound:
        raise NothingSavedError(f"{path}: found nothing, expected a saved PipelineModel or stage; check the path")
    raise PersistenceError(f"{path}: found no metadata, expected a saved PipelineModel or stage; check the path")


def table_at(files: fs.FileSystem, path: str) -> pa.Table:
    """A table of a saved stage."""
    parts = [p for p in _files(files, path) if p.endswith(".parquet")]
    return pa.concat_tables([pq.ParquetFile(files.open_input_file(p)).read() for p in sorted(parts)])


def _files(files: fs.FileSystem, path: str) -> list[str]:
    found = files.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return [f.path for f in found if f.type == fs.FileType.File]
