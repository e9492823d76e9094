"""The directory that a run leaves: figures, model, rejected rows, report; and its working files until it is done."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession

from aiok_spark.core import compat
from aiok_spark.core.errors import ConfError, first_line
from aiok_spark.core.files import open_system

_FACTS, _MODEL, _REJECTS, _REPORT, _WORK = "run.json", "model", "rejects", "report.html", "_work"


@dataclass(frozen=True)
class RunFolder:
    """A run's directory; ``run.json`` is written last, so a run that has it is whole."""

    path: str

    @classmethod
    def open(cls, spark: SparkSession, path: str, overwrite: bool) -> RunFolder:
        """The directory of a new run, or of one that did not end; ConfError if it cannot be written."""
        try:
            made = cls(compat.qualified(spark, path).rstrip("/"))
            system, root = open_system(made.path)
            system.create_dir(f"{root}/{_WORK}/try", recursive=True)
            system.delete_dir(f"{root}/{_WORK}/try")
        except Exception as e:  # of Spark, of the file system or of its library
            raise ConfError(
                f"output {path}: found that it cannot be written ({first_line(e)}), expected a directory of yours; "
                "choose another"
            ) from e
        if made._is_there(_FACTS):
            if not overwrite:
                raise ConfError(
                    f"output {path}: found a run that is done, expected none; choose another, or say --overwrite"
                )
            system.delete_file(f"{root}/{_FACTS}")
        return made

    @property
    def model(self) -> str:
        """Where the fitted pipeline is."""
        return f"{self.path}/{_MODEL}"

    @property
    def report(self) -> str:
        """Where the report is."""
        return f"{self.path}/{_REPORT}"

    def work(self, identity: str) -> str:
        """Directory for working files of a run of this identity; those of others are removed."""
        system, root = open_system(self.path)
        for info in system.get_file_info(fs.FileSelector(f"{root}/{_WORK}", allow_not_found=True)):
            if info.base_name != identity and info.type == fs.FileType.Directory:
                system.delete_dir(info.path)
        system.create_dir(f"{root}/{_WORK}/{identity}", recursive=True)
        return f"{self.path}/{_WORK}/{identity}"

    def reject(self, bad: DataFrame | None) -> None:
        """Write the rows that could not be read, if there are any; remove those of an earlier start."""
        system, root = open_system(self.path)
        if bad is not None:
            bad.write.mode("overwrite").parquet(f"{self.path}/{_REJECTS}")
        elif self._is_there(_REJECTS):
            system.delete_dir(f"{root}/{_REJECTS}")

    def finish(self, facts: dict[str, Any]) -> None:
        """Write the figures, which makes the run whole, and remove the working files."""
        system, root = open_system(self.path)
        with system.open_output_stream(f"{root}/{_FACTS}.part") as out:
            out.write(json.dumps(facts, indent=1, default=str).encode())
        system.move(f"{root}/{_FACTS}.part", f"{root}/{_FACTS}")
        system.delete_dir(f"{root}/{_WORK}")

    def facts(self) -> dict[str, Any]:
        """The figures; ConfError if this is not a run that is done."""
        if not self._is_there(_FACTS):
            raise ConfError(
                f"{self.path}: found no {_FACTS}, expected the output of a run that is done; check the path"
            )
        system, root = open_system(self.path)
        with system.open_input_stream(f"{root}/{_FACTS}") as source:
            return dict(json.loads(source.read()))

    def write_report(self, text: str) -> None:
        """Write the report."""
        system, root = open_system(self.path)
        with system.open_output_stream(f"{root}/{_REPORT}") as out:
            out.write(text.encode())

    def _is_there(self, name: str) -> bool:
        system, root = open_system(self.path)
        return bool(system.get_file_info(f"{root}/{name}").type != fs.FileType.NotFound)
