"""A shard on a local disk, decoded: passes over it are slices of mapped memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from aiok_spark.core.errors import DataError, ParamError
from aiok_spark.core.files import stamps
from aiok_spark.data.arrays import Arrays, ragged
from aiok_spark.data.dataset import Group
from aiok_spark.data.passes import Reading

_ABOUT = "about.json"


class LocalCache:
    """What ``Reading`` gives of some row groups, read once and then taken from files of this machine.

    Each column is an ``.npy`` file. The directory is named after what was read, and renamed to that when
    it is whole, so that processes that read the same share it, and none sees a part.

    Parameters
    ----------
    folder : str
        A local directory for all caches.
    reading : Reading
        What to keep; it must keep its rows and give numbers.
    groups : sequence of Group
        Of the shard.
    """

    keeps_rows = True

    def __init__(self, folder: str, reading: Reading, groups: Sequence[Group]) -> None:
        self.join = reading.join
        self._reading = reading
        self._starts = dict(zip(map(_key, groups), np.cumsum([0, *(g.rows for g in groups)]).tolist(), strict=False))
        self.path = Path(folder, _digest(reading, groups))
        if not (self.path / _ABOUT).exists():
            self._fill(groups)
        names = json.loads((self.path / _ABOUT).read_text())["columns"]
        # Copied when it is written to: the files stay, and torch may have the memory.
        self._columns = {name: np.load(self.path / f"{i}.npy", mmap_mode="c") for i, name in enumerate(names)}

    def arrays(self, groups: Sequence[Group]) -> Iterator[Arrays]:
        """Arrays of each group, in their order."""
        for group in groups:
            start = self._starts[_key(group)]
            yield {name: values[start : start + group.rows] for name, values in self._columns.items()}

    def _fill(self, groups: Sequence[Group]) -> None:
        made = self.path.with_name(f"_{self.path.name}_{uuid.uuid4().hex}")
        try:
            made.mkdir(parents=True)
            columns = self._write(made, groups)
            (made / _ABOUT).write_text(json.dumps({"columns": columns}))
            with suppress(OSError):  # another process was first
                os.rename(made, self.path)
        except OSError as e:
            raise DataError(
                f"{self._reading.change.columns.where}: local_cache: {e}, expected a directory with room for the "
                "shard; free space, or choose another"
            ) from e
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _write(self, folder: Path, groups: Sequence[Group]) -> list[str]:
        total = sum(group.rows for group in groups)
        files: dict[str, np.memmap] = {}
        at = 0
        for arrays in self._reading.arrays(groups):
            if not files:
                for i, (name, values) in enumerate(arrays.items()):
                    if values.dtype == object:
                        raise ParamError(
                            f"{self._reading.change.columns.where}: local_cache: found strings in column '{name}', "
                            "expected numbers; choose other columns, or leave it out"
                        )
                    shape = (total, *values.shape[1:])
                    files[name] = np.lib.format.open_memmap(folder / f"{i}.npy", "w+", values.dtype, shape)
            rows = len(next(iter(arrays.values())))
            for name, values in arrays.items():
                if values.shape[1:] != files[name].shape[1:]:
                    raise ragged(name, self._reading.change.columns.where)
                files[name][at : at + rows] = values
            at += rows
        for file in files.values():
            file.flush()
        return list(files)


def _key(group: Group) -> tuple[str, int, int]:
    return group.file, group.number, group.start


def _digest(reading: Reading, groups: Sequence[Group]) -> str:
    """Of the files' paths, sizes and times of change, and of what is taken of them."""
    dataset = reading.dataset
    urls = [
        url for url, (name, _) in zip(dataset.urls, dataset.files, strict=True) if any(g.file == name for g in groups)
    ]
    parts = [[*_key(group), group.rows] for group in groups]
    told = [stamps(urls, dataset.options), parts, list(reading.change.names)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
