"""Attempts at one training, as small files: Spark starts a barrier stage again without saying so."""

from __future__ import annotations

import json
from typing import Any

from pyarrow import fs

from aiok_spark.core.files import open_system


class Attempts:
    """What this and earlier attempts of a run have noted.

    Parameters
    ----------
    place : str
        Directory that survives an attempt: shared by all workers, or at least each executor's own.
    run : str
        Name of the call of fit.
    rank : int
        This worker's number.
    """

    def __init__(self, place: str, run: str, rank: int) -> None:
        self._system, folder = open_system(place)
        self._folder, self._rank = f"{folder}/aiok_attempts/{run}", rank
        self._about: dict[str, Any] = {}

    def earlier(self) -> list[dict[str, Any]]:
        """Notes of earlier attempts that can be seen from here."""
        files = self._system.get_file_info(fs.FileSelector(self._folder, allow_not_found=True))
        notes = []
        for file in files:
            if file.path.endswith(".json"):
                with self._system.open_input_stream(file.path) as source:
                    notes.append(json.loads(source.read()))
        return notes

    def begin(self, number: int, about: dict[str, Any]) -> None:
        """Note that this attempt has begun, before anything that could end the process."""
        self._system.create_dir(self._folder, recursive=True)
        self._about = {"attempt": number, "rank": self._rank, **about}
        self._write()

    def ended(self, reason: str) -> None:
        """Note why another attempt would end like this one."""
        self._about["reason"] = reason
        self._write()

    def forget(self) -> None:
        """Delete the notes of the run, as it is over."""
        if self._system.get_file_info(self._folder).type == fs.FileType.Directory:
            self._system.delete_dir(self._folder)

    def _write(self) -> None:
        name = f"{self._folder}/{self._about['attempt']}-{self._rank}"
        with self._system.open_output_stream(f"{name}.tmp") as out:
            out.write(json.dumps(self._about).encode())
        self._system.move(f"{name}.tmp", f"{name}.json")
