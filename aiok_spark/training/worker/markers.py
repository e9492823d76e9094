"""Where a training is, told by the names of small files: listing a directory needs no task slot."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from pyarrow import fs

from aiok_spark.core.files import open_system

_EVERY, _EVERY_FAR = 0.5, 5.0  # seconds; the second for file systems that are not local


class Markers:
    """Writes what ``aiok_spark.training.progress`` reads; the first worker's business."""

    def __init__(self, place: str | None) -> None:
        self._place, self._said, self._number = place, 0.0, 0
        if place is not None:
            self._system, self._folder = open_system(place)
            self._system.create_dir(self._folder, recursive=True)
            self._every = _EVERY if isinstance(self._system, fs.LocalFileSystem) else _EVERY_FAR

    def tell(self, about: dict[str, Any]) -> None:
        """Replace the marker, if the last one is old enough."""
        now = time.monotonic()
        if self._place is None or not about or now - self._said < self._every:
            return
        self._said, self._number = now, self._number + 1
        with contextlib.suppress(OSError):  # a training does not end because nobody can see where it is
            self._write(about)

    def _write(self, about: dict[str, Any]) -> None:
        told = ",".join(f"{name}={value:.6g}" for name, value in about.items() if isinstance(value, (int, float)))
        # One that is there twice is harmless, one that is gone would look like the end.
        old = [f.path for f in self._system.get_file_info(fs.FileSelector(self._folder, allow_not_found=True))]
        self._system.open_output_stream(f"{self._folder}/{self._number:06d},{told}").close()
        for path in old:
            self._system.delete_file(path)

    def close(self) -> None:
        """Remove what was told, as the training is over."""
        if self._place is not None:
            with contextlib.suppress(OSError):  # what is left there harms nobody
                self._system.delete_dir(self._folder)
